"""What the reconciliation compares, fetched: snapshots, fills, orders, loads.

What lives here: which rows of core and control a comparison needs. What must not: the comparison
(`reconciliation.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import duckdb
import polars as pl

from ibkr_pipeline.models.requests import LoadRow
from ibkr_pipeline.pipelines import reconciliation
from ibkr_pipeline.pipelines.brackets import LOADS, SnapshotPair, snapshot_pairs
from ibkr_pipeline.pipelines.workspace import Workspace
from ibkr_pipeline.primitives.enums import Dataset, LoadStatus

#: Newest loads of a dataset that are looked at; enough for 1,000 accounts over some days.
RECENT_LOADS = 20_000
#: Age after which an account that should be read every session is stale: a long weekend.
MAX_AGE = timedelta(days=4)

_POSITIONS = """
    SELECT snapshot_id, con_id, quantity FROM core.positions
    WHERE snapshot_id IN (SELECT unnest(?::VARCHAR[]))
"""
_FILLS_SINCE = """
    SELECT account_id, fill_id, revision, con_id, security_type, signed_quantity,
        is_combo_parent, is_allocation_parent, available_at
    FROM core.executions
    WHERE environment = ? AND (account_id, fill_id) IN (
        SELECT (account_id, fill_id) FROM core.executions WHERE available_at > ?
    )
"""
_FILLED_ORDERS = """
    SELECT now.account_id, now.order_key, now.con_id, now.security_type, now.status,
        now.total_quantity, now.filled_quantity, now.available_at,
        first.filled_quantity AS first_filled_quantity
    FROM core.current_orders AS now
    LEFT JOIN core.orders AS first
        ON first.broker = now.broker AND first.environment = now.environment
        AND first.account_id = now.account_id AND first.order_key = now.order_key
        AND first.version = 1
    WHERE now.environment = ? AND now.available_at >= ?
        AND (now.filled_quantity > 0 OR now.status = 'filled')
"""
_FILLS_OF_ORDERS = """
    SELECT account_id, order_key, fill_quantity, is_combo_parent
    FROM core.current_executions WHERE environment = ? AND order_key IS NOT NULL
        AND order_key IN (SELECT unnest(?::VARCHAR[]))
"""
_CURRENT_FILLS = """
    SELECT account_id, fill_id, con_id, event_ts, event_ts_text
    FROM core.current_executions WHERE environment = ? AND available_at >= ?
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconciliationInputs:
    """Everything the comparisons of one night need, fetched at one instant."""

    pairs: tuple[SnapshotPair, ...]
    positions: pl.DataFrame
    fills: pl.DataFrame
    orders: pl.DataFrame
    fills_of_orders: pl.DataFrame
    recent_fills: pl.DataFrame
    last_execution_read: Mapping[str, datetime]
    managed: tuple[str, ...] | None
    stored: tuple[str, ...]
    last_complete: Mapping[tuple[str, str], datetime | None]


def reconcile(workspace: Workspace, *, max_age: timedelta = MAX_AGE) -> dict[str, pl.DataFrame]:
    """Make every comparison on what core and control hold now.

    Args:
        workspace: What to work with.
        max_age: Age after which an account is stale.

    Returns:
        Name of the comparison -> its findings: positions, zero_executions, orders, accounts,
        staleness, execution_roots, fill_times.

    Raises:
        WarehouseMissingError: If nothing was ever applied.
        BusyError: If the warehouse stayed locked.
    """
    found = fetch_inputs(workspace)
    now = workspace.clock.now()
    comparisons: Mapping[str, Callable[[], pl.DataFrame]] = {
        "positions": partial(
            reconciliation.reconcile_positions, found.pairs, found.positions, found.fills
        ),
        "zero_executions": partial(
            reconciliation.reconcile_zero_executions, found.pairs, found.positions, found.fills
        ),
        "orders": partial(
            reconciliation.reconcile_orders,
            found.orders,
            found.fills_of_orders,
            last_read=found.last_execution_read,
        ),
        "accounts": partial(
            reconciliation.reconcile_accounts,
            found.managed,
            stored=found.stored,
            expected=workspace.settings.ibkr.accounts,
        ),
        "staleness": partial(
            reconciliation.reconcile_staleness, found.last_complete, now=now, max_age=max_age
        ),
        "execution_roots": partial(reconciliation.reconcile_execution_roots, found.recent_fills),
        "fill_times": partial(
            reconciliation.reconcile_fill_times,
            found.recent_fills,
            now=now,
            environment=workspace.environment,
        ),
    }
    return {name: compare() for name, compare in comparisons.items()}


