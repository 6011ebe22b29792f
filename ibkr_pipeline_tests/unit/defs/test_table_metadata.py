"""What a table's asset shows is what stands in the table."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import dagster as dg
import duckdb
import polars as pl
import pytest

from ibkr_pipeline.defs.asset_checks import MOST_FAILURE_CASES, schema_result
from ibkr_pipeline.defs.table_metadata import (
    TableState,
    code_version_of,
    column_schema,
    preview_of,
    read_state,
    table_metadata,
)
from ibkr_pipeline.models.requests import AppliedLoad
from ibkr_pipeline.schemas.columns import columns
from ibkr_pipeline.schemas.table import Table

TABLE = Table(
    name="core.demo",
    description="A table.",
    grain="one row per account and currency",
    key=("account_id", "currency"),
    columns=columns(
        "account_id",
        "currency",
        "cash_balance",
        "as_of",
        "recorded_at",
        required=("account_id", "currency", "recorded_at"),
    ),
)
KEY = dg.AssetKey(["core", "demo"])
FIRST = datetime(2026, 11, 18, 22, 30, tzinfo=UTC)
SECOND = datetime(2026, 11, 19, 22, 30, tzinfo=UTC)


@pytest.fixture(name="connection")
def _connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'America/New_York'")
        connection.execute("CREATE SCHEMA core")
        connection.execute(TABLE.ddl)
        yield connection


def _insert(connection: duckdb.DuckDBPyConnection, *rows: tuple[object, ...]) -> None:
    connection.executemany("INSERT INTO core.demo VALUES (?, ?, ?, ?, ?)", rows)


def test_only_the_newest_commit_is_read_back(connection: duckdb.DuckDBPyConnection) -> None:
    """A table of ten years must not be read again every night."""
    _insert(
        connection,
        ("DU0000001", "USD", Decimal("10.50"), FIRST, FIRST),
        ("DU0000001", "EUR", Decimal("7"), FIRST, FIRST),
        ("DU0000002", "USD", None, SECOND, SECOND),
    )

    state = read_state(connection, TABLE)

    assert 3 == state.n_rows
    assert ["DU0000002"] == state.newest["account_id"].to_list()
    assert SECOND == state.as_of
    assert {"account_id": ("DU0000001", "DU0000002"), "currency": ("EUR", "USD")} == state.key_range
    assert TABLE.schema == dict(state.newest.schema)


def test_an_empty_table_has_a_state_too(connection: duckdb.DuckDBPyConnection) -> None:
    """An empty account is a fact; so is a table nothing was written to yet."""
    state = read_state(connection, TABLE)

    metadata = table_metadata(state)

    assert 0 == metadata["dagster/row_count"]
    assert "no rows" == metadata["key range"]
    assert "as_of" not in metadata
    assert schema_result(KEY, state).passed


def test_metadata_tells_rows_as_of_nulls_and_what_the_loads_did(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """These are the questions a person has on an asset's page."""
    _insert(
        connection,
        ("DU0000001", "USD", Decimal("10.50"), FIRST, FIRST),
        ("DU0000001", "EUR", None, FIRST, FIRST),
    )
    applied = [
        AppliedLoad(
            load_id="r:DU0000001",
            recorded_at=FIRST,
            n_read=2,
            n_new=1,
            n_changed=0,
            n_unchanged=1,
            n_gone=3,
        )
    ]

    metadata = table_metadata(read_state(connection, TABLE), applied)

    assert 2 == metadata["dagster/row_count"]
    assert dg.MetadataValue.timestamp(FIRST) == metadata["as_of"]
    assert [{"column": "cash_balance", "nulls": 1}] == [
        record.data for record in metadata["null counts"].records
    ]
    assert "1 / 0 / 1 / 3" == metadata["rows new / changed / unchanged / gone"]
    assert "| DU0000001 | USD | 10.5 |" in metadata["preview"].value


def test_an_account_read_twice_is_counted_once(connection: duckdb.DuckDBPyConnection) -> None:
    """As in the summary of the run: eight executions read before and after are eight."""
    counts = {"recorded_at": FIRST, "n_read": 8, "n_changed": 0}
    applied = [
        AppliedLoad(load_id="r1:DU0000001", n_new=3, n_unchanged=5, **counts),  # type: ignore[arg-type]
        AppliedLoad(load_id="r2:DU0000001", n_new=0, n_unchanged=8, **counts),  # type: ignore[arg-type]
        AppliedLoad(load_id="r1:DU0000002", n_new=0, n_unchanged=8, **counts),  # type: ignore[arg-type]
    ]

    metadata = table_metadata(read_state(connection, TABLE), applied)

    assert "3 / 0 / 13 / 0" == metadata["rows new / changed / unchanged / gone"]


def test_a_preview_is_a_markdown_table_that_its_values_cannot_break() -> None:
    """A symbol may hold anything, a pipe included."""
    frame = pl.DataFrame({"symbol": ["BRK|B", None], "load_id": ["x", "y"]})

    assert "| symbol |\n|---|\n| BRK\\|B |\n|  |" == preview_of(frame)


def test_a_preview_is_short() -> None:
    """Ten rows are enough to recognise a table."""
    frame = pl.DataFrame({"n": range(25)})

    text = preview_of(frame)

    assert 12 == len(text.split("\n\n")[0].splitlines())
    assert text.endswith("and 15 more")


def test_the_schema_check_fails_on_a_key_that_stands_twice() -> None:
    """The warehouse has no index; this is what notices."""
    row = {
        "account_id": "DU0000001",
        "currency": "USD",
        "cash_balance": None,
        "as_of": None,
        "recorded_at": FIRST,
    }
    frame = pl.DataFrame([row] * 30, schema=TABLE.schema)

    result = schema_result(KEY, TableState(table=TABLE, n_rows=30, newest=frame, key_range={}))

    assert not result.passed
    assert dg.AssetCheckSeverity.ERROR == result.severity
    assert dg.MetadataValue.int(30) == result.metadata["number of failure cases"]
    shown = str(result.metadata["failure cases"].value).splitlines()
    assert 2 + MOST_FAILURE_CASES == len(shown)


def test_the_schema_check_tells_actual_and_expected_types() -> None:
    """A drifted type is found by looking at one check."""
    frame = TABLE.empty().with_columns(pl.col("cash_balance").cast(pl.Float64))

    result = schema_result(KEY, TableState(table=TABLE, n_rows=0, newest=frame, key_range={}))

    assert not result.passed
    expected, actual = result.metadata["expected types"], result.metadata["actual types"]
    assert "Decimal(precision=38, scale=10)" == expected.value["cash_balance"]
    assert "Float64" == actual.value["cash_balance"]


def test_columns_are_shown_with_their_unit_and_constraints() -> None:
    """The UI is where most people will look for what a column means."""
    schema = column_schema(TABLE.columns, key=TABLE.key)

    cash = next(column for column in schema.columns if column.name == "cash_balance")
    account = next(column for column in schema.columns if column.name == "account_id")
    assert "Cash in this currency. [currency]" == cash.description
    assert (True, False) == (cash.constraints.nullable, account.constraints.nullable)
    assert ["key: account_id, currency"] == list(schema.constraints.other)


def test_the_code_version_changes_with_a_column() -> None:
    """Dagster marks an asset as outdated by its code version."""
    wider = Table(
        name=TABLE.name,
        description=TABLE.description,
        grain=TABLE.grain,
        key=TABLE.key,
        columns=(*TABLE.columns, *columns("accrued_cash")),
    )

    assert code_version_of(TABLE) == code_version_of(TABLE)
    assert code_version_of(TABLE) != code_version_of(wider)
