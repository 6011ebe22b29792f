"""Workspaces on a broker in memory or on the simulated gateway, for tests of the pipelines."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from ibkr_pipeline.brokers.base import BrokerAPI
from ibkr_pipeline.brokers.testing import (
    FakeBrokerAPI,
    make_simple_fake_account_snapshot,
    make_simple_fake_execution,
    make_simple_fake_order,
    make_simple_fake_position,
)
from ibkr_pipeline.pipelines.accounts_sync import sync_account_snapshots
from ibkr_pipeline.pipelines.executions_sync import sync_executions
from ibkr_pipeline.pipelines.orders_sync import sync_orders
from ibkr_pipeline.pipelines.positions_sync import sync_positions
from ibkr_pipeline.pipelines.reading import show
from ibkr_pipeline.pipelines.summary import DatasetSummary, SubjectSummary
from ibkr_pipeline.pipelines.workspace import Workspace, open_workspace
from ibkr_pipeline.primitives.clock import SystemClock
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.primitives.locks import hold
from ibkr_pipeline.settings import Settings, load_settings
from ibkr_pipeline.simulator.testing import SimulatorThread

FIRST, SECOND = "DU0000001", "DU0000002"
#: Half past four on a session day in New York.
NIGHT = datetime(2026, 4, 13, 20, 30, tzinfo=UTC)

SYNCS: dict[Dataset, Callable[..., DatasetSummary]] = {
    Dataset.ACCOUNTS: sync_account_snapshots,
    Dataset.POSITIONS: sync_positions,
    Dataset.ORDERS: sync_orders,
    Dataset.EXECUTIONS: sync_executions,
}


class TickingClock:
    """A clock that moves on by a millisecond each time it is asked, and by more when told."""

    def __init__(self, instant: datetime = NIGHT) -> None:
        self._instant = instant

    def now(self) -> datetime:
        """Return the next instant."""
        self._instant += timedelta(milliseconds=1)
        return self._instant

    def advance(self, by: timedelta) -> None:
        """Move on."""
        self._instant += by


def make_settings(data: Path, **overrides: object) -> Settings:
    """Return paper settings on a data directory of the test's own; `__` stands for the dot."""
    dotted = {name.replace("__", "."): value for name, value in overrides.items()}
    return load_settings(environ={}, overrides={"data_dir": data, **dotted})


def make_broker(clock: TickingClock, **changes: object) -> FakeBrokerAPI:
    """Return a broker with two accounts that hold one of everything each."""
    values: dict[str, object] = {
        "accounts": [FIRST, SECOND],
        "account_snapshots": [make_simple_fake_account_snapshot(a) for a in (FIRST, SECOND)],
        "positions": [make_simple_fake_position(a) for a in (FIRST, SECOND)],
        "orders": [make_simple_fake_order(a) for a in (FIRST, SECOND)],
        "executions": [make_simple_fake_execution(a) for a in (FIRST, SECOND)],
        "clock": clock,
    }
    return FakeBrokerAPI(**{**values, **changes})  # type: ignore[arg-type]  # test convenience


@contextmanager
def fake_workspace(
    data: Path,
    broker: Callable[[], BrokerAPI] | FakeBrokerAPI,
    clock: TickingClock,
    *,
    waits: list[float] | None = None,
    **overrides: object,
) -> Iterator[Workspace]:
    """Open a workspace on a broker in memory; it never really waits."""
    factory = broker if callable(broker) else lambda: broker
    slept = [] if waits is None else waits
    with open_workspace(
        make_settings(data, **overrides), clock=clock, broker_factory=factory, sleep=slept.append
    ) as workspace:
        yield workspace


def subject(summary: DatasetSummary, account_id: str) -> SubjectSummary:
    """Return what became of one account."""
    return next(item for item in summary.subjects if item.account_id == account_id)


def rows(workspace: Workspace, table: str, accounts: Sequence[str] | None = None) -> pl.DataFrame:
    """Return the current rows of a table as the read copy tells them."""
    return show(workspace.settings, table, accounts=accounts)


def statuses(workspace: Workspace, dataset: Dataset) -> dict[str, str]:
    """Return account -> status of its newest load."""
    found: dict[str, str] = {}
    for row in workspace.control.loads(dataset=dataset):
        found.setdefault(row.account_id, row.status.value)
    return found


@contextmanager
def simulated_workspace(
    data: Path, simulator: SimulatorThread, **overrides: object
) -> Iterator[Workspace]:
    """Open a workspace on the simulated gateway, through the real client, with short waits."""
    settings = make_settings(
        data,
        **{
            "mode": "simulated",
            "ibkr__host": simulator.host,
            "ibkr__port": simulator.port,
            "ibkr__connect_timeout_seconds": 2.0,
            "ibkr__request_timeout_seconds": 0.5,
            "ibkr__read_attempts": 1,
            **overrides,
        },
    )
    with open_workspace(settings, sleep=lambda _seconds: None) as workspace:
        yield workspace


@contextmanager
def lock_held(path: Path, *, purpose: str) -> Iterator[None]:
    """Hold a lock from another thread while inside."""
    ready, done = threading.Event(), threading.Event()

    def holder() -> None:
        with hold(path, timeout_seconds=5, purpose=purpose, clock=SystemClock()):
            ready.set()
            done.wait(60)

    thread = threading.Thread(target=holder, daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield
    finally:
        done.set()
        thread.join(10)
