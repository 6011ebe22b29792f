"""The last commit that was acknowledged, kept beside the warehouse.

What lives here: a mark, and the check that the warehouse still has what it says. What must not:
any row.

DuckDB refuses a write-ahead log whose checksums are wrong, but a log that was cut off, emptied or
overwritten with zeros it reads up to there and then deletes, without a word. Commits that were
acknowledged would be gone, and their loads would count as applied. So after every commit its
instant is noted here, and a warehouse that ends before it is refused. While a log is there (only
after a crash), the check is made read-only, which leaves the log alone.
"""

from __future__ import annotations

import logging
from datetime import datetime
from pathlib import Path

import duckdb

from ibkr_pipeline.warehouse import opening
from ibkr_pipeline.warehouse.migrations import version_of
from ibkr_pipeline.warehouse.transaction import last_recorded_at

_SUFFIX = ".acknowledged"
_LOG = logging.getLogger(__name__)


def acknowledge(path: Path, recorded_at: datetime) -> None:
    """Note that the commit at an instant is in the warehouse at `path`."""
    mark = path.with_suffix(_SUFFIX)
    beside = mark.with_suffix(_SUFFIX + ".tmp")
    beside.write_text(recorded_at.isoformat(), encoding="ascii")
    beside.replace(mark)


def forget(path: Path) -> None:
    """Drop the mark of a warehouse that is no longer there."""
    path.with_suffix(_SUFFIX).unlink(missing_ok=True)


def check_log(path: Path) -> None:
    """Check what a log left by a crash would give, without touching it.

    Raises:
        WarehouseDamagedError: If the log cannot be read or lacks acknowledged commits.
    """
    if path.with_name(f"{path.name}.wal").exists() and path.exists():
        connection = opening.connect(path, read_only=True)
        try:
            check(path, connection)
        finally:
            connection.close()


def check(path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    """Check that an open warehouse has every acknowledged commit.

    Raises:
        WarehouseDamagedError: If it ends before the last one.
    """
    expected = _read(path.with_suffix(_SUFFIX))
    if expected is None:
        return
    found = last_recorded_at(connection) if version_of(connection) else None
    if found is None or found < expected:
        ends = "nothing" if found is None else found.isoformat()
        raise opening.damaged(
            path,
            f"{path} ended with {ends}; the last acknowledged commit was {expected.isoformat()}. "
            f"Its write-ahead log was cut off or removed, or an older file was put in its place.",
        )


def _read(mark: Path) -> datetime | None:
    try:
        return datetime.fromisoformat(mark.read_text(encoding="ascii"))
    except FileNotFoundError:
        return None
    except ValueError:
        # A power cut may leave it empty; the warehouse is the authority then.
        _LOG.warning("mark=%s was unreadable; the next commit writes it again", mark)
        return None
