"""Which process this is, and whether another one still runs.

What lives here: a process's identity that survives the reuse of its number. What must not: locks
(`locks.py`), which need no identity to be safe.
"""

from __future__ import annotations

import os
import socket
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_PROC = Path("/proc")
#: Field of /proc/PID/stat after the command name: state is the first, start time the twentieth.
_STATE, _START_TIME = 0, 19
_ENDED = frozenset("ZXx")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessIdentity:
    """One process on one host.

    Attributes:
        started: Opaque mark of when it started; empty where the system does not tell. Two
            processes with one number differ in it.
    """

    pid: int
    host: str
    started: str


def this_process() -> ProcessIdentity:
    """Return the identity of the running process."""
    pid = os.getpid()
    return ProcessIdentity(pid=pid, host=_host(), started=_start_mark(pid))


def is_alive(pid: int, started: str) -> bool:
    """Tell whether a process of this host still runs; True also when that cannot be known.

    Args:
        pid: Its number.
        started: Its start mark as `this_process` told it, or empty.
    """
    if _PROC.joinpath("self", "stat").exists():
        fields = _stat_fields(pid)
        if not fields or fields[_STATE] in _ENDED:
            return False
        return not started or _start_mark(pid) == started
    if sys.platform == "win32":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@cache
def _host() -> str:
    return socket.gethostname()


def _start_mark(pid: int) -> str:
    fields = _stat_fields(pid)
    return f"{_boot_id()}:{fields[_START_TIME]}" if fields else ""


def _stat_fields(pid: int) -> list[str]:
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


@cache
def _boot_id() -> str:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return "unknown-boot"
