"""The cash an account-day moved, line by line of the cash report.

What lives here: one record per move, from trades, the night's entries and the daily settlement of
futures. What must not: XML.

Statements settle futures in cash every day, while the gateway shows their open result beside the
cash. So a statement's cash is the gateway's TotalCashBalance, and the change of the open result is
the line `cashSettlingMtm`; the cash of a cash-settled option is booked there as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from ibkr_pipeline.simulator.bookings import Booking, BookingKind
from ibkr_pipeline.simulator.flex.close import Close
from ibkr_pipeline.simulator.flex.trade_rows import TradeRow, replay
from ibkr_pipeline.simulator.history import AccountDay, Day
from ibkr_pipeline.simulator.records import ZERO

_LINES: Mapping[str, str] = {
    "Dividends": "dividends",
    "Payment In Lieu Of Dividends": "paymentInLieu",
    "Withholding Tax": "withholdingTax",
    "Broker Interest Received": "brokerInterest",
    "Broker Interest Paid": "brokerInterest",
    "Advisor Fees": "advisorFees",
    "Other Fees": "otherFees",
    "Commission Adjustments": "other",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """One move of cash: the line it belongs to and where it came from."""

    line: str
    currency: str
    amount: Decimal
    trade: TradeRow | None = None
    booking: Booking | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DayFlows:
    """The moves of one session."""

    day: Day
    flows: tuple[Flow, ...]


def flows_of_day(
    account_day: AccountDay, trades: Iterable[TradeRow], before: Close, after: Close
) -> Iterator[Flow]:
    """Yield the moves of an account's day: cash before plus moves is cash after, to the cent.

    Args:
        account_day: The day's fills and entries.
        trades: Its execution-level rows.
        before: The close before the day.
        after: The close at its end.
    """
    for trade in trades:
        yield from _trade_flows(trade, account_day.start.base_currency)
    for booking in account_day.bookings:
        yield from _booking_flows(booking)
    yield from _settled_futures(account_day, before, after)


def _trade_flows(trade: TradeRow, base_currency: str) -> Iterator[Flow]:
    instrument = trade.instrument
    if trade.commission:
        is_pair = instrument.sec_type == "CASH"
        charged = base_currency if is_pair else trade.commission_currency
        yield Flow(line="commissions", currency=charged, amount=trade.commission, trade=trade)
    if instrument.sec_type == "FUT":
        return
    if instrument.sec_type == "CASH":
        yield _traded(instrument.symbol, trade.quantity, trade)
    if trade.proceeds:
        yield _traded(instrument.currency, trade.proceeds, trade)


def _traded(currency: str, amount: Decimal, trade: TradeRow) -> Flow:
    # A cancellation undoes the line of what it cancels.
    undone = trade.transaction_type == "TradeCancel"
    line = "netTradesSales" if (amount > 0) != undone else "netTradesPurchases"
    return Flow(line=line, currency=currency, amount=amount, trade=trade)


def _booking_flows(booking: Booking) -> Iterator[Flow]:
    for currency, amount in booking.cash:
        if booking.kind is BookingKind.SETTLEMENT:
            line = "cashSettlingMtm"
        elif booking.kind is BookingKind.CASH:
            line = _LINES.get(booking.event) or ("deposits" if amount > 0 else "withdrawals")
        else:
            continue
        yield Flow(line=line, currency=currency, amount=amount, booking=booking)


def _settled_futures(account_day: AccountDay, before: Close, after: Close) -> Iterator[Flow]:
    """Yield the change of the open result plus what closed futures paid, per currency."""
    moved: dict[str, Decimal] = {}
    for sign, close in ((1, after), (-1, before)):
        for block in close.value.currencies:
            moved[block.currency] = moved.get(block.currency, ZERO) + sign * block.futures_pnl
    has_futures = any(f.instrument.sec_type == "FUT" for f in account_day.fills)
    for item in replay(account_day) if has_futures else ():
        if item.fill.instrument.sec_type == "FUT":
            for currency, amount in item.posting.cash:
                paid = amount + item.fill.commission
                moved[currency] = moved.get(currency, ZERO) + paid
    for currency, amount in moved.items():
        if amount:
            yield Flow(line="cashSettlingMtm", currency=currency, amount=amount)
