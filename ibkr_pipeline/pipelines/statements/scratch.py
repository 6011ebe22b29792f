"""Folders for files that are worth nothing once a run has ended.

What lives here: making one, and removing those whose process is gone. What must not: anything
that should survive a kill; that is `landing/`.
"""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ibkr_pipeline.landing.durable import make_private_folder
from ibkr_pipeline.primitives.processes import ProcessIdentity, is_alive, this_process

FOLDER = "scratch"
#: A folder nobody can be asked about is removed after this long.
LONGEST_LIFE = timedelta(hours=24)
_OWNER = "owner.json"


def make_scratch(directory: Path) -> Path:
    """Return a new empty folder of this process in the data directory."""
    process = this_process()
    folder = directory / FOLDER / f"{process.pid}-{secrets.token_hex(4)}"
    make_private_folder(folder)
    owner = {"pid": process.pid, "host": process.host, "started": process.started}
    (folder / _OWNER).write_text(json.dumps(owner), encoding="utf-8")
    return folder


def sweep_scratch(
    directory: Path, *, now: datetime, alive: Callable[[int, str], bool] = is_alive
) -> int:
    """Remove the folders of processes that are gone; return how many.

    Args:
        directory: The data directory.
        now: The instant.
        alive: Process id and start mark -> whether that process of this host may still run.
    """
    n_removed = 0
    for folder in (directory / FOLDER).glob("*-*"):
        if _is_left_over(folder, now=now, alive=alive):
            shutil.rmtree(folder, ignore_errors=True)
            n_removed += 1
    return n_removed


def _is_left_over(folder: Path, *, now: datetime, alive: Callable[[int, str], bool]) -> bool:
    owner = _owner_of(folder)
    if owner is None or owner.host != this_process().host:
        return now - _touched_at(folder, otherwise=now) > LONGEST_LIFE
    return not alive(owner.pid, owner.started)


def _owner_of(folder: Path) -> ProcessIdentity | None:
    try:
        told = json.loads((folder / _OWNER).read_text(encoding="utf-8"))
        return ProcessIdentity(pid=told["pid"], host=told["host"], started=told["started"])
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _touched_at(folder: Path, *, otherwise: datetime) -> datetime:
    try:
        return datetime.fromtimestamp(folder.stat().st_mtime, tz=UTC)
    except FileNotFoundError:
        return otherwise
