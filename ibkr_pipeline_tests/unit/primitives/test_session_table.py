"""The sessions written down are those of the calendar library."""

from __future__ import annotations

from datetime import date
from importlib.metadata import version

import pytest

from ibkr_pipeline.primitives import session_table, sessions

_ALL = (date(session_table.FIRST_YEAR, 1, 1), date(session_table.LAST_YEAR - 1, 12, 31))


def test_the_table_is_of_the_library_installed() -> None:
    """Otherwise every command would import the library; `python docs/generate_sessions.py`."""
    assert version("exchange_calendars") == session_table.LIBRARY


@pytest.mark.parametrize("calendar", sorted(sessions.ROLLOVERS))
def test_sessions_and_hours_are_those_of_the_library(
    calendar: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library is the authority; the table only spares asking it."""
    written = sessions.sessions_between(*_ALL, calendar=calendar)
    hours = [sessions.session_hours(day, calendar=calendar) for day in written]
    monkeypatch.setattr(sessions, "_written", lambda _calendar, _last_year: None)
    sessions._sessions.cache_clear()
    try:
        assert sessions.sessions_between(*_ALL, calendar=calendar) == written
        schedule = sessions._calendar(calendar, session_table.LAST_YEAR).schedule
    finally:
        sessions._sessions.cache_clear()
    told = schedule[: str(_ALL[1])]
    assert hours == list(
        zip(told["open"].dt.to_pydatetime(), told["close"].dt.to_pydatetime(), strict=True)
    )


def test_another_library_is_asked_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """A newer one may know a closing nobody could have written down."""
    monkeypatch.setattr(session_table, "LIBRARY", "0.0")
    sessions._is_same_library.cache_clear()
    try:
        assert sessions._written("XNYS", 2026) is None
        assert sessions.session_hours(date(2026, 11, 27))[1].hour == 18
    finally:
        sessions._is_same_library.cache_clear()
