"""Clocks tell UTC instants, and tests decide what time it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from ibkr_pipeline.primitives.clock import FixedClock, SystemClock

NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)


def test_the_system_clock_tells_utc() -> None:
    """Every stored instant starts here."""
    assert timedelta(0) == SystemClock().now().utcoffset()


def test_a_fixed_clock_moves_when_it_is_told_to() -> None:
    """Forward, and back for tests of clock jumps."""
    clock = FixedClock(NOON)
    seen = [clock.now(), clock.now()]
    clock.advance(timedelta(hours=1))
    seen.append(clock.now())
    clock.advance(timedelta(hours=-2))
    seen.append(clock.now())

    assert [NOON, NOON, NOON + timedelta(hours=1), NOON - timedelta(hours=1)] == seen


def test_a_fixed_clock_tells_utc_whatever_zone_it_was_set_in() -> None:
    """07:00 in New York is noon."""
    clock = FixedClock(datetime(2026, 11, 18, 7, tzinfo=timezone(timedelta(hours=-5))))

    assert (clock.now().isoformat(),) == ("2026-11-18T12:00:00+00:00",)


def test_a_fixed_clock_refuses_a_time_without_a_zone() -> None:
    """Nobody could say which instant that is."""
    with pytest.raises(ValueError, match="timezone-aware"):
        FixedClock(datetime(2026, 11, 18))  # noqa: DTZ001 - the mistake under test
