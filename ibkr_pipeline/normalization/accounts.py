"""Account snapshots: balances by account and by currency.

What lives here: broker frame -> core frame of accounts. What must not: anything read or written.
"""

from __future__ import annotations

import polars as pl

from ibkr_pipeline.normalization.provenance import Frames, with_provenance
from ibkr_pipeline.schemas import broker, core
from ibkr_pipeline.schemas.table import Table


def normalize_accounts(frames: Frames, provenance: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Return `core.accounts` and `core.account_ledger` rows without recorded_at.

    The snapshot is the load; it is true as of the instant the answer was received. A value told
    twice in one read counts as told last.

    Args:
        frames: `broker.accounts` and `broker.account_ledger`.
        provenance: One row per load (`normalization.provenance.PROVENANCE`).

    Raises:
        SchemaError: If a frame is missing or a row's account has no load.
    """
    return {
        into.name: _snapshot_rows(frames, table, into, provenance)
        for table, into in (
            (broker.ACCOUNTS, core.ACCOUNTS),
            (broker.ACCOUNT_LEDGER, core.ACCOUNT_LEDGER),
        )
    }


def _snapshot_rows(
    frames: Frames, table: Table, into: Table, provenance: pl.DataFrame
) -> pl.DataFrame:
    return (
        with_provenance(frames, table, provenance)
        .unique(subset=list(table.key), keep="last", maintain_order=True)
        .with_columns(snapshot_id="load_id", as_of="available_at")
        .select(name for name in into.schema if name != "recorded_at")
    )
