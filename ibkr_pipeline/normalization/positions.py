"""Position snapshots, and the contracts they hold.

What lives here: broker frame -> core frame of positions. What must not: which portfolio an
account belongs to (`portfolios.py`), or anything read or written.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from ibkr_pipeline.normalization.contracts import contracts_of
from ibkr_pipeline.normalization.provenance import Frames, with_provenance
from ibkr_pipeline.schemas import broker, core

_KEY = list(broker.POSITIONS.key)


def normalize_positions(
    frames: Frames,
    provenance: pl.DataFrame,
    *,
    portfolio_of: Mapping[str, str] | None = None,
) -> dict[str, pl.DataFrame]:
    """Return `core.positions`, `core.ibkr_contracts` and `core.instruments` rows.

    Positions lack recorded_at; contracts and instruments also lack their version. A position
    told twice in one read counts as told last: the broker repeats a row when it changes. A row
    of quantity 0 says that the position is closed, so it is left out; the snapshot's header
    keeps the fact that the account was read.

    Args:
        frames: `broker.positions`.
        provenance: One row per load (`normalization.provenance.PROVENANCE`).
        portfolio_of: Account code -> portfolio id; an account that is absent is its own.

    Raises:
        SchemaError: If a frame is missing or a row's account has no load.
    """
    rows = with_provenance(frames, broker.POSITIONS, provenance)
    if rows.select(pl.struct(_KEY).is_duplicated().any()).item():
        rows = rows.unique(subset=_KEY, keep="last", maintain_order=True)
    positions = (
        rows.filter(pl.col("quantity").ne_missing(0))
        .with_columns(
            snapshot_id="load_id",
            as_of="available_at",
            portfolio_id=pl.col("account_id").replace(dict(portfolio_of or {})),
        )
        .select(name for name in core.POSITIONS.schema if name != "recorded_at")
    )
    return {core.POSITIONS.name: positions, **contracts_of(rows)}
