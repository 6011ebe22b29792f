"""Rows of the fault matrix that concern reading, landing and applying as one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ibkr_pipeline.pipelines.applying import apply_pending
from ibkr_pipeline.pipelines.executions_sync import sync_executions
from ibkr_pipeline.pipelines.positions_sync import sync_positions
from ibkr_pipeline.pipelines.reading_broker import read_and_land
from ibkr_pipeline.pipelines.rebuild import rebuild_workspace
from ibkr_pipeline.pipelines.reconciliation_inputs import reconcile
from ibkr_pipeline.pipelines.workspace import Workspace
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.primitives.errors import BusyError
from ibkr_pipeline.schemas import core
from ibkr_pipeline.simulator.testing import SimulatorThread
from ibkr_pipeline_tests.pipeline_runs import (
    FIRST,
    SECOND,
    SYNCS,
    lock_held,
    rows,
    simulated_workspace,
    subject,
)

ACCOUNT_VALUE, POSITION, EXECUTION = 6, 61, 11
#: Index of the quantity in a position message, counted from the message id.
POSITION_QUANTITY = 14


@pytest.fixture
def gateway() -> Iterator[SimulatorThread]:
    """The default book: two accounts, a day of trading behind them."""
    with SimulatorThread("default") as simulator:
        yield simulator


@pytest.fixture
def workspace(tmp_path: Path, gateway: SimulatorThread) -> Iterator[Workspace]:
    """A workspace on that gateway."""
    with simulated_workspace(tmp_path / "data", gateway) as opened:
        yield opened


def counts(workspace: Workspace) -> dict[str, int]:
    """Return the rows of every core table."""
    with workspace.warehouse.read() as connection:
        return {
            table.name: connection.execute(f"SELECT count(*) FROM {table.name}").fetchall()[0][0]
            for table in core.TABLES
        }


def test_fault_41_a_second_run_adds_snapshots_and_nothing_else(workspace: Workspace) -> None:
    """Orders, their names, fills, contracts: the same told again is known; rebuild says so."""
    kept = {table.name for table in core.TABLES if not {"snapshot_id", "load_id"} & set(table.key)}
    for sync in SYNCS.values():
        sync(workspace)
    first = counts(workspace)
    for sync in SYNCS.values():
        sync(workspace)
    second = counts(workspace)

    assert {name: first[name] for name in kept} == {name: second[name] for name in kept}
    assert second["core.positions"] == 2 * first["core.positions"]
    assert rebuild_workspace(workspace).is_equal


def test_fault_42_windows_that_overlap_count_no_fill_twice(workspace: Workspace) -> None:
    """The brackets of a positions read and the executions read tell the same day three times."""
    sync_positions(workspace)
    summary = sync_executions(workspace)

    assert 7 == rows(workspace, "executions").height
    assert [0, 0] == [item.n_new for item in summary.subjects]


def test_fault_46_sentinels_never_reach_core(workspace: Workspace) -> None:
    """Unset is null, in every decimal column of every table."""
    for sync in SYNCS.values():
        sync(workspace)
    limit = 10**15
    for table in core.TABLES:
        with workspace.warehouse.read() as connection:
            for column in table.columns:
                if column.kind not in ("money", "price", "quantity", "rate"):
                    continue
                found = connection.execute(
                    f'SELECT max(abs("{column.name}")) FROM {table.name}'
                ).fetchall()
                assert found[0][0] is None or found[0][0] < limit, (table.name, column.name)


def test_fault_47_a_field_nobody_knows_is_kept_in_raw_and_fails_nothing(
    workspace: Workspace, gateway: SimulatorThread
) -> None:
    """A gateway newer than we are says more than we understand."""
    gateway.arm("extra_field", message=POSITION, times=0)
    summary = sync_positions(workspace)

    assert [False, False] == [item.is_failed for item in summary.subjects]
    assert 10 == rows(workspace, "positions").height


@pytest.mark.parametrize("fault", ["missing_field", "garbage"])
def test_fault_48_a_message_that_cannot_be_understood_fails_its_read(
    workspace: Workspace, gateway: SimulatorThread, fault: str
) -> None:
    """The row would be silently lost otherwise; old data stay intact."""
    sync_positions(workspace)
    before = rows(workspace, "positions")
    gateway.arm(fault, message=POSITION)
    summary = sync_positions(workspace)

    assert summary.is_failed
    failed = {item.account_id for item in summary.subjects if item.is_failed}
    stayed = rows(workspace, "positions", sorted(failed))
    assert before.filter(before["account_id"].is_in(failed)).equals(stayed)


def test_fault_48_text_where_a_number_should_be_fails_its_account(
    workspace: Workspace, gateway: SimulatorThread
) -> None:
    """One account's nonsense is not the other's problem."""
    gateway.arm("not_a_number", message=POSITION, account=FIRST, field=POSITION_QUANTITY)
    summary = sync_positions(workspace)

    assert (True, False) == (subject(summary, FIRST).is_failed, subject(summary, SECOND).is_failed)
    assert {SECOND} == set(rows(workspace, "positions")["account_id"])


@pytest.mark.parametrize("fault", ["truncate", "drop", "reset"])
def test_fault_49_a_stream_that_breaks_off_publishes_nothing(
    workspace: Workspace, gateway: SimulatorThread, fault: str
) -> None:
    """Half of the positions is not the positions."""
    sync_positions(workspace)
    before = rows(workspace, "positions")
    gateway.arm(fault, message=POSITION, after=3)
    summary = sync_positions(workspace)

    assert [True, True] == [item.is_failed for item in summary.subjects]
    assert before.equals(rows(workspace, "positions"))


def test_fault_49_a_broken_stream_is_read_again_on_a_new_connection(
    tmp_path: Path, gateway: SimulatorThread
) -> None:
    """Nothing is resumed: the dataset starts anew, as a request of its own."""
    with simulated_workspace(tmp_path / "data", gateway, ibkr__read_attempts=2) as workspace:
        gateway.arm("drop", message=POSITION, after=3)
        summary = sync_positions(workspace)
        requests = workspace.control.requests(dataset=Dataset.POSITIONS)

    assert [False, False] == [item.is_failed for item in summary.subjects]
    assert 2 == len(requests)


def test_fault_50_an_account_that_vanishes_fails_the_run_and_the_check(
    workspace: Workspace, gateway: SimulatorThread
) -> None:
    """Its last snapshot must not stay current in silence."""
    sync_positions(workspace)
    gateway.arm("account_vanishes", account=SECOND)
    summary = sync_positions(workspace)
    accounts = reconcile(workspace)["accounts"]

    assert "does not manage this account any more" in str(subject(summary, SECOND).error)
    assert [SECOND] == accounts.filter(accounts["verdict"] == "break")["account_id"].to_list()


def test_fault_50_a_gateway_without_accounts_lands_nothing(
    workspace: Workspace, gateway: SimulatorThread
) -> None:
    """An empty list is never taken for "no accounts"."""
    sync_positions(workspace)
    before = rows(workspace, "positions")
    gateway.arm("no_accounts", times=0)
    summary = sync_positions(workspace)

    assert [True, True] == [item.is_failed for item in summary.subjects]
    assert before.equals(rows(workspace, "positions"))


def test_fault_59_a_second_writer_waits_and_then_names_the_first(
    tmp_path: Path, gateway: SimulatorThread
) -> None:
    """The read is landed and stays pending; the next run applies it."""
    with simulated_workspace(tmp_path / "data", gateway, lock_timeout=0.2) as workspace:
        sync_positions(workspace)
        with workspace.session() as session:
            read_and_land(workspace, Dataset.POSITIONS, session)
        with lock_held(tmp_path / "data" / "warehouse.lock", purpose="a long night"):
            with pytest.raises(BusyError, match=f"process {os.getpid()}.*a long night"):
                apply_pending(workspace, Dataset.POSITIONS)
            read_while_held = rows(workspace, "positions").height
        applied = apply_pending(workspace, Dataset.POSITIONS)

    assert (10, 2) == (read_while_held, len(applied))
