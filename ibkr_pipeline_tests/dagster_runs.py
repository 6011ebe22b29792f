"""Runs of the real jobs against a broker in memory, for tests of the Dagster room."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from ibkr_pipeline.brokers.statement_source import StatementSource
from ibkr_pipeline.brokers.testing import (
    FakeBrokerAPI,
    make_simple_fake_account_snapshot,
    make_simple_fake_execution,
    make_simple_fake_order,
    make_simple_fake_position,
)
from ibkr_pipeline.defs.home import ensure_dagster_home
from ibkr_pipeline.defs.launch import LaunchResult, run_sync
from ibkr_pipeline.defs.resources import Outside
from ibkr_pipeline.primitives.clock import FixedClock, SystemClock
from ibkr_pipeline.primitives.enums import WIRE_DATASETS, Dataset
from ibkr_pipeline.primitives.locks import hold
from ibkr_pipeline.settings import Settings, load_settings

FIRST, SECOND = "DU0000001", "DU0000002"
#: Half past five on a session day in New York.
NIGHT = datetime(2026, 11, 18, 22, 30, tzinfo=UTC)


def make_settings(data: Path, **overrides: object) -> Settings:
    """Return paper settings on a data directory of the test's own.

    Args:
        data: The directory.
        overrides: Settings, with `__` for the dot.
    """
    dotted = {name.replace("__", "."): value for name, value in overrides.items()}
    return load_settings(environ={"IBKR_PIPELINE_DATA": str(data)}, overrides=dotted)


def make_broker(**changes: object) -> FakeBrokerAPI:
    """Return a broker with two accounts; the first holds one of everything."""
    values: dict[str, object] = {
        "accounts": [FIRST, SECOND],
        "account_snapshots": [
            make_simple_fake_account_snapshot(FIRST),
            make_simple_fake_account_snapshot(SECOND),
        ],
        "positions": [make_simple_fake_position(FIRST)],
        "orders": [make_simple_fake_order(FIRST)],
        "executions": [make_simple_fake_execution(FIRST)],
        "clock": FixedClock(NIGHT),
    }
    return FakeBrokerAPI(**{**values, **changes})  # type: ignore[arg-type]  # test convenience


def run(
    settings: Settings,
    broker: FakeBrokerAPI,
    datasets: Sequence[Dataset] = WIRE_DATASETS,
    accounts: Sequence[str] = (),
    *,
    at: datetime = NIGHT,
    statements: StatementSource | None = None,
    files: Sequence[Path] = (),
) -> LaunchResult:
    """Run a job at an instant of the test's own, at which the broker answers too.

    Args:
        settings: What the run works with.
        broker: Who answers.
        datasets: What to read.
        accounts: Accounts to read; none means all.
        at: The instant.
        statements: Who serves statements.
        files: Statements downloaded by hand.
    """
    broker.clock = FixedClock(at)
    return run_sync(
        settings,
        datasets,
        accounts,
        files=files,
        outside=Outside(
            clock=FixedClock(at),
            broker_factory=lambda: broker,
            statement_source=None if statements is None else lambda: statements,
            sleep=lambda _seconds: None,
        ),
    )


@contextmanager
def instance_of(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """Open the run history of the settings."""
    with dg.DagsterInstance.from_config(str(ensure_dagster_home(settings))) as instance:
        yield instance


@contextmanager
def warehouse_held(settings: Settings, purpose: str) -> Iterator[None]:
    """Hold the warehouse's lock from elsewhere while inside."""
    held, done = threading.Event(), threading.Event()

    def holder() -> None:
        path = settings.environment_dir / "warehouse.lock"
        with hold(path, timeout_seconds=5, purpose=purpose, clock=SystemClock()):
            held.set()
            done.wait(60)

    thread = threading.Thread(target=holder, daemon=True)
    thread.start()
    assert held.wait(10)
    try:
        yield
    finally:
        done.set()
        thread.join(10)


def materialized(settings: Settings, run_id: str) -> set[str]:
    """Return the assets a run materialized, as `group/name`."""
    return {event.asset_key.to_user_string() for event in _materializations(settings, run_id)}


def metadata_of(settings: Settings, asset: str, run_id: str) -> Mapping[str, dg.MetadataValue]:
    """Return the metadata of an asset as a run materialized it."""
    found = [
        event.metadata
        for event in _materializations(settings, run_id)
        if event.asset_key.to_user_string() == asset
    ]
    assert found, f"run {run_id} did not materialize {asset}"
    return found[-1]


def statuses_of(settings: Settings) -> list[str]:
    """Return the status of every run, oldest first."""
    with instance_of(settings) as instance:
        return [run.status.value for run in reversed(instance.get_runs())]


def _materializations(settings: Settings, run_id: str) -> list[dg.AssetMaterialization]:
    with instance_of(settings) as instance:
        records = instance.all_logs(run_id, of_type={dg.DagsterEventType.ASSET_MATERIALIZATION})
    return [
        record.asset_materialization
        for record in records
        if record.asset_materialization is not None
    ]


def failed_checks(result: LaunchResult) -> dict[str, str]:
    """Return `asset:check` -> severity of every check that did not pass."""
    return {f"{c.asset}:{c.name}": c.severity for c in result.checks if not c.passed}
