"""The status history of orders: every status once, told as often as it may be.

What lives here: how a read's status messages continue the history known. What must not: which
status stands (`order_states.py`).

A read tells the history again, or the end of it. So the messages of a read are laid over the
history where the end of the one equals the beginning of the other, and what goes beyond is new.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import cast

import polars as pl

from ibkr_pipeline.schemas import core
from ibkr_pipeline.warehouse.order_states import ORDER
from ibkr_pipeline.warehouse.transaction import WriteTransaction

_SAID = (
    "status",
    "broker_status",
    "filled_quantity",
    "remaining_quantity",
    "avg_fill_price",
    "last_fill_price",
    "why_held",
)
_FROM = ("source", "load_id", "available_at")
Event = tuple[object, ...]


def append_history(
    transaction: WriteTransaction, orders: pl.DataFrame, statuses: pl.DataFrame
) -> int:
    """Append the status events that continue the history known; return how many.

    A status that only an openOrder or completedOrder message told counts too: an order that
    fills at once may have no status message at all.

    Args:
        transaction: The open transaction.
        orders: openOrder and completedOrder messages with `order_key`.
        statuses: orderStatus messages with `order_key`.
    """
    told = _told(orders, statuses)
    if told.is_empty():
        return 0
    histories, versions = _known(transaction, told)
    rows: list[tuple[object, ...]] = []
    for group, messages in _groups(told):
        key, origin = group[: len(ORDER)], group[len(ORDER) :]
        history = histories.setdefault(key, [])
        at = cast("datetime", origin[-1])
        before = [event for told_at, event in history if told_at <= at]
        fresh = _beyond(before, _distinct(before, messages))
        history[len(before) : len(before)] = [(at, event) for event in fresh]
        for event in fresh:
            versions[key] = versions.get(key, 0) + 1
            rows.append((*key, versions[key], *event, *origin))
    schema = {
        name: core.ORDER_STATUS_EVENTS.schema[name] for name in (*ORDER, "version", *_SAID, *_FROM)
    }
    return transaction.append(
        core.ORDER_STATUS_EVENTS, pl.DataFrame(rows, schema=schema, orient="row")
    )


def _told(orders: pl.DataFrame, statuses: pl.DataFrame) -> pl.DataFrame:
    """Return status messages, and order messages whose status no status message told."""
    same = [*ORDER, "load_id", "broker_status"]
    alone = orders.join(statuses.select(same).unique(), on=same, how="anti")
    columns = [*ORDER, *_FROM, "event_seq", *_SAID]
    return (
        pl.concat([statuses, alone], how="diagonal")
        .select(columns)
        .sort("available_at", "load_id", *ORDER, "event_seq")
    )


def _known(
    transaction: WriteTransaction, told: pl.DataFrame
) -> tuple[dict[Event, list[tuple[datetime, Event]]], dict[Event, int]]:
    known = transaction.query(
        f"SELECT * FROM {core.ORDER_STATUS_EVENTS.name} SEMI JOIN told "
        f"USING ({', '.join(ORDER)}) ORDER BY available_at, version",
        told=told.select(ORDER).unique(),
    ).select(*ORDER, "version", "available_at", *_SAID)
    histories: dict[Event, list[tuple[datetime, Event]]] = {}
    versions: dict[Event, int] = {}
    for row in known.iter_rows():
        key, version, at, event = row[:4], row[4], row[5], row[6:]
        histories.setdefault(key, []).append((at, event))
        versions[key] = max(versions.get(key, 0), version)
    return histories, versions


def _groups(told: pl.DataFrame) -> list[tuple[Event, list[Event]]]:
    """Return the messages of each order and load, in order of arrival."""
    groups: dict[Event, list[Event]] = {}
    for row in told.select(*ORDER, *_FROM, *_SAID).iter_rows():
        split = len(ORDER) + len(_FROM)
        groups.setdefault(row[:split], []).append(row[split:])
    return list(groups.items())


def _distinct(before: Sequence[Event], messages: Sequence[Event]) -> list[Event]:
    """Return the messages without those that say no more than the one before them."""
    kept: list[Event] = []
    for event in messages:
        last = kept[-1] if kept else None
        if last is None or not _says_no_more(event, last):
            kept.append(event)
    if len(kept) == 1 and before and _says_no_more(kept[0], before[-1]):
        return []
    return kept


def _says_no_more(event: Event, last: Event) -> bool:
    """Return whether every value the event knows was told by the last one."""
    return all(new is None or new == old for new, old in zip(event, last, strict=True))


def _beyond(before: Sequence[Event], messages: list[Event]) -> list[Event]:
    """Return the messages that go beyond the longest overlap with the end of the history."""
    for size in range(min(len(before), len(messages)), 0, -1):
        if list(before[-size:]) == messages[:size]:
            return messages[size:]
    return messages
