"""Rows that contradict what core holds: reported, kept beside, never applied.

What lives here: the table of conflicts and its log line. What must not: what counts as a
contradiction.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence

import polars as pl

from ibkr_pipeline.schemas import meta
from ibkr_pipeline.schemas.core import OWNER
from ibkr_pipeline.schemas.table import Table
from ibkr_pipeline.warehouse.transaction import WriteTransaction

_LOG = logging.getLogger(__name__)


def append_conflicts(
    transaction: WriteTransaction,
    table: Table,
    rows: pl.DataFrame,
    *,
    record: str,
    reason: str,
    compared: Sequence[str],
) -> int:
    """Record the rows as conflicts, each content once, and return how many were new.

    Args:
        transaction: The open transaction.
        table: Table the rows were meant for.
        rows: Owner, `load_id`, `available_at`, the record's name, the columns compared, and
            beside each, where core has a value, a column `{name}_kept`.
        record: Column that names the record.
        reason: Why the rows were not applied.
        compared: Columns to keep of both sides.
    """
    if rows.is_empty():
        return 0
    told = pl.DataFrame(
        [_conflict(table, row, record, reason, compared) for row in rows.iter_rows(named=True)],
        schema={
            name: dtype for name, dtype in meta.CONFLICTS.schema.items() if name != "recorded_at"
        },
        orient="row",
    ).unique(subset=list(meta.CONFLICTS.key), keep="first", maintain_order=True)
    key = ", ".join(meta.CONFLICTS.key)
    known = transaction.query(
        f"SELECT {key} FROM {meta.CONFLICTS.name} SEMI JOIN told USING ({key})",
        told=told,
    )
    fresh = told.join(known, on=meta.CONFLICTS.key, how="anti", maintain_order="left")
    for row in fresh.iter_rows(named=True):
        _LOG.warning(
            "conflict table=%s record=%s load=%s reason=%r kept=%s found=%s",
            *(row[name] for name in ("table_name", "record", "load_id", "reason", "kept", "found")),
        )
    return transaction.append(meta.CONFLICTS, fresh, validate=False)


def _conflict(
    table: Table, row: Mapping[str, object], record: str, reason: str, compared: Sequence[str]
) -> tuple[object, ...]:
    kept = {name: row[f"{name}_kept"] for name in compared if f"{name}_kept" in row}
    found = {name: row[name] for name in compared}
    return (
        table.name,
        *(row[name] for name in OWNER),
        str(row[record]),
        reason,
        _json(kept) if kept else None,
        _json(found),
        row["load_id"],
        row["available_at"],
    )


def _json(values: Mapping[str, object]) -> str:
    return json.dumps(values, default=str, sort_keys=True)
