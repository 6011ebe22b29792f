"""What one read says about an order, put together from its messages.

What lives here: which status of a read stands, and the order's attributes. What must not: what
earlier reads said (`orders.py`), or tables.

Status messages may come late, twice and out of order. Within one read an order only moves
forward: filled stands against everything; otherwise the status with more filled stands, of two
with as much filled the final one, then the one that came last.
"""

from __future__ import annotations

import polars as pl

from ibkr_pipeline.primitives.enums import OrderStatus
from ibkr_pipeline.schemas.core import OWNER

ORDER = [*OWNER, "order_key"]
_READ = [*ORDER, "load_id"]
FINAL = tuple(
    status.value
    for status in (
        OrderStatus.FILLED,
        OrderStatus.CANCELLED,
        OrderStatus.REJECTED,
        OrderStatus.EXPIRED,
        OrderStatus.INACTIVE,
    )
)
#: Statuses that no order leaves again; an inactive one may still be listed, and become active.
ENDED = tuple(status for status in FINAL if status != OrderStatus.INACTIVE.value)
#: What an openOrder or completedOrder message says whole: a null there is an answer.
ATTRIBUTES = (
    "con_id",
    "symbol",
    "security_type",
    "currency",
    "exchange",
    "side",
    "order_type",
    "time_in_force",
    "limit_price",
    "stop_price",
    "is_open",
    "is_deactivated",
    "completed_at",
    "completed_text",
    "warning_text",
    "oca_group",
    "outside_rth",
    "model_code",
)
#: What only some messages know: a null there is no answer.
PARTIAL = (
    "order_id",
    "client_id",
    "perm_id",
    "parent_perm_id",
    "order_ref",
    "connection_epoch",
    "total_quantity",
)
#: What the status that stands says.
STANDING = (
    "status",
    "broker_status",
    "filled_quantity",
    "remaining_quantity",
    "avg_fill_price",
)


def order_states(orders: pl.DataFrame, statuses: pl.DataFrame) -> pl.DataFrame:
    """Return one row per order and read: its attributes and the status that stands.

    Args:
        orders: openOrder and completedOrder messages with `order_key`.
        statuses: orderStatus messages with `order_key`.

    Returns:
        Order, load_id, source, available_at, `PARTIAL`, `STANDING`, and `attributes`: a struct
        of `ATTRIBUTES`, null where the read had only status messages.
    """
    messages = pl.concat([orders, statuses], how="diagonal").sort(*_READ, "event_seq")
    return (
        _partial(messages)
        .join(_standing(messages), on=_READ, how="left", nulls_equal=True)
        .join(_attributes(orders), on=_READ, how="left", nulls_equal=True)
        .with_columns(_remaining())
        .sort("available_at", *_READ)
    )


def is_listed() -> pl.Expr:
    """Return whether a read told an order (a row of `order_states`) as open.

    One of which there were only status messages was open unless the status is a final one.
    """
    is_open = pl.coalesce(
        pl.col("attributes").struct.field("is_open"), ~pl.col("status").is_in(FINAL)
    )
    return is_open & ~pl.col("status").is_in(ENDED)


def _partial(messages: pl.DataFrame) -> pl.DataFrame:
    ordered = pl.col("total_quantity")
    return (
        messages.with_columns(
            # Completed orders come with a total of 0.
            pl.when(ordered > 0).then(ordered).alias("total_quantity")
        )
        .group_by(_READ, maintain_order=True)
        .agg(
            pl.col("source", "available_at").first(),
            *(pl.col(name).drop_nulls().last() for name in PARTIAL),
        )
    )


def _standing(messages: pl.DataFrame) -> pl.DataFrame:
    filled_so_far = pl.col("filled_quantity").cum_max().forward_fill().over(_READ).fill_null(0)
    ranked = messages.with_columns(
        pl.coalesce("filled_quantity", filled_so_far).alias("filled_then"),
        (pl.col("status") == OrderStatus.FILLED.value).alias("is_filled"),
        pl.col("status").is_in(FINAL).alias("is_final"),
    ).sort("is_filled", "filled_then", "is_final", "event_seq")
    return ranked.group_by(_READ, maintain_order=True).agg(
        pl.col("status", "broker_status").last(),
        pl.col("filled_quantity").max(),
        pl.col("remaining_quantity", "avg_fill_price").drop_nulls().last(),
    )


def _attributes(orders: pl.DataFrame) -> pl.DataFrame:
    """Return the last message's attributes; completed in any message is completed."""
    return (
        orders.sort("event_seq")
        .group_by(_READ, maintain_order=True)
        .agg(
            pl.col("is_open").all(),
            *(pl.col(name).last() for name in ATTRIBUTES if name != "is_open"),
        )
        .select(*_READ, pl.struct(ATTRIBUTES).alias("attributes"))
    )


def _remaining() -> pl.Expr:
    is_filled = pl.col("status") == OrderStatus.FILLED.value
    remaining = pl.coalesce(
        "remaining_quantity", pl.col("total_quantity") - pl.col("filled_quantity")
    )
    zero = pl.lit(0).cast(pl.Decimal(38, 10))
    return pl.when(is_filled).then(zero).otherwise(remaining).alias("remaining_quantity")
