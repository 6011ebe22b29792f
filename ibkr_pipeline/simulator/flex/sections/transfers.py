"""The section Transfers: positions that came or went in kind, valued at the closing mark."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from ibkr_pipeline.simulator.bookings import Booking, BookingKind
from ibkr_pipeline.simulator.flex.columns import TRANSFER
from ibkr_pipeline.simulator.flex.texts import number
from ibkr_pipeline.simulator.flex.view import AccountView, Row, row
from ibkr_pipeline.simulator.history import Day
from ibkr_pipeline.simulator.posting import CENT
from ibkr_pipeline.simulator.records import ZERO


def rows(view: AccountView) -> Iterator[Row]:
    """Yield one row per position moved; a positive quantity came in."""
    for day, booking in view.bookings(BookingKind.TRANSFER):
        yield row("Transfer", TRANSFER, _values(view, day, booking))


def transferred_value(day: Day, booking: Booking) -> Decimal:
    """Return the signed market value of what was moved, in the instrument's currency."""
    if booking.instrument is None:
        return ZERO
    mark = day.marks[booking.instrument.con_id]
    return (booking.quantity * mark * booking.instrument.multiplier).quantize(CENT)


def _values(view: AccountView, day: Day, booking: Booking) -> dict[str, str]:
    worth = transferred_value(day, booking)
    in_base = (worth * day.rates[booking.currency]).quantize(CENT)
    return {
        **view.head(booking.instrument, day.rates),
        "reportDate": view.style.day(day.session),
        "date": view.style.day(day.session),
        "dateTime": view.style.moment(booking.at),
        "settleDate": view.style.day(day.session),
        "type": booking.event,
        "direction": "IN" if booking.quantity > 0 else "OUT",
        "company": "" if booking.event == "INTERNAL" else booking.counterparty,
        "account": booking.counterparty,
        "quantity": number(booking.quantity),
        "transferPrice": number(booking.price),
        "positionAmount": number(worth),
        "positionAmountInBase": number(in_base),
        "pnlAmount": "0",
        "pnlAmountInBase": "0",
        "cashTransfer": "0",
        "transactionID": str(booking.transaction_id),
        "levelOfDetail": "TRANSFER",
    }
