"""A transaction on the warehouse, and the one way rows enter a table.

What lives here: what a writer holds between BEGIN and COMMIT. What must not: who opens and
locks the file (`connection.py`), or what is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import duckdb
import polars as pl

from ibkr_pipeline.primitives.errors import SchemaError
from ibkr_pipeline.schemas import meta
from ibkr_pipeline.schemas.table import Table
from ibkr_pipeline.warehouse.checking import problem_of
from ibkr_pipeline.warehouse.errors import CommitOrderError
from ibkr_pipeline.warehouse.frames import Shown, fetched

#: Name a frame is registered under while a statement reads it.
_INCOMING = "incoming_rows"


class WriteTransaction:
    """One open transaction.

    Attributes:
        connection: The open connection, inside the transaction.
        recorded_at: Instant of this commit, UTC; after that of every commit before it, also when
            the clock stood still or was set back.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, *, recorded_at: datetime, purpose: str
    ) -> None:
        self.connection = connection
        self.recorded_at = recorded_at
        self._purpose = purpose
        self._wrote = False

    def append(self, table: Table, frame: pl.DataFrame, *, validate: bool = True) -> int:
        """Append rows to a table and return how many.

        `recorded_at` is set here, and columns are put in the table's order.

        Args:
            table: A `core` or `meta` table.
            frame: Its columns; `recorded_at` may be absent.
            validate: Whether to check the frame against the table's pandera schema. Frames this
                room computed itself from checked ones need no second check; the column types and
                NOT NULL of the database bind them all the same.

        Raises:
            SchemaError: If the rows do not fit the table. Nothing is written.
        """
        if frame.is_empty():
            return 0
        rows = self._of(table, frame)
        if validate:
            _validate(table, rows)
        self._record_commit()
        self._insert(table, rows)
        return rows.height

    def append_selected(
        self, table: Table, query: str, *, params: Mapping[str, object] | None = None
    ) -> int:
        """Append what a query selects, in the table's columns and order, and return how many.

        For rows that are too many to hold: they were checked when they were staged, and the
        types and NOT NULL of the database bind them all the same. The query sets `recorded_at`.
        """
        self._record_commit()
        rows = self.connection.execute(
            f"INSERT INTO {table.name} {query}",  # constants of this package
            params,
        ).fetchall()
        return int(rows[0][0])

    @property
    def stamp(self) -> str:
        """`recorded_at` as an SQL literal."""
        return f"TIMESTAMPTZ '{self.recorded_at.isoformat()}'"

    @property
    def wrote(self) -> bool:
        """Whether anything was appended."""
        return self._wrote

    def query(
        self, sql: str, *, params: Mapping[str, object] | None = None, **frames: pl.DataFrame
    ) -> pl.DataFrame:
        """Return the result of a query that may name the given frames as tables."""
        for name, frame in frames.items():
            self.connection.register(name, Shown(frame))
        try:
            return fetched(self.connection.sql(sql, params=params))
        finally:
            for name in frames:
                self.connection.unregister(name)

    def _of(self, table: Table, frame: pl.DataFrame) -> pl.DataFrame:
        if "recorded_at" in table.schema:
            stamp = pl.lit(self.recorded_at, dtype=pl.Datetime("us", "UTC"))
            frame = frame.with_columns(stamp.alias("recorded_at"))
        missing = [name for name in table.schema if name not in frame.columns]
        if missing:
            raise SchemaError(f"Rows for {table.name} lacked the columns {', '.join(missing)}.")
        return frame.select(list(table.schema))

    def _insert(self, table: Table, rows: pl.DataFrame) -> None:
        self.connection.register(_INCOMING, Shown(rows))
        try:
            self.connection.execute(f"INSERT INTO {table.name} SELECT * FROM {_INCOMING}")
        finally:
            self.connection.unregister(_INCOMING)

    def _record_commit(self) -> None:
        if not self._wrote:
            self._wrote = True
            self.connection.execute(
                f"INSERT INTO {meta.COMMITS.name} VALUES (?, ?)",
                [self.recorded_at, self._purpose],
            )


def next_recorded_at(
    connection: duckdb.DuckDBPyConnection, *, now: datetime, wanted: datetime | None
) -> datetime:
    """Return the instant of the next commit: the one wanted, else now, always after the last.

    Raises:
        CommitOrderError: If the instant wanted is not after the last commit.
    """
    last = last_recorded_at(connection)
    if wanted is not None:
        if last is not None and wanted <= last:
            raise CommitOrderError(
                f"A commit was asked for at {wanted.isoformat()}; expected an instant after the "
                f"last commit, {last.isoformat()}. Replay commits in their order."
            )
        return wanted
    return now if last is None else max(now, last + timedelta(microseconds=1))


def last_recorded_at(connection: duckdb.DuckDBPyConnection) -> datetime | None:
    """Return the instant of the last commit that wrote rows, UTC; None before the first."""
    rows = connection.execute(
        f"SELECT epoch_us(max(recorded_at)) FROM {meta.COMMITS.name}"
    ).fetchall()
    last = rows[0][0]
    return None if last is None else datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=last)


def _validate(table: Table, rows: pl.DataFrame) -> None:
    problem = problem_of(table, rows)
    if problem is not None:
        raise SchemaError(
            f"{rows.height} rows for {table.name} do not fit its schema and were not written: "
            f"{problem}. Look at the raw file of the load; its bytes are kept."
        )
