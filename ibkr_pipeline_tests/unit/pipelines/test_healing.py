"""What a killed run left half done is put right by the next one."""

from __future__ import annotations

from datetime import datetime

import pytest

from ibkr_pipeline.brokers.testing import FakeBrokerAPI
from ibkr_pipeline.pipelines.applying import apply_pending
from ibkr_pipeline.pipelines.healing import heal
from ibkr_pipeline.pipelines.reading_broker import read_and_land
from ibkr_pipeline.pipelines.workspace import Workspace
from ibkr_pipeline.primitives import crashpoints
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.primitives.errors import WarehouseMissingError
from ibkr_pipeline_tests.pipeline_runs import FIRST, SECOND, statuses


class PowerCut(BaseException):
    """Ends a run the way nothing can catch."""


@pytest.fixture(autouse=True)
def _disarm() -> object:
    yield
    crashpoints.disarm()


def cut() -> None:
    """Cut the power."""
    raise PowerCut


def read(workspace: Workspace, dataset: Dataset) -> None:
    """Read and land one dataset."""
    with workspace.session() as session:
        read_and_land(workspace, dataset, session)


def test_a_request_published_and_never_finished_gets_its_verdict_from_the_sidecar(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proof is on disk; reading again would lose what the gateway told then."""
    crashpoints.arm(crashpoints.AFTER_PUBLISH, cut)
    # A killed process records nothing more.
    monkeypatch.setattr(workspace.control, "fail_request", lambda *_args, **_kw: None)
    with pytest.raises(PowerCut):
        read(workspace, Dataset.POSITIONS)
    crashpoints.disarm()
    before = statuses(workspace, Dataset.POSITIONS)

    applied = apply_pending(workspace, Dataset.POSITIONS)

    assert {} == before
    assert {FIRST: "complete", SECOND: "complete"} == statuses(workspace, Dataset.POSITIONS)
    assert 2 == len(applied)


def test_a_commit_that_control_was_not_told_of_is_not_made_again(workspace: Workspace) -> None:
    """Core itself knows what it has; control is told on the next run."""
    read(workspace, Dataset.POSITIONS)
    crashpoints.arm(crashpoints.AFTER_COMMIT, cut)
    with pytest.raises(PowerCut):
        apply_pending(workspace, Dataset.POSITIONS)
    crashpoints.disarm()
    pending = len(workspace.control.pending_loads())

    applied = apply_pending(workspace, Dataset.POSITIONS)

    assert (2, (), []) == (pending, applied, workspace.control.pending_loads())
    with workspace.warehouse.read() as connection:
        marks = dict(
            connection.execute("SELECT load_id, recorded_at FROM core.applied_loads").fetchall()
        )
    assert marks == workspace.control.applied()


def test_a_transaction_that_was_cut_is_made_again_whole(workspace: Workspace) -> None:
    """Rows and markers go in together or not at all."""
    read(workspace, Dataset.POSITIONS)
    crashpoints.arm(crashpoints.IN_TRANSACTION, cut)
    with pytest.raises(PowerCut):
        apply_pending(workspace, Dataset.POSITIONS)
    crashpoints.disarm()

    assert 2 == len(apply_pending(workspace, Dataset.POSITIONS))


def test_a_request_without_an_answer_is_abandoned_when_its_process_is_gone(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, clock: object
) -> None:
    """Nobody else will ever finish it."""
    monkeypatch.setattr(
        "ibkr_pipeline.control.store.this_process",
        _ended_process,
    )
    workspace.control.begin_request(
        request_id="20260413T203000000000Z-orders-aaaaaa",
        broker="fake",
        environment=workspace.environment,
        dataset=Dataset.ORDERS,
        accounts=[FIRST],
        started_at=_now(workspace),
        run_id=None,
    )
    monkeypatch.undo()

    heal(workspace)

    assert {FIRST: "abandoned"} == statuses(workspace, Dataset.ORDERS)


def test_a_warehouse_that_is_gone_is_told_and_not_begun_anew(
    workspace: Workspace, broker: FakeBrokerAPI
) -> None:
    """A new file would silently lose every earlier snapshot; `rebuild` has them all."""
    read(workspace, Dataset.POSITIONS)
    apply_pending(workspace, Dataset.POSITIONS)
    workspace.warehouse.path.unlink()
    read(workspace, Dataset.POSITIONS)

    with pytest.raises(WarehouseMissingError, match="rebuild --replace"):
        apply_pending(workspace, Dataset.POSITIONS)


def _now(workspace: Workspace) -> datetime:
    return workspace.clock.now()


def _ended_process() -> object:
    from dataclasses import replace

    from ibkr_pipeline.primitives.processes import this_process

    return replace(this_process(), started="an-earlier-boot:1")
