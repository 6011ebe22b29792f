"""Frames of statements and evidence for the tests of reconciliation: short to write, typed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import duckdb
import polars as pl

from ibkr_pipeline.pipelines.statement_reconciliation_coverage import SECTIONS

ACCOUNT = "DU0000001"
OTHER = "DU0000002"
#: Monday to Friday of one week; every day is a session.
MON, TUE, WED, THU, FRI = (date(2026, 11, 16 + day) for day in range(5))
NOW = datetime(2026, 11, 20, 22, 0, tzinfo=UTC)


def typed(schema: Mapping[str, pl.DataType], *rows: Mapping[str, Any]) -> pl.DataFrame:
    """Return rows as a frame of a schema: numbers become decimals, what is missing is null.

    `account_id` is that of `ACCOUNT` where a row does not say.
    """
    values = [
        {
            name: _value(row.get(name, ACCOUNT if name == "account_id" else None), dtype)
            for name, dtype in schema.items()
        }
        for row in rows
    ]
    return pl.DataFrame(values, schema=dict(schema), orient="row")


def told(findings: pl.DataFrame, *names: str) -> list[tuple[Any, ...]]:
    """Return columns of findings as tuples, in their order."""
    return list(findings.select(names).iter_rows())


def sections(
    *rows: tuple[str, date, date], account: str = ACCOUNT, n_rows: int = 1
) -> pl.DataFrame:
    """Return sections of statements: name, first and last day."""
    return typed(
        SECTIONS,
        *(
            {
                "account_id": account,
                "section": name,
                "from_date": first,
                "to_date": last,
                "generated_at": NOW,
                "n_rows": n_rows,
            }
            for name, first, last in rows
        ),
    )


def insert_row(connection: duckdb.DuckDBPyConnection, table: str, **values: Any) -> None:
    """Insert one row of the paper account, known since Monday; what is not said is null."""
    known = {
        "broker": "ibkr",
        "environment": "paper",
        "account_id": ACCOUNT,
        "source": "ibkr.wire",
        "load_id": "load",
        "version": 1,
        "available_at": datetime(2026, 11, 16, tzinfo=UTC),
        "recorded_at": datetime(2026, 11, 16, tzinfo=UTC),
    }
    described = connection.execute(f"DESCRIBE {table}").fetchall()
    row = {name: {**known, **values}.get(name) for name, *_ in described}
    names = ", ".join(f'"{name}"' for name in row)
    marks = ", ".join("?" for _ in row)
    connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(row.values()))


def _value(value: Any, dtype: pl.DataType) -> Any:
    is_number = dtype.is_decimal() and isinstance(value, int | str)
    return Decimal(str(value)) if is_number else value
