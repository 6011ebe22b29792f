"""Statements into core: the one entrance for the sections of a statement.

What lives here: which sections are due, what becomes of each, their headers, marks and counts.
What must not: how rows are compared (`statement_versions.py`), what a row says about a statement
that came in earlier (`statement_order.py`), or option events (`option_events.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from ibkr_pipeline.models.requests import AppliedLoad, Load
from ibkr_pipeline.primitives.enums import Dataset, LoadStatus
from ibkr_pipeline.schemas import core, statements
from ibkr_pipeline.schemas.table import Table
from ibkr_pipeline.warehouse.apply import not_applied
from ibkr_pipeline.warehouse.contracts import append_contracts
from ibkr_pipeline.warehouse.evidence_order import append_untold
from ibkr_pipeline.warehouse.option_events import append_evidence
from ibkr_pipeline.warehouse.staging import StagedRows
from ibkr_pipeline.warehouse.statement_order import (
    append_confirmed_again,
    append_positions_gone,
)
from ibkr_pipeline.warehouse.statement_versions import VersionedTable, append_versions
from ibkr_pipeline.warehouse.transaction import WriteTransaction

#: What `headers` tells of each load.
HEADERS: Mapping[str, pl.DataType] = {
    "load_id": pl.String(),
    "generated_at": pl.Datetime("us", "UTC"),
    "query_name": pl.String(),
    "statement_kind": pl.String(),
    "raw_sha256": pl.String(),
    "source": pl.String(),
}
_COUNTS = {
    "load_id": pl.String(),
    "n_read": pl.Int64(),
    "n_new": pl.Int64(),
    "n_changed": pl.Int64(),
}
_CONTRACTS = (core.IBKR_CONTRACTS, core.INSTRUMENTS)


def _versioned(table: Table, *, window: str, day: str | None = None) -> VersionedTable:
    return VersionedTable(table=table, key=(*core.OWNER, "source_id"), day=day, window=window)


_REPORTED = "told.report_date BETWEEN header.from_date AND header.to_date"
_AT_THE_END = "told.report_date = header.to_date"
_SAME_WINDOW = "told.from_date = header.from_date AND told.to_date = header.to_date"
_FILLS = VersionedTable(
    table=core.EXECUTIONS,
    key=(*core.OWNER, "fill_id", "revision", "source"),
    day=None,
    window=(
        "told.trade_date BETWEEN header.from_date AND header.to_date AND "
        "coalesce(told.report_date, told.trade_date) BETWEEN header.from_date AND header.to_date"
    ),
)
#: Every table that rows of statements enter one by one.
VERSIONED: tuple[VersionedTable, ...] = (
    _FILLS,
    _versioned(
        statements.CASH_TRANSACTIONS,
        window=(
            "coalesce(told.report_date, told.event_date) "
            "BETWEEN header.from_date AND header.to_date"
        ),
    ),
    _versioned(statements.CORPORATE_ACTIONS, window=_REPORTED),
    _versioned(statements.TRANSFERS, window=_REPORTED),
    _versioned(statements.NAV, window=_REPORTED, day="report_date"),
    _versioned(statements.NAV_CHANGES, window=_SAME_WINDOW),
    _versioned(statements.CASH_REPORTS, window=_SAME_WINDOW),
    _versioned(statements.STATEMENT_POSITIONS, window=_AT_THE_END, day="report_date"),
    _versioned(statements.FX_POSITIONS, window=_AT_THE_END, day="report_date"),
    _versioned(statements.CONVERSION_RATES, window=_REPORTED, day="report_date"),
    _versioned(statements.STATEMENT_OF_FUNDS, window=_REPORTED),
    _versioned(
        statements.PENDING_EXERCISES,
        window="split_part(told.source_id, ':', 1) = header.to_date::VARCHAR",
    ),
    _versioned(statements.STATEMENT_ACCOUNTS, window="TRUE"),
)


def append_statement(
    transaction: WriteTransaction,
    staged: StagedRows,
    loads: Sequence[Load],
    headers: pl.DataFrame,
    *,
    evidence: pl.DataFrame | None = None,
) -> list[AppliedLoad]:
    """Append the sections of one statement that are not in core yet, and mark them applied.

    Memory does not grow with the statement: rows go from their parts into the tables inside the
    database. A section without rows is applied too; that it was empty is a fact.

    Args:
        transaction: The open transaction; nothing is kept unless it commits.
        staged: Rows of the sections.
        loads: Complete loads of one statement, one per account and section.
        headers: `HEADERS` of each load.
        evidence: Evidence of option events its sections hold (`evidence_of_statement`).

    Returns:
        What each load did. For OptionEAE new and changed count pieces of evidence.

    Raises:
        ValueError: If a load is not complete, of another dataset, or has no header.
        SchemaError: If rows do not fit their table.
    """
    _check(loads, headers)
    due = not_applied(transaction, loads)
    if not due:
        return []
    ids = [load.load_id for load in due]
    counts = [_append_table(transaction, versioned, staged, ids) for versioned in VERSIONED]
    _append_positions_gone(transaction, staged, due, headers)
    _append_contracts(transaction, staged, ids)
    counts.append(_append_evidence(transaction, due, evidence))
    append_untold(
        transaction, due, dict(headers.select("load_id", "generated_at").iter_rows()), evidence
    )
    told = _totals(due, counts)
    _append_headers(transaction, due, headers, told)
    _mark(transaction, due, told)
    at = transaction.recorded_at
    return [AppliedLoad(recorded_at=at, **row) for row in told.iter_rows(named=True)]


def _check(loads: Sequence[Load], headers: pl.DataFrame) -> None:
    known = set(headers.get_column("load_id"))
    for load in loads:
        if load.dataset is not Dataset.FLEX or load.status is not LoadStatus.COMPLETE:
            raise ValueError(
                f"Load {load.load_id} was {load.status} of {load.dataset}; only complete loads "
                f"of a statement may enter core."
            )
        if load.load_id not in known or load.from_date is None or load.available_at is None:
            raise ValueError(f"Load {load.load_id} lacked its header, window or instant.")


def _append_table(
    transaction: WriteTransaction,
    versioned: VersionedTable,
    staged: StagedRows,
    load_ids: Sequence[str],
) -> pl.DataFrame:
    paths = staged.paths(versioned.table.name, load_ids)
    if not paths:
        return pl.DataFrame(schema=_COUNTS)
    counts = append_versions(transaction, versioned, paths, load_ids)
    append_confirmed_again(transaction, versioned, load_ids)
    return counts.select(pl.col(name).cast(dtype) for name, dtype in _COUNTS.items())


def _append_positions_gone(
    transaction: WriteTransaction, staged: StagedRows, due: Sequence[Load], headers: pl.DataFrame
) -> None:
    tells = [load for load in due if load.section == "OpenPositions"]
    if tells:
        made = dict(headers.select("load_id", "generated_at").iter_rows())
        frames = staged.frames(
            statements.STATEMENT_POSITIONS.name, [load.load_id for load in tells]
        )
        if append_positions_gone(transaction, tells, made, frames):
            positions = next(
                item for item in VERSIONED if item.table is statements.STATEMENT_POSITIONS
            )
            append_confirmed_again(transaction, positions, [load.load_id for load in tells])


def _append_contracts(
    transaction: WriteTransaction, staged: StagedRows, load_ids: Sequence[str]
) -> None:
    told = {}
    for table in _CONTRACTS:
        frames = staged.frames(table.name, load_ids)
        if frames:
            attributes = [
                name
                for name in frames[0].columns
                if name not in ("source", "load_id", "available_at")
            ]
            told[table.name] = pl.concat(frames).unique(
                subset=attributes, keep="first", maintain_order=True
            )
    append_contracts(transaction, told)


def _append_evidence(
    transaction: WriteTransaction, due: Sequence[Load], evidence: pl.DataFrame | None
) -> pl.DataFrame:
    """Append evidence of the due loads; the counts are those of OptionEAE sections."""
    if evidence is None or evidence.is_empty():
        return pl.DataFrame(schema=_COUNTS)
    ids = [load.load_id for load in due]
    of_due = evidence.filter(pl.col("load_id").is_in(ids))
    fresh = append_evidence(transaction, of_due)
    own = [load.load_id for load in due if load.section == "OptionEAE"]
    rows = of_due.filter(pl.col("load_id").is_in(own)).group_by("load_id").len("n_read")
    is_new = pl.col("version") == 1
    changes = fresh.group_by("load_id").agg(
        is_new.sum().alias("n_new"), (~is_new).sum().alias("n_changed")
    )
    return (
        rows.join(changes, on="load_id", how="left", maintain_order="left")
        .fill_null(0)
        .select(pl.col(name).cast(dtype) for name, dtype in _COUNTS.items())
    )


def _totals(due: Sequence[Load], counts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    loads = pl.DataFrame(
        {"load_id": [load.load_id for load in due], "n_told": [load.n_rows or 0 for load in due]},
        schema={"load_id": pl.String, "n_told": pl.Int64},
    )
    summed = pl.concat(list(counts)).group_by("load_id").sum()
    return (
        loads.join(summed, on="load_id", how="left", maintain_order="left")
        .with_columns(
            pl.coalesce("n_read", "n_told").alias("n_read"),
            pl.col("n_new", "n_changed").fill_null(0),
        )
        .with_columns(
            n_unchanged=pl.col("n_read") - pl.col("n_new") - pl.col("n_changed"),
            n_gone=pl.lit(0, dtype=pl.Int64),
        )
        .drop("n_told")
    )


def _append_headers(
    transaction: WriteTransaction,
    due: Sequence[Load],
    headers: pl.DataFrame,
    counts: pl.DataFrame,
) -> None:
    loads = pl.DataFrame(
        [
            (
                load.load_id,
                load.request_id,
                load.broker,
                load.environment.value,
                load.account_id,
                load.section,
                load.from_date,
                load.to_date,
                load.available_at,
            )
            for load in due
        ],
        schema={
            name: statements.FLEX_STATEMENTS.schema[name]
            for name in (
                "load_id",
                "request_id",
                *core.OWNER,
                "section",
                "from_date",
                "to_date",
                "available_at",
            )
        },
        orient="row",
    )
    told = headers.select(pl.col(name).cast(dtype) for name, dtype in HEADERS.items())
    rows = loads.join(told, on="load_id", how="inner", maintain_order="left").join(
        counts.select("load_id", pl.col("n_read").alias("n_rows")), on="load_id", how="left"
    )
    transaction.append(statements.FLEX_STATEMENTS, rows)


def _mark(transaction: WriteTransaction, due: Sequence[Load], counts: pl.DataFrame) -> None:
    facts = pl.DataFrame(
        [
            (
                load.load_id,
                load.request_id,
                load.broker,
                load.environment.value,
                load.account_id,
                load.dataset.value,
                load.available_at,
            )
            for load in due
        ],
        schema={
            name: core.APPLIED_LOADS.schema[name]
            for name in ("load_id", "request_id", *core.OWNER, "dataset", "available_at")
        },
        orient="row",
    )
    read = counts.select("load_id", pl.col("n_read").alias("n_rows"))
    transaction.append(
        core.APPLIED_LOADS, facts.join(read, on="load_id", how="left", maintain_order="left")
    )
