"""From the messages of a read to its payload: one frame per message name, as heard.

What lives here: sorting messages by id, cutting them, and finding the account of those that name
none. What must not: judging whether the read is complete (`reads.py`) or interpreting a value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from ibkr_pipeline.brokers.ibkr.transport.order_wire import COLUMNS as ORDER_COLUMNS
from ibkr_pipeline.brokers.ibkr.transport.order_wire import NAMES as ORDER_NAMES
from ibkr_pipeline.brokers.ibkr.transport.order_wire import cut_orders
from ibkr_pipeline.brokers.ibkr.transport.wire import LAYOUTS, NUL, Cut, Malformed, cut
from ibkr_pipeline.models.requests import Payload
from ibkr_pipeline.primitives.enums import Dataset

#: Messages each dataset keeps, by name; others that arrive meanwhile are not part of it.
MESSAGES: Mapping[Dataset, tuple[str, ...]] = {
    Dataset.ACCOUNTS: ("accountValue", "accountTime", "portfolioValue"),
    Dataset.POSITIONS: ("position", "portfolioValue"),
    Dataset.ORDERS: ("openOrder", "orderStatus", "completedOrder"),
    Dataset.EXECUTIONS: ("execDetails", "commissionReport"),
}


def _columns_of(name: str) -> tuple[str, ...]:
    if name in ORDER_NAMES.values():
        return tuple(column for column in ORDER_COLUMNS if column != "account")
    fields = [
        item
        for layout in LAYOUTS.values()
        if layout.name == name
        for item in layout.fields
        if item not in ("version", "account")
    ]
    return (*dict.fromkeys(fields), "extra")


#: Message name -> its columns beside `seq` and `account`.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    name: _columns_of(name)
    for name in (
        *dict.fromkeys(layout.name for layout in LAYOUTS.values() if layout.name),
        *ORDER_NAMES.values(),
    )
}


@dataclass(frozen=True, kw_only=True)
class Heard:
    """Messages of a read as frames.

    Attributes:
        payload: Frames of every message name of the dataset, empty ones included.
        malformed: Messages that did not fit their layout.
        n_extra: Messages with fields beyond the layout, by name.
    """

    payload: Payload
    malformed: tuple[Malformed, ...]
    n_extra: Mapping[str, int]


def hear(dataset: Dataset, texts: Sequence[str], server_version: int) -> Heard:
    """Sort and cut the messages of a read.

    `account` is the account a message names, else null: `give_accounts` finds those.

    Args:
        dataset: What was read.
        texts: Messages in order of arrival; `seq` is their place in it.
        server_version: Negotiated version.
    """
    messages = pl.DataFrame({"text": pl.Series(texts, dtype=pl.String)}).with_columns(
        pl.col("text").str.splitn(NUL, 2).struct.field("field_0").alias("id"),
        pl.int_range(pl.len(), dtype=pl.Int64).alias("seq"),
    )
    found: dict[str, list[pl.DataFrame]] = {name: [] for name in MESSAGES[dataset]}
    malformed: list[Malformed] = []
    for (ident,), part in messages.partition_by("id", as_dict=True, maintain_order=True).items():
        name = ORDER_NAMES.get(str(ident)) or LAYOUTS[str(ident)].name
        if name not in found:
            continue
        piece = _cut(str(ident), part, server_version)
        malformed += piece.malformed
        found[name].append(_in_shape(name, piece.frame, LAYOUTS.get(str(ident))))
    payload = {
        name: pl.concat([_empty(name), *frames]).sort("seq") for name, frames in found.items()
    }
    extra = {
        name: frame["extra"].count() for name, frame in payload.items() if frame["extra"].count()
    }
    return Heard(payload=payload, malformed=tuple(malformed), n_extra=extra)


def give_accounts(
    payload: Payload, spans: Mapping[str, tuple[int, int]], *, advisor: str | None = None
) -> Payload:
    """Fill in the account of messages that name none; empty text where nothing tells it.

    A commission report belongs to the account of its execution, an order status to that of its
    order (by permId, else by client and order id), the account time to the account that was being
    downloaded.

    Args:
        payload: Frames as `hear` made them.
        spans: Account -> places in the order of arrival its download covered.
        advisor: Account that orders without one belong to: an advisor's order for a group names
            none, its fills name the accounts they are allocated to.
    """
    given = dict(payload)
    for name in ORDER_NAMES.values():
        if name in given and advisor is not None:
            owner = pl.when(pl.col("account") == "").then(pl.lit(advisor)).otherwise("account")
            given[name] = given[name].with_columns(owner.alias("account"))
    if "commissionReport" in given:
        owners = given["execDetails"].select("execId", owner="account").unique("execId")
        given["commissionReport"] = _owned(given["commissionReport"], owners, ["execId"])
    if "orderStatus" in given:
        orders = pl.concat(
            given[name].select("permId", "clientId", "orderId", owner="account")
            for name in ("openOrder", "completedOrder")
        )
        by_perm = orders.filter(~pl.col("permId").is_in(["", "0"])).unique("permId", keep="last")
        by_order = orders.filter(
            ~pl.col("orderId").is_in(["", "0"]) & (pl.col("clientId") != "")
        ).unique(["clientId", "orderId"], keep="last")
        statuses = _owned(given["orderStatus"], by_perm.select("permId", "owner"), ["permId"])
        given["orderStatus"] = _owned(
            statuses, by_order.select("clientId", "orderId", "owner"), ["clientId", "orderId"]
        )
    if "accountTime" in given:
        given["accountTime"] = _timed(given["accountTime"], spans)
    return {
        name: frame.with_columns(pl.col("account").fill_null("")) for name, frame in given.items()
    }


def _cut(ident: str, part: pl.DataFrame, server_version: int) -> Cut:
    if ident in ORDER_NAMES:
        return cut_orders(ident, part["text"].to_list(), part["seq"].to_list(), server_version)
    return cut(ident, part["text"], part["seq"], server_version)


def _in_shape(name: str, frame: pl.DataFrame, layout: object) -> pl.DataFrame:
    owner = getattr(layout, "owner", "account" if layout is None else None)
    account = pl.col(owner) if owner else pl.lit(None, pl.String)
    missing = [
        pl.lit(None, pl.String).alias(column)
        for column in COLUMNS[name]
        if column not in frame.columns
    ]
    return frame.with_columns(account.alias("account"), *missing).select(
        "seq", "account", *COLUMNS[name]
    )


def _empty(name: str) -> pl.DataFrame:
    return pl.DataFrame(
        schema={
            "seq": pl.Int64(),
            "account": pl.String(),
            **dict.fromkeys(COLUMNS[name], pl.String()),
        }
    )


def _owned(frame: pl.DataFrame, owners: pl.DataFrame, on: list[str]) -> pl.DataFrame:
    return (
        frame.join(owners, on=on, how="left", validate="m:1", maintain_order="left")
        .with_columns(pl.coalesce("account", "owner").alias("account"))
        .drop("owner")
    )


def _timed(frame: pl.DataFrame, spans: Mapping[str, tuple[int, int]]) -> pl.DataFrame:
    owners = [
        next((account for account, (start, stop) in spans.items() if start <= seq < stop), "")
        for seq in frame["seq"]
    ]
    return frame.with_columns(pl.Series("account", owners, dtype=pl.String))
