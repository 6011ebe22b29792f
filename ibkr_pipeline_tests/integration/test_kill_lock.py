"""A lock is freed by kill -9 of its holder, and names the holder while it lives."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ibkr_pipeline.primitives.clock import FixedClock
from ibkr_pipeline.primitives.errors import BusyError
from ibkr_pipeline.primitives.locks import hold, holder_of
from ibkr_pipeline_tests.raw_requests import NOON
from ibkr_pipeline_tests.repository import ROOT

HOLDER = """
import sys
from pathlib import Path
from ibkr_pipeline.primitives.clock import FixedClock
from ibkr_pipeline.primitives.locks import hold
from ibkr_pipeline_tests.raw_requests import NOON

with hold(Path(sys.argv[1]), timeout_seconds=0, purpose="nightly run", clock=FixedClock(NOON)):
    print("holding", flush=True)
    sys.stdin.readline()
"""


def start_holder(path: Path) -> subprocess.Popen[str]:
    """Start a process and return once it holds the lock."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "holding\n"
    return child


def hold_it(path: Path, **options: object) -> None:
    """Take the lock and give it back."""
    arguments = {"timeout_seconds": 0, "purpose": "test", "clock": FixedClock(NOON), **options}
    with hold(path, **arguments):  # type: ignore[arg-type]  # test convenience
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_fault_59_a_second_writer_is_told_who_holds_the_lock_until_kill_frees_it(
    tmp_path: Path,
) -> None:
    """A run that died must never block the next one, nor be named as its reason."""
    path = tmp_path / "warehouse.lock"
    child = start_holder(path)
    with pytest.raises(BusyError) as caught:
        hold_it(path)
    child.kill()
    child.communicate()

    for part in (f"process {child.pid} on", "(nightly run)", "since 2026-11-18T12:00:00Z"):
        assert part in caught.value.holder
        assert part in str(caught.value)
    assert caught.value.exit_code == 75
    assert holder_of(path) == "another process"
    hold_it(path)


def test_who_waits_is_told_for_whom_and_gets_the_lock_when_it_is_free(tmp_path: Path) -> None:
    """The holder ends when the first progress line is out: no clock decides."""
    path = tmp_path / "warehouse.lock"
    child = start_holder(path)
    told: list[str] = []

    def on_wait(line: str) -> None:
        told.append(line)
        if len(told) == 1:
            assert child.stdin is not None
            child.stdin.write("enough\n")
            child.stdin.flush()

    hold_it(path, timeout_seconds=60, on_wait=on_wait)
    child.communicate()

    assert child.returncode == 0
    assert f"waiting for process {child.pid} on" in told[0]
    assert not (tmp_path / "warehouse.lock.holder").exists()
    assert os.path.exists(path)  # noqa: PTH110 - the lock file stays
