"""Pacing: a sliding window of grants that every process on one store shares.

What lives here: `take`. What must not: which buckets there are and how fast they fill
(`brokers/`). A bucket has one window length; a grant leaves when it is older than that.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, insert, select, update

from ibkr_pipeline.control.statements import insert_missing
from ibkr_pipeline.control.tables import BUCKETS, GRANTS

_SHORTEST_WAIT_SECONDS = 0.001


def take(
    connection: Connection,
    bucket: str,
    *,
    cost: int,
    limit: int,
    window: timedelta,
    now: datetime,
) -> float:
    """Grant `cost` if the window has room for it, else say how long to wait.

    When the clock was set back, grants from the future count as made now: they neither block
    for longer than one window nor vanish.

    Returns:
        0.0 when granted; otherwise seconds until enough of the window is free.

    Raises:
        ValueError: If the cost could never be granted.
    """
    if not 0 < cost <= limit:
        raise ValueError(f"Cost was {cost}; expected 1 to {limit}, the limit of {bucket!r}.")
    if window <= timedelta(0):
        raise ValueError(f"Window of {bucket!r} was {window}; expected a positive length.")
    _lock(connection, bucket)
    mine = GRANTS.c.bucket == bucket
    connection.execute(update(GRANTS).where(mine, GRANTS.c.granted_at > now).values(granted_at=now))
    connection.execute(delete(GRANTS).where(mine, GRANTS.c.granted_at <= now - window))
    used = connection.execute(
        select(func.coalesce(func.sum(GRANTS.c.cost), 0)).where(mine)
    ).scalar_one()
    excess = used + cost - limit
    if excess <= 0:
        connection.execute(insert(GRANTS).values(bucket=bucket, granted_at=now, cost=cost))
        return 0.0
    return _wait_for(connection, bucket, excess=excess, window=window, now=now)


def _lock(connection: Connection, bucket: str) -> None:
    if connection.dialect.name == "sqlite":
        return  # BEGIN IMMEDIATE holds the whole file already
    connection.execute(insert_missing(connection, BUCKETS), {"bucket": bucket})
    connection.execute(select(BUCKETS.c.bucket).where(BUCKETS.c.bucket == bucket).with_for_update())


def _wait_for(
    connection: Connection, bucket: str, *, excess: int, window: timedelta, now: datetime
) -> float:
    oldest_first = connection.execute(
        select(GRANTS.c.granted_at, GRANTS.c.cost)
        .where(GRANTS.c.bucket == bucket)
        .order_by(GRANTS.c.granted_at, GRANTS.c.grant_id)
    )
    wait = window
    for granted_at, cost in oldest_first:
        excess -= cost
        wait = granted_at + window - now
        if excess <= 0:
            break
    return max(wait.total_seconds(), _SHORTEST_WAIT_SECONDS)
