"""The section CorporateActions: splits and symbol changes, as summaries and details."""

from __future__ import annotations

from collections.abc import Iterator

from ibkr_pipeline.simulator.bookings import Booking, BookingKind
from ibkr_pipeline.simulator.flex.columns import CORPORATE_ACTION
from ibkr_pipeline.simulator.flex.texts import number
from ibkr_pipeline.simulator.flex.view import AccountView, Row, row
from ibkr_pipeline.simulator.history import Day


def rows(view: AccountView) -> Iterator[Row]:
    """Yield the corporate actions of the window: all summaries, then all details."""
    found = list(view.bookings(BookingKind.CORPORATE))
    if view.wants("CorporateActions", "SUMMARY"):
        for day, booking in found:
            summary = {
                "accountId": "-",
                "acctAlias": "-",
                "dateTime": view.style.day(day.session),
                "transactionID": "",
                "levelOfDetail": "SUMMARY",
            }
            yield row("CorporateAction", CORPORATE_ACTION, _values(view, day, booking) | summary)
    if view.wants("CorporateActions", "DETAIL"):
        for day, booking in found:
            yield row("CorporateAction", CORPORATE_ACTION, _values(view, day, booking))


def _values(view: AccountView, day: Day, booking: Booking) -> dict[str, str]:
    return {
        **view.head(booking.instrument, day.rates),
        "description": booking.description,
        "reportDate": view.style.day(day.session),
        "dateTime": view.style.moment(booking.at),
        "actionDescription": booking.description,
        "amount": "0",
        "proceeds": "0",
        "value": "0",
        "quantity": number(booking.quantity),
        "fifoPnlRealized": "0",
        "mtmPnl": "0",
        "type": booking.event,
        "transactionID": str(booking.transaction_id),
        "actionID": str(booking.action_id),
        "levelOfDetail": "DETAIL",
    }
