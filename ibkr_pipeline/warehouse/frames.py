"""Frames on their way into DuckDB and out of it.

What lives here: how DuckDB is shown a Polars frame, and how a result becomes one. What must not:
queries. DuckDB's own ways do the same through pyarrow, whose import takes 35 MiB and 0.15 s: a
frame is shown by Arrow's C interface, and a result of few rows is taken value by value. A result
by the C interface would keep its connection alive to the end of the process.
"""

from __future__ import annotations

import re

import duckdb
import polars as pl

#: Rows up to which a result is taken value by value.
_FEW = 1_000
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
_TYPES: dict[str, pl.DataType] = {
    "VARCHAR": pl.String(),
    "BOOLEAN": pl.Boolean(),
    "INTEGER": pl.Int32(),
    "BIGINT": pl.Int64(),
    "UBIGINT": pl.UInt64(),
    "HUGEINT": pl.Decimal(38, 0),
    "DATE": pl.Date(),
    "TIMESTAMP WITH TIME ZONE": pl.Datetime("us", "UTC"),
}


class Shown:
    """A frame as DuckDB can read it; register this, not the frame."""

    def __init__(self, frame: pl.DataFrame) -> None:
        untyped = [name for name, dtype in frame.schema.items() if dtype == pl.Null]
        # DuckDB refuses a column of the type that has no values.
        self._frame = frame.with_columns(pl.col(untyped).cast(pl.String)) if untyped else frame

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Return the rows, from the first one, each time they are asked for."""
        return self._frame.__arrow_c_stream__(requested_schema)


def fetched(result: duckdb.DuckDBPyRelation) -> pl.DataFrame:
    """Return the rows of a result, instants in UTC."""
    types = {
        name: _type(str(told)) for name, told in zip(result.columns, result.types, strict=True)
    }
    if None not in types.values():
        rows = result.limit(_FEW + 1).fetchall()
        if len(rows) <= _FEW:
            return pl.DataFrame(rows, schema=types, orient="row")
    found: pl.DataFrame = result.pl()
    return found


def _type(told: str) -> pl.DataType | None:
    """Return the type of a column; None for one that is left to pyarrow."""
    decimal = _DECIMAL.fullmatch(told)
    return pl.Decimal(int(decimal[1]), int(decimal[2])) if decimal else _TYPES.get(told)
