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
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import polars as pl

from ibkr_pipeline.primitives import session_table

if TYPE_CHECKING:
    from exchange_calendars import ExchangeCalendar

#: US equities and their options.
DEFAULT_CALENDAR = "XNYS"
#: Calendar -> where its wall clock hangs, and the hour its trading day begins the evening before.
ROLLOVERS: Mapping[str, tuple[str, time]] = {
    "XNYS": ("America/New_York", time(20)),
    "CMES": ("America/Chicago", time(17)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """When a session usually opens and closes, at the exchange.

    Attributes:
        opens, closes: Times of day.
        evening_before: Whether it opens the day before.
    """

    opens: time
    closes: time
    evening_before: bool = False


#: Calendar -> usual hours of a session.
HOURS: Mapping[str, Hours] = {
    "XNYS": Hours(opens=time(9, 30), closes=time(16)),
    "CMES": Hours(opens=time(17), closes=time(17), evening_before=True),
}
_FIRST_YEAR = 1990
#: As ISO counts days of the week.
_FRIDAY = 5


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
    return day in _session_days(calendar, day.year + 1)


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
    written = _written(calendar, day.year)
    if written is None:
        return _hours_of_library(day, calendar)
    hours, zone = HOURS[calendar], ZoneInfo(ROLLOVERS[calendar][0])
    opening = day - timedelta(days=1) if hours.evening_before else day
    closes = written.early_closes.get(day, hours.closes)
    return (
        datetime.combine(opening, hours.opens, zone).astimezone(UTC),
        datetime.combine(day, closes, zone).astimezone(UTC),
    )


def _hours_of_library(day: date, calendar: str) -> tuple[datetime, datetime]:
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
    written = _written(calendar, last_year)
    if written is not None:
        days = pl.date_range(date(_FIRST_YEAR, 1, 1), date(last_year, 12, 31), eager=True)
        is_closed = days.is_in(sorted(written.closed_days)) | (days.dt.weekday() > _FRIDAY)
        return days.filter(~is_closed).alias("session")
    found = _calendar(calendar, last_year)
    return pl.Series("session", [session.date() for session in found.sessions], dtype=pl.Date)


@lru_cache(maxsize=8)
def _session_days(calendar: str, last_year: int) -> frozenset[date]:
    return frozenset(_sessions(calendar, last_year))


def _written(calendar: str, last_year: int) -> session_table.Written | None:
    """Return what is written down of a calendar, if it is what the library would tell."""
    is_told = session_table.FIRST_YEAR <= _FIRST_YEAR and last_year <= session_table.LAST_YEAR
    return session_table.WRITTEN.get(calendar) if is_told and _is_same_library() else None


@cache
def _is_same_library() -> bool:
    try:
        return version("exchange_calendars") == session_table.LIBRARY
    except PackageNotFoundError:
        return False


@lru_cache(maxsize=8)
def _calendar(calendar: str, last_year: int) -> ExchangeCalendar:
    """Return the library's calendar from 1990 to the end of `last_year`.

    The library is imported here: it costs half a second and 60 MiB; see `session_table.py`.
    """
    import exchange_calendars

    with warnings.catch_warnings():
        # The library calls what the next pandas will do otherwise; its dates are right.
        warnings.simplefilter("ignore")
        return exchange_calendars.get_calendar(
            calendar, start=f"{_FIRST_YEAR}-01-01", end=f"{last_year}-12-31"
        )
