"""The read copy: what `show`, notebooks and other tools read while the warehouse is written.

What lives here: how the copy is made, published and found to be current. What must not: locks
(`connection.py` holds them while this runs).

The bytes of the file are copied, which costs a thirtieth of copying its tables: 0.05 s instead
of 1.35 s with a million executions. That is safe only in a certain order, because closing any
handle on the live file drops DuckDB's lock: the handle the bytes are read from is opened before
DuckDB opens the file and closed after DuckDB closed it. Where open files cannot be shared
(Windows), the tables are copied.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import duckdb

from ibkr_pipeline.primitives.enums import WIRE_DATASETS
from ibkr_pipeline.primitives.errors import BusyError, RawDataError
from ibkr_pipeline.warehouse import opening
from ibkr_pipeline.warehouse.migrations import version_of
from ibkr_pipeline.warehouse.transaction import last_recorded_at
from ibkr_pipeline.warehouse.views import create_views

FILE_NAME = "warehouse_read.duckdb"
_LIVE_CAN_BE_SHARED = os.name != "nt"


@contextlib.contextmanager
def source_of(live: Path) -> Iterator[BinaryIO | None]:
    """Hold a handle on the live file for `publish` to copy from; enter before DuckDB opens it."""
    if not _LIVE_CAN_BE_SHARED:
        yield None
        return
    with live.open("rb") as handle:
        yield handle


def publish(
    connection: duckdb.DuckDBPyConnection,
    target: Path,
    *,
    source: BinaryIO | None,
    raw_files: Mapping[str, Sequence[Path]],
) -> Path:
    """Publish a copy of the warehouse at `target` unless the one there is current.

    Built beside its place, flushed to disk and renamed, so that a reader finds the old one or
    the new one; whoever has the old one open keeps it.

    Args:
        connection: The live warehouse, open for writing, outside a transaction.
        target: Where the copy goes.
        source: Handle from `source_of`; None copies table by table.
        raw_files: Dataset -> raw files that the view `raw.<dataset>` reads.

    Raises:
        RawDataError: If a listed raw file does not exist.
        BusyError: If a reader keeps the old copy from being replaced (Windows only).
    """
    state = _state(connection, raw_files)
    note = target.with_suffix(".json")
    if target.exists() and note.exists() and note.read_text(encoding="utf-8") == state:
        return target
    _require_files(raw_files)
    note.unlink(missing_ok=True)
    beside = target.with_suffix(".duckdb.tmp")
    beside.unlink(missing_ok=True)
    if source is None:
        _copy_tables(connection, beside)
    else:
        _copy_bytes(connection, source, beside)
    _add_raw_views(beside, raw_files)
    _replace(beside, target)
    note.write_text(state, encoding="utf-8")
    return target


def _state(connection: duckdb.DuckDBPyConnection, raw_files: Mapping[str, Sequence[Path]]) -> str:
    last = last_recorded_at(connection)
    listing = hashlib.sha256()
    for dataset in sorted(raw_files):
        listing.update(dataset.encode())
        for path in raw_files[dataset]:
            listing.update(b"\0" + str(path).encode())
    return json.dumps(
        {
            "recorded_at": None if last is None else last.isoformat(),
            "version": version_of(connection),
            "raw": listing.hexdigest(),
        }
    )


def _require_files(raw_files: Mapping[str, Sequence[Path]]) -> None:
    missing = [path for files in raw_files.values() for path in files if not path.is_file()]
    if missing:
        raise RawDataError(
            f"{len(missing)} raw files that the manifest lists do not exist, the first is "
            f"{missing[0]}. Put them back from a backup; the read copy was left as it was."
        )


def _copy_bytes(connection: duckdb.DuckDBPyConnection, source: BinaryIO, beside: Path) -> None:
    # After the checkpoint the file holds everything and its log is empty. Nobody can write to it
    # while the connection, and our lock, are held.
    connection.execute("CHECKPOINT")
    source.seek(0)
    with beside.open("wb") as copy:
        shutil.copyfileobj(source, copy, length=4 * 1024 * 1024)
    beside.chmod(0o600)


def _copy_tables(connection: duckdb.DuckDBPyConnection, beside: Path) -> None:
    live = str(connection.execute("SELECT current_database()").fetchall()[0][0])
    location = str(beside).replace("'", "''")
    connection.execute(f"ATTACH '{location}' AS read_copy")
    try:
        connection.execute(f'COPY FROM DATABASE "{live}" TO read_copy')
    finally:
        connection.execute("DETACH read_copy")
    beside.chmod(0o600)


def _add_raw_views(path: Path, raw_files: Mapping[str, Sequence[Path]]) -> None:
    connection = opening.connect(path, read_only=False)
    try:
        create_views(connection)
        connection.execute("CREATE SCHEMA IF NOT EXISTS raw")
        for dataset in dict.fromkeys([*(item.value for item in WIRE_DATASETS), *raw_files]):
            connection.execute(_raw_view(dataset, raw_files.get(dataset, ())))
    finally:
        connection.close()


def _raw_view(dataset: str, files: Sequence[Path]) -> str:
    """Return a view over listed raw files: one row per message, untouched, and its file.

    The list is part of the view: a file that is no part of a published request is not read.
    """
    if files:
        listed = ", ".join("'" + str(path).replace("'", "''") + "'" for path in files)
        source = (
            f"read_ndjson([{listed}], columns = {{json: 'JSON'}}, records = false, "
            f"filename = true, maximum_object_size = 67108864)"
        )
    else:
        source = "(SELECT NULL::JSON AS json, NULL::VARCHAR AS filename WHERE FALSE)"
    name = dataset.replace('"', '""')
    return f"""CREATE OR REPLACE VIEW raw."{name}" AS
        SELECT json ->> 'message' AS message, (json ->> 'seq')::BIGINT AS seq,
            json ->> 'account' AS account, json, filename
        FROM {source}"""


def _replace(beside: Path, target: Path) -> None:
    with beside.open("rb+") as copy:
        os.fsync(copy.fileno())
    try:
        beside.replace(target)
    except PermissionError as error:
        raise BusyError(
            f"{target} is open in another program that does not let it be replaced. Close it "
            f"there; the next run publishes again.",
            holder="a reader of the read copy",
        ) from error
    if os.name != "nt":
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
