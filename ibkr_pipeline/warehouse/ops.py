"""The tables of `ops`: how they are read and appended to.

What lives here: the last version of each break and of each covered day, and the appending. What
must not: what is a break (`pipelines/breaks.py`) or what is covered (`pipelines/coverage.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import duckdb
import polars as pl

from ibkr_pipeline.primitives.enums import BreakState
from ibkr_pipeline.schemas import meta, ops
from ibkr_pipeline.warehouse import opening
from ibkr_pipeline.warehouse.transaction import WriteTransaction


def has_ops(connection: duckdb.DuckDBPyConnection) -> bool:
    """Return whether the warehouse has them; a read copy of an older version does not."""
    return bool(
        connection.execute(
            "SELECT 1 FROM duckdb_tables() WHERE schema_name = 'ops' AND table_name = 'breaks'"
        ).fetchall()
    )


def breaks_selection(cut: str = "TRUE") -> str:
    """Return the query of the last version of each break, among the rows the cut lets through.

    Args:
        cut: SQL condition on `recorded_at`.
    """
    names = ", ".join(f'"{column.name}"' for column in ops.BREAKS.columns)
    return f"""
        SELECT {names} FROM {ops.BREAKS.name} WHERE {cut}
        QUALIFY row_number() OVER (PARTITION BY break_id ORDER BY version DESC) = 1"""


def coverage_selection(cut: str = "TRUE") -> str:
    """Return the query of what was last known of each account-day.

    Args:
        cut: SQL condition on `recorded_at`.
    """
    names = ", ".join(f'"{column.name}"' for column in ops.COVERAGE.columns)
    key = ", ".join(ops.COVERAGE.key)
    return f"""
        SELECT {names} FROM {ops.COVERAGE.name} WHERE {cut}
        QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY recorded_at DESC) = 1"""


def current_breaks(connection: duckdb.DuckDBPyConnection, *, environment: str) -> pl.DataFrame:
    """Return the last version of every break of an environment; none where `ops` is not there."""
    if not has_ops(connection):
        return ops.BREAKS.empty()
    found: pl.DataFrame = connection.sql(
        f"SELECT * FROM ({breaks_selection()}) WHERE environment = ? ORDER BY break_id",
        params=[environment],
    ).pl()
    return found


def open_breaks(connection: duckdb.DuckDBPyConnection, *, environment: str) -> pl.DataFrame:
    """Return the breaks that are open, the oldest first."""
    return (
        current_breaks(connection, environment=environment)
        .filter(pl.col("break_state") == BreakState.OPEN.value)
        .sort("first_seen_at", "break_id")
    )


def breaks_as_of(
    connection: duckdb.DuckDBPyConnection,
    *,
    at: datetime | None = None,
    accounts: Sequence[str] | None = None,
) -> pl.DataFrame:
    """Return the last version of every break, the open ones first, the newest of them first.

    Args:
        connection: The warehouse or a read copy; one of an older version has no breaks.
        at: Leave out what was recorded later.
        accounts: Only these accounts.
    """
    if not has_ops(connection):
        return ops.BREAKS.empty()
    conditions: list[str] = []
    parameters: dict[str, object] = {}
    if at is not None:
        conditions.append("recorded_at <= $at::TIMESTAMPTZ")
        parameters["at"] = at
    if accounts is not None:
        conditions.append("account_id IN (SELECT unnest($accounts::VARCHAR[]))")
        parameters["accounts"] = list(accounts)
    query = f"""{breaks_selection(" AND ".join(conditions) or "TRUE")}
        ORDER BY break_state DESC, first_seen_at DESC, break_id"""
    found: pl.DataFrame = connection.sql(query, params=parameters or None).pl()
    return found


def carry_over(existing: Path, rebuilt: Path) -> None:
    """Give a rebuilt warehouse the `ops` tables of the existing one.

    They are the history of our own looking, which no raw file tells; the commits that wrote them
    come along. The caller holds the locks of both.
    """
    connection = opening.connect(rebuilt, read_only=False)
    try:
        location = str(existing).replace("'", "''")
        connection.execute(f"ATTACH '{location}' AS existing (READ_ONLY)")
        for table in ops.TABLES:
            names = ", ".join(f'"{column.name}"' for column in table.columns)
            connection.execute(f"DELETE FROM {table.name}")
            connection.execute(
                f"INSERT INTO {table.name} ({names}) SELECT {names} FROM existing.{table.name}"
            )
        connection.execute(
            f"""INSERT INTO {meta.COMMITS.name} BY NAME
            SELECT * FROM existing.{meta.COMMITS.name} AS told
            WHERE NOT EXISTS (
                FROM {meta.COMMITS.name} AS known WHERE known.recorded_at = told.recorded_at
            )"""
        )
    finally:
        connection.close()


def append_breaks(transaction: WriteTransaction, versions: pl.DataFrame) -> int:
    """Append new versions of breaks and return how many.

    Args:
        transaction: The open transaction.
        versions: `ops.breaks` without recorded_at.
    """
    return transaction.append(ops.BREAKS, versions)


def append_coverage(transaction: WriteTransaction, days: pl.DataFrame) -> int:
    """Append account-days that differ from what was last known of them and return how many.

    Args:
        transaction: The open transaction.
        days: `ops.coverage` without recorded_at.
    """
    known = transaction.query(coverage_selection())
    told = [name for name in ops.COVERAGE.schema if name != "recorded_at"]
    changed = days.join(known, on=told, how="anti", nulls_equal=True, maintain_order="left")
    return transaction.append(ops.COVERAGE, changed)
