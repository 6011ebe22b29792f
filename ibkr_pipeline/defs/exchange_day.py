"""Exchange days as schedules and sensors see them: is there a session, is it open, why not.

What lives here: questions about days in exchange time. What must not: session dates of rows
(`primitives/sessions.py`).
"""

from __future__ import annotations

import warnings
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from ibkr_pipeline.primitives.sessions import DEFAULT_CALENDAR, is_session

EXCHANGE_TIMEZONE = "America/New_York"
OPENS, CLOSES = time(9, 30), time(16, 0)
_SATURDAY = 5


def exchange_time(instant: datetime) -> datetime:
    """Return an instant on the exchange's wall clock."""
    return instant.astimezone(ZoneInfo(EXCHANGE_TIMEZONE))


def is_open(instant: datetime) -> bool:
    """Return whether regular trading is on, half days taken for whole ones."""
    local = exchange_time(instant)
    return is_session(local.date()) and OPENS <= local.time() < CLOSES


def why_closed(day: date) -> str | None:
    """Return why the exchange has no session on that day; None when it has one."""
    if is_session(day):
        return None
    if day.weekday() >= _SATURDAY:
        return f"{day:%A}, {day.isoformat()}: no session at weekends"
    name = _holidays(day.year).get(day)
    return f"{day.isoformat()}: no session, {name or 'special closing'} at {DEFAULT_CALENDAR}"


@lru_cache(maxsize=8)
def closed_weekdays(first: date, last: date) -> tuple[date, ...]:
    """Return the days from Monday to Friday without a session, both ends included.

    Every code server asks for two years when it loads: a calendar of just these takes a third of
    the time of the one that knows every session since 1990.
    """
    import exchange_calendars

    with warnings.catch_warnings():
        # The library calls what the next pandas will do otherwise; its dates are right.
        warnings.simplefilter("ignore")
        calendar = exchange_calendars.get_calendar(
            DEFAULT_CALENDAR, start=first.isoformat(), end=last.isoformat()
        )
    sessions = {session.date() for session in calendar.sessions}
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return tuple(day for day in days if day.weekday() < _SATURDAY and day not in sessions)


@lru_cache(maxsize=8)
def _holidays(year: int) -> dict[date, str]:
    """Return the named holidays of a year; the calendar library costs half a second to import."""
    import exchange_calendars

    calendar = exchange_calendars.get_calendar(DEFAULT_CALENDAR)
    named = calendar.regular_holidays.holidays(f"{year}-01-01", f"{year}-12-31", return_name=True)
    return {moment.date(): str(name) for moment, name in named.items()}
