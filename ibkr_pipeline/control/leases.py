"""Leases: one holder of a name at a time, with a token that only grows.

What lives here: granting, renewing and releasing. What must not: locks on files
(`primitives/locks.py`), which need no database. Whoever acts under a lease passes its token on;
an action with an older token than the current one is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Row, select, update

from ibkr_pipeline.control.statements import insert_missing
from ibkr_pipeline.control.tables import LEASES
from ibkr_pipeline.primitives.errors import BusyError


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A lease that was granted.

    Attributes:
        token: Fencing token; every new grant of a name has a higher one.
        expires_at: When somebody else may take it.
    """

    name: str
    holder: str
    token: int
    expires_at: datetime


def grant(
    connection: Connection, name: str, *, holder: str, ttl: timedelta, now: datetime
) -> Lease | BusyError:
    """Grant a free or expired lease, or extend the holder's own under its token.

    Returns:
        The lease, or the error to raise once the transaction is committed: what was corrected
        for a clock that was set back has to stay.
    """
    if ttl <= timedelta(0):
        raise ValueError(f"Lease {name!r} was asked for {ttl}; expected a positive time.")
    connection.execute(insert_missing(connection, LEASES), {"name": name, "token": 0})
    found = connection.execute(select(LEASES).where(LEASES.c.name == name).with_for_update()).one()
    until = _held_until(connection, found, now)
    if until is not None and found.holder != holder:
        return BusyError(
            f"Lease {name!r} is held by {found.holder} until {until.isoformat()}. Wait for it to "
            "end, then run again.",
            holder=found.holder,
        )
    lease = Lease(
        name=name,
        holder=holder,
        token=found.token if until is not None else found.token + 1,
        expires_at=now + ttl,
    )
    connection.execute(
        update(LEASES)
        .where(LEASES.c.name == name)
        .values(holder=holder, token=lease.token, granted_at=now, expires_at=lease.expires_at)
    )
    return lease


def release(connection: Connection, lease: Lease) -> bool:
    """Give a lease back; False if it was no longer ours."""
    result = connection.execute(
        update(LEASES)
        .where(
            LEASES.c.name == lease.name,
            LEASES.c.token == lease.token,
            LEASES.c.holder == lease.holder,
        )
        .values(holder=None, granted_at=None, expires_at=None)
    )
    return result.rowcount == 1


def is_current(connection: Connection, lease: Lease, now: datetime) -> bool:
    """Tell whether a lease is still the one in force."""
    found = connection.execute(select(LEASES).where(LEASES.c.name == lease.name)).one_or_none()
    return (
        found is not None
        and found.token == lease.token
        and found.holder == lease.holder
        and found.expires_at > now
    )


def _held_until(
    connection: Connection, found: Row[tuple[object, ...]], now: datetime
) -> datetime | None:
    if found.holder is None or found.expires_at is None or found.expires_at <= now:
        return None
    if found.granted_at <= now:
        expires: datetime = found.expires_at
        return expires
    # The clock was set back: the lease runs its length again from now, and not longer.
    expires = now + (found.expires_at - found.granted_at)
    connection.execute(
        update(LEASES).where(LEASES.c.name == found.name).values(granted_at=now, expires_at=expires)
    )
    return expires
