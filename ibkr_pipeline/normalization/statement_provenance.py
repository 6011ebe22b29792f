"""Where the rows of one section of a statement come from.

What lives here: the record every normalizer of statements takes. What must not: anything about
one section.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache

import polars as pl

from ibkr_pipeline.models.requests import Load

#: Section that tells fills on the day they happen, before the activity statement does.
TRADE_CONFIRMS = "TradeConfirms"
_INSTANT = pl.Datetime("us", "UTC")


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementProvenance:
    """Whose rows they are, and which load and statement they came in.

    Attributes:
        source: `{broker}.flex`, of trade confirmations `{broker}.flex_confirms`.
        available_at: When we received the statement, UTC.
        generated_at: When the broker made it, UTC.
        from_date, to_date: Session dates it speaks of, both included.
    """

    broker: str
    environment: str
    account_id: str
    load_id: str
    source: str
    available_at: datetime
    generated_at: datetime
    from_date: date
    to_date: date

    def columns(self) -> list[pl.Expr]:
        """Return the columns every core row of a statement carries, as literals."""
        return list(_literals(self))


@lru_cache(maxsize=64)
def _literals(origin: StatementProvenance) -> tuple[pl.Expr, ...]:
    """Return the literals; one load has many chunks."""
    return (
        pl.lit(origin.broker).alias("broker"),
        pl.lit(origin.environment).alias("environment"),
        pl.lit(origin.source).alias("source"),
        pl.lit(origin.load_id).alias("load_id"),
        pl.lit(origin.available_at, dtype=_INSTANT).alias("available_at"),
        pl.lit(origin.generated_at, dtype=_INSTANT).alias("generated_at"),
    )


def provenance_of_load(load: Load, *, generated_at: datetime) -> StatementProvenance:
    """Return the provenance of the rows of one section.

    Args:
        load: Load of the section.
        generated_at: When the broker made the statement; where it does not say, when we
            received it.

    Raises:
        ValueError: If the load lacks its window or the instant it became available.
    """
    if load.from_date is None or load.to_date is None or load.available_at is None:
        raise ValueError(
            f"Load {load.load_id} lacked its window or the instant it became available; expected "
            f"both of a statement's section."
        )
    return StatementProvenance(
        broker=load.broker,
        environment=load.environment.value,
        account_id=load.account_id,
        load_id=load.load_id,
        source=f"{load.source}_confirms" if load.section == TRADE_CONFIRMS else load.source,
        available_at=load.available_at,
        generated_at=generated_at,
        from_date=load.from_date,
        to_date=load.to_date,
    )
