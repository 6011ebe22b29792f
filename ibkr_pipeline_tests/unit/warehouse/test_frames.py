"""Frames in and out of DuckDB: the same values and types as DuckDB's own way through pyarrow."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import duckdb
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ibkr_pipeline.warehouse.frames import Shown, fetched

_QUERY = """
    SELECT i, i::INTEGER AS small, i::VARCHAR AS text, (i / 3)::DECIMAL(38, 10) AS amount,
        TIMESTAMPTZ '2026-11-01 05:59:59.123456+00' + to_hours(i) AS instant,
        DATE '2026-11-18' AS day, i % 2 = 0 AS flag, sum(i) OVER () AS total, hash(i) AS hashed,
        CASE WHEN i > 0 THEN 'x' END AS maybe
    FROM range(?) AS numbers(i) ORDER BY i"""


def connected() -> duckdb.DuckDBPyConnection:
    """Return a connection that tells instants in UTC, as the warehouse's does."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    return connection


@pytest.mark.parametrize("n_rows", [0, 1, 1000, 1001])
def test_a_result_is_what_duckdb_makes_of_it(n_rows: int) -> None:
    """Few rows come value by value, many through pyarrow; nobody can tell which."""
    result = connected().sql(_QUERY, params=[n_rows])

    assert_frame_equal(result.pl(), fetched(result))


def test_a_type_nobody_foresaw_is_left_to_pyarrow() -> None:
    """No type of the warehouse; a query may yet make one."""
    assert [[1, 2]] == fetched(connected().sql("SELECT [1, 2] AS list"))["list"].to_list()


def test_a_frame_is_read_as_it_is_and_as_often_as_asked() -> None:
    """A query may name it twice; a column without values has no type of its own."""
    frame = pl.DataFrame(
        {
            "key": [1, 2],
            "amount": [Decimal("1.50"), None],
            "instant": [datetime(2026, 11, 18, tzinfo=UTC), None],
            "day": [None, date(2026, 11, 18)],
            "nothing": [None, None],
        }
    )
    connection = connected()
    connection.register("told", Shown(frame))

    result = fetched(connection.sql("SELECT told.* FROM told JOIN told AS same USING (key)"))

    assert_frame_equal(
        frame.with_columns(pl.col("nothing").cast(pl.String)), result, check_row_order=False
    )
