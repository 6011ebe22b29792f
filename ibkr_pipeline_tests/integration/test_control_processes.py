"""The control store holds between processes what it promises: shared pacing, durable beginnings."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ibkr_pipeline.control.store import ControlStore
from ibkr_pipeline.primitives.clock import FixedClock
from ibkr_pipeline.primitives.enums import LoadStatus
from ibkr_pipeline_tests.raw_requests import FIRST, NOON
from ibkr_pipeline_tests.repository import ROOT

TAKER = """
import sys
from ibkr_pipeline.control.store import ControlStore
from ibkr_pipeline.primitives.clock import FixedClock
from ibkr_pipeline_tests.raw_requests import NOON

store = ControlStore.open(sys.argv[1], clock=FixedClock(NOON))
print("ready", flush=True)
sys.stdin.readline()
waits = [store.take("messages", cost=1, limit=60, per_seconds=1) for _ in range(50)]
print(waits.count(0.0), flush=True)
"""

BEGINNER = """
import os, signal, sys
from ibkr_pipeline.control.store import ControlStore
from ibkr_pipeline.primitives.clock import FixedClock
from ibkr_pipeline.primitives.enums import Dataset, Environment
from ibkr_pipeline_tests.raw_requests import FIRST, NOON

store = ControlStore.open(sys.argv[1], clock=FixedClock(NOON))
store.begin_request(
    request_id="r1", broker="ibkr", environment=Environment.PAPER, dataset=Dataset.POSITIONS,
    accounts=[FIRST], started_at=NOON, run_id=None,
)
os.kill(os.getpid(), signal.SIGKILL)
"""


def start(code: str, path: Path) -> subprocess.Popen[str]:
    """Start a Python process on a store."""
    return subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_processes_share_one_budget(tmp_path: Path) -> None:
    """Three processes ask for 150 at once; the window of 60 is granted 60 times."""
    path = tmp_path / "control.sqlite"
    children = [start(TAKER, path) for _ in range(3)]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    granted = 0
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    for child in children:
        output, _ = child.communicate()
        granted += int(output)

    assert granted == 60


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_killed_run_leaves_a_started_request_that_the_next_run_abandons(tmp_path: Path) -> None:
    """Begun means written down before anything is sent; kill -9 cannot unwrite it."""
    path = tmp_path / "control.sqlite"
    child = start(BEGINNER, path)
    child.communicate()
    with ControlStore.open(path, clock=FixedClock(NOON)) as store:
        found = [(row.request_id, row.status, row.pid) for row in store.requests()]
        abandoned = store.abandon_dead()
        (load,) = store.loads()

    assert child.returncode == -signal.SIGKILL
    assert [("r1", "started", child.pid)] == found
    assert (abandoned, load.account_id, load.status) == (1, FIRST, LoadStatus.ABANDONED)
