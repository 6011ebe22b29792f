"""The section OpenPositions: one summary per position, and its lots."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import chain

from ibkr_pipeline.simulator.flex.columns import OPEN_POSITION
from ibkr_pipeline.simulator.flex.texts import number
from ibkr_pipeline.simulator.flex.trade_rows import trade_rows
from ibkr_pipeline.simulator.flex.view import AccountView, Row, row
from ibkr_pipeline.simulator.records import ZERO
from ibkr_pipeline.simulator.valuation import PositionValue

_HUNDREDTH = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Lot:
    """Units opened by one trade; an opening position of the scenario has no trade."""

    quantity: Decimal
    opened: datetime | None
    order_id: int
    transaction_id: int


def rows(view: AccountView) -> Iterator[Row]:
    """Yield every position at the end of the window, valued at its closing marks."""
    close = view.last_close
    value = close.value
    worth = value.net_liquidation
    lots = _lots(view) if view.wants("OpenPositions", "LOT") else {}
    for position in value.positions:
        values = _values(view, position, close.rates)
        if view.wants("OpenPositions", "SUMMARY"):
            in_base = position.market_value * close.rates[position.instrument.currency]
            share = (in_base * 100 / worth).quantize(_HUNDREDTH) if worth else None
            summary = {"percentOfNAV": number(share), "levelOfDetail": "SUMMARY"}
            yield row("OpenPosition", OPEN_POSITION, {**values, **summary})
        for lot in _fitted(lots, position) if view.wants("OpenPositions", "LOT") else ():
            yield row("OpenPosition", OPEN_POSITION, {**values, **_lot_values(view, lot, position)})


def _values(
    view: AccountView, position: PositionValue, rates: Mapping[str, Decimal]
) -> dict[str, str]:
    instrument = position.instrument
    price = position.average_cost / instrument.multiplier
    return {
        **view.head(instrument, rates),
        "reportDate": view.style.day(view.last_close.session),
        "position": number(position.quantity),
        "markPrice": number(position.mark),
        "positionValue": number(position.market_value),
        "openPrice": number(price),
        "costBasisPrice": number(price),
        "costBasisMoney": number(position.market_value - position.unrealized),
        "fifoPnlUnrealized": number(position.unrealized),
        "side": "Long" if position.quantity > 0 else "Short",
    }


def _lot_values(view: AccountView, lot: Lot, position: PositionValue) -> dict[str, str]:
    share = lot.quantity / position.quantity
    opened = view.style.moment(lot.opened) if lot.opened is not None else ""
    cost = position.market_value - position.unrealized
    return {
        "position": number(lot.quantity),
        "positionValue": number(position.market_value * share),
        "costBasisMoney": number(cost * share),
        "fifoPnlUnrealized": number(position.unrealized * share),
        "percentOfNAV": "",
        "levelOfDetail": "LOT",
        "openDateTime": opened,
        "holdingPeriodDateTime": opened,
        "code": "ST",
        "originatingOrderID": str(lot.order_id or ""),
        "originatingTransactionID": str(lot.transaction_id or ""),
    }


def _lots(view: AccountView) -> dict[int, list[Lot]]:
    """Return the open lots by contract, first in, first out; they share the average cost."""
    lots: dict[int, list[Lot]] = {}
    if view.past:
        opening = view.past[0].accounts[view.account].start
        for con_id, held in opening.holdings.items():
            lots[con_id] = [Lot(held.quantity, None, 0, 0)]
    earlier = [d for d in view.past if d.session < view.from_date]
    before = (trade for day in earlier for trade in trade_rows(day, view.account))
    for trade in chain(before, (trade for _, trade in view.trades)):
        queue = lots.setdefault(trade.instrument.con_id, [])
        lot = Lot(trade.quantity, trade.at, trade.order_id, trade.transaction_id)
        if trade.transaction_type == "TradeCancel":
            gone = trade.orig_transaction_id
            lots[trade.instrument.con_id] = [q for q in queue if q.transaction_id != gone]
        else:
            _take(queue, lot)
    return lots


def _take(queue: list[Lot], lot: Lot) -> None:
    left = lot.quantity
    while left and queue and queue[0].quantity * left < 0:
        first = queue[0]
        if abs(first.quantity) > abs(left):
            queue[0] = Lot(
                first.quantity + left, first.opened, first.order_id, first.transaction_id
            )
            return
        left += first.quantity
        queue.pop(0)
    if left:
        queue.append(Lot(left, lot.opened, lot.order_id, lot.transaction_id))


def _fitted(lots: dict[int, list[Lot]], position: PositionValue) -> list[Lot]:
    """Return the lots when they add up to the position, else the position as one lot.

    Corporate actions, transfers and corrected closings change quantities without a trade.
    """
    queue = lots.get(position.instrument.con_id, [])
    if sum((lot.quantity for lot in queue), ZERO) == position.quantity:
        return queue
    return [Lot(position.quantity, None, 0, 0)]
