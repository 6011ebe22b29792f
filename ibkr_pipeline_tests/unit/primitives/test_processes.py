"""Whether a process lives is answered with no, or with yes when it cannot be known."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ibkr_pipeline.primitives import processes
from ibkr_pipeline.primitives.processes import is_alive, this_process

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="start marks need /proc")


def ended_pid() -> int:
    """Return the number of a process that has ended."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_this_process_lives() -> None:
    """By its own start mark."""
    me = this_process()

    assert (os.getpid(), True) == (me.pid, is_alive(me.pid, me.started))


@linux
def test_a_process_with_another_start_mark_is_another(tmp_path: Path) -> None:
    """Numbers are used again."""
    assert not is_alive(os.getpid(), "boot:1")
    assert is_alive(os.getpid(), "")


@pytest.mark.skipif(sys.platform == "win32", reason="cannot be known on Windows")
@pytest.mark.parametrize("has_proc", [True, False], ids=["with /proc", "without"])
def test_an_ended_process_is_dead(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, has_proc: bool
) -> None:
    """With or without a /proc to look into."""
    pid = ended_pid()
    if not has_proc:
        monkeypatch.setattr(processes, "_PROC", tmp_path)

    assert not is_alive(pid, "")


@linux
def test_a_zombie_is_dead() -> None:
    """It only waits for its parent; nothing runs any more."""
    child = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.read()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

    assert not is_alive(child.pid, "")
    child.wait()


def test_without_proc_a_running_process_has_no_start_mark(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """MacOS and Windows: alive, as far as can be known."""
    monkeypatch.setattr(processes, "_PROC", tmp_path)

    assert (this_process().started, is_alive(os.getpid(), "boot:1")) == ("", True)


def test_a_process_of_another_user_lives(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Being refused is an answer."""

    def refuse(pid: int, number: int) -> None:
        raise PermissionError

    monkeypatch.setattr(processes, "_PROC", tmp_path)
    monkeypatch.setattr(os, "kill", refuse)

    assert is_alive(1, "")
