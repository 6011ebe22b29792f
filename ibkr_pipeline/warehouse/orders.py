"""Orders into core: one version for each change, whatever name the order went by.

What lives here: how a read's orders meet the versions known. What must not: who is who
(`order_identity.py`), which status of a read stands (`order_states.py`), the status history
(`order_history.py`), which orders a read listed (`open_orders.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from ibkr_pipeline.primitives.enums import OrderStatus
from ibkr_pipeline.schemas import core
from ibkr_pipeline.warehouse.conflicts import append_conflicts
from ibkr_pipeline.warehouse.open_orders import append_open_orders
from ibkr_pipeline.warehouse.order_history import append_history
from ibkr_pipeline.warehouse.order_identity import NAMES, identify_orders
from ibkr_pipeline.warehouse.order_states import (
    ATTRIBUTES,
    FINAL,
    ORDER,
    PARTIAL,
    STANDING,
    order_states,
)
from ibkr_pipeline.warehouse.transaction import WriteTransaction
from ibkr_pipeline.warehouse.versions import new_versions

#: Known of an order, but no change of it: the ids of whichever connection was asked.
_ASIDE = ("order_id", "client_id", "connection_epoch")
_CONTENT = [*(name for name in PARTIAL if name not in _ASIDE), *STANDING, "attributes"]
#: A null is no answer: it takes over what was known.
_CARRIED = [*PARTIAL, "filled_quantity", "remaining_quantity", "avg_fill_price", "attributes"]


def append_orders(
    transaction: WriteTransaction, normalized: Mapping[str, pl.DataFrame], loads: pl.DataFrame
) -> pl.DataFrame:
    """Append orders, aliases, status events and lists of open orders; return each load's counts.

    A read gives an order at most one version. An order that was filled stays filled, whatever a
    later message says; its messages are in the status history all the same.

    Args:
        transaction: The open transaction.
        normalized: Frames of `normalize_orders`, these loads only.
        loads: One row per load (`apply.py`).

    Returns:
        load_id, n_read, n_new, n_changed, n_unchanged, n_gone; a row is one order. Gone are
        those the read before listed as open and this one does not tell of.
    """
    messages = normalized[core.ORDERS.name]
    statuses = normalized[core.ORDER_STATUS_EVENTS.name]
    common = [*core.OWNER, *NAMES, "event_seq", "load_id", "available_at", "source"]
    keys = identify_orders(
        transaction, pl.concat([messages.select(common), statuses.select(common)])
    )
    orders = _keyed(transaction, messages, keys)
    statuses = _keyed(transaction, statuses, keys)
    states = order_states(orders, statuses)
    known = _known(transaction, states)
    incoming = _stay_filled(known, states)
    fresh = new_versions(known, incoming, key=ORDER, content=_CONTENT, carried=_CARRIED)
    transaction.append(core.ORDERS, fresh.with_columns(pl.col("attributes").struct.unnest()))
    append_history(transaction, orders, statuses)
    gone = append_open_orders(transaction, states, loads)
    return _counts(loads, states, fresh, gone)


def _keyed(
    transaction: WriteTransaction, messages: pl.DataFrame, keys: pl.DataFrame
) -> pl.DataFrame:
    """Return the messages with their order; those that name none are reported and left out."""
    by = [*core.OWNER, *NAMES, "load_id"]
    found = messages.join(keys, on=by, how="left", nulls_equal=True, maintain_order="left")
    nameless = found.filter(pl.col("order_key").is_null())
    append_conflicts(
        transaction,
        core.ORDERS,
        nameless,
        record="broker_status",
        reason="the message names no order: no permId, no reference, no order id",
        compared=[name for name in ("con_id", "side", "status", "order_id") if name in found],
    )
    return found.filter(pl.col("order_key").is_not_null())


def _known(transaction: WriteTransaction, states: pl.DataFrame) -> pl.DataFrame:
    named = ", ".join(ORDER)
    known = transaction.query(
        f"SELECT * FROM {core.ORDERS.name} SEMI JOIN asked USING ({named})",
        asked=states.select(ORDER).unique(),
    )
    return known.with_columns(pl.struct(ATTRIBUTES).alias("attributes")).drop(ATTRIBUTES)


def _stay_filled(known: pl.DataFrame, states: pl.DataFrame) -> pl.DataFrame:
    """Return the states with the fill of an order that was filled before standing on."""
    columns = [*ORDER, "available_at", *STANDING]
    fills = (
        pl.concat([known.select(columns), states.select(columns)])
        .filter(pl.col("status") == OrderStatus.FILLED.value)
        .sort("available_at")
        .unique(subset=ORDER, keep="first", maintain_order=True)
        .rename({name: f"{name}_filled" for name in ("available_at", *STANDING)})
    )
    was_filled = (pl.col("available_at_filled") <= pl.col("available_at")) & ~pl.col(
        "status"
    ).is_in(FINAL)
    return (
        states.join(fills, on=ORDER, how="left", maintain_order="left")
        .with_columns(
            pl.when(was_filled).then(f"{name}_filled").otherwise(name).alias(name)
            for name in STANDING
        )
        .drop(f"{name}_filled" for name in ("available_at", *STANDING))
    )


def _counts(
    loads: pl.DataFrame, states: pl.DataFrame, fresh: pl.DataFrame, gone: pl.DataFrame
) -> pl.DataFrame:
    is_new = pl.col("version") == 1
    read = states.group_by("load_id").agg(pl.len().cast(pl.Int64).alias("n_read"))
    written = fresh.group_by("load_id").agg(
        is_new.sum().cast(pl.Int64).alias("n_new"),
        (~is_new).sum().cast(pl.Int64).alias("n_changed"),
    )
    lost = gone.group_by("load_id").agg(pl.len().cast(pl.Int64).alias("n_gone"))
    return (
        loads.select("load_id")
        .join(read, on="load_id", how="left", maintain_order="left")
        .join(written, on="load_id", how="left", maintain_order="left")
        .join(lost, on="load_id", how="left", maintain_order="left")
        .with_columns(pl.exclude("load_id").fill_null(0))
        .with_columns(n_unchanged=pl.col("n_read") - pl.col("n_new") - pl.col("n_changed"))
    )
