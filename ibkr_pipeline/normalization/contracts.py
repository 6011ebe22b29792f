"""The contracts a frame of positions, orders or fills speaks of.

What lives here: one row per contract with what the frame knows of it. What must not: versions,
which need what core already knows.
"""

from __future__ import annotations

import polars as pl

from ibkr_pipeline.schemas import core
from ibkr_pipeline.schemas.broker import CONTRACT

#: Attributes of a contract. `exchange` is the routing of a row, not part of what is traded.
ATTRIBUTES = tuple(name for name in CONTRACT if name not in ("con_id", "exchange"))
_ORIGIN = ("source", "load_id", "available_at")


def contracts_of(frame: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Return `core.ibkr_contracts` and `core.instruments` rows without version.

    One row per con_id, ordered by it. Each attribute is the first that is known in the order of
    the frame; an attribute no row knows stays null. Rows without con_id (0 included) are combos
    or were never resolved: they name no contract.

    Args:
        frame: Rows with the columns of a contract and their provenance.
    """
    known = (
        frame.lazy()
        .filter(pl.col("con_id") > 0)
        .select("con_id", *ATTRIBUTES, *_ORIGIN)
        .unique(subset=["con_id", *ATTRIBUTES], keep="first", maintain_order=True)
        .collect()
    )
    if known.get_column("con_id").is_duplicated().any():
        known = known.group_by("con_id", maintain_order=True).agg(
            *(pl.col(name).drop_nulls().first() for name in ATTRIBUTES),
            *(pl.col(name).first() for name in _ORIGIN),
        )
    keyed = known.sort("con_id").with_columns(
        pl.format("ibkr:{}", "con_id").alias("instrument_key")
    )
    return {
        table.name: _of(keyed, table.schema) for table in (core.IBKR_CONTRACTS, core.INSTRUMENTS)
    }


def _of(frame: pl.DataFrame, schema: dict[str, pl.DataType]) -> pl.DataFrame:
    return frame.select(name for name in schema if name not in ("version", "recorded_at"))
