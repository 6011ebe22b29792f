"""History in as few statements as the service allows, going on where an earlier run ended."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from ibkr_pipeline.brokers.exceptions import BrokerConnectionError, UnsupportedOperationError
from ibkr_pipeline.pipelines.backfill import (
    backfill,
    closed_sessions,
    receive_window,
    windows_of,
)
from ibkr_pipeline.pipelines.reading import read_copy_path
from ibkr_pipeline.pipelines.workspace import Workspace
from ibkr_pipeline.primitives.errors import ConfigError
from ibkr_pipeline.primitives.sessions import sessions_between
from ibkr_pipeline_tests.pipeline_runs import FIRST, rows
from ibkr_pipeline_tests.statement_service import FakeStatementService, trades_without_an_id
from ibkr_pipeline_tests.unit.pipelines.statements.conftest import EVENING

MONDAY, TUESDAY, WEDNESDAY = date(2026, 11, 16), date(2026, 11, 17), date(2026, 11, 18)
THURSDAY = date(2026, 11, 19)


def test_a_week_is_one_statement(workspace: Workspace, service: FakeStatementService) -> None:
    """The web service is asked as seldom as it allows."""
    result = backfill(workspace, "executions", first=MONDAY, last=THURSDAY)

    assert [(MONDAY, THURSDAY)] == service.asked
    assert (((MONDAY, THURSDAY),), 0, 0) == (result.asked, result.n_skipped, result.n_left)
    assert 4 == rows(workspace, "coverage").filter("by_flex").height


def test_two_years_are_asked_for_in_windows_of_at_most_365_days() -> None:
    """Both ends count: 2 January to 1 January is 365 days."""
    sessions = sessions_between(date(2024, 11, 18), date(2026, 11, 19))
    windows = windows_of(sessions)

    assert all((last - first).days + 1 <= 365 for first, last in windows)
    assert 3 == len(windows)
    assert (sessions[0], sessions[-1]) == (windows[0][0], windows[-1][1])


def test_sessions_that_are_there_are_skipped_unless_wanted_again(
    workspace: Workspace, service: FakeStatementService
) -> None:
    """An interrupted backfill goes on where it ended; a correction is fetched with --again."""
    backfill(workspace, "executions", first=MONDAY, last=TUESDAY)
    rest = backfill(workspace, "executions", first=MONDAY, last=THURSDAY)
    nothing = backfill(workspace, "executions", first=MONDAY, last=THURSDAY)
    again = backfill(workspace, "executions", first=MONDAY, last=THURSDAY, again=True)

    assert (((WEDNESDAY, THURSDAY),), 2) == (rest.asked, rest.n_skipped)
    assert ((), 4, None) == (nothing.asked, nothing.n_skipped, nothing.summary)
    assert ((MONDAY, THURSDAY),) == again.asked


def test_what_a_killed_backfill_committed_is_published_by_the_next(
    workspace: Workspace, service: FakeStatementService
) -> None:
    """Killed between commit and publication: nothing is missing, and readers see nothing."""
    backfill(workspace, "executions", first=MONDAY, last=TUESDAY)
    read_copy_path(workspace.directory).unlink()

    backfill(workspace, "executions", first=MONDAY, last=TUESDAY)

    assert 2 == rows(workspace, "coverage").filter("by_flex").height


def test_sessions_that_have_not_closed_are_named(
    workspace: Workspace, service: FakeStatementService
) -> None:
    """Nobody should believe that a window in the future was fetched."""
    result = backfill(workspace, "executions", first=MONDAY, last=MONDAY + timedelta(days=30))

    assert (THURSDAY, MONDAY + timedelta(days=30)) == (result.last_closed, result.last_wanted)


def test_a_session_that_is_not_published_yet_is_left_for_later(
    workspace: Workspace, service: FakeStatementService
) -> None:
    """Error 1003: the window ends one session earlier, and the rest is there."""
    service.published_until = WEDNESDAY
    result = backfill(workspace, "executions", first=MONDAY, last=THURSDAY)

    assert [(MONDAY, THURSDAY), (MONDAY, WEDNESDAY)] == service.asked
    assert 1 == result.n_left


def test_every_attempt_at_a_window_is_told(
    workspace: Workspace, service: FakeStatementService
) -> None:
    """Whoever asks again later needs to know that it was not published."""
    service.published_until = MONDAY
    attempts = receive_window(workspace, (MONDAY, WEDNESDAY))

    assert [True, True, False] == [item.error is not None for item in attempts]


def test_a_window_of_one_unpublished_session_ends_there(
    workspace: Workspace, service: FakeStatementService
) -> None:
    """There is nothing earlier to ask for."""
    service.published_until = WEDNESDAY
    result = backfill(workspace, "executions", first=THURSDAY, last=THURSDAY)

    assert ([(THURSDAY, THURSDAY)], 1) == (service.asked, result.n_left)


def test_a_refusal_for_good_ends_the_backfill(
    workspace: Workspace, service: FakeStatementService
) -> None:
    """A wrong token is wrong for the next window too; the service is not asked again."""
    service.error = UnsupportedOperationError("the token has expired")
    result = backfill(workspace, "executions", first=date(2024, 11, 18), last=THURSDAY)

    assert 1 == len(service.asked)
    assert result.n_left > 400


def test_a_passing_failure_leaves_the_other_windows(
    workspace: Workspace, service: FakeStatementService
) -> None:
    """Each window is tried; what is missing is asked for by the next run."""
    service.error = BrokerConnectionError("the service is away")
    backfill(workspace, "executions", first=date(2024, 11, 18), last=THURSDAY)

    assert 3 == len(service.asked)


def test_a_section_that_failed_does_not_cover(
    workspace: Workspace, service: FakeStatementService
) -> None:
    """Its dividends are there, its trades are not: cash is had, executions are missing."""
    service.content = trades_without_an_id
    trades = backfill(workspace, "executions", first=MONDAY, last=TUESDAY)
    cash = backfill(workspace, "cash", first=MONDAY, last=TUESDAY)

    assert (2, 2, 0) == (trades.n_left, cash.n_skipped, cash.n_left)


def test_an_account_that_was_named_counts_alone(
    workspace: Workspace, service: FakeStatementService
) -> None:
    """Sessions of an account no statement told of are missing."""
    backfill(workspace, "executions", first=MONDAY, last=TUESDAY)
    known = backfill(workspace, "executions", first=MONDAY, last=TUESDAY, accounts=[FIRST])
    unknown = backfill(workspace, "executions", first=MONDAY, last=TUESDAY, accounts=["DU0000009"])

    assert (0, 2) == (known.n_left, unknown.n_left)


@pytest.mark.parametrize(
    ("first", "last"),
    [(THURSDAY, MONDAY), (date(2026, 11, 21), date(2026, 11, 22)), (date(2027, 1, 4),) * 2],
    ids=["the wrong way round", "a weekend", "the future"],
)
def test_a_window_without_a_closed_session_is_refused(first: date, last: date) -> None:
    """Nothing could ever be there."""
    with pytest.raises(ConfigError):
        closed_sessions(first, last, now=EVENING)


def test_a_session_that_is_still_open_is_left_out() -> None:
    """Its statement comes after its close: 16:00 in New York is 21:00 UTC in November."""
    noon = EVENING.replace(day=19, hour=17)
    closed = noon.replace(hour=21)

    assert (MONDAY, TUESDAY, WEDNESDAY) == closed_sessions(MONDAY, THURSDAY, now=noon)
    assert THURSDAY == closed_sessions(MONDAY, THURSDAY, now=closed)[-1]
    assert THURSDAY not in closed_sessions(MONDAY, THURSDAY, now=closed - timedelta(microseconds=1))


def test_an_unknown_subject_is_refused(workspace: Workspace) -> None:
    """The message lists what may be asked for."""
    with pytest.raises(ConfigError, match="option-events"):
        backfill(workspace, "quotes", first=MONDAY, last=TUESDAY)
