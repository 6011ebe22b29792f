"""Which exchange session an instant belongs to.

What lives here: session dates by exchange calendar, and the rule for instants outside a session.
What must not: clocks, or anything that decides what to do on a session.

The rule: a trading day runs from the exchange's rollover (20:00 New York for US equities, when
the overnight session opens) to the next one. An instant belongs to the session of its trading
day; where that day has none (weekend, holiday), to the next session. So a fill at 16:30 or at
19:59 New York belongs to the session just closed, one at 20:00 to the next, and a currency fill
on Sunday evening to Monday. It is wall-clock time at the exchange that counts, so daylight
saving needs no care, and a half day changes nothing: its trading day still ends at the rollover.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from exchange_calendars import ExchangeCalendar

#: US equities and their options.
DEFAULT_CALENDAR = "XNYS"
#: Calendar -> where its wall clock hangs, and the hour its trading day begins the evening before.
ROLLOVERS: Mapping[str, tuple[str, time]] = {
    "XNYS": ("America/New_York", time(20)),
    "CMES": ("America/Chicago", time(17)),
}
_FIRST_YEAR = 1990


def session_dates(instants: pl.Series, *, calendar: str = DEFAULT_CALENDAR) -> pl.Series:
    """Return the session date of each instant, null for null, in the order given.

    Args:
        instants: Timezone-aware instants.
        calendar: A calendar of `ROLLOVERS`.

    Raises:
        ValueError: If the calendar is unknown, an instant is naive or lies before 1990.
    """
    if instants.len() == instants.null_count():
        return pl.Series("session_date", [None] * instants.len(), dtype=pl.Date)
    days = _trading_days(instants, calendar)
    first, last = days.min(), days.max()
    if not isinstance(first, date) or not isinstance(last, date) or first.year < _FIRST_YEAR:
        raise ValueError(f"An instant was on {first!s}; expected none before {_FIRST_YEAR}.")
    sessions = _sessions(calendar, last.year + 1)
    places = sessions.search_sorted(days.fill_null(first), side="left")
    return (
        pl.DataFrame({"day": days, "session_date": sessions.gather(places)})
        .select(pl.when(pl.col("day").is_not_null()).then("session_date").alias("session_date"))
        .to_series()
    )


def session_date(instant: datetime, *, calendar: str = DEFAULT_CALENDAR) -> date:
    """Return the session date of one instant."""
    if instant.tzinfo is None:
        raise ValueError(f"{instant!r} was naive; expected a timezone-aware instant.")
    series = pl.Series([instant.astimezone(UTC)], dtype=pl.Datetime("us", "UTC"))
    found: date = session_dates(series, calendar=calendar).item()
    return found


def is_session(day: date, *, calendar: str = DEFAULT_CALENDAR) -> bool:
    """Return whether the exchange has a session on that date."""
    _rollover(calendar)
    return day in _sessions(calendar, day.year + 1)


def sessions_between(
    first: date, last: date, *, calendar: str = DEFAULT_CALENDAR
) -> tuple[date, ...]:
    """Return the sessions from one date to another, both included, ascending."""
    _rollover(calendar)
    sessions = _sessions(calendar, max(first, last).year + 1)
    return tuple(sessions.filter((sessions >= first) & (sessions <= last)))


def session_hours(day: date, *, calendar: str = DEFAULT_CALENDAR) -> tuple[datetime, datetime]:
    """Return when a session opens and closes, UTC; a half day closes early.

    Raises:
        ValueError: If the exchange has no session on that date.
    """
    if not is_session(day, calendar=calendar):
        raise ValueError(f"{day} was no session of {calendar}.")
    found = _calendar(calendar, day.year + 1)
    with warnings.catch_warnings():
        # As in `_calendar`.
        warnings.simplefilter("ignore")
        opens, closes = found.session_open_close(day.isoformat())
    return opens.to_pydatetime().astimezone(UTC), closes.to_pydatetime().astimezone(UTC)


def _trading_days(instants: pl.Series, calendar: str) -> pl.Series:
    zone, rollover = _rollover(calendar)
    if getattr(instants.dtype, "time_zone", None) is None:
        raise ValueError(f"Instants were {instants.dtype}; expected timezone-aware ones.")
    to_midnight = pl.duration(hours=24 - rollover.hour)
    local = pl.col("instant").dt.convert_time_zone(zone).dt.replace_time_zone(None)
    frame = pl.DataFrame({"instant": instants})
    return frame.select((local + to_midnight).dt.date().alias("day")).to_series()


def _rollover(calendar: str) -> tuple[str, time]:
    if calendar not in ROLLOVERS:
        raise ValueError(f"Calendar was {calendar!r}; expected one of {', '.join(ROLLOVERS)}.")
    return ROLLOVERS[calendar]


@lru_cache(maxsize=8)
def _sessions(calendar: str, last_year: int) -> pl.Series:
    """Return the date of every session from 1990 to the end of `last_year`, ascending."""
    found = _calendar(calendar, last_year)
    return pl.Series("session", [session.date() for session in found.sessions], dtype=pl.Date)


@lru_cache(maxsize=8)
def _calendar(calendar: str, last_year: int) -> ExchangeCalendar:
    """Return the library's calendar from 1990 to the end of `last_year`.

    The library is imported here: it costs half a second that most commands can do without.
    """
    import exchange_calendars

    with warnings.catch_warnings():
        # The library calls what the next pandas will do otherwise; its dates are right.
        warnings.simplefilter("ignore")
        return exchange_calendars.get_calendar(
            calendar, start=f"{_FIRST_YEAR}-01-01", end=f"{last_year}-12-31"
        )
