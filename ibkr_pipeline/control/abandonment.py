"""Requests that nobody will finish any more, because their process is gone.

What lives here: which of the started requests these are. What must not: what a process is
(`primitives/processes.py`), or how a request ends (`requests.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Connection

from ibkr_pipeline.control import requests
from ibkr_pipeline.primitives.processes import ProcessIdentity

#: A request whose process cannot be examined counts as dead after this long.
MAX_REQUEST_AGE = timedelta(hours=24)
_GONE = "the process that asked ended without a verdict"


def abandon_dead(
    connection: Connection,
    *,
    here: ProcessIdentity,
    alive: Callable[[int, str], bool],
    now: datetime,
    max_age: timedelta,
) -> int:
    """Mark `started` requests of processes that are gone `abandoned`; return how many.

    Args:
        connection: The open transaction.
        here: The process that looks; its own requests are never abandoned.
        alive: Process id and start mark -> whether that process of this host may still run.
        now: The instant of the verdict.
        max_age: Age after which a process that cannot be examined counts as gone.
    """
    gone = [
        row["request_id"]
        for row in requests.started(connection)
        if _is_gone(
            ProcessIdentity(
                pid=row["pid"] or 0, host=row["host"] or "", started=row["process_started"] or ""
            ),
            here,
            alive=alive,
            too_old=now - row["started_at"] > max_age,
        )
    ]
    for request_id in gone:
        requests.abandon(connection, request_id, reason=_GONE, at=now)
    return len(gone)


def _is_gone(
    process: ProcessIdentity,
    here: ProcessIdentity,
    *,
    alive: Callable[[int, str], bool],
    too_old: bool,
) -> bool:
    if process == here:
        return False
    if process.host != here.host or process.pid == 0:
        return too_old
    if not alive(process.pid, process.started):
        return True
    return too_old and not process.started
