"""A table as data: its columns, key and grain, and what is derived from them.

What lives here: `Column`, `Table` and the derivations (Polars schema, DuckDB DDL, pandera
schema). What must not: any particular column (`columns.py`) or table (`broker.py`, `core.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import polars as pl

if TYPE_CHECKING:
    import pandera.polars as pa

Kind = Literal[
    "text", "code", "instant", "date", "money", "price", "quantity", "rate", "integer", "flag",
    "json",
]  # fmt: skip

#: One Polars type and one DuckDB type per kind of value. Decimals hold 28 digits before the
#: point and 10 after; a rate keeps 15 after it.
TYPES: dict[Kind, tuple[pl.DataType, str]] = {
    "text": (pl.String(), "VARCHAR"),
    "code": (pl.String(), "VARCHAR"),
    "json": (pl.String(), "VARCHAR"),
    "instant": (pl.Datetime("us", "UTC"), "TIMESTAMPTZ"),
    "date": (pl.Date(), "DATE"),
    "money": (pl.Decimal(38, 10), "DECIMAL(38, 10)"),
    "price": (pl.Decimal(38, 10), "DECIMAL(38, 10)"),
    "quantity": (pl.Decimal(38, 10), "DECIMAL(38, 10)"),
    "rate": (pl.Decimal(38, 15), "DECIMAL(38, 15)"),
    "integer": (pl.Int64(), "BIGINT"),
    "flag": (pl.Boolean(), "BOOLEAN"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column, described once for every table that has it.

    Attributes:
        name: Column name.
        kind: Kind of value; decides the Polars and DuckDB types.
        description: What the value is, with sign and time semantics.
        unit: Unit, or the column that holds it ("currency").
        nullable: Whether null (unknown, not applicable) is a legal value.
        allowed: Closed set of legal values, if there is one.
    """

    name: str
    kind: Kind
    description: str
    unit: str = ""
    nullable: bool = True
    allowed: tuple[str, ...] = ()

    def required(self) -> Column:
        """Return this column as one that may not be null."""
        return Column(
            name=self.name,
            kind=self.kind,
            description=self.description,
            unit=self.unit,
            nullable=False,
            allowed=self.allowed,
        )

    @property
    def dtype(self) -> pl.DataType:
        """Polars type of the column."""
        return TYPES[self.kind][0]

    @property
    def sql_type(self) -> str:
        """DuckDB type of the column."""
        return TYPES[self.kind][1]


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table: a warehouse table or the frame a stage hands to the next.

    Attributes:
        name: `schema.table`; for a frame that is never stored, `broker.name`.
        description: One sentence.
        grain: What one row stands for.
        key: Columns that identify a row.
        columns: All columns, in order.
    """

    name: str
    description: str
    grain: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    def __post_init__(self) -> None:
        """Refuse a key column that does not exist or a column named twice."""
        names = [column.name for column in self.columns]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{self.name} names these columns twice: {', '.join(twice)}.")
        missing = [name for name in self.key if name not in names]
        if missing:
            raise ValueError(f"{self.name} has key columns it lacks: {', '.join(missing)}.")

    @cached_property
    def schema(self) -> dict[str, pl.DataType]:
        """Polars schema, in column order."""
        return {column.name: column.dtype for column in self.columns}

    def empty(self) -> pl.DataFrame:
        """Return a frame of this table with no rows and every type set."""
        return pl.DataFrame(schema=self.schema)

    @property
    def ddl(self) -> str:
        """`CREATE TABLE` statement. Keys are checked by pandera and the writers, not an index."""
        lines = [
            f'    "{column.name}" {column.sql_type}{"" if column.nullable else " NOT NULL"}'
            for column in self.columns
        ]
        return f"CREATE TABLE {self.name} (\n" + ",\n".join(lines) + "\n)"

    @cached_property
    def pandera(self) -> pa.DataFrameSchema:
        """Strict pandera schema: exact columns and types, nulls, closed sets, unique key.

        Eager frames only: pandera checks no data in a LazyFrame.
        """
        # pandera costs half a second to import, and most of what reads a table never validates.
        import pandera.polars as pa

        columns = {
            column.name: pa.Column(
                column.dtype,
                nullable=column.nullable,
                checks=[pa.Check.isin(list(column.allowed))] if column.allowed else [],
                description=column.description,
            )
            for column in self.columns
        }
        return pa.DataFrameSchema(
            columns, strict=True, ordered=False, unique=list(self.key), name=self.name
        )
