"""Portfolios: which account is counted in which, version by version.

What lives here: appending what changed in the configuration. What must not: the choice of a
portfolio (`normalization/portfolios.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import polars as pl

from ibkr_pipeline.schemas import core
from ibkr_pipeline.warehouse.transaction import WriteTransaction

_OWNER = list(core.OWNER)
_ID = ["portfolio_id", *_OWNER]


class NamedPortfolio(Protocol):
    """A portfolio by id and name."""

    @property
    def portfolio_id(self) -> str:
        """Its id."""
        ...

    @property
    def name(self) -> str:
        """Its name."""
        ...


def append_portfolios(
    transaction: WriteTransaction,
    portfolio_of: Mapping[str, NamedPortfolio],
    *,
    broker: str,
    environment: str,
) -> int:
    """Append the portfolios that are new, renamed or hold other accounts; return how many rows.

    An account's current portfolio is the one recorded last.

    Args:
        transaction: The open transaction.
        portfolio_of: Account code -> its portfolio.
        broker: Whose accounts they are.
        environment: The world they live in.
    """
    told = pl.DataFrame(
        [
            (item.portfolio_id, item.name, broker, environment, account)
            for account, item in portfolio_of.items()
        ],
        schema={
            name: core.PORTFOLIOS.schema[name]
            for name in ("portfolio_id", "portfolio_name", *_OWNER)
        },
        orient="row",
    )
    known = transaction.query(
        f"SELECT * FROM {core.PORTFOLIOS.name} SEMI JOIN told USING ({', '.join(_OWNER)})",
        told=told,
    )
    current = known.sort("recorded_at").unique(subset=_OWNER, keep="last")
    fresh = told.join(
        current, on=["portfolio_id", "portfolio_name", *_OWNER], how="anti", maintain_order="left"
    )
    highest = known.group_by(_ID).agg(pl.col("version").max().alias("highest"))
    numbered = fresh.join(highest, on=_ID, how="left", maintain_order="left").with_columns(
        version=pl.col("highest").fill_null(0) + 1
    )
    return transaction.append(core.PORTFOLIOS, numbered)
