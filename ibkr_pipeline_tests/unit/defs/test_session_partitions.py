"""Sessions as partitions: one key per session of a year, none for a day without one."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from ibkr_pipeline.defs.exchange_day import closed_weekdays
from ibkr_pipeline.defs.session_partitions import session_partitions
from ibkr_pipeline.primitives.sessions import sessions_between

NEW_YORK = ZoneInfo("America/New_York")
TODAY = date(2026, 11, 20)


def _keys(now: datetime) -> list[str]:
    return list(session_partitions(TODAY).get_partition_keys(current_time=now))


def test_the_keys_are_the_sessions_of_the_last_365_days() -> None:
    """What the Flex web service can still be asked for, each as its session date."""
    keys = _keys(datetime(2026, 11, 20, 17, 30, tzinfo=NEW_YORK))

    expected = sessions_between(date(2025, 11, 20), date(2026, 11, 19))
    assert [day.isoformat() for day in expected] == keys
    # From a Thursday to the Thursday 52 weeks later there are 261 weekdays; ten are holidays:
    # Thanksgiving and Christmas 2025, New Year, King, Presidents, Good Friday, Memorial,
    # Juneteenth, Independence (observed) and Labor Day 2026.
    assert 251 == len(keys)


def test_a_day_without_a_session_has_no_key() -> None:
    """Thanksgiving, an observed holiday, a Saturday: nothing could ever be fetched of them."""
    keys = set(_keys(datetime(2026, 11, 20, 17, 30, tzinfo=NEW_YORK)))

    assert not {"2025-11-27", "2026-07-03", "2026-11-14"} & keys


def test_a_session_gets_its_key_when_its_day_is_over() -> None:
    """No statement of it exists before; a code server that stays up needs no restart for it."""
    before = _keys(datetime(2026, 11, 20, 23, 59, tzinfo=NEW_YORK))
    after = _keys(datetime(2026, 11, 21, 0, 1, tzinfo=NEW_YORK))

    assert ("2026-11-19", "2026-11-20") == (before[-1], after[-1])


def test_a_special_closing_is_known_too() -> None:
    """The exchange was closed on 9 January 2025, a day of mourning; no rule tells that."""
    assert date(2025, 1, 9) in closed_weekdays(date(2025, 1, 1), date(2025, 12, 31))
