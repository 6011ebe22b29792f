"""Opening a DuckDB file, and DuckDB's errors in our words.

What lives here: connection settings, and what to do about a file that is held, damaged or full.
What must not: locks of our own, or any table.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import duckdb

from ibkr_pipeline.primitives.errors import BusyError, WarehouseMissingError
from ibkr_pipeline.warehouse.errors import (
    WarehouseDamagedError,
    WarehouseError,
    WarehouseFullError,
)

#: Groups of rows are left as they were written: to make one of several small ones, DuckDB rewrites
#: the table when it closes. 200,000 fills beside one took 0.5 s and 90 MiB. Nothing is ever
#: deleted, and what a load appends fills up the last group.
_CONFIG = {"python_enable_replacements": "false", "max_vacuum_tasks": "0"}
_HELD = re.compile(r"Could not set lock|Conflicting lock|being used by another process", re.I)
_FULL = re.compile(
    r"No space left|Disk quota exceeded|File too large|Could not write|could not write all", re.I
)


def connect(path: Path, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    """Open a warehouse file: instants in UTC, no scanning of Python variables.

    Raises:
        BusyError: If another program has the file open.
        WarehouseDamagedError: If the file or its write-ahead log cannot be read.
        WarehouseFullError: If there is no room to open it.
    """
    try:
        connection = duckdb.connect(str(path), read_only=read_only, config=dict(_CONFIG))
    except duckdb.Error as error:
        # A file or a log with a wrong checksum is reported as a plain error.
        text = _flat(error)
        found = f"{path} or its write-ahead log cannot be read: {text}."
        raise _known(path, text) or damaged(path, found) from error
    try:
        connection.execute("SET TimeZone = 'UTC'")
    except BaseException:
        connection.close()
        raise
    return connection


def open_read_copy(path: Path) -> duckdb.DuckDBPyConnection:
    """Open a published read copy, read-only, instants in UTC. The caller closes it.

    Raises:
        WarehouseMissingError: If nothing has been published there.
    """
    if not path.exists():
        raise WarehouseMissingError(
            f"There is no read copy at {path}. Run `ibkr-pipeline sync all` first."
        )
    return connect(path, read_only=True)


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn DuckDB's errors about the file into ours; let every other error through.

    Raises:
        WarehouseFullError: If there is no room.
        WarehouseError: If the connection broke; the file is as the last commit left it.
    """
    try:
        yield
    except duckdb.FatalException as error:
        text = _flat(error)
        raise _known(path, text) or WarehouseError(
            f"The connection to {path} broke: {text}. What was committed before is safe. Run "
            f"again; if it happens again, report the message."
        ) from error
    except (duckdb.IOException, duckdb.TransactionException) as error:
        known = _known(path, _flat(error))
        if known is None:
            raise
        raise known from error


def roll_back(connection: duckdb.DuckDBPyConnection) -> None:
    """Roll back as far as the connection still can; the file is safe either way."""
    # A transaction that failed in COMMIT is over, and a connection that saw the disk full is
    # invalid: both have nothing left to roll back, and the first error is the one to report.
    with contextlib.suppress(duckdb.Error):
        connection.rollback()


def damaged(path: Path, found: str) -> WarehouseDamagedError:
    """Return the error for a file that cannot be trusted, with what to do."""
    return WarehouseDamagedError(
        f"{found} Nothing was changed or deleted. Stop every program that uses the directory, "
        f"keep a copy of {path.name} and {path.name}.wal, move both aside and run "
        f"`ibkr-pipeline rebuild`: it makes the warehouse again from the raw files."
    )


def _known(path: Path, text: str) -> WarehouseError | BusyError | None:
    """Return the error that a message of DuckDB's means, if it is one we know."""
    if _HELD.search(text):
        holder = re.search(r"Conflicting lock is held in (.+?\(PID \d+\))", text)
        named = holder.group(1) if holder else "another program"
        return BusyError(
            f"{path} was open in {named}; expected nobody else to have it open. Close it there, "
            f"and use the read copy for reading.",
            holder=named,
        )
    if _FULL.search(text):
        return WarehouseFullError(
            f"There was no room to write {path}: {text}. What was committed before is safe. Make "
            f"room and run again."
        )
    return None


def _flat(error: duckdb.Error) -> str:
    return " ".join(str(error).split())
