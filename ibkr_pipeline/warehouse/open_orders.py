"""Which orders each read listed as open: what tells an order that ended while nobody read.

What lives here: the list of one read, its header, and what it lists no more. What must not: what
becomes of such an order (`views.py`), or the versions of orders (`orders.py`).

A broker lists open orders, and completed ones of its current day alone. An order that ended
after the last read of one day is in neither list of the next. Only a complete read may say so,
which is why every one has a header, with no rows where the account has no open order.
"""

from __future__ import annotations

import logging

import polars as pl

from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.primitives.logs import log_event
from ibkr_pipeline.schemas import core
from ibkr_pipeline.warehouse.order_states import ORDER, is_listed
from ibkr_pipeline.warehouse.snapshots import headers_of, with_previous
from ibkr_pipeline.warehouse.spans import span_of
from ibkr_pipeline.warehouse.transaction import WriteTransaction

_LOG = logging.getLogger(__name__)


def append_open_orders(
    transaction: WriteTransaction, states: pl.DataFrame, loads: pl.DataFrame
) -> pl.DataFrame:
    """Append the open orders each load listed, with their header; return which are gone.

    Args:
        transaction: The open transaction.
        states: What each load told of each order (`order_states`).
        loads: One row per load (`apply.py`).

    Returns:
        load_id, order_key: orders the read before listed, and of which this one tells neither
        that they are open nor that they ended. The read before is the last of the account that
        was true earlier, whenever it arrived.
    """
    listed = states.filter(is_listed()).select(
        *ORDER,
        "source",
        "load_id",
        "available_at",
        pl.col("load_id").alias("snapshot_id"),
        pl.col("available_at").alias("as_of"),
    )
    headers = headers_of(loads, listed)
    pairs = with_previous(transaction, Dataset.ORDERS, headers)
    transaction.append(core.SNAPSHOTS, headers)
    transaction.append(core.OPEN_ORDERS, listed)
    gone = _gone(transaction, pairs.filter(pl.col("previous_rows") > 0), states, loads)
    for (load_id,), orders in gone.group_by("load_id", maintain_order=True):
        keys = ", ".join(orders.get_column("order_key"))
        log_event(_LOG, "orders_gone", load_id=load_id, orders=keys)
    return gone


def _gone(
    transaction: WriteTransaction, pairs: pl.DataFrame, states: pl.DataFrame, loads: pl.DataFrame
) -> pl.DataFrame:
    if pairs.is_empty():
        return pl.DataFrame(schema={"load_id": pl.String(), "order_key": pl.String()})
    bound = span_of(pairs.get_column("previous_as_of")).condition("before.as_of")
    return transaction.query(
        f"""SELECT pairs.load_id, before.order_key FROM pairs
            JOIN {core.OPEN_ORDERS.name} AS before
                ON before.snapshot_id = pairs.previous_id AND before.source = pairs.source
            ANTI JOIN told
                ON told.load_id = pairs.load_id AND told.order_key = before.order_key
            WHERE {bound}
            ORDER BY pairs.load_id, before.order_key""",
        pairs=pairs.select(pl.col("snapshot_id").alias("load_id"), "previous_id").join(
            loads.select("load_id", "source"), on="load_id"
        ),
        told=states.select("load_id", "order_key"),
    )
