"""A run that is killed leaves nothing half in core, and the next one finishes it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ibkr_pipeline.pipelines.flex_sync import sync_flex
from ibkr_pipeline.pipelines.rebuild import rebuild_workspace
from ibkr_pipeline.pipelines.workspace import Workspace
from ibkr_pipeline.primitives import crashpoints
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.primitives.errors import RawDataError
from ibkr_pipeline_tests.pipeline_runs import rows
from ibkr_pipeline_tests.statement_service import FakeStatementService, trades_without_an_id
from ibkr_pipeline_tests.unit.pipelines.statements.test_flex_sync import counts, told


class PowerCut(BaseException):
    """Ends a run the way nothing can catch."""


def cut(*_: object, **__: object) -> None:
    """Cut the power."""
    raise PowerCut


@pytest.fixture
def cut_at(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that runs a sync and cuts the power at a point."""

    def run(point: str) -> None:
        with monkeypatch.context() as dead:
            # A killed process records nothing more and cleans nothing up.
            dead.setattr(workspace.control, "fail_request", lambda *_args, **_kw: None)
            crashpoints.arm(point, cut)
            with pytest.raises(PowerCut):
                sync_flex(workspace)
        crashpoints.disarm()
        workspace.staged.clear()

    return run


@pytest.mark.parametrize(
    "point", [crashpoints.AFTER_PUBLISH, crashpoints.IN_TRANSACTION, crashpoints.AFTER_COMMIT]
)
def test_a_killed_run_is_finished_by_the_next(
    workspace: Workspace, cut_at: Callable[[str], None], point: str
) -> None:
    """The statement is on disk: its rows are in core once, whether or not they were before."""
    cut_at(point)
    summary = sync_flex(workspace)

    assert 1 == rows(workspace, "executions").height
    assert 1 == rows(workspace, "cash").height
    assert (1, 0, 0, 1) == counts(told(summary, "Trades"))
    assert [] == workspace.control.pending_loads(Dataset.FLEX)


def test_a_run_killed_before_its_statement_was_kept_is_asked_anew(
    workspace: Workspace, service: FakeStatementService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was promised: the request has no answer, and the next one brings it."""
    with monkeypatch.context() as dead:
        dead.setattr(workspace.landing, "publish_packed", cut)
        with pytest.raises(PowerCut):
            sync_flex(workspace)
    summary = sync_flex(workspace)

    assert (1, 1, 0, 0) == counts(told(summary, "Trades"))
    assert ["failed", "finished"] == sorted(
        row.status for row in workspace.control.requests(dataset=Dataset.FLEX)
    )


def test_a_rebuild_makes_everything_again_from_the_statements(
    workspace: Workspace, service: FakeStatementService
) -> None:
    """Raw bytes are enough; a section that failed then stays out."""
    service.content = trades_without_an_id
    sync_flex(workspace)
    result = rebuild_workspace(workspace, replace=True)
    again = sync_flex(workspace)

    assert (True, True) == (result.is_equal, result.is_replaced)
    assert 1 == rows(workspace, "cash").height
    assert (1, 0, 0, 1) == counts(told(again, "CashTransactions"))


def test_a_rebuild_carries_over_what_no_raw_file_tells(workspace: Workspace) -> None:
    """Coverage is history of our own looking."""
    sync_flex(workspace)
    with workspace.warehouse.read() as connection:
        before = connection.sql("FROM ops.coverage").fetchall()
    rebuild_workspace(workspace, replace=True)
    with workspace.warehouse.read() as connection:
        after = connection.sql("FROM ops.coverage").fetchall()

    assert before
    assert before == after


def test_a_torn_raw_file_of_an_earlier_run_keeps_no_new_statement_away(
    workspace: Workspace, service: FakeStatementService, cut_at: Callable[[str], None]
) -> None:
    """What is new is received first; then the broken file is named."""
    cut_at(crashpoints.AFTER_PUBLISH)
    (request_id,) = workspace.landing.requests()
    _proof, _outcomes, raw = workspace.landing.proof(request_id)
    (workspace.directory / raw.path).write_bytes(b"torn")
    with pytest.raises(RawDataError, match=request_id):
        sync_flex(workspace)

    assert 2 == len(service.asked)
    with workspace.warehouse.read() as connection:
        assert [(1,)] == connection.sql("SELECT count(*) FROM core.executions").fetchall()
