"""What the reconciliation compares, fetched: snapshots, fills, orders, loads.

What lives here: which rows of core and control a comparison needs, those that open breaks are
about among them. What must not: the comparison (`reconciliation.py`), or the SQL
(`reconciliation_queries.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial

import duckdb
import polars as pl

from ibkr_pipeline.models.requests import LoadRow
from ibkr_pipeline.pipelines import reconciliation
from ibkr_pipeline.pipelines import reconciliation_queries as queries
from ibkr_pipeline.pipelines.brackets import LOADS, SnapshotPair, snapshot_pairs
from ibkr_pipeline.pipelines.findings import Compared
from ibkr_pipeline.pipelines.position_changes import CHANGES, span_of
from ibkr_pipeline.pipelines.position_reconciliation import instant_text
from ibkr_pipeline.pipelines.workspace import Workspace
from ibkr_pipeline.primitives.enums import WIRE_DATASETS, Dataset, Environment, LoadStatus
from ibkr_pipeline.warehouse.ops import open_breaks

#: Newest loads of a dataset that are looked at; enough for 1,000 accounts over some days.
RECENT_LOADS = 20_000
#: Age after which an account that should be read every session is stale: a long weekend.
MAX_AGE = timedelta(days=4)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconciliationInputs:
    """Everything the comparisons of one night need, fetched at one instant.

    Attributes:
        pairs: The last two snapshots of each account, and those that open breaks are about.
    """

    pairs: tuple[SnapshotPair, ...]
    positions: pl.DataFrame
    fills: pl.DataFrame
    changes: pl.DataFrame
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
            reconciliation.reconcile_positions,
            found.pairs,
            found.positions,
            found.fills,
            found.changes,
        ),
        "zero_executions": partial(
            reconciliation.reconcile_zero_executions,
            found.pairs,
            found.positions,
            found.fills,
            found.changes,
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
    loads = {dataset: _complete_loads(workspace, dataset) for dataset in WIRE_DATASETS}
    mode = workspace.environment.value
    with workspace.warehouse.read() as connection:
        waiting = open_breaks(connection, environment=mode)
        pairs = _pairs(workspace, loads, waiting)
        again = {"environment": mode, "since": _day_before(workspace), "again": _subjects(waiting)}
        orders = _frame(connection, queries.FILLED_ORDERS, again)
        keys = orders.get_column("order_key").unique().to_list()
        since = _first_read(pairs, otherwise=workspace.clock.now())
        snapshots = [item.snapshot_id for pair in pairs for item in (pair.before, pair.after)]
        return ReconciliationInputs(
            pairs=pairs,
            positions=_frame(connection, queries.POSITIONS, [snapshots]),
            fills=_frame(connection, queries.FILLS_SINCE, [mode, since]),
            changes=_changes(connection, workspace.environment, pairs),
            orders=orders,
            fills_of_orders=_frame(connection, queries.FILLS_OF_ORDERS, [mode, keys]),
            recent_fills=_frame(connection, queries.CURRENT_FILLS, again),
            last_execution_read=_last_started(loads[Dataset.EXECUTIONS]),
            managed=_managed(workspace),
            stored=_stored(loads),
            last_complete=_last_complete(workspace, loads),
        )


def compared_wire(findings: Mapping[str, pl.DataFrame]) -> dict[str, Compared]:
    """Return what `reconcile` found with how far each comparison looked, for `update_breaks`.

    Of pairs of snapshots only those compared were looked at. Every other comparison is about all
    there is, what open breaks are about included.
    """
    of_pairs = ("positions", "zero_executions")
    return {
        name: Compared(findings=frame, since=date.max if name in of_pairs else None)
        for name, frame in findings.items()
    }


def _pairs(
    workspace: Workspace, loads: Mapping[Dataset, Sequence[LoadRow]], waiting: pl.DataFrame
) -> tuple[SnapshotPair, ...]:
    windows = _windows(workspace, loads[Dataset.EXECUTIONS])
    subjects = {
        (account, subject.rpartition(" at ")[2])
        for account, subject in waiting.select("account_id", "subject").drop_nulls().iter_rows()
    }
    return snapshot_pairs(
        _loads_frame(loads[Dataset.POSITIONS], {}),
        _loads_frame(loads[Dataset.EXECUTIONS], windows),
        also={
            (load.account_id, load.available_at)
            for load in loads[Dataset.POSITIONS]
            if load.available_at and (load.account_id, instant_text(load.available_at)) in subjects
        },
    )


def _subjects(waiting: pl.DataFrame) -> list[str]:
    """Return what open breaks are about: order keys and fill ids among other things."""
    return waiting.get_column("subject").drop_nulls().unique().to_list()


def _first_read(pairs: Sequence[SnapshotPair], *, otherwise: datetime) -> datetime:
    return min(
        (pair.before.opened_at or pair.before.started_at for pair in pairs), default=otherwise
    )


def _changes(
    connection: duckdb.DuckDBPyConnection,
    environment: Environment,
    pairs: Sequence[SnapshotPair],
) -> pl.DataFrame:
    """Return what changed positions beside fills, of the dates the pairs may ask for.

    The simulated broker has a clock of its own, so its dates are not comparable with the instants
    of our reads: there any date fits.
    """
    if not pairs:
        return pl.DataFrame(schema=CHANGES)
    has_our_clock = environment is not Environment.SIMULATED
    earliest = min(pairs, key=lambda pair: pair.before.started_at)
    first = span_of(earliest)[0] if has_our_clock else date.min
    found = _frame(connection, queries.CHANGES, {"environment": environment.value, "first": first})
    changes = found.select(pl.col(name).cast(dtype) for name, dtype in CHANGES.items())
    return changes if has_our_clock else changes.with_columns(day=pl.lit(None, dtype=pl.Date))


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
        (account, dataset.value): None for account in accounts for dataset in WIRE_DATASETS
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
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: list[object] | dict[str, object]
) -> pl.DataFrame:
    found: pl.DataFrame = connection.sql(sql, params=parameters).pl()
    return found
