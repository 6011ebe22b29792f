"""Exchange days as schedules and sensors see them."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import exchange_calendars
import pytest

from ibkr_pipeline.defs.exchange_day import is_open, why_closed
from ibkr_pipeline.defs.freshness import LONGEST_GAP


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        pytest.param(date(2026, 11, 20), None, id="a-friday"),
        pytest.param(
            date(2026, 11, 21), "Saturday, 2026-11-21: no session at weekends", id="a-saturday"
        ),
        pytest.param(
            date(2026, 11, 26), "2026-11-26: no session, Thanksgiving at XNYS", id="a-holiday"
        ),
        pytest.param(
            date(2025, 1, 9), "2025-01-09: no session, special closing at XNYS", id="a-mourning-day"
        ),
        pytest.param(date(2026, 11, 27), None, id="a-half-day"),
    ],
)
def test_a_day_without_session_has_a_reason(day: date, expected: str | None) -> None:
    """Whoever looks at a skipped tick wants to know which holiday it was."""
    assert expected == why_closed(day)


@pytest.mark.parametrize(
    ("instant", "expected"),
    [
        # 2026-11-20 is standard time: New York is UTC-5, so 09:30 there is 14:30Z.
        pytest.param(datetime(2026, 11, 20, 14, 29, tzinfo=UTC), False, id="before-the-open"),
        pytest.param(datetime(2026, 11, 20, 14, 30, tzinfo=UTC), True, id="at-the-open"),
        pytest.param(datetime(2026, 11, 20, 20, 59, tzinfo=UTC), True, id="before-the-close"),
        pytest.param(datetime(2026, 11, 20, 21, 0, tzinfo=UTC), False, id="at-the-close"),
        # 2026-07-20 is daylight saving: New York is UTC-4.
        pytest.param(datetime(2026, 7, 20, 13, 30, tzinfo=UTC), True, id="summer-open"),
        pytest.param(datetime(2026, 11, 26, 17, 0, tzinfo=UTC), False, id="thanksgiving"),
    ],
)
def test_open_is_told_in_exchange_time(instant: datetime, *, expected: bool) -> None:
    """Daylight saving moves the session in UTC, not in New York."""
    assert expected == is_open(instant)


def test_no_weekend_or_holiday_is_longer_than_the_freshness_window() -> None:
    """An asset made after one session must not be called overdue before the next one's run."""
    calendar = exchange_calendars.get_calendar("XNYS", start="2013-01-01", end="2027-12-31")
    days = [session.date() for session in calendar.sessions]
    longest = max(later - earlier for earlier, later in pairwise(days))

    assert timedelta(days=4) == longest
    assert longest < LONGEST_GAP < longest + timedelta(days=1)
