"""What each trade of a day did, in the terms of a statement: originals, cancels and re-bookings.

What lives here: one record per execution row, with its ids, money and result. What must not: XML
and the other levels of detail (`sections/trades.py`).

A corrected execution appears three times, as at the broker: the original, a cancellation of it
(negative quantity, no commission, no execution id), and the re-booked execution with the same trade
id, the next revision of the execution id and only the difference in commission.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal

from ibkr_pipeline.simulator.bookings import Booking, BookingKind
from ibkr_pipeline.simulator.history import AccountDay, Day
from ibkr_pipeline.simulator.instruments import Instrument
from ibkr_pipeline.simulator.posting import CENT, Holding, Posting, post_fill
from ibkr_pipeline.simulator.records import ZERO, Fill, Order

_TRADE_BASE = 1_790_000_000
_TRANSACTION_BASE = 36_500_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeRow:
    """One execution-level row.

    `quantity` is signed; `proceeds` is minus the value traded; `commission` is negative when
    paid; `cost` is the signed change of the basis; `realized` is net of commission.
    """

    session: date
    instrument: Instrument
    trade_id: int
    transaction_id: int
    transaction_type: str
    at: datetime
    exchange: str
    quantity: Decimal
    price: Decimal
    proceeds: Decimal
    commission: Decimal
    commission_currency: str
    cost: Decimal
    realized: Decimal
    open_close: str
    notes: str
    side: str
    close_price: Decimal
    exec_id: str = ""
    order_id: int = 0
    order: Order | None = None
    orig_trade_id: int = 0
    orig_transaction_id: int = 0
    position_action_id: int = 0

    @property
    def trade_money(self) -> Decimal:
        """Signed value traded."""
        return (self.quantity * self.price * self.instrument.multiplier).quantize(CENT)

    @property
    def net_cash(self) -> Decimal:
        """Cash moved in the instrument's currency: a future pays only its commission at once."""
        if self.instrument.sec_type == "CASH":
            return ZERO
        money = ZERO if self.instrument.sec_type == "FUT" else self.proceeds
        return money + self.commission

    @property
    def mark_to_market(self) -> Decimal:
        """Result of the day against the closing price, without commission."""
        moved = (self.close_price - self.price) * self.quantity * self.instrument.multiplier
        return moved.quantize(CENT)


@dataclass(frozen=True, slots=True)
class Booked:
    """A fill that counts, with the holding before it and what it did."""

    fill: Fill
    before: Holding
    posting: Posting


def replay(account_day: AccountDay) -> list[Booked]:
    """Book a day's fills again from its start, in order; corrections are already in place."""
    holdings = dict(account_day.start.holdings)
    booked: list[Booked] = []
    for fill in account_day.fills:
        con_id = fill.instrument.con_id
        before = holdings.get(con_id, Holding(fill.instrument, ZERO, ZERO))
        posting = post_fill(before, fill, account_day.start.base_currency)
        if posting.holding is not None:
            holdings[con_id] = posting.holding
        booked.append(Booked(fill, before, posting))
    return booked


def trade_rows(day: Day, account: str) -> list[TradeRow]:
    """Return every execution-level row of an account's day, in order of booking."""
    account_day = day.accounts[account]
    booked = {b.fill.root: b for b in replay(account_day)}
    revisions: dict[str, list[tuple[int, Fill]]] = {}
    for place, fill in day.revisions:
        if fill.account == account and fill.root in booked:
            revisions.setdefault(fill.root, []).append((place, fill))
    rows = [r for root, found in revisions.items() for r in _fill_rows(day, booked[root], found)]
    return [*rows, *_booking_rows(day, account_day)]


