"""Trading sessions and the clock of the simulated market.

What lives here: which days are sessions (weekdays without the holidays of the New York exchanges)
and the simulator's clock, which stands still until it is moved. What must not: orders and prices.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

DAY_ORDER_END = time(20, 0)


class SimulatorClock:
    """The gateway's clock: frozen at an instant until someone moves it.

    Args:
        session: Session date the clock starts in.
        at: Local time of day it starts at.
        zone: Time zone of the gateway; its midnight clears executions and completed orders.
    """

    def __init__(self, session: date, at: time, zone: str = "America/New_York") -> None:
        self.zone = ZoneInfo(zone)
        self._local_time = at
        self._now = datetime.combine(session, at, self.zone).astimezone(UTC)

    def now(self) -> datetime:
        """Return the current instant, UTC."""
        return self._now

    def local_now(self) -> datetime:
        """Return the current instant in the gateway's time zone."""
        return self._now.astimezone(self.zone)

    def today(self) -> date:
        """Return the gateway's local calendar date."""
        return self.local_now().date()

    def at_local(self, day: date, at: time) -> datetime:
        """Return the instant of a local time of day, UTC."""
        return datetime.combine(day, at, self.zone).astimezone(UTC)

    def advance(self, seconds: float) -> None:
        """Move the clock forward by a number of seconds."""
        if seconds < 0:
            raise ValueError(f"The clock only moves forward; seconds was {seconds}.")
        self._now += timedelta(seconds=seconds)

    def advance_session(self) -> date:
        """Move the clock to the same local time of the next session and return its date."""
        session = next_session(self.today())
        self._now = self.at_local(session, self._local_time)
        return session


def next_session(day: date) -> date:
    """Return the first session after a date."""
    following = day + timedelta(days=1)
    while not is_session(following):
        following += timedelta(days=1)
    return following


def previous_session(day: date) -> date:
    """Return the last session before a date."""
    earlier = day - timedelta(days=1)
    while not is_session(earlier):
        earlier -= timedelta(days=1)
    return earlier


def is_session(day: date) -> bool:
    """Tell whether the New York exchanges open on a date (early closes count as open)."""
    return day.weekday() < 5 and day not in _holidays(day.year)


@lru_cache(maxsize=256)
def _holidays(year: int) -> frozenset[date]:
    fixed = [(7, 4), (12, 25)] + ([(6, 19)] if year >= 2022 else [])
    days = {_observed(date(year, month, day)) for month, day in fixed}
    new_year = date(year, 1, 1)
    if new_year.weekday() != 5:
        days.add(_observed(new_year))
    return frozenset(
        days
        | {
            _nth_weekday(year, 1, 0, 3),
            _nth_weekday(year, 2, 0, 3),
            _easter(year) - timedelta(days=2),
            _last_monday_of_may(year),
            _nth_weekday(year, 9, 0, 1),
            _nth_weekday(year, 11, 3, 4),
        }
    )


def _observed(day: date) -> date:
    shift = {5: -1, 6: 1}.get(day.weekday(), 0)
    return day + timedelta(days=shift)


def _nth_weekday(year: int, month: int, weekday: int, nth: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (nth - 1))


def _last_monday_of_may(year: int) -> date:
    last = date(year, 5, 31)
    return last - timedelta(days=last.weekday())


def _easter(year: int) -> date:
    """Return Easter Sunday (the anonymous Gregorian computus)."""
    golden, century = year % 19, year // 100
    skipped = century - century // 4 - (8 * century + 13) // 25
    moon = (skipped + 19 * golden + 15) % 30
    moon -= (moon // 28) * (1 - (moon // 28) * (29 // (moon + 1)) * ((21 - golden) // 11))
    sunday = (year + year // 4 + moon + 2 - century + century // 4) % 7
    offset = moon - sunday
    month = 3 + (offset + 40) // 44
    return date(year, month, offset + 28 - 31 * (month // 4))
