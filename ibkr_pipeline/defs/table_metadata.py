"""What a table's asset shows: rows, as-of, key range, null counts, a preview, its columns.

What lives here: reading the newest rows of a core table, and table -> metadata. What must not:
the proof of a read (`read_metadata.py`), or the check of the rows (`asset_checks.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import dagster as dg
import duckdb
import polars as pl

from ibkr_pipeline import __version__
from ibkr_pipeline.models.requests import AppliedLoad
from ibkr_pipeline.schemas.table import Column, Table

Metadata = dict[str, Any]

PREVIEW_ROWS = 10
#: Columns that say where a row came from; a preview is of the facts.
_NOT_PREVIEWED = frozenset({"source", "load_id", "snapshot_id", "extras", "request_id"})
_AS_OF = ("as_of", "event_ts", "available_at", "recorded_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableState:
    """A table as it stands.

    Attributes:
        n_rows: All rows, every version and snapshot.
        newest: Rows of the newest commit that brought any.
        key_range: Key column -> smallest and largest value in the table, as text.
    """

    table: Table
    n_rows: int
    newest: pl.DataFrame
    key_range: dict[str, tuple[str, str]]

    @property
    def as_of(self) -> datetime | None:
        """Instant the newest rows are true for."""
        for name in _AS_OF:
            if name in self.newest.columns:
                value = self.newest[name].max()
                if isinstance(value, datetime):
                    return value
        return None


def read_state(connection: duckdb.DuckDBPyConnection, table: Table) -> TableState:
    """Read the row count, the key range and the newest rows of a table."""
    relation = connection.table(table.name)
    spans = ", ".join(f'min("{name}")::VARCHAR, max("{name}")::VARCHAR' for name in table.key)
    counted = relation.aggregate(f"count(*), max(recorded_at), {spans}").fetchall()
    n_rows, newest_at, *edges = counted[0]
    if not n_rows:
        return empty_state(table)
    newest = connection.table(table.name).filter(
        duckdb.ColumnExpression("recorded_at") == duckdb.ConstantExpression(newest_at)
    )
    return TableState(
        table=table,
        n_rows=n_rows,
        newest=_in_utc(newest.pl()),
        key_range={
            name: (str(low), str(high))
            for name, low, high in zip(table.key, edges[::2], edges[1::2], strict=True)
        },
    )


def empty_state(table: Table) -> TableState:
    """Return the state of a table nothing was ever written to."""
    return TableState(table=table, n_rows=0, newest=table.empty(), key_range={})


def table_metadata(state: TableState, applied: Sequence[AppliedLoad] = ()) -> Metadata:
    """Return what a person wants to know of a table after a run.

    Args:
        state: The table.
        applied: Loads this run brought into it.
    """
    metadata: Metadata = {
        "dagster/row_count": state.n_rows,
        "rows of the newest commit": state.newest.height,
        "key range": _range_table(state),
        "null counts": _null_table(state.newest),
        "preview": dg.MetadataValue.md(preview_of(state.newest)),
    }
    if state.as_of is not None:
        metadata["as_of"] = dg.MetadataValue.timestamp(state.as_of)
    if applied:
        metadata["loads applied"] = len(applied)
        metadata["rows new / changed / unchanged / gone"] = " / ".join(
            str(count) for count in _counts(applied)
        )
    return metadata


def column_schema(columns: Sequence[Column], *, key: Sequence[str] = ()) -> dg.TableSchema:
    """Return columns as Dagster shows them: type, description with unit, constraints."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=column.sql_type,
                description=_described(column),
                constraints=dg.TableColumnConstraints(
                    nullable=column.nullable,
                    other=[f"one of {', '.join(column.allowed)}"] if column.allowed else [],
                ),
            )
            for column in columns
        ],
        constraints=dg.TableConstraints(other=[f"key: {', '.join(key)}"] if key else []),
    )


def code_version_of(*tables: Table) -> str:
    """Return a version that changes when the package or a column of these tables does."""
    digest = hashlib.sha256()
    for table in tables:
        digest.update(table.ddl.encode())
        digest.update(",".join(table.key).encode())
    return f"{__version__}+{digest.hexdigest()[:8]}" if tables else __version__


def preview_of(frame: pl.DataFrame, *, most: int = PREVIEW_ROWS) -> str:
    """Return the first rows of a frame as a Markdown table; nulls are empty cells.

    Args:
        frame: The rows.
        most: How many are written out; how many more there are is said.
    """
    names = [name for name in frame.columns if name not in _NOT_PREVIEWED]
    if frame.is_empty() or not names:
        return "no rows"
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += [
        "| " + " | ".join(_cell(value) for value in row) + " |"
        for row in frame.select(names).head(most).iter_rows()
    ]
    rest = frame.height - most
    return "\n".join(lines) + (f"\n\nand {rest} more" if rest > 0 else "")


def _counts(applied: Sequence[AppliedLoad]) -> tuple[int, int, int, int]:
    """Return new, changed, unchanged and gone as the summary of a run counts them.

    Where an account was read several times, as executions are around the positions, its rows
    that did not change are counted once.
    """
    by_subject: dict[str, list[AppliedLoad]] = {}
    for load in applied:
        by_subject.setdefault(load.load_id.partition(":")[2], []).append(load)
    n_new, n_changed = sum(load.n_new for load in applied), sum(load.n_changed for load in applied)
    n_unchanged = sum(
        max(
            max(load.n_read for load in loads) - sum(load.n_new + load.n_changed for load in loads),
            0,
        )
        for loads in by_subject.values()
    )
    return n_new, n_changed, n_unchanged, sum(load.n_gone for load in applied)


def _described(column: Column) -> str:
    return f"{column.description} [{column.unit}]" if column.unit else column.description


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = format(value.normalize(), "f") if hasattr(value, "normalize") else str(value)
    return text.replace("|", "\\|").replace("\n", " ")


def _range_table(state: TableState) -> dg.TableMetadataValue | str:
    if not state.key_range:
        return "no rows"
    return dg.MetadataValue.table(
        records=[
            dg.TableRecord({"column": name, "smallest": low, "largest": high})
            for name, (low, high) in state.key_range.items()
        ]
    )


def _null_table(frame: pl.DataFrame) -> dg.TableMetadataValue | str:
    counts = {name: frame[name].null_count() for name in frame.columns}
    records = [
        dg.TableRecord({"column": name, "nulls": count}) for name, count in counts.items() if count
    ]
    return dg.MetadataValue.table(records=records) if records else "none"


def _in_utc(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(
        pl.col(name).dt.convert_time_zone("UTC")
        for name, dtype in frame.schema.items()
        if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None
    )
