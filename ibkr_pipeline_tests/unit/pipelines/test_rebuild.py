"""Core made again from raw is the core that was there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from ibkr_pipeline.brokers.testing import (
    make_simple_fake_execution,
    make_simple_fake_position,
)
from ibkr_pipeline.pipelines.rebuild import BACKUP_NAME, BESIDE, rebuild, rebuild_workspace
from ibkr_pipeline.pipelines.workspace import Workspace
from ibkr_pipeline.primitives.errors import RawDataError, WarehouseMissingError
from ibkr_pipeline.schemas import core, statements
from ibkr_pipeline_tests.pipeline_runs import (
    FIRST,
    SECOND,
    SYNCS,
    TickingClock,
    fake_workspace,
    make_broker,
    rows,
)


@pytest.fixture(name="recorded", scope="module")
def _recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two nights with a correction, a failed account, and an order that ended between."""
    data, clock = tmp_path_factory.mktemp("nights") / "data", TickingClock()
    broker = make_broker(clock)
    with fake_workspace(data, broker, clock) as workspace:
        for sync in SYNCS.values():
            sync(workspace)
        clock.advance(timedelta(hours=24))
        broker.positions = [make_simple_fake_position(FIRST, quantity=Decimal(90))]
        broker.executions[0] = make_simple_fake_execution(
            FIRST, exec_id="0000e0d5.69dd7411.01.02", revision=2, price=Decimal("150.5")
        )
        broker.orders = broker.orders[1:]
        broker.failing[SECOND] = "no end marker"
        for sync in SYNCS.values():
            sync(workspace)
    return data


@pytest.fixture
def two_nights(recorded: Path, tmp_path: Path, clock: TickingClock) -> Iterator[Workspace]:
    """A copy of these nights that a test may do anything to."""
    clock.advance(timedelta(hours=48))
    shutil.copytree(recorded, tmp_path / "data")
    with fake_workspace(tmp_path / "data", make_broker(clock), clock) as workspace:
        yield workspace


def instants(workspace: Workspace) -> list[datetime]:
    """Return the instants of all commits."""
    with workspace.warehouse.read() as connection:
        found = connection.execute(
            "SELECT DISTINCT recorded_at FROM core.applied_loads ORDER BY 1"
        ).fetchall()
    return [instant for (instant,) in found]


def test_rebuild_equals_what_is_there(two_nights: Workspace) -> None:
    """The strongest test in the house: every table, every column, recorded_at included."""
    result = rebuild_workspace(two_nights)

    assert {table.name: True for table in (*core.TABLES, *statements.TABLES)} == {
        item.table: item.is_equal for item in result.tables
    }
    assert all(item.n_existing == item.n_rebuilt for item in result.tables)
    assert (True, False) == (result.is_well, result.is_replaced)
    assert not (two_nights.directory / BESIDE).exists()


def test_a_difference_is_found_in_whatever_column(two_nights: Workspace) -> None:
    """A rebuild that could not fail would prove nothing."""
    with two_nights.warehouse.write("a hand in the data") as transaction:
        transaction.connection.execute("UPDATE core.executions SET venue = 'ELSEWHERE'")

    result = rebuild_workspace(two_nights, replace=True)

    assert ["core.executions"] == [item.table for item in result.tables if not item.is_equal]
    assert (False, False) == (result.is_well, result.is_replaced)


def test_a_rebuild_fills_what_an_older_warehouse_never_held(two_nights: Workspace) -> None:
    """Which orders a read listed as open is in the raw file, also of reads before the table."""
    state = rows(two_nights, "orders").select("account_id", "status", "is_open").rows()
    with two_nights.warehouse.write("as an older version left it") as transaction:
        transaction.connection.execute("DELETE FROM core.open_orders")
        transaction.connection.execute("DELETE FROM core.snapshots WHERE dataset = 'orders'")

    first = rebuild_workspace(two_nights, replace=True, force=True)

    assert {"core.open_orders", "core.snapshots"} == {
        item.table for item in first.tables if not item.is_equal
    }
    assert rebuild_workspace(two_nights).is_equal
    assert [(FIRST, "gone", False), (SECOND, "submitted", True)] == state
    assert state == rows(two_nights, "orders").select("account_id", "status", "is_open").rows()


