"""Loads as they are asked for: pending, current, last, and what core did with them.

What lives here: queries on loads and the mirror of `core.applied_loads`. What must not: changes
of a load's verdict (`requests.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    String,
    bindparam,
    column,
    select,
    update,
    values,
)

from ibkr_pipeline.control.tables import LOADS
from ibkr_pipeline.models.requests import AppliedLoad, Load, LoadRow
from ibkr_pipeline.primitives.enums import Dataset, Environment, LoadStatus

_ACCOUNTS_PER_QUERY = 500


def pending(connection: Connection, dataset: Dataset | None) -> list[Load]:
    """Return complete loads that core is not known to have applied, oldest answer first.

    The mirror may lag behind core after a kill; who applies skips what core has.
    """
    query = (
        select(LOADS)
        .where(LOADS.c.status == LoadStatus.COMPLETE.value, LOADS.c.applied_at.is_(None))
        .order_by(LOADS.c.available_at, LOADS.c.load_id)
    )
    if dataset is not None:
        query = query.where(LOADS.c.dataset == dataset.value)
    return [Load(**_load_fields(row)) for row in connection.execute(query).mappings()]


def listed(
    connection: Connection,
    *,
    dataset: Dataset | None,
    account_id: str | None,
    run_id: str | None,
    request_id: str | None,
    section: str | None,
    limit: int | None,
    before: datetime | None,
) -> list[LoadRow]:
    """Return loads with their counts, newest first; `before` leaves out what started later."""
    query = select(LOADS).order_by(LOADS.c.started_at.desc(), LOADS.c.load_id.desc())
    if dataset is not None:
        query = query.where(LOADS.c.dataset == dataset.value)
    if account_id is not None:
        query = query.where(LOADS.c.account_id == account_id)
    if run_id is not None:
        query = query.where(LOADS.c.run_id == run_id)
    if request_id is not None:
        query = query.where(LOADS.c.request_id == request_id)
    if section is not None:
        query = query.where(LOADS.c.section == section)
    if before is not None:
        query = query.where(LOADS.c.started_at < before)
    if limit is not None:
        query = query.limit(limit)
    return [_load_row(row) for row in connection.execute(query).mappings()]


def last(
    connection: Connection,
    *,
    environment: Environment | None,
    account_id: str,
    dataset: Dataset,
    statuses: Sequence[LoadStatus] | None = None,
) -> Load | None:
    """Return the load of the latest request for an account, of some statuses or of any."""
    return last_by_account(
        connection,
        environment=environment,
        accounts=[account_id],
        dataset=dataset,
        statuses=statuses,
    ).get(account_id)


def last_by_account(
    connection: Connection,
    *,
    environment: Environment | None,
    accounts: Sequence[str],
    dataset: Dataset,
    statuses: Sequence[LoadStatus] | None = None,
) -> dict[str, Load]:
    """Return account -> load of its latest request; an account without one is absent.

    One index search per account, so that a long history costs nothing.
    """
    found = {}
    for start in range(0, len(accounts), _ACCOUNTS_PER_QUERY):
        part = accounts[start : start + _ACCOUNTS_PER_QUERY]
        asked = (
            values(column("account_id", String), name="asked")
            .data([(account,) for account in part])
            .cte("asked")
        )
        latest = (
            select(LOADS.c.load_id)
            .where(
                LOADS.c.account_id == asked.c.account_id,
                *_narrowed(environment=environment, dataset=dataset, statuses=statuses),
            )
            .order_by(LOADS.c.started_at.desc(), LOADS.c.load_id.desc())
            .limit(1)
            .scalar_subquery()
            .correlate(asked)
        )
        query = select(LOADS).where(LOADS.c.load_id.in_(select(latest).select_from(asked)))
        for row in connection.execute(query).mappings():
            found[row["account_id"]] = Load(**_load_fields(row))
    return found


def _narrowed(
    *,
    environment: Environment | None,
    dataset: Dataset,
    statuses: Sequence[LoadStatus] | None,
) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [LOADS.c.dataset == dataset.value]
    if environment is not None:
        conditions.append(LOADS.c.environment == environment.value)
    if statuses is not None:
        conditions.append(LOADS.c.status.in_([status.value for status in statuses]))
    return conditions


def mark_applied(connection: Connection, applied: Sequence[AppliedLoad]) -> None:
    """Mirror what core committed; a load marked before keeps its first mark."""
    if not applied:
        return
    statement = (
        update(LOADS)
        .where(LOADS.c.load_id == bindparam("of_load"), LOADS.c.applied_at.is_(None))
        .values(
            applied_at=bindparam("at"),
            n_read=bindparam("read"),
            n_new=bindparam("new"),
            n_changed=bindparam("changed"),
            n_unchanged=bindparam("unchanged"),
            n_gone=bindparam("gone"),
        )
    )
    rows = [
        {
            "of_load": item.load_id,
            "at": item.recorded_at,
            "read": item.n_read,
            "new": item.n_new,
            "changed": item.n_changed,
            "unchanged": item.n_unchanged,
            "gone": item.n_gone,
        }
        for item in applied
    ]
    connection.execute(statement, rows)


def applied(connection: Connection) -> dict[str, datetime]:
    """Return load id -> `recorded_at` of every load known to be in core, in commit order."""
    query = (
        select(LOADS.c.load_id, LOADS.c.applied_at)
        .where(LOADS.c.applied_at.is_not(None))
        .order_by(LOADS.c.applied_at, LOADS.c.load_id)
    )
    return {row.load_id: row.applied_at for row in connection.execute(query)}


def _load_fields(row: RowMapping) -> dict[str, Any]:
    return {
        "load_id": row["load_id"],
        "request_id": row["request_id"],
        "broker": row["broker"],
        "environment": Environment(row["environment"]),
        "dataset": Dataset(row["dataset"]),
        "account_id": row["account_id"],
        "section": row["section"],
        "from_date": row["from_date"],
        "to_date": row["to_date"],
        "status": LoadStatus(row["status"]),
        "reason": row["reason"],
        "started_at": row["started_at"],
        "available_at": row["available_at"],
        "n_rows": row["n_rows"],
        "raw_path": row["raw_path"],
        "applied_at": row["applied_at"],
    }


def _load_row(row: RowMapping) -> LoadRow:
    return LoadRow(
        **_load_fields(row),
        run_id=row["run_id"],
        retryable=row["retryable"],
        n_read=row["n_read"],
        n_new=row["n_new"],
        n_changed=row["n_changed"],
        n_unchanged=row["n_unchanged"],
        n_gone=row["n_gone"],
    )
