"""Runs that end in the middle: killed before their event is written, or told to stop."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ibkr_pipeline.pipelines.workspace import open_workspace
from ibkr_pipeline.primitives.enums import Dataset, LoadStatus
from ibkr_pipeline_tests.dagster_runs import (
    FIRST,
    make_broker,
    make_settings,
    materialized,
    metadata_of,
    run,
    statuses_of,
)
from ibkr_pipeline_tests.repository import ROOT

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL"),
    pytest.mark.usefixtures("unmeasured_children"),
]

#: Ends itself when the n-th asset has done its work and its event is not yet written.
KILLED = """
import os, signal, sys
from datetime import timedelta
from pathlib import Path
from ibkr_pipeline.primitives import crashpoints
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline_tests.dagster_runs import NIGHT, make_broker, make_settings, run

left = int(sys.argv[2])

def count():
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

crashpoints.arm(crashpoints.BEFORE_EVENT, count)
run(make_settings(Path(sys.argv[1])), make_broker(), [Dataset.POSITIONS],
    at=NIGHT - timedelta(hours=1))
"""

#: Reads accounts, then waits in the positions read for as long as nobody stops it.
STOPPED = """
import json, sys, threading
from pathlib import Path
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline_tests.dagster_runs import FIRST, make_broker, make_settings, run

broker = make_broker()

def wait(accounts=None):
    print("READING", flush=True)
    threading.Event().wait(60)

broker.fetch_positions = wait
result = run(make_settings(Path(sys.argv[1])), broker, accounts=[FIRST])
print(json.dumps({
    "interrupted": result.is_interrupted,
    "success": result.success,
    "run_id": result.run_id,
    "connected": broker.is_connected,
}), flush=True)
"""


@pytest.mark.parametrize(
    "asset",
    [pytest.param(1, id="raw"), pytest.param(2, id="core")],
)
def test_a_run_killed_before_its_event_is_healed_by_the_next(tmp_path: Path, asset: int) -> None:
    """The rows are there and Dagster does not know; nothing is doubled and nothing is missing."""
    data = tmp_path / "data"
    child = subprocess.run(
        [sys.executable, "-c", KILLED, str(data), str(asset)],
        cwd=ROOT,
        capture_output=True,
        check=False,
        timeout=100,
    )
    assert -signal.SIGKILL == child.returncode, child.stderr.decode()

    result = run(make_settings(data), make_broker(), [Dataset.POSITIONS])

    assert result.success
    metadata = metadata_of(make_settings(data), "core/positions", result.run_id)
    # One position in the killed run's snapshot and one in this one's.
    assert 2 == metadata["dagster/row_count"].value
    assert "ops/read_copy" in materialized(make_settings(data), result.run_id)
    assert ["FAILURE", "SUCCESS"] == statuses_of(make_settings(data))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda item: item.name)
def test_a_run_told_to_stop_keeps_what_was_complete(tmp_path: Path, number: signal.Signals) -> None:
    """The load is `failed: interrupted`, the connection is closed, the run ends."""
    settings = make_settings(tmp_path / "data")
    child = subprocess.Popen(
        [sys.executable, "-c", STOPPED, str(settings.environment_dir)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert "READING\n" == child.stdout.readline()
    child.send_signal(number)
    out, err = child.communicate(timeout=60)

    ended = json.loads(out.splitlines()[-1]) if out else pytest.fail(err)
    assert (True, False, False) == (ended["interrupted"], ended["success"], ended["connected"])
    with open_workspace(settings) as workspace:
        loads = workspace.control.loads(run_id=ended["run_id"], account_id=FIRST)
    verdicts = {load.dataset: (load.status, load.reason) for load in loads}
    assert (LoadStatus.COMPLETE, None) == verdicts[Dataset.ACCOUNTS]
    status, reason = verdicts[Dataset.POSITIONS]
    assert LoadStatus.FAILED is status
    assert "interrupted" in str(reason)
    assert Dataset.ORDERS not in verdicts
