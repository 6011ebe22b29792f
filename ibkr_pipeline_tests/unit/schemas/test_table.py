"""A table's Polars schema, DDL and checks are derived from one list of columns."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import duckdb
import pandera.errors
import polars as pl
import pytest

from ibkr_pipeline.schemas.table import TYPES, Column, Table

SIDE = Column(name="side", kind="code", description="Side.", allowed=("BUY", "SELL"))
TABLE = Table(
    name="core.fills",
    description="Fills.",
    grain="one row per fill",
    key=("fill_id",),
    columns=(
        Column(name="fill_id", kind="code", description="Id.").required(),
        Column(name="price", kind="price", description="Price.", unit="currency"),
        Column(name="at", kind="instant", description="When."),
        SIDE,
    ),
)


def make_frame(ids: list[str | None], sides: list[str | None] | None = None) -> pl.DataFrame:
    """Return fills with these ids and sides."""
    height = len(ids)
    return pl.DataFrame(
        {
            "fill_id": ids,
            "price": [Decimal("1.5")] * height,
            "at": [datetime(2026, 11, 18, tzinfo=UTC)] * height,
            "side": sides or ["BUY"] * height,
        },
        schema=TABLE.schema,
    )


def test_the_ddl_makes_the_table_and_takes_its_frame() -> None:
    """Polars and DuckDB agree about every kind of column."""
    every = Table(
        name="all_kinds",
        description="One column of each kind.",
        grain="one row",
        key=(),
        columns=tuple(Column(name=f"a_{kind}", kind=kind, description="x") for kind in TYPES),
    )
    frame = every.empty()
    with duckdb.connect() as connection:
        connection.execute(every.ddl)
        connection.execute("INSERT INTO all_kinds SELECT * FROM frame")
        described = connection.execute("DESCRIBE all_kinds").fetchall()

    assert frame.schema == every.schema
    # DuckDB spells two types in full and leaves the blanks out.
    spelt = {"TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE"}
    assert {
        name: spelt.get(sql, sql).replace(", ", ",")
        for name, sql in ((column.name, column.sql_type) for column in every.columns)
    } == {row[0]: row[1].replace(", ", ",") for row in described}


def test_the_ddl_says_which_columns_must_be_known() -> None:
    """The database is the last to notice."""
    assert TABLE.ddl == (
        "CREATE TABLE core.fills (\n"
        '    "fill_id" VARCHAR NOT NULL,\n'
        '    "price" DECIMAL(38, 10),\n'
        '    "at" TIMESTAMPTZ,\n'
        '    "side" VARCHAR\n'
        ")"
    )


def test_an_empty_frame_has_every_type() -> None:
    """So that it can stand for an answer without rows."""
    assert (0, TABLE.schema) == (TABLE.empty().height, TABLE.empty().schema)


@pytest.mark.parametrize(
    "frame", [make_frame(["a", "b"], ["BUY", None]), TABLE.empty()], ids=["rows", "no rows"]
)
def test_rows_that_fit_pass(frame: pl.DataFrame) -> None:
    """Null is legal where nothing says otherwise, in a closed set too."""
    assert TABLE.pandera.validate(frame).equals(frame)


@pytest.mark.parametrize(
    "frame",
    [
        make_frame(["a", None]),
        make_frame(["a", "a"]),
        make_frame(["a"], ["SHORT"]),
        make_frame(["a"]).drop("side"),
        make_frame(["a"]).with_columns(extra=pl.lit(1)),
        make_frame(["a"]).with_columns(pl.col("price").cast(pl.Float64)),
        make_frame(["a"]).with_columns(pl.col("at").dt.replace_time_zone(None)),
    ],
    ids=[
        "unknown key",
        "same key twice",
        "outside the set",
        "column missing",
        "column too many",
        "other type",
        "time without zone",
    ],
)
def test_rows_that_do_not_fit_are_refused(frame: pl.DataFrame) -> None:
    """Strict: exact columns, exact types, unique key, closed sets."""
    with pytest.raises((pandera.errors.SchemaError, pandera.errors.SchemaErrors)):
        TABLE.pandera.validate(frame)


def test_required_changes_nothing_but_null() -> None:
    """A column is described once for every table that has it."""
    required = SIDE.required()

    assert not required.nullable
    assert (SIDE.name, SIDE.kind, SIDE.description, SIDE.unit, SIDE.allowed) == (
        required.name,
        required.kind,
        required.description,
        required.unit,
        required.allowed,
    )


@pytest.mark.parametrize(
    ("key", "columns", "flaw"),
    [
        (("other",), (SIDE,), "key columns it lacks: other"),
        (("side",), (SIDE, SIDE), "names these columns twice: side"),
    ],
)
def test_a_table_that_contradicts_itself_cannot_be_made(
    key: tuple[str, ...], columns: tuple[Column, ...], flaw: str
) -> None:
    """It fails at import, not in the night."""
    with pytest.raises(ValueError, match=flaw):
        Table(name="x", description="x", grain="x", key=key, columns=columns)