def _fill_rows(day: Day, booked: Booked, revisions: list[tuple[int, Fill]]) -> Iterator[TradeRow]:
    first_place, first = revisions[0]
    trade_id = _TRADE_BASE + 7 * first_place
    shown = replace(
        _superseded(day, first, booked),
        trade_id=trade_id,
        transaction_id=_TRANSACTION_BASE + 4 * first_place,
    )
    if len(revisions) == 1:
        yield _final(shown, booked)
        return
    yield shown
    for place, fill in revisions[1:]:
        yield replace(
            shown,
            trade_id=0,
            transaction_id=_TRANSACTION_BASE + 4 * place,
            transaction_type="TradeCancel",
            quantity=-shown.quantity,
            proceeds=-shown.proceeds,
            commission=ZERO,
            cost=-shown.cost,
            realized=-shown.realized,
            open_close="",
            notes="Ca",
            side=f"{shown.side} (Ca.)",
            exec_id="",
            orig_trade_id=trade_id,
            orig_transaction_id=shown.transaction_id,
        )
        again = replace(
            _superseded(day, fill, booked),
            trade_id=trade_id,
            transaction_id=_TRANSACTION_BASE + 4 * place + 2,
        )
        shown = _final(again, booked) if fill.exec_id == booked.fill.exec_id else again
        # Only the difference to what was charged already.
        yield replace(shown, commission=ZERO)


def _superseded(day: Day, fill: Fill, booked: Booked) -> TradeRow:
    """Return the row of a revision as it was first reported."""
    signed = fill.signed_quantity
    proceeds = -(signed * fill.price * fill.instrument.multiplier).quantize(CENT)
    realized = fill.realized_pnl or ZERO
    is_future = fill.instrument.sec_type == "FUT"
    basis_commission = ZERO if is_future else fill.commission
    order = day.orders.get(fill.perm_id)
    partial = order is not None and fill.cum_quantity < order.filled
    return TradeRow(
        session=day.session,
        instrument=fill.instrument,
        trade_id=0,
        transaction_id=0,
        transaction_type="ExchTrade",
        at=fill.executed_at,
        exchange=fill.exchange,
        quantity=signed,
        price=fill.price,
        proceeds=proceeds,
        commission=-fill.commission,
        commission_currency=fill.commission_currency,
        cost=realized - proceeds + basis_commission,
        realized=realized,
        open_close=_open_close(booked.before, signed),
        notes="P" if partial else "",
        side=fill.action,
        close_price=day.closes[fill.instrument.con_id],
        exec_id=fill.exec_id,
        order_id=fill.perm_id,
        order=order,
    )


def _final(shown: TradeRow, booked: Booked) -> TradeRow:
    """Return a row with the basis and the result the day ended with."""
    after = booked.posting.holding
    cost = after.cost - booked.before.cost if after is not None else ZERO
    return replace(shown, cost=cost, realized=booked.posting.realized or ZERO)


def _open_close(before: Holding, signed: Decimal) -> str:
    if before.instrument.sec_type == "CASH":
        return ""
    if before.quantity * signed >= 0:
        return "O"
    return "C;O" if abs(signed) > abs(before.quantity) else "C"


def _booking_rows(day: Day, account_day: AccountDay) -> Iterator[TradeRow]:
    settled = {
        b.action_id: b.realized or ZERO
        for b in account_day.bookings
        if b.kind is BookingKind.SETTLEMENT
    }
    for booking in account_day.bookings:
        if booking.kind in (BookingKind.OPTION, BookingKind.DELIVERY):
            yield _booking_row(day, booking, settled.get(booking.action_id, ZERO))


def _booking_row(day: Day, booking: Booking, settled: Decimal) -> TradeRow:
    instrument = booking.instrument
    if instrument is None:
        raise ValueError(f"Entry {booking.transaction_id} has no instrument; it cannot be a trade.")
    proceeds = booking.amount
    return TradeRow(
        session=day.session,
        instrument=instrument,
        trade_id=booking.trade_id,
        transaction_id=booking.transaction_id,
        transaction_type="BookTrade",
        at=booking.at,
        exchange="--",
        quantity=booking.quantity,
        price=booking.price,
        proceeds=proceeds,
        commission=ZERO,
        commission_currency=instrument.currency,
        cost=booking.cost,
        realized=(booking.realized or ZERO) + settled,
        open_close="O" if booking.opens else "C",
        notes=booking.code,
        side="BUY" if booking.quantity > 0 else "SELL",
        close_price=day.closes[instrument.con_id],
        order_id=booking.transaction_id,
        position_action_id=booking.action_id,
    )
