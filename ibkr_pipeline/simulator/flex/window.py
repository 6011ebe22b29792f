"""Which days a request asks for, and whether they are published.

What lives here: the windows of queries and of overrides. What must not: error texts (`envelopes`)
and what a statement says about a day.

A session is published when it has ended: the statement of today can be had tomorrow. The session
before the scenario's first is published from the start, with the accounts as they opened.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from ibkr_pipeline.simulator.book import Book
from ibkr_pipeline.simulator.flex.options import FlexQuery
from ibkr_pipeline.simulator.sessions import previous_session

LONGEST_DAYS = 365
_PERIOD_DAYS = {"LastWeek": 7, "LastMonth": 30, "Last365CalendarDays": LONGEST_DAYS}


class InvalidWindowError(ValueError):
    """The window of a request makes no sense (1020)."""


class UnpublishedError(LookupError):
    """The window reaches into a day that is not published yet (1003)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Days both included, and the name of the period as statements repeat it."""

    from_date: date
    to_date: date
    period: str


def published_days(book: Book) -> list[date]:
    """Return the sessions statements can be had for, oldest first."""
    return [opening_session(book), *book.history.sessions()]


def opening_session(book: Book) -> date:
    """Return the session before the scenario's first."""
    days = book.history.sessions()
    return previous_session(days[0] if days else book.market.clock.today())


def choose_window(book: Book, query: FlexQuery, override: tuple[str, str, str]) -> Window:
    """Return the window of a request.

    Args:
        book: For the published days and the clock.
        query: For the period without an override.
        override: The parameters `fd`, `td` and `p`, empty where not given.

    Raises:
        InvalidWindowError: If an override is incomplete, unreadable, reversed or too long.
        UnpublishedError: If the window reaches beyond what is published.
    """
    first, last, days = override
    newest = published_days(book)[-1]
    if first or last:
        window = Window(from_date=_day(first), to_date=_day(last), period="")
        if window.from_date > window.to_date:
            raise InvalidWindowError("The window ends before it begins.")
        if (window.to_date - window.from_date).days > LONGEST_DAYS:
            raise InvalidWindowError("The window is longer than 365 days.")
        if window.to_date >= book.market.clock.today() and query.kind == "AF":
            raise UnpublishedError(f"{window.to_date} is not published.")
        return window
    if days:
        if not days.isdecimal() or not 1 <= int(days) <= LONGEST_DAYS:
            raise InvalidWindowError("The period is not 1 to 365 days.")
        start = newest - timedelta(days=int(days) - 1)
        return Window(from_date=start, to_date=newest, period=f"Last{days}CalendarDays")
    if query.period == "Today":
        today = book.market.clock.today()
        return Window(from_date=today, to_date=today, period="Today")
    if query.period == "LastBusinessDay":
        return Window(from_date=newest, to_date=newest, period=query.period)
    start = newest - timedelta(days=_PERIOD_DAYS[query.period] - 1)
    return Window(from_date=start, to_date=newest, period=query.period)


def _day(text: str) -> date:
    if len(text) != 8 or not text.isdecimal():
        raise InvalidWindowError("The dates fd and td are both needed, as yyyymmdd.")
    try:
        return datetime.strptime(text, "%Y%m%d").date()  # noqa: DTZ007  # a date only
    except ValueError as error:
        raise InvalidWindowError("A date of the window does not exist.") from error
