"""Rows for people and for programs."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import polars as pl
import pytest

from ibkr_pipeline.cli.show import ShowTable
from ibkr_pipeline.cli.show_columns import COLUMNS
from ibkr_pipeline.pipelines.reading import TABLES
from ibkr_pipeline_tests.pipeline_runs import FIRST, SECOND
from ibkr_pipeline_tests.unit.cli.conftest import Call

INSTANT = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")


def test_json_has_decimals_as_text_instants_with_z_and_null_for_unknown(
    call: Call, filled: Path
) -> None:
    """No program may round an amount or guess a time zone."""
    rows = call("show", "positions", "--json").document

    first = rows[0]
    assert [FIRST, SECOND] == [row["account_id"] for row in rows]
    assert ("100", "18000", 265598) == (first["quantity"], first["market_value"], first["con_id"])
    assert INSTANT.match(first["as_of"])
    assert call("show", "executions", "--json").document[0]["realized_pnl"] is None


def test_csv_and_parquet_hold_the_same_rows(call: Call, filled: Path, tmp_path: Path) -> None:
    """Whatever a spreadsheet or a notebook likes."""
    told = list(csv.DictReader(io.StringIO(call("show", "positions", "--csv").stdout)))
    call("show", "positions", "--parquet", str(tmp_path / "positions.parquet"))
    kept = pl.read_parquet(tmp_path / "positions.parquet")

    assert ["100", "100"] == [row["quantity"] for row in told]
    assert kept.columns == list(told[0])


def test_people_see_a_table_and_how_many_rows_there_are(call: Call, filled: Path) -> None:
    """The rows that do not fit are counted."""
    shown = call("show", "positions", "--limit", "1").stdout

    assert "positions (2 rows)" in shown
    assert "1 more rows; --limit 0 shows all" in shown
    assert "AAPL" in shown


@pytest.mark.parametrize("table", list(ShowTable))
def test_every_table_can_be_shown(call: Call, filled: Path, table: ShowTable) -> None:
    """With the columns a person sees; what was never read is told beside them."""
    outcome = call("show", table.value)
    lines = outcome.stderr.splitlines()

    assert 0 == outcome.exit_code
    assert all(line.startswith(f"note: {table.value} of every account") for line in lines)


def test_the_tables_on_offer_are_those_there_are() -> None:
    """One list, written twice because help must not need the other."""
    assert set(TABLES) == {table.value for table in ShowTable}
    assert set(COLUMNS) <= set(TABLES)


def test_one_account_and_an_earlier_instant(call: Call, filled: Path) -> None:
    """Before the first night there was nothing."""
    assert [SECOND] == [
        row["account_id"]
        for row in call("show", "positions", "--account", SECOND, "--json").document
    ]
    assert [] == call("show", "positions", "--as-of", "2026-04-12", "--json").document
    assert 2 == len(call("show", "positions", "--as-of", "2026-04-13", "--json").document)


def test_rows_that_are_not_known_are_told_from_rows_there_are_none_of(
    call: Call, filled: Path
) -> None:
    """On stderr, so that the document stays one; a known account is not mentioned."""
    unknown = call("show", "positions", "--account", "DU0000009", "--account", FIRST, "--json")
    early = call("show", "orders", "--as-of", "20260412", "--json")

    assert [1, 0] == [len(unknown.document), len(early.document)]
    assert "positions of DU0000009 had not been read:" in unknown.stderr
    assert FIRST not in unknown.stderr
    assert "orders of every account had not been read by 20260412:" in early.stderr


@pytest.mark.parametrize("table", list(ShowTable))
def test_every_table_for_people_has_few_enough_columns_to_be_read(table: ShowTable) -> None:
    """Twenty columns fold every cell into a ladder of letters."""
    assert 5 <= len(COLUMNS[table.value]) <= 13


def test_two_formats_at_once_are_a_usage_error(call: Call, filled: Path) -> None:
    """Stdout holds one document."""
    outcome = call("show", "positions", "--json", "--csv")

    assert 2 == outcome.exit_code
