"""Runs killed at any moment, many times over, leave what one undisturbed run leaves.

The named points where a run may die have tests of their own; here the moment is drawn at random
from a fixed seed, so that the places nobody thought of are met too.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(os.name == "nt", reason="kill -9 is a POSIX signal"),
]

ROUNDS = 40
SHOWN = ("accounts", "positions", "orders", "executions")
#: Columns that tell when and by which read a row came; they differ from run to run.
PROVENANCE = {
    "as_of",
    "available_at",
    "connection_epoch",
    "load_id",
    "recorded_at",
    "session_date",
    "snapshot_id",
}


@pytest.fixture
def port() -> Iterator[str]:
    """Port of a simulated broker that serves for the length of a test."""
    command = [sys.executable, "-m", "ibkr_pipeline.simulator"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as broker:
        try:
            assert broker.stdout is not None
            yield broker.stdout.readline().split("tws=127.0.0.1:")[1].split()[0]
        finally:
            broker.terminate()


def test_killed_runs_leave_what_an_undisturbed_run_leaves(port: str, tmp_path: Path) -> None:
    """Whatever a kill interrupts, the next run heals it and doubles nothing."""
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    started = time.monotonic()
    assert _sync(port, undisturbed).wait() == 0
    seconds = time.monotonic() - started
    moments = random.Random(20261118)

    n_killed = sum(_kill_after(port, disturbed, moments.uniform(0, seconds)) for _ in range(ROUNDS))
    assert _sync(port, disturbed).wait() == 0

    assert n_killed > ROUNDS / 2
    assert _tables(port, undisturbed) == _tables(port, disturbed)


def _kill_after(port: str, directory: Path, seconds: float) -> bool:
    """Start a run and kill it; return whether it was still at it."""
    run = _sync(port, directory)
    try:
        run.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        run.send_signal(signal.SIGKILL)
        run.wait()
        return True
    return False


def _sync(port: str, directory: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "ibkr_pipeline", "sync", "all", "--json"],
        env=_environment(port, directory),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _tables(port: str, directory: Path) -> dict[str, list[str]]:
    """Return every shown table as sorted rows without provenance."""
    return {name: sorted(_row(row) for row in _show(port, directory, name)) for name in SHOWN}


def _show(port: str, directory: Path, table: str) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "ibkr_pipeline", "show", table, "--json"]
    environment = _environment(port, directory)
    shown = subprocess.run(command, env=environment, capture_output=True, check=True)
    rows: list[dict[str, Any]] = json.loads(shown.stdout)
    return rows


def _row(row: dict[str, Any]) -> str:
    return json.dumps({name: row[name] for name in sorted(row.keys() - PROVENANCE)})


def _environment(port: str, directory: Path) -> dict[str, str]:
    return {
        **os.environ,
        "IBKR_PIPELINE_MODE": "simulated",
        "IBKR_PIPELINE_DATA": str(directory),
        "IBKR_PORT": port,
    }
