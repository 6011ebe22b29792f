"""The names an order goes by.

What lives here: how the names are spelled and which is the best one. What must not: which names
belong to one order (`warehouse/order_identity.py`).

An order id means one order only for its client and within one connection, and 0 or a negative
one is none (orders placed by hand). A permId is the broker's and lasts, but is 0 until the order
is accepted. The order reference is ours and lasts, but the broker does not keep it unique.
"""

from __future__ import annotations

import polars as pl


def perm_name() -> pl.Expr:
    """Return `perm:{perm_id}`, null without a permId."""
    return pl.when(pl.col("perm_id") > 0).then(pl.format("perm:{}", "perm_id"))


def ref_name() -> pl.Expr:
    """Return `ref:{order_ref}`, null without a reference."""
    return pl.when(pl.col("order_ref").str.strip_chars() != "").then(
        pl.format("ref:{}", "order_ref")
    )


def client_name() -> pl.Expr:
    """Return `cid:{client_id}:{order_id}:{epoch}`, null unless the order id means something."""
    known = pl.all_horizontal(
        pl.col("order_id") > 0,
        pl.col("client_id").is_not_null(),
        pl.col("connection_epoch").is_not_null(),
    )
    return pl.when(known).then(
        pl.format("cid:{}:{}:{}", "client_id", "order_id", "connection_epoch")
    )


def order_name() -> pl.Expr:
    """Return the best name of a row's order: permId, else reference, else client and order id."""
    return pl.coalesce(perm_name(), ref_name(), client_name())
