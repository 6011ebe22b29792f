"""What a newer statement says about rows it does not change, whichever came in first.

What lives here: positions a newer statement of the same day lacks, and rows a newer statement
told as an older one did while one between them tells them otherwise. What must not: the
comparison itself (`statement_versions.py`).

A row told again is not stored again, so which statement confirmed it last is only known from
their headers. Where statements come in the order they were made there is nothing to do here but
to find the positions that are gone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import polars as pl

from ibkr_pipeline.models.requests import Load
from ibkr_pipeline.schemas import core, statements
from ibkr_pipeline.warehouse.frames import Shown
from ibkr_pipeline.warehouse.statement_versions import VersionedTable
from ibkr_pipeline.warehouse.transaction import WriteTransaction

_POSITIONS = statements.STATEMENT_POSITIONS
#: What is nothing once a position is gone.
_AMOUNTS = ("signed_quantity", "value", "cost_basis", "unrealized_pnl", "percent_of_nav")
_OWNER = list(core.OWNER)
#: Section of a statement -> its core table, for the tables whose rows may be told again.
_SECTIONS: Mapping[str, str] = {
    "Trades": core.EXECUTIONS.name,
    "TradeConfirms": core.EXECUTIONS.name,
    "CashTransactions": statements.CASH_TRANSACTIONS.name,
    "CorporateActions": statements.CORPORATE_ACTIONS.name,
    "Transfers": statements.TRANSFERS.name,
    "EquitySummaryInBase": statements.NAV.name,
    "ChangeInNAV": statements.NAV_CHANGES.name,
    "CashReport": statements.CASH_REPORTS.name,
    "OpenPositions": _POSITIONS.name,
    "FxPositions": statements.FX_POSITIONS.name,
    "ConversionRates": statements.CONVERSION_RATES.name,
    "StmtFunds": statements.STATEMENT_OF_FUNDS.name,
    "PendingExercises": statements.PENDING_EXERCISES.name,
    "AccountInformation": statements.STATEMENT_ACCOUNTS.name,
}


def append_confirmed_again(
    transaction: WriteTransaction, versioned: VersionedTable, load_ids: Sequence[str]
) -> int:
    """Append what newer statements, in core already, said of the rows just appended.

    A row that tells something else than the one before it, and has none after it, would win over
    a newer statement that told it as before: that telling is stored now. A position that is new
    and that a newer statement of the same day lacks is gone by it.

    Args:
        transaction: The open transaction, right after rows were appended.
        versioned: What was appended.
        load_ids: Loads whose rows were.
    """
    headers = _headers_after(transaction, versioned, load_ids)
    if headers.is_empty():
        return 0
    table = versioned.table
    is_positions = table is _POSITIONS
    columns = ", ".join(
        _as_confirmed(name, transaction, versioned, is_positions=is_positions)
        for name in table.schema
    )
    same_key = " AND ".join(f"{{0}}.{name} = told.{name}" for name in versioned.key)
    owner = " AND ".join(f"header.{name} = told.{name}" for name in core.OWNER)
    query = f"""
        SELECT {columns} FROM {table.name} AS told
        JOIN headers_after AS header ON {owner} AND header.generated_at > told.generated_at
            AND header.source = told.source AND {versioned.window}
        {"LEFT JOIN" if is_positions else "JOIN"} {table.name} AS older
            ON {same_key.format("older")} AND older.generated_at < told.generated_at
        WHERE told.recorded_at = {transaction.stamp}
            AND told.load_id IN (SELECT unnest($load_ids)) AND NOT EXISTS (
                SELECT 1 FROM {table.name} AS newer WHERE {same_key.format("newer")}
                    AND newer.generated_at > told.generated_at)
        QUALIFY row_number() OVER (
            PARTITION BY {", ".join(f"told.{name}" for name in versioned.key)}
            ORDER BY told.generated_at DESC, header.generated_at, header.load_id,
                older.generated_at DESC
        ) = 1"""
    transaction.connection.register("headers_after", Shown(headers))
    try:
        return transaction.append_selected(table, query, params={"load_ids": list(load_ids)})
    finally:
        transaction.connection.unregister("headers_after")


def _headers_after(
    transaction: WriteTransaction, versioned: VersionedTable, load_ids: Sequence[str]
) -> pl.DataFrame:
    """Return headers of newer statements of the same accounts and table."""
    table, owner = versioned.table, ", ".join(core.OWNER)
    found = transaction.query(
        f"""SELECT header.* FROM {statements.FLEX_STATEMENTS.name} AS header
        JOIN (
            SELECT {owner}, min(generated_at) AS first_made
            FROM {table.name} WHERE recorded_at = {transaction.stamp}
                AND load_id IN (SELECT unnest($load_ids))
            GROUP BY {owner}
        ) AS fresh USING ({owner})
        WHERE header.generated_at > fresh.first_made""",
        params={"load_ids": list(load_ids)},
    )
    return found.filter(pl.col("section").replace_strict(_SECTIONS, default="") == table.name)


def _as_confirmed(
    name: str, transaction: WriteTransaction, versioned: VersionedTable, *, is_positions: bool
) -> str:
    """Return what a column of a row told again holds."""
    same = " AND ".join(f"same.{key} = told.{key}" for key in versioned.key)
    given = {
        "version": f"""1 + (
            SELECT max(same.version) FROM {versioned.table.name} AS same WHERE {same}
        )""",
        "generated_at": "header.generated_at",
        "load_id": "header.load_id",
        "available_at": "header.available_at",
        "recorded_at": transaction.stamp,
    }
    if name in given:
        return given[name]
    if not is_positions:
        return f'older."{name}"'
    gone = "0" if name in _AMOUNTS else f'told."{name}"'
    return f'CASE WHEN older.load_id IS NULL THEN {gone} ELSE older."{name}" END'


def append_positions_gone(
    transaction: WriteTransaction,
    loads: Sequence[Load],
    made: Mapping[str, datetime],
    frames: Sequence[pl.DataFrame],
) -> int:
    """Append quantity 0 for positions of a day that a newer statement of that day lacks.

    Args:
        transaction: The open transaction; the rows of the loads are in it already.
        loads: Complete loads of OpenPositions, empty ones included.
        made: load_id -> when the statement was made.
        frames: Staged rows of the loads.
    """
    days = _days(loads, made, frames)
    told = pl.concat(
        [frame.select("load_id", "source_id") for frame in frames]
        or [pl.DataFrame(schema={"load_id": pl.String, "source_id": pl.String})]
    )
    given = {
        "version": "held.version + 1",
        "generated_at": "days.made_at",
        "load_id": "days.told_by",
        "available_at": "days.told_at",
        "recorded_at": transaction.stamp,
        **dict.fromkeys(_AMOUNTS, "0"),
    }
    columns = ", ".join(given.get(name, f'held."{name}"') for name in _POSITIONS.schema)
    owner = ", ".join(core.OWNER)
    query = f"""
        SELECT {columns} FROM (
            SELECT * REPLACE (max(version) OVER (
                PARTITION BY {owner}, source_id) AS version
            ) FROM {_POSITIONS.name}
            WHERE report_date IN (SELECT report_date FROM days_told)
        ) AS held
        JOIN days_told AS days ON {" AND ".join(f"held.{name} = days.{name}" for name in _OWNER)}
            AND held.report_date = days.report_date AND held.generated_at <= days.made_at
        WHERE NOT EXISTS (
            SELECT 1 FROM rows_told WHERE rows_told.load_id = days.told_by
                AND (held.source_id = rows_told.source_id
                    OR starts_with(held.source_id, rows_told.source_id || '#')))
        QUALIFY row_number() OVER (
            PARTITION BY {", ".join(f"held.{name}" for name in _OWNER)}, held.source_id,
                days.told_by
            ORDER BY held.generated_at DESC, held.version DESC) = 1
            AND held.signed_quantity <> 0 AND held.generated_at < days.made_at"""
    transaction.connection.register("days_told", Shown(days))
    transaction.connection.register("rows_told", Shown(told))
    try:
        return transaction.append_selected(_POSITIONS, query)
    finally:
        transaction.connection.unregister("days_told")
        transaction.connection.unregister("rows_told")


def _days(
    loads: Sequence[Load], made: Mapping[str, datetime], frames: Sequence[pl.DataFrame]
) -> pl.DataFrame:
    """Return the days each load tells the positions of: its last, and those its rows name."""
    named = [frame.select("load_id", "report_date").unique() for frame in frames]
    ends = pl.DataFrame(
        {"load_id": [load.load_id for load in loads], "report_date": [i.to_date for i in loads]},
        schema={"load_id": pl.String, "report_date": pl.Date},
    )
    facts = pl.DataFrame(
        [
            (
                load.load_id,
                load.broker,
                load.environment.value,
                load.account_id,
                made[load.load_id],
                load.load_id,
                load.available_at,
            )
            for load in loads
        ],
        schema={
            "load_id": pl.String,
            **dict.fromkeys(_OWNER, pl.String),
            "made_at": pl.Datetime("us", "UTC"),
            "told_by": pl.String,
            "told_at": pl.Datetime("us", "UTC"),
        },
        orient="row",
    )
    days = pl.concat([*named, ends]).unique(maintain_order=True)
    return days.join(facts, on="load_id", how="inner", maintain_order="left").drop("load_id")
