"""Session dates: daylight saving, half days, weekends and the edge of the UTC day."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from ibkr_pipeline.primitives.sessions import (
    is_session,
    session_date,
    session_dates,
    session_hours,
    sessions_between,
)

_NEW_YORK = ZoneInfo("America/New_York")
_CHICAGO = ZoneInfo("America/Chicago")
_INSTANT = pl.Datetime("us", "UTC")


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        pytest.param((2026, 11, 18, 9, 30), (2026, 11, 18), id="open"),
        pytest.param((2026, 11, 18, 4, 0), (2026, 11, 18), id="before the open"),
        pytest.param((2026, 11, 18, 19, 59), (2026, 11, 18), id="after hours, next UTC date"),
        pytest.param((2026, 11, 18, 20, 0), (2026, 11, 19), id="overnight session"),
        pytest.param((2026, 11, 20, 20, 0), (2026, 11, 23), id="Friday night to Monday"),
        pytest.param((2026, 11, 21, 12, 0), (2026, 11, 23), id="Saturday"),
        pytest.param((2026, 11, 22, 18, 30), (2026, 11, 23), id="Sunday evening, currencies"),
        pytest.param((2026, 11, 26, 12, 0), (2026, 11, 27), id="Thanksgiving"),
        pytest.param((2026, 11, 27, 16, 30), (2026, 11, 27), id="half day, after its close"),
        pytest.param((2026, 3, 8, 3, 30), (2026, 3, 9), id="clocks forward, Sunday"),
        pytest.param((2026, 3, 9, 19, 30), (2026, 3, 9), id="first session of summer time"),
        pytest.param((2026, 11, 2, 19, 30), (2026, 11, 2), id="first session of winter time"),
        pytest.param((2026, 12, 31, 21, 0), (2027, 1, 4), id="New Year's Eve, over the weekend"),
    ],
)
def test_fault_54_an_instant_belongs_to_the_session_of_its_trading_day(
    local: tuple[int, ...], expected: tuple[int, int, int]
) -> None:
    """The UTC date is wrong every evening, and New York's own date every night."""
    year, month, day, hour, minute = local
    instant = datetime(year, month, day, hour, minute, tzinfo=_NEW_YORK)

    assert session_date(instant) == date(*expected)


@pytest.mark.parametrize("fold", [0, 1])
def test_both_hours_of_the_fold_belong_to_one_session(fold: int) -> None:
    """01:30 happens twice on the night the clocks go back."""
    instant = datetime(2026, 11, 1, 1, 30, tzinfo=_NEW_YORK, fold=fold)

    assert session_date(instant) == date(2026, 11, 2)


def test_futures_change_their_day_at_five_in_chicago() -> None:
    """Their next session opens the evening before, three hours before the equities' does."""
    evening = datetime(2026, 11, 18, 17, 0, tzinfo=_CHICAGO)

    assert session_date(evening, calendar="CMES") == date(2026, 11, 19)
    assert session_date(evening) == date(2026, 11, 18)


def test_a_column_keeps_its_order_and_its_nulls() -> None:
    """Rows are joined by position."""
    column = pl.Series(
        [datetime(2026, 11, 21, 12, tzinfo=UTC), None, datetime(2026, 11, 18, 15, tzinfo=UTC)],
        dtype=_INSTANT,
    )

    assert session_dates(column).to_list() == [date(2026, 11, 23), None, date(2026, 11, 18)]


@pytest.mark.parametrize("values", [[], [None]], ids=["no rows", "nulls alone"])
def test_without_instants_there_are_no_dates(values: list[None]) -> None:
    """An empty load is an ordinary one."""
    assert session_dates(pl.Series(values, dtype=_INSTANT)).to_list() == values


def test_sessions_are_those_of_the_exchange() -> None:
    """The nightly run skips holidays."""
    assert is_session(date(2026, 11, 27))
    assert not is_session(date(2026, 11, 26))


def test_what_cannot_be_dated_is_refused() -> None:
    """A naive instant or an unknown calendar would be dated wrong in silence."""
    with pytest.raises(ValueError, match="naive"):
        session_date(datetime(2026, 11, 18))  # noqa: DTZ001  # the point of the test
    with pytest.raises(ValueError, match="timezone-aware"):
        session_dates(pl.Series([datetime(2026, 11, 18)]))  # noqa: DTZ001
    with pytest.raises(ValueError, match="XLON"):
        session_date(datetime(2026, 11, 18, tzinfo=UTC), calendar="XLON")
    with pytest.raises(ValueError, match="1990"):
        session_date(datetime(1980, 1, 2, tzinfo=UTC))


def test_sessions_between_two_dates_leave_holidays_out() -> None:
    """Thanksgiving 2026 is 26 November; both ends count."""
    days = sessions_between(date(2026, 11, 25), date(2026, 11, 30))

    assert (date(2026, 11, 25), date(2026, 11, 27), date(2026, 11, 30)) == days


def test_a_half_day_closes_early() -> None:
    """13:00 in New York on the day after Thanksgiving is 18:00 UTC."""
    opens, closes = session_hours(date(2026, 11, 27))

    assert datetime(2026, 11, 27, 14, 30, tzinfo=UTC) == opens
    assert datetime(2026, 11, 27, 18, 0, tzinfo=UTC) == closes


def test_a_day_without_a_session_has_no_hours() -> None:
    """A Sunday opens nowhere."""
    with pytest.raises(ValueError, match="no session"):
        session_hours(date(2026, 11, 29))
