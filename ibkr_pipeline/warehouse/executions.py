"""Fills into core: each fill and revision once, contradictions beside.

What lives here: what is new of a load's fills, and the counts. What must not: which revision is
current (`views.py`), or the commissions (`commissions.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from ibkr_pipeline.schemas import core, meta
from ibkr_pipeline.warehouse.commissions import append_commissions
from ibkr_pipeline.warehouse.conflicts import append_conflicts
from ibkr_pipeline.warehouse.known_keys import known_rows, with_fingerprints
from ibkr_pipeline.warehouse.transaction import WriteTransaction

_KEY = [name for name in core.EXECUTIONS.key if name != "generated_at"]
_FILL = [*core.OWNER, "fill_id"]
#: What the broker may not change under one exec id. Ids of the session that asked, the spelling
#: of the time and what is derived from other rows are left out; null is no contradiction.
_CONTENT = (
    "exec_id",
    "perm_id",
    "order_ref",
    "con_id",
    "event_ts",
    "side",
    "fill_quantity",
    "price",
    "cum_quantity",
    "avg_order_price",
    "venue",
    "is_liquidation",
    "last_liquidity",
    "is_price_pending",
    "ev_rule",
    "ev_multiplier",
)


def append_executions(
    transaction: WriteTransaction, normalized: Mapping[str, pl.DataFrame], loads: pl.DataFrame
) -> pl.DataFrame:
    """Append new fills, revisions and commissions; return the counts of each load.

    Of two rows with one exec id and different content the first is kept, the other goes to
    `meta.conflicts`. New rows enter in the order of their time. Whether a statement tells the
    fill as well makes no difference: each source has its own rows.

    Args:
        transaction: The open transaction.
        normalized: Frames of `normalize_executions`, these loads only.
        loads: One row per load (`apply.py`).

    Returns:
        load_id, n_read, n_new, n_changed, n_unchanged, n_gone. A row is one fill and revision.
        New: its fill was not known before the load. Changed: a correction of a fill that was, or
        a fill whose commission is new or other.
    """
    told = normalized[core.EXECUTIONS.name].sort("available_at", "load_id", "event_seq")
    fills = with_fingerprints(transaction, told, _FILL)
    known = known_rows(
        transaction,
        core.EXECUTIONS,
        meta.EXECUTION_KEYS,
        fills,
        key=_FILL,
        columns=[*_KEY, *_CONTENT],
    ).join(told.select("source").unique(), on="source", how="semi", maintain_order="left")
    fresh = fills.unique(subset=_KEY, keep="first", maintain_order=True).join(
        known, on=_KEY, how="anti", maintain_order="left"
    )
    if fresh.height < fills.height:
        _report_conflicts(transaction, fills, known, fresh)
    ordered = fresh.sort("event_ts", *_KEY)
    transaction.append(core.EXECUTIONS, ordered)
    transaction.append(meta.EXECUTION_KEYS, ordered, validate=False)
    commissions = append_commissions(transaction, normalized[core.COMMISSIONS.name])
    all_new = known.is_empty() and fresh.height == fills.height
    if all_new and loads.get_column("account_id").is_unique().all():
        return _totals(loads, fills.with_columns(is_new=True, is_changed=False))
    return _totals(loads, _compared(fills, known, fresh, commissions))


def _report_conflicts(
    transaction: WriteTransaction, fills: pl.DataFrame, known: pl.DataFrame, fresh: pl.DataFrame
) -> None:
    kept = pl.concat([known, fresh.select(known.columns)])
    differs = pl.any_horizontal(
        (pl.col(name) != pl.col(f"{name}_kept")).fill_null(value=False) for name in _CONTENT
    )
    contradicting = fills.join(
        kept, on=_KEY, how="inner", suffix="_kept", maintain_order="left"
    ).filter(differs)
    append_conflicts(
        transaction,
        core.EXECUTIONS,
        contradicting,
        record="exec_id",
        reason="the same exec id with other content",
        compared=_CONTENT,
    )


def _compared(
    fills: pl.DataFrame, known: pl.DataFrame, fresh: pl.DataFrame, commissions: pl.DataFrame
) -> pl.DataFrame:
    """Return each fill and revision of each load once, with `is_new` and `is_changed`."""
    first_told = fresh.unique(subset=_FILL, keep="first", maintain_order=True).join(
        known, on=_FILL, how="anti"
    )
    is_new = pl.col("is_first") & pl.col("is_fresh")
    return (
        fills.select(*_KEY, "exec_id", "load_id")
        .unique(subset=[*_KEY, "load_id"], keep="first", maintain_order=True)
        .pipe(_marked, first_told, on=[*_FILL, "load_id"], name="is_first")
        .pipe(_marked, fresh, on=[*_KEY, "load_id"], name="is_fresh")
        .pipe(_marked, commissions, on=[*core.OWNER, "exec_id", "load_id"], name="is_charged")
        .with_columns(
            is_new.alias("is_new"),
            (~is_new & (pl.col("is_fresh") | pl.col("is_charged"))).alias("is_changed"),
        )
    )


def _totals(loads: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    counted = rows.group_by("load_id").agg(
        pl.len().cast(pl.Int64).alias("n_read"),
        pl.col("is_new").sum().cast(pl.Int64).alias("n_new"),
        pl.col("is_changed").sum().cast(pl.Int64).alias("n_changed"),
    )
    return (
        loads.select("load_id")
        .join(counted, on="load_id", how="left", maintain_order="left")
        .with_columns(pl.exclude("load_id").fill_null(0))
        .with_columns(
            n_unchanged=pl.col("n_read") - pl.col("n_new") - pl.col("n_changed"),
            n_gone=pl.lit(0, dtype=pl.Int64),
        )
    )


def _marked(rows: pl.DataFrame, among: pl.DataFrame, *, on: list[str], name: str) -> pl.DataFrame:
    """Return the rows with a flag that says whether they are among others."""
    mark = among.select(on).unique().with_columns(pl.lit(value=True).alias(name))
    return rows.join(mark, on=on, how="left", maintain_order="left").with_columns(
        pl.col(name).fill_null(value=False)
    )
