"""The section Trades: executions, and the summaries of orders, symbols and asset classes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import groupby

from ibkr_pipeline.simulator.flex.columns import TRADE
from ibkr_pipeline.simulator.flex.texts import number, symbol_of
from ibkr_pipeline.simulator.flex.trade_rows import TradeRow
from ibkr_pipeline.simulator.flex.view import AccountView, Row, row
from ibkr_pipeline.simulator.history import Day
from ibkr_pipeline.simulator.posting import total
from ibkr_pipeline.simulator.sessions import next_session

_SUMMED = ("quantity", "tradeMoney", "proceeds", "ibCommission", "netCash", "cost")


def rows(view: AccountView) -> Iterator[Row]:
    """Yield the rows of the levels the query selects, siblings interleaved by asset and symbol."""
    found = sorted(view.trades, key=lambda pair: _asset_key(pair[1]) + _symbol_key(pair[1]))
    for _, of_asset in groupby(found, key=lambda pair: _asset_key(pair[1])):
        asset = list(of_asset)
        if view.wants("Trades", "ASSET_SUMMARY"):
            yield _summary(view, "AssetSummary", "ASSET_SUMMARY", asset)
        for _, of_symbol in groupby(asset, key=lambda pair: _symbol_key(pair[1])):
            yield from _symbol_rows(view, list(of_symbol))


def execution_values(view: AccountView, day: Day, trade: TradeRow) -> dict[str, str]:
    """Return the columns of one execution."""
    order = trade.order
    style = view.style
    return {
        **view.head(trade.instrument, day.rates),
        "tradeID": str(trade.trade_id or ""),
        "reportDate": style.day(trade.session),
        "dateTime": style.moment(trade.at),
        "tradeDate": style.day(trade.session),
        "settleDateTarget": style.day(next_session(trade.session)),
        "transactionType": trade.transaction_type,
        "exchange": trade.exchange,
        "quantity": number(trade.quantity),
        "tradePrice": number(trade.price),
        "tradeMoney": number(trade.trade_money),
        "proceeds": number(trade.proceeds),
        "taxes": "0",
        "ibCommission": number(trade.commission),
        "ibCommissionCurrency": trade.commission_currency,
        "netCash": number(trade.net_cash),
        "closePrice": number(trade.close_price),
        "openCloseIndicator": trade.open_close,
        "notes": trade.notes,
        "cost": number(trade.cost),
        "fifoPnlRealized": number(trade.realized),
        "mtmPnl": number(trade.mark_to_market),
        "origTradePrice": "0",
        "origTradeID": str(trade.orig_trade_id or ""),
        "origOrderID": "0",
        "origTransactionID": str(trade.orig_transaction_id),
        "buySell": trade.side,
        "ibOrderID": str(trade.order_id),
        "transactionID": str(trade.transaction_id),
        "ibExecID": trade.exec_id,
        "brokerageOrderID": _brokerage_id(trade),
        "orderReference": order.order_ref if order is not None else "",
        "orderTime": style.moment(order.submitted_at) if order is not None else "",
        "levelOfDetail": "EXECUTION",
        "changeInPrice": "0",
        "changeInQuantity": "0",
        "orderType": order.order_type if order is not None else "",
        "isAPIOrder": _is_api_order(trade),
        "accruedInt": "0",
        "positionActionID": str(trade.position_action_id or ""),
    }


def _symbol_rows(view: AccountView, found: Sequence[tuple[Day, TradeRow]]) -> Iterator[Row]:
    if view.wants("Trades", "SYMBOL_SUMMARY"):
        yield _summary(view, "SymbolSummary", "SYMBOL_SUMMARY", found)
    order_of: Callable[[tuple[Day, TradeRow]], int] = lambda pair: pair[1].order_id  # noqa: E731
    by_order: dict[int, list[tuple[Day, TradeRow]]] = {}
    for pair in found:
        by_order.setdefault(order_of(pair), []).append(pair)
    for of_order in by_order.values():
        if view.wants("Trades", "ORDER"):
            yield _order(view, of_order)
        for day, trade in of_order:
            if view.wants("Trades", "EXECUTION"):
                yield row("Trade", TRADE, execution_values(view, day, trade))
            if view.wants("Trades", "CLOSED_LOT") and trade.open_close.startswith("C"):
                yield _closed_lot(view, day, trade)


def _summary(view: AccountView, tag: str, level: str, found: Sequence[tuple[Day, TradeRow]]) -> Row:
    day, trade = found[-1]
    head = view.head(trade.instrument, day.rates) | {"fxRateToBase": ""}
    if level == "ASSET_SUMMARY":
        kept = ("accountId", "currency", "assetCategory")
        head = {column: head[column] for column in kept}
    return row(tag, TRADE, {**head, **_sums(found), "levelOfDetail": level})


def _order(view: AccountView, found: Sequence[tuple[Day, TradeRow]]) -> Row:
    day, trade = found[0]
    values = execution_values(view, day, trade)
    kept = {
        column: values[column]
        for column in (
            *view.head(trade.instrument, day.rates),
            *("reportDate", "dateTime", "tradeDate", "settleDateTarget", "closePrice"),
            *("openCloseIndicator", "ibOrderID", "orderReference", "orderTime", "orderType"),
            *("buySell", "ibCommissionCurrency", "accruedInt"),
        )
    }
    sides = {t.open_close for _, t in found if t.open_close}
    kept["notes"] = kept["openCloseIndicator"] = ";".join(sorted(sides))
    return row("Order", TRADE, {**kept, **_sums(found), "levelOfDetail": "ORDER"})


def _closed_lot(view: AccountView, day: Day, trade: TradeRow) -> Row:
    """One lot per closing execution: the book is kept at average cost."""
    values = {
        **view.head(trade.instrument, day.rates),
        "reportDate": view.style.day(trade.session),
        "dateTime": view.style.moment(trade.at),
        "tradeDate": view.style.day(trade.session),
        "quantity": number(abs(trade.quantity)),
        "tradePrice": number(trade.price),
        "cost": number(abs(trade.cost)),
        "fifoPnlRealized": number(trade.realized),
        "buySell": trade.side,
        "notes": "ST",
        "transactionID": str(trade.transaction_id),
        "openDateTime": "MULTI",
        "holdingPeriodDateTime": "MULTI",
        "levelOfDetail": "CLOSED_LOT",
    }
    return row("Lot", TRADE, values)


def _sums(found: Sequence[tuple[Day, TradeRow]]) -> dict[str, str]:
    trades = [trade for _, trade in found]
    quantity = total(t.quantity for t in trades)
    value = total(t.price * t.quantity for t in trades)
    return {
        "quantity": number(quantity),
        "tradePrice": number(value / quantity) if quantity else "0",
        "tradeMoney": number(total(t.trade_money for t in trades)),
        "proceeds": number(total(t.proceeds for t in trades)),
        "taxes": "0",
        "ibCommission": number(total(t.commission for t in trades)),
        "netCash": number(total(t.net_cash for t in trades)),
        "cost": number(total(t.cost for t in trades)),
        "fifoPnlRealized": number(total(t.realized for t in trades)),
        "mtmPnl": number(total(t.mark_to_market for t in trades)),
        "buySell": _side(quantity, trades),
    }


def _side(quantity: Decimal, trades: Iterable[TradeRow]) -> str:
    sides = {t.side for t in trades if not t.side.endswith("(Ca.)")}
    if len(sides) == 1:
        return sides.pop()
    return "BUY" if quantity > 0 else "SELL"


def _asset_key(trade: TradeRow) -> tuple[str, str]:
    return trade.instrument.sec_type, trade.instrument.currency


def _symbol_key(trade: TradeRow) -> tuple[str, str]:
    return symbol_of(trade.instrument), str(trade.instrument.con_id)


def _brokerage_id(trade: TradeRow) -> str:
    if trade.order is None:
        return ""
    return f"{trade.order_id:08x}.{trade.order_id % 0xFFFF:08x}.0001"


def _is_api_order(trade: TradeRow) -> str:
    order = trade.order
    if order is None:
        return ""
    return "N" if order.client_id == 0 and order.order_id <= 0 else "Y"