def test_replace_puts_the_rebuilt_one_in_place_and_keeps_the_other(two_nights: Workspace) -> None:
    """A reader of the read copy sees the same rows; the next run goes on."""
    before, commits = rows(two_nights, "positions"), instants(two_nights)

    result = rebuild_workspace(two_nights, replace=True)

    assert result.is_replaced
    assert (two_nights.directory / BACKUP_NAME).exists()
    assert commits == instants(two_nights)
    assert before.equals(rows(two_nights, "positions"))
    assert not SYNCS[next(iter(SYNCS))](two_nights).is_failed


def test_what_differs_is_replaced_only_by_force(two_nights: Workspace) -> None:
    """Whoever knows that the existing rows are the wrong ones may say so."""
    with two_nights.warehouse.write("a hand in the data") as transaction:
        transaction.connection.execute("DELETE FROM core.positions")

    rebuild_workspace(two_nights, replace=True, force=True)

    assert 2 == rows(two_nights, "positions").height


def test_a_warehouse_that_was_lost_is_made_again(two_nights: Workspace) -> None:
    """Control remembers when what was committed."""
    commits = instants(two_nights)
    two_nights.warehouse.path.unlink()

    result = rebuild_workspace(two_nights, replace=True)

    assert (None, True, commits) == (result.is_equal, result.is_replaced, instants(two_nights))


def test_control_that_was_lost_is_restored_from_the_sidecars(
    two_nights: Workspace, clock: TickingClock
) -> None:
    """Raw stands on its own."""
    applied = two_nights.control.applied()
    two_nights.control.close()
    for path in two_nights.directory.glob("control.sqlite*"):
        path.unlink()
    with fake_workspace(two_nights.directory, make_broker(clock), clock) as workspace:
        result = rebuild_workspace(workspace)
        restored = workspace.control.applied()

    assert (True, applied) == (result.is_equal, restored)
    assert result.remarks[0].startswith("The control store did not know ")
    assert (
        "Every table is equal in every column; the warehouse was left as it was."
        == (result.remarks[1])
    )


def test_without_warehouse_and_control_raw_alone_makes_core(
    two_nights: Workspace, clock: TickingClock
) -> None:
    """Instants of commits are lost then; what the broker told is not."""
    before = rows(two_nights, "executions").drop("recorded_at")
    two_nights.control.close()
    for pattern in ("control.sqlite*", "warehouse*.duckdb*"):
        for path in two_nights.directory.glob(pattern):
            path.unlink()
    with fake_workspace(two_nights.directory, make_broker(clock), clock) as workspace:
        rebuild_workspace(workspace, replace=True)
        after = rows(workspace, "executions").drop("recorded_at")

    assert before.equals(after)


def test_a_raw_file_that_is_missing_is_named(two_nights: Workspace) -> None:
    """What cannot be made again must not be quietly left out."""
    path = next((two_nights.directory / "raw").rglob("*positions*.ndjson.zst"))
    path.unlink()

    with pytest.raises(RawDataError, match=path.name):
        rebuild_workspace(two_nights)
    assert not (two_nights.directory / BESIDE).exists()


def test_a_portfolio_that_was_moved_since_does_not_make_a_difference(
    two_nights: Workspace, clock: TickingClock
) -> None:
    """The configuration of today says nothing about the rows of yesterday."""
    two_nights.control.close()
    portfolios = [{"portfolio_id": "core", "name": "Core", "accounts": [FIRST]}]
    broker = make_broker(clock)
    with fake_workspace(two_nights.directory, broker, clock, portfolios=portfolios) as workspace:
        SYNCS[next(reversed(SYNCS))](workspace)
        result = rebuild_workspace(workspace)

    assert result.is_equal


def test_nothing_read_is_nothing_to_rebuild(tmp_path: Path, clock: TickingClock) -> None:
    """A clear word instead of an empty warehouse."""
    with (
        fake_workspace(tmp_path / "data", make_broker(clock), clock) as workspace,
        pytest.raises(WarehouseMissingError, match="nothing to rebuild"),
    ):
        rebuild_workspace(workspace)


def test_the_document_of_a_rebuild(two_nights: Workspace) -> None:
    """Programs rely on these names."""
    document = rebuild(two_nights.settings).to_document()

    assert (True, False) == (document["equal"], document["replaced"])
    assert {"table", "existing", "rebuilt", "equal"} == set(document["tables"][0])
