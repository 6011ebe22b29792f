"""One holder at a time, named while it holds."""

from __future__ import annotations

import json
import os
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ibkr_pipeline.primitives import locks
from ibkr_pipeline.primitives.clock import FixedClock
from ibkr_pipeline.primitives.errors import BusyError
from ibkr_pipeline.primitives.locks import hold, holder_of
from ibkr_pipeline.primitives.processes import this_process
from ibkr_pipeline_tests.raw_requests import NOON

CLOCK = FixedClock(NOON)


def in_another_thread(path: Path, timeout_seconds: float = 0, **options: object) -> str:
    """Try the lock where it is not already ours; return who held it, or `free`."""

    def attempt() -> str:
        try:
            with hold(
                path,
                timeout_seconds=timeout_seconds,
                purpose="second",
                clock=CLOCK,
                **options,  # type: ignore[arg-type]  # test convenience
            ):
                return "free"
        except BusyError as error:
            return error.holder

    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(attempt).result()


def test_a_held_lock_names_process_purpose_and_since_when(tmp_path: Path) -> None:
    """So that a person can decide whether to wait."""
    path = tmp_path / "data" / "warehouse.lock"
    with hold(path, timeout_seconds=0, purpose="apply positions", clock=CLOCK):
        holder = in_another_thread(path)

    me = this_process()
    expected = f"process {me.pid} on {me.host} (apply positions) since 2026-11-18T12:00:00Z"
    assert expected == holder
    assert in_another_thread(path) == "free"


def test_the_thread_that_holds_it_is_refused_at_once(tmp_path: Path) -> None:
    """It would wait for itself; a minute of silence would hide the mistake."""
    path = tmp_path / "lock"
    with hold(path, timeout_seconds=0, purpose="outer", clock=CLOCK):
        with (
            pytest.raises(BusyError, match="by the thread that holds it"),
            hold(path, timeout_seconds=60, purpose="inner", clock=CLOCK),
        ):
            raise AssertionError("the lock was given twice")
        assert in_another_thread(path).startswith("process")


def test_the_lock_is_freed_when_the_block_fails(tmp_path: Path) -> None:
    """An error under the lock is the usual way out."""
    with (
        pytest.raises(RuntimeError, match="inside"),
        hold(tmp_path / "lock", timeout_seconds=0, purpose="x", clock=CLOCK),
    ):
        raise RuntimeError("inside")

    assert in_another_thread(tmp_path / "lock") == "free"
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


@pytest.mark.parametrize("note", ["", "{", "[]", '{"pid": "x"}', '{"pid": 1}'], ids=repr)
def test_a_note_that_says_nothing_names_nobody(tmp_path: Path, note: str) -> None:
    """It is for people alone; the lock does not depend on it."""
    (tmp_path / "lock.holder").write_text(note)

    assert holder_of(tmp_path / "lock") == "another process"
    assert in_another_thread(tmp_path / "lock") == "free"


def test_a_note_of_another_host_is_believed(tmp_path: Path) -> None:
    """Its processes cannot be looked at from here."""
    note = {"pid": 7, "host": "elsewhere", "started": "", "purpose": "sync", "since": "noon"}
    (tmp_path / "lock.holder").write_text(json.dumps(note))

    assert holder_of(tmp_path / "lock") == "process 7 on elsewhere (sync) since noon"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="start marks need /proc")
def test_a_stale_note_of_a_reused_process_number_names_nobody(tmp_path: Path) -> None:
    """The number is ours, the process was another."""
    note = {
        "pid": os.getpid(),
        "host": this_process().host,
        "started": "another boot:1",
        "purpose": "sync",
        "since": "noon",
    }
    (tmp_path / "lock.holder").write_text(json.dumps(note))

    assert holder_of(tmp_path / "lock") == "another process"


def test_progress_is_told_about_once_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Often enough to see that it lives, seldom enough to read."""
    ticks = iter([0.0, 0.5, 0.99, 1.0, 1.0, 1.5])
    monkeypatch.setattr(locks, "monotonic", lambda: next(ticks))
    told: list[str] = []
    progress = locks._Progress(tmp_path / "lock", told.append)

    assert [progress.tell() for _ in range(5)] == [False] * 5
    assert told == ["waiting for another process to release lock"] * 2


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no POSIX file modes")
def test_lock_and_note_are_for_their_owner_alone(tmp_path: Path) -> None:
    """The purpose may name an account."""
    with hold(tmp_path / "d" / "lock", timeout_seconds=0, purpose="x", clock=CLOCK):
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "d").iterdir()}

    assert modes == {"lock": 0o600, "lock.holder": 0o600}
    assert stat.S_IMODE((tmp_path / "d").stat().st_mode) == 0o700
