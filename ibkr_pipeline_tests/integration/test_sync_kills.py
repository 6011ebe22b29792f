"""Killed at each named point of reading and applying, the next run heals."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ibkr_pipeline.pipelines.rebuild import rebuild_workspace
from ibkr_pipeline.primitives.crashpoints import AFTER_COMMIT, AFTER_PUBLISH, IN_TRANSACTION
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline_tests.pipeline_runs import (
    FIRST,
    SECOND,
    SYNCS,
    TickingClock,
    fake_workspace,
    make_broker,
    rows,
    statuses,
)
from ibkr_pipeline_tests.repository import ROOT

pytestmark = pytest.mark.usefixtures("unmeasured_children")

#: Syncs one dataset and dies at the point as by a power cut.
VICTIM = """
import os, signal, sys
from pathlib import Path
from ibkr_pipeline.primitives import crashpoints
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline_tests.pipeline_runs import SYNCS, TickingClock, fake_workspace, make_broker

data, dataset, point = Path(sys.argv[1]), Dataset(sys.argv[2]), sys.argv[3]
clock = TickingClock()
with fake_workspace(data, make_broker(clock), clock) as workspace:
    crashpoints.arm(point, lambda: os.kill(os.getpid(), signal.SIGKILL))
    SYNCS[dataset](workspace)
"""


@pytest.mark.parametrize(
    ("dataset", "point"),
    [
        (Dataset.ORDERS, AFTER_PUBLISH),
        (Dataset.ACCOUNTS, IN_TRANSACTION),
        (Dataset.EXECUTIONS, AFTER_COMMIT),
        (Dataset.POSITIONS, AFTER_COMMIT),
    ],
)
def test_a_killed_sync_is_healed_by_the_next(tmp_path: Path, dataset: Dataset, point: str) -> None:
    """Nothing is lost, nothing is twice, and core equals what raw makes of it."""
    data = tmp_path / "data"
    victim = subprocess.run(
        [sys.executable, "-c", VICTIM, str(data), dataset.value, point],
        cwd=ROOT,
        check=False,
        timeout=60,
    )
    clock = TickingClock()
    with fake_workspace(data, make_broker(clock), clock) as workspace:
        healed = SYNCS[dataset](workspace)
        shown = rows(workspace, dataset.value)
        pending = workspace.control.pending_loads()
        known = statuses(workspace, dataset)
        left = {row.status for row in workspace.control.requests()}
        result = rebuild_workspace(workspace)

    assert -signal.SIGKILL == victim.returncode
    assert (False, []) == (healed.is_failed, pending)
    assert [FIRST, SECOND] == shown["account_id"].to_list()
    assert {FIRST: "complete", SECOND: "complete"} == known
    assert (True, {"finished"}) == (result.is_equal, left)
