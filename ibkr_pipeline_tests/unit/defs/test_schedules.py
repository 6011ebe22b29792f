"""The nightly schedule runs on sessions alone and says why it skips a day."""

from datetime import datetime
from zoneinfo import ZoneInfo

import dagster as dg

from ibkr_pipeline.defs.schedules import AFTER_THE_CLOSE, build_schedules

NEW_YORK = ZoneInfo("America/New_York")


def _tick(day: int) -> dg.RunRequest | dg.SkipReason:
    [schedule] = build_schedules({"ibkr/environment": "paper"})
    context = dg.build_schedule_context(
        scheduled_execution_time=datetime(2026, 11, day, 17, 30, tzinfo=NEW_YORK)
    )
    result = schedule(context)
    assert isinstance(result, dg.RunRequest | dg.SkipReason)
    return result


def test_a_session_day_asks_for_one_run() -> None:
    """The run key makes a second tick of the same day no second run."""
    request = _tick(20)

    assert isinstance(request, dg.RunRequest)
    assert "nightly-2026-11-20" == request.run_key
    assert {"ibkr/environment": "paper", "ibkr/session_date": "2026-11-20"} == dict(request.tags)


def test_a_holiday_is_skipped_by_name() -> None:
    """Thanksgiving 2026 is on November 26."""
    assert dg.SkipReason("2026-11-26: no session, Thanksgiving at XNYS") == _tick(26)


def test_a_weekend_is_skipped_by_name() -> None:
    """The schedule ticks every day so that the skip is seen."""
    assert dg.SkipReason("Saturday, 2026-11-21: no session at weekends") == _tick(21)


def test_it_ticks_in_exchange_time_and_starts_stopped() -> None:
    """Somebody turns it on; daylight saving never moves it."""
    [schedule] = build_schedules({})

    assert "America/New_York" == schedule.execution_timezone
    assert ("30 17 * * *", AFTER_THE_CLOSE) == (schedule.cron_schedule, AFTER_THE_CLOSE)
    assert dg.DefaultScheduleStatus.STOPPED == schedule.default_status
