"""The sections OptionEAE and PendingExercises.

The tag of a row is the tag of its section: `OptionEAE` holds `OptionEAE` rows. An assignment or
exercise has two rows, the option and what was delivered, with the trade ids of the Trades section.
"""

from __future__ import annotations

from collections.abc import Iterator

from ibkr_pipeline.simulator.bookings import Booking, BookingKind
from ibkr_pipeline.simulator.flex.columns import OPTION_EAE, PENDING_EXERCISE
from ibkr_pipeline.simulator.flex.texts import number
from ibkr_pipeline.simulator.flex.view import AccountView, Row, row
from ibkr_pipeline.simulator.history import Day
from ibkr_pipeline.simulator.posting import CENT
from ibkr_pipeline.simulator.records import ZERO


def rows(view: AccountView) -> Iterator[Row]:
    """Yield the option events of the window with their deliveries and cash settlements."""
    kinds = (BookingKind.OPTION, BookingKind.DELIVERY, BookingKind.SETTLEMENT)
    for day, booking in view.bookings(*kinds):
        yield row("OptionEAE", OPTION_EAE, _values(view, day, booking))


def pending_rows(view: AccountView) -> Iterator[Row]:
    """Yield the exercise requests that waited when the window ended."""
    for day in view.days[-1:]:
        for asked in day.pending:
            if asked.account == view.account:
                values = {
                    **view.head(asked.instrument, day.rates),
                    "date": view.style.day(day.session),
                    "type": "Exercise",
                    "quantity": number(-asked.quantity),
                    "exerciseType": "Manual",
                    "levelOfDetail": "DETAIL",
                }
                yield row("PendingExercise", PENDING_EXERCISE, values)


def _values(view: AccountView, day: Day, booking: Booking) -> dict[str, str]:
    instrument = booking.instrument
    if instrument is None:
        raise ValueError(f"Option event {booking.transaction_id} has no instrument.")
    close = day.closes[instrument.con_id]
    moved = (close - booking.price) * booking.quantity * instrument.multiplier
    return {
        **view.head(instrument, day.rates),
        "date": view.style.day(day.session),
        "transactionType": booking.event,
        "quantity": number(booking.quantity),
        "tradePrice": number(booking.price),
        "markPrice": number(close),
        "proceeds": number(booking.amount),
        "commisionsAndTax": "0",
        "costBasis": number(booking.cost),
        "realizedPnl": number(booking.realized or ZERO),
        "capitalGainsPnl": "0",
        "fxPnl": "0",
        "mtmPnl": number(moved.quantize(CENT)),
        "tradeID": str(booking.trade_id),
    }
