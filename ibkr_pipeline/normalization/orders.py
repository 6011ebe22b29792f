"""Orders and their status messages.

What lives here: broker frames -> one typed row per message, with the names the message gives its
order. What must not: which messages belong to one order and which status stands; that needs
what core knows (`warehouse/orders.py`).
"""

from __future__ import annotations

import polars as pl

from ibkr_pipeline.normalization.contracts import contracts_of
from ibkr_pipeline.normalization.order_names import client_name, perm_name, ref_name
from ibkr_pipeline.normalization.provenance import Frames, with_provenance
from ibkr_pipeline.schemas import broker, core
from ibkr_pipeline.schemas.table import Table


def normalize_orders(frames: Frames, provenance: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Return rows for `core.orders` and `core.order_status_events`, contracts and instruments.

    One row per message, in the broker's columns with provenance and `perm_name`, `ref_name` and
    `client_name`. Messages that repeat another one word for word are dropped: the broker repeats
    its status messages as a matter of course.

    Args:
        frames: `broker.orders` and `broker.order_statuses`.
        provenance: One row per load (`normalization.provenance.PROVENANCE`).

    Raises:
        SchemaError: If a frame is missing or a row's account has no load.
    """
    orders = _named(frames, broker.ORDERS, provenance, reference=ref_name())
    statuses = _named(frames, broker.ORDER_STATUSES, provenance, reference=pl.lit(None, pl.String))
    return {
        core.ORDERS.name: orders,
        core.ORDER_STATUS_EVENTS.name: statuses,
        **contracts_of(orders),
    }


def _named(
    frames: Frames, table: Table, provenance: pl.DataFrame, *, reference: pl.Expr
) -> pl.DataFrame:
    content = [name for name in table.schema if name != "event_seq"]
    return (
        with_provenance(frames, table, provenance)
        .unique(subset=content, keep="first", maintain_order=True)
        .with_columns(
            perm_name().alias("perm_name"),
            reference.alias("ref_name"),
            client_name().alias("client_name"),
        )
    )
