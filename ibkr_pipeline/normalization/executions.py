"""Fills and their commissions.

What lives here: broker frames -> core frames of executions. What must not: which revision of a
fill wins, and which of two contradicting rows is kept; that needs what core knows.
"""

from __future__ import annotations

import polars as pl

from ibkr_pipeline.normalization.contracts import contracts_of
from ibkr_pipeline.normalization.order_names import order_name
from ibkr_pipeline.normalization.provenance import Frames, with_provenance
from ibkr_pipeline.primitives.enums import CommissionStatus
from ibkr_pipeline.primitives.sessions import DEFAULT_CALENDAR, session_dates
from ibkr_pipeline.schemas import broker, core
from ibkr_pipeline.schemas.table import Table

#: Account codes of advisor masters.
_ADVISOR = r"^D?F\d+$"
_FILL = ["account_id", "exec_id"]


def normalize_executions(
    frames: Frames, provenance: pl.DataFrame, *, calendar: str = DEFAULT_CALENDAR
) -> dict[str, pl.DataFrame]:
    """Return `core.executions`, `core.commissions`, contracts and instruments.

    A row that repeats another one word for word is dropped; one that contradicts it stays, for
    the writer to report. Both subjects keep `event_seq`; they lack recorded_at, and commissions
    their version. `order_key` is the best name the fill itself has for its order.

    A commission carries the time of its fill where this read tells it, else null.

    Args:
        frames: `broker.executions` and `broker.commissions`.
        provenance: One row per load (`normalization.provenance.PROVENANCE`).
        calendar: Exchange calendar of `session_date`.

    Raises:
        SchemaError: If a frame is missing or a row's account has no load.
    """
    fills = _distinct(frames, broker.EXECUTIONS, provenance).with_columns(
        order_name().alias("order_key"), _is_allocation_parent().alias("is_allocation_parent")
    )
    fills = fills.with_columns(
        session_dates(fills.get_column("event_ts"), calendar=calendar).alias("session_date")
    )
    reports = _distinct(frames, broker.COMMISSIONS, provenance)
    return {
        core.EXECUTIONS.name: _columns(fills, core.EXECUTIONS),
        core.COMMISSIONS.name: _columns(_commissions(reports, fills), core.COMMISSIONS),
        **contracts_of(fills),
    }


def _distinct(frames: Frames, table: Table, provenance: pl.DataFrame) -> pl.DataFrame:
    rows = with_provenance(frames, table, provenance)
    if not rows.select(pl.struct(_FILL).is_duplicated().any()).item():
        return rows
    content = [name for name in table.schema if name != "event_seq"]
    return rows.unique(subset=content, keep="first", maintain_order=True)


def _commissions(reports: pl.DataFrame, fills: pl.DataFrame) -> pl.DataFrame:
    times = fills.select(*_FILL, "event_ts").unique(subset=_FILL, keep="first")
    return reports.join(times, on=_FILL, how="left", maintain_order="left").with_columns(
        commission_status=pl.when(pl.col("commission").is_null())
        .then(pl.lit(CommissionStatus.PENDING.value))
        .otherwise(pl.lit(CommissionStatus.FINAL.value))
    )


def _is_allocation_parent() -> pl.Expr:
    """Whether a fill of an advisor's master account is told again for its allocations.

    The broker reports a master order's fill once for the master account and once for every
    account it was allocated to, under the same permId. Such a master fill counts no quantity.
    A master account's fill without allocations in the same read is the advisor's own.
    """
    is_master = pl.col("account_id").str.contains(_ADVISOR)
    has_others = (~is_master).any().over("broker", "environment", "perm_id")
    return is_master & (pl.col("perm_id") > 0).fill_null(value=False) & has_others


def _columns(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    untold = core.STATEMENT_FILL if table is core.EXECUTIONS else ()
    rows = frame.with_columns(
        pl.lit(None, dtype=core.EXECUTIONS.schema[name]).alias(name) for name in untold
    )
    return rows.select(
        "event_seq", *(name for name in table.schema if name not in ("recorded_at", "version"))
    )
