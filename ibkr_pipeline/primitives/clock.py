"""Clocks: the only places that know what time it is.

What lives here: the system clock and the clocks that tests and replay pass instead of it. What
must not: calendars and sessions (`sessions.py`). Every instant is timezone-aware UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the current instant, UTC, in microseconds."""
        return datetime.now(UTC)


class FixedClock:
    """A clock that stands still until it is moved.

    Args:
        instant: Where it stands; must be timezone-aware.
    """

    def __init__(self, instant: datetime) -> None:
        if instant.tzinfo is None:
            raise ValueError(f"FixedClock needs a timezone-aware instant; {instant!r} was naive.")
        self._instant = instant.astimezone(UTC)

    def now(self) -> datetime:
        """Return the instant the clock stands at, UTC."""
        return self._instant

    def advance(self, by: timedelta) -> None:
        """Move the clock forward (or back, for tests of clock jumps)."""
        self._instant += by
