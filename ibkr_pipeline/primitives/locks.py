"""One holder at a time across processes, by a lock file the system frees when a process dies.

What lives here: `hold`. What must not: what is done under the lock. The lock itself is the
operating system's (kill -9 frees it); the note beside it, `<lock>.holder`, only says who to name
while waiting and may be stale.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Protocol

from filelock import FileLock, Timeout

from ibkr_pipeline.primitives.errors import BusyError
from ibkr_pipeline.primitives.processes import is_alive, this_process

_POLL_SECONDS = 0.05
_PROGRESS_SECONDS = 1.0
_UNKNOWN = "another process"

_held_here: set[tuple[str, int]] = set()
_guard = threading.Lock()


class _Clock(Protocol):
    def now(self) -> datetime: ...


@contextmanager
def hold(
    path: Path,
    *,
    timeout_seconds: float,
    purpose: str,
    clock: _Clock,
    on_wait: Callable[[str], None] | None = None,
) -> Iterator[None]:
    """Hold the lock at `path` for the length of the block.

    Args:
        path: Lock file; made if missing, never removed.
        timeout_seconds: How long to wait; 0 asks once.
        purpose: What the holder does, in a few words, for whoever waits.
        clock: Dates the note.
        on_wait: Told about once a second who holds the lock while we wait.

    Raises:
        BusyError: If somebody else still held it after the wait; names process, purpose and
            since when. Also if this very thread holds it, since it would wait for itself.
    """
    me = (str(path.resolve()), threading.get_ident())
    with _guard:
        if me in _held_here:
            raise BusyError(
                f"Lock {path} was asked for by the thread that holds it; expected it to be held "
                f"once. This is a mistake in the program (purpose: {purpose}).",
                holder="this thread",
            )
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = FileLock(path, mode=0o600, thread_local=False, fallback_to_soft=False)
    _acquire(lock, path, timeout_seconds=timeout_seconds, on_wait=on_wait)
    with _guard:
        _held_here.add(me)
    try:
        _write_note(path, purpose=purpose, clock=clock)
        yield
    finally:
        with suppress(OSError):
            _note_path(path).unlink()
        with _guard:
            _held_here.discard(me)
        lock.release()


def holder_of(path: Path) -> str:
    """Return who holds the lock at `path` in plain words, as far as its note can be trusted."""
    try:
        note = json.loads(_note_path(path).read_text(encoding="utf-8"))
        pid, host, started = int(note["pid"]), str(note["host"]), str(note["started"])
        words = f"process {pid} on {host} ({note['purpose']}) since {note['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return _UNKNOWN
    if host == this_process().host and not is_alive(pid, started):
        return _UNKNOWN
    return words


def _acquire(
    lock: FileLock, path: Path, *, timeout_seconds: float, on_wait: Callable[[str], None] | None
) -> None:
    progress = _Progress(path, on_wait)
    try:
        lock.acquire(
            timeout=timeout_seconds, poll_interval=_POLL_SECONDS, cancel_check=progress.tell
        )
    except Timeout as error:
        holder = holder_of(path)
        raise BusyError(
            f"Lock {path} was still held by {holder} after {timeout_seconds:g} s; expected it to "
            "be free. Wait for that run to end, or end it, then run again; `lock_timeout` "
            "sets how long to wait.",
            holder=holder,
        ) from error


class _Progress:
    """Tells now and then that we wait, and never asks to stop waiting."""

    def __init__(self, path: Path, on_wait: Callable[[str], None] | None) -> None:
        self._path = path
        self._on_wait = on_wait
        self._told_at: float | None = None

    def tell(self) -> bool:
        """Tell who holds the lock, at most once a second."""
        due = self._told_at is None or monotonic() - self._told_at >= _PROGRESS_SECONDS
        if self._on_wait is not None and due:
            self._told_at = monotonic()
            self._on_wait(f"waiting for {holder_of(self._path)} to release {self._path.name}")
        return False


def _write_note(path: Path, *, purpose: str, clock: _Clock) -> None:
    me = this_process()
    note = {
        "pid": me.pid,
        "host": me.host,
        "started": me.started,
        "purpose": purpose,
        "since": clock.now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    temp = path.with_name(f".{path.name}.holder.tmp-{me.pid}")
    # The note is for people: a disk too full for it must not keep the work under the lock away.
    with suppress(OSError):
        temp.write_text(json.dumps(note), encoding="utf-8")
        os.chmod(temp, 0o600)  # noqa: PTH101 - works on every system alike
        temp.replace(_note_path(path))


def _note_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.holder")
