"""Which normalization belongs to which dataset.

What lives here: the choice, and the provenance frame that loads become. What must not: any rule
about rows (`normalization/`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from ibkr_pipeline.brokers.read import Frames
from ibkr_pipeline.models.requests import Load
from ibkr_pipeline.normalization.accounts import normalize_accounts
from ibkr_pipeline.normalization.executions import normalize_executions
from ibkr_pipeline.normalization.orders import normalize_orders
from ibkr_pipeline.normalization.portfolios import Portfolio
from ibkr_pipeline.normalization.positions import normalize_positions
from ibkr_pipeline.normalization.provenance import PROVENANCE
from ibkr_pipeline.primitives.enums import Dataset


def normalize(
    dataset: Dataset,
    frames: Frames,
    loads: Sequence[Load],
    portfolios: Mapping[str, Portfolio],
) -> Frames:
    """Return the core frames of one request.

    Args:
        dataset: What was read.
        frames: The broker's typed frames of the accounts of `loads`.
        loads: The request's complete loads.
        portfolios: Account code -> portfolio.
    """
    provenance = provenance_of(loads)
    if dataset is Dataset.ACCOUNTS:
        return normalize_accounts(frames, provenance)
    if dataset is Dataset.POSITIONS:
        owners = {account: item.portfolio_id for account, item in portfolios.items()}
        return normalize_positions(frames, provenance, portfolio_of=owners)
    if dataset is Dataset.ORDERS:
        return normalize_orders(frames, provenance)
    return normalize_executions(frames, provenance)


def provenance_of(loads: Sequence[Load]) -> pl.DataFrame:
    """Return one row per load: whose its rows are and where they came from."""
    return pl.DataFrame(
        [
            {
                "account_id": load.account_id,
                "load_id": load.load_id,
                "request_id": load.request_id,
                "broker": load.broker,
                "environment": load.environment.value,
                "source": f"{load.broker}.wire",
                "available_at": load.available_at,
            }
            for load in loads
        ],
        schema=dict(PROVENANCE),
        orient="row",
    )
