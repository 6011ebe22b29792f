"""Commissions into core: a version for each change, found again by the time of their fill.

What lives here: what is new of the gateway's commission reports. What must not: whether a fill's
commission is pending (`views.py`).
"""

from __future__ import annotations

import polars as pl

from ibkr_pipeline.primitives.enums import CommissionStatus
from ibkr_pipeline.schemas import core, meta
from ibkr_pipeline.warehouse.known_keys import known_rows, with_fingerprints
from ibkr_pipeline.warehouse.transaction import WriteTransaction
from ibkr_pipeline.warehouse.versions import new_versions

_KEY = [*core.OWNER, "exec_id"]
_FILL = [*core.OWNER, "fill_id"]
_CONTENT = (
    "commission",
    "currency",
    "commission_status",
    "realized_pnl",
    "bond_yield",
    "yield_redemption_date",
)
_PENDING = CommissionStatus.PENDING.value


def append_commissions(transaction: WriteTransaction, reports: pl.DataFrame) -> pl.DataFrame:
    """Append the commission reports that say something new, and return them.

    A report may come before its fill; it is kept and met by the fill later. A blank report after
    a full one (the broker sends those when asked twice) takes nothing back.

    Args:
        transaction: The open transaction; the load's own fills are in it already.
        reports: `core.commissions` rows of `normalize_executions`.
    """
    if reports.is_empty():
        return reports
    dated = _with_times(transaction, reports.sort("available_at", "load_id", "event_seq"))
    incoming = with_fingerprints(transaction, dated, _KEY)
    known = known_rows(
        transaction,
        core.COMMISSIONS,
        meta.COMMISSION_KEYS,
        incoming,
        key=_KEY,
        columns=[*_KEY, *_CONTENT, "available_at", "version"],
    )
    fresh = (
        new_versions(_open(known), _open(incoming), key=_KEY, content=_CONTENT, carried=_CONTENT)
        .with_columns(pl.col("commission_status").fill_null(_PENDING))
        .sort("event_ts", *_KEY, "version")
    )
    transaction.append(core.COMMISSIONS, fresh)
    transaction.append(meta.COMMISSION_KEYS, fresh, validate=False)
    return fresh


def _open(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with a pending status as unknown, so that a known one carries over it."""
    status = pl.col("commission_status")
    return rows.with_columns(pl.when(status != _PENDING).then(status).alias("commission_status"))


def _with_times(transaction: WriteTransaction, reports: pl.DataFrame) -> pl.DataFrame:
    """Return the reports with the time of their fill, also where an earlier load told the fill."""
    orphans = reports.filter(pl.col("event_ts").is_null())
    if orphans.is_empty():
        return reports
    fills = known_rows(
        transaction,
        core.EXECUTIONS,
        meta.EXECUTION_KEYS,
        with_fingerprints(transaction, orphans, _FILL),
        key=_FILL,
        columns=[*_KEY, "source", "event_ts"],
    ).rename({"event_ts": "fill_ts"})
    fills = fills.join(reports.select("source").unique(), on="source", how="semi").drop("source")
    return (
        reports.join(fills, on=_KEY, how="left", maintain_order="left")
        .with_columns(pl.coalesce("event_ts", "fill_ts").alias("event_ts"))
        .drop("fill_ts")
    )
