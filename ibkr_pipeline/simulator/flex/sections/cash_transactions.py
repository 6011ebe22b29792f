"""The section CashTransactions: dividends, taxes, interest, fees, deposits and withdrawals.

A summary row carries account `-`, no time and no transaction id; the detail beside it carries all.
"""

from __future__ import annotations

from collections.abc import Iterator

from ibkr_pipeline.simulator.bookings import Booking, BookingKind
from ibkr_pipeline.simulator.flex.columns import CASH_TRANSACTION
from ibkr_pipeline.simulator.flex.texts import number
from ibkr_pipeline.simulator.flex.view import AccountView, Row, row
from ibkr_pipeline.simulator.history import Day


def rows(view: AccountView) -> Iterator[Row]:
    """Yield the cash entries of the window, each as the levels the query selects."""
    for day, booking in view.bookings(BookingKind.CASH):
        values = _values(view, day, booking)
        if view.wants("CashTransactions", "SUMMARY"):
            ex_date = view.style.day(booking.ex_date) if booking.ex_date is not None else ""
            summary = {
                "accountId": "-",
                "acctAlias": "-",
                "dateTime": view.style.day(day.session),
                "transactionID": "",
                "exDate": ex_date,
                "levelOfDetail": "SUMMARY",
            }
            yield row("CashTransaction", CASH_TRANSACTION, values | summary)
        if view.wants("CashTransactions", "DETAIL"):
            yield row("CashTransaction", CASH_TRANSACTION, values)


def _values(view: AccountView, day: Day, booking: Booking) -> dict[str, str]:
    return {
        **view.head(booking.instrument, day.rates, booking.currency),
        "description": booking.description,
        "dateTime": view.style.moment(booking.at),
        "settleDate": view.style.day(day.session),
        "amount": number(booking.amount),
        "type": booking.event,
        "transactionID": str(booking.transaction_id),
        "reportDate": view.style.day(day.session),
        "actionID": str(booking.action_id or ""),
        "levelOfDetail": "DETAIL",
    }