def fetch_inputs(workspace: Workspace) -> ReconciliationInputs:
    """Fetch what the comparisons need."""
    loads = {dataset: _complete_loads(workspace, dataset) for dataset in Dataset}
    pairs = snapshot_pairs(
        _loads_frame(loads[Dataset.POSITIONS], {}),
        _loads_frame(loads[Dataset.EXECUTIONS], _windows(workspace, loads[Dataset.EXECUTIONS])),
    )
    since = min(
        (pair.before.opened_at or pair.before.started_at for pair in pairs),
        default=workspace.clock.now(),
    )
    snapshots = [item.snapshot_id for pair in pairs for item in (pair.before, pair.after)]
    mode = workspace.environment.value
    with workspace.warehouse.read() as connection:
        orders = _frame(connection, _FILLED_ORDERS, [mode, _day_before(workspace)])
        keys = orders.get_column("order_key").unique().to_list()
        return ReconciliationInputs(
            pairs=pairs,
            positions=_frame(connection, _POSITIONS, [snapshots]),
            fills=_frame(connection, _FILLS_SINCE, [mode, since]),
            orders=orders,
            fills_of_orders=_frame(connection, _FILLS_OF_ORDERS, [mode, keys]),
            recent_fills=_frame(connection, _CURRENT_FILLS, [mode, _day_before(workspace)]),
            last_execution_read=_last_started(loads[Dataset.EXECUTIONS]),
            managed=_managed(workspace),
            stored=_stored(loads),
            last_complete=_last_complete(workspace, loads),
        )


def _complete_loads(workspace: Workspace, dataset: Dataset) -> list[LoadRow]:
    return [
        row
        for row in workspace.control.loads(dataset=dataset, limit=RECENT_LOADS)
        if row.environment is workspace.environment
        and row.status is LoadStatus.COMPLETE
        and row.applied_at is not None
    ]


def _windows(workspace: Workspace, loads: Sequence[LoadRow]) -> dict[str, datetime | None]:
    """Return request id -> start of the time its answer speaks of."""
    windows: dict[str, datetime | None] = {}
    for request_id in {load.request_id for load in loads}:
        proof = workspace.control.proof(request_id)
        windows[request_id] = None if proof is None else proof.window_start
    return windows


def _loads_frame(loads: Sequence[LoadRow], windows: Mapping[str, datetime | None]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            (
                load.account_id,
                load.load_id,
                load.started_at,
                load.available_at,
                windows.get(load.request_id),
            )
            for load in loads
        ],
        schema=LOADS,
        orient="row",
    )


def _last_started(loads: Sequence[LoadRow]) -> dict[str, datetime]:
    last: dict[str, datetime] = {}
    for load in loads:
        last[load.account_id] = max(load.started_at, last.get(load.account_id, load.started_at))
    return last


def _managed(workspace: Workspace) -> tuple[str, ...] | None:
    for request in workspace.control.requests(limit=RECENT_LOADS):
        if request.environment is not workspace.environment:
            continue
        proof = workspace.control.proof(request.request_id)
        if proof is not None:
            return proof.managed_accounts
    return None


def _stored(loads: Mapping[Dataset, Sequence[LoadRow]]) -> tuple[str, ...]:
    """Return the accounts that had a complete load before the newest run."""
    rows = [row for found in loads.values() for row in found]
    if not rows:
        return ()
    newest = max(rows, key=lambda row: row.started_at)
    earlier = {row.account_id for row in rows if _run_of(row) != _run_of(newest)}
    return tuple(sorted(earlier))


def _run_of(row: LoadRow) -> str:
    return row.run_id or row.request_id


def _last_complete(
    workspace: Workspace, loads: Mapping[Dataset, Sequence[LoadRow]]
) -> dict[tuple[str, str], datetime | None]:
    """Return (account, dataset) -> last complete read, of every account that should have one."""
    allowed = workspace.settings.ibkr.accounts
    accounts = set(allowed) or {row.account_id for rows in loads.values() for row in rows}
    found: dict[tuple[str, str], datetime | None] = {
        (account, dataset.value): None for account in accounts for dataset in Dataset
    }
    for dataset, rows in loads.items():
        for row in rows:
            key = (row.account_id, dataset.value)
            if key in found and found[key] is None:
                found[key] = row.available_at
    return found


def _day_before(workspace: Workspace) -> datetime:
    return workspace.clock.now() - timedelta(days=1)


def _frame(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: list[object]
) -> pl.DataFrame:
    found: pl.DataFrame = connection.sql(sql, params=parameters).pl()
    return found
