"""The calendar of the simulated exchange and the seeded price path."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import pytest

from ibkr_pipeline.simulator.instruments import built_in_instruments
from ibkr_pipeline.simulator.prices import PriceTape, is_on_tick
from ibkr_pipeline.simulator.sessions import (
    SimulatorClock,
    is_session,
    next_session,
    previous_session,
)

ANCHOR = date(2026, 11, 18)


@pytest.mark.parametrize(
    ("day", "is_open"),
    [
        (date(2026, 11, 18), True),
        (date(2026, 11, 21), False),
        (date(2026, 11, 26), False),
        (date(2026, 12, 25), False),
        (date(2027, 1, 1), False),
        (date(2026, 4, 3), False),
        (date(2027, 3, 26), False),
        (date(2026, 7, 3), False),
        (date(2026, 5, 25), False),
        (date(2026, 6, 19), False),
        (date(2021, 6, 18), True),
        (date(2021, 12, 31), True),
    ],
    ids=str,
)
def test_sessions_follow_the_new_york_calendar(day: date, is_open: bool) -> None:
    """Weekends, fixed and moving holidays, observed days; a Saturday New Year moves nothing."""
    assert is_session(day) is is_open


def test_sessions_step_over_a_holiday_in_both_directions() -> None:
    """Thanksgiving 2026 is Thursday the 26th."""
    assert next_session(date(2026, 11, 25)) == date(2026, 11, 27)
    assert previous_session(date(2026, 11, 30)) == date(2026, 11, 27)
    assert previous_session(date(2026, 11, 27)) == date(2026, 11, 25)


def test_the_clock_keeps_local_time_over_a_change_of_daylight_saving() -> None:
    """16:20 in New York is 20:20 UTC in October and 21:20 UTC in November."""
    clock = SimulatorClock(date(2026, 10, 30), time(16, 20))
    before = clock.now()

    clock.advance_session()

    assert before == datetime(2026, 10, 30, 20, 20, tzinfo=UTC)
    assert clock.now() == datetime(2026, 11, 2, 21, 20, tzinfo=UTC)
    with pytest.raises(ValueError, match="only moves forward"):
        clock.advance(-1)


def test_prices_do_not_depend_on_the_order_they_are_asked_in() -> None:
    """A bar read today and again next week must be the same bar."""
    apple = built_in_instruments()[0]
    days = [date(2026, 11, 25), date(2026, 11, 3), ANCHOR, date(2026, 11, 20)]

    forward, backward = PriceTape(7, ANCHOR), PriceTape(7, ANCHOR)

    assert [forward.bar(apple, d) for d in days] == [
        backward.bar(apple, d) for d in reversed(days)
    ][::-1]
    assert forward.close(apple, ANCHOR) == apple.mark


def test_bars_are_consistent_and_on_the_tick() -> None:
    """The high is the highest, the low the lowest, every price a multiple of the tick."""
    tape = PriceTape(7, ANCHOR)
    day = ANCHOR
    for instrument in built_in_instruments():
        for _ in range(20):
            day = previous_session(day)
            bar = tape.bar(instrument, day)
            prices = (bar.open, bar.high, bar.low, bar.close)

            assert bar.high == max(prices)
            assert bar.low == min(prices)
            assert all(is_on_tick(p, instrument.min_tick) for p in prices)
            assert bar.volume > 0
        day = ANCHOR
