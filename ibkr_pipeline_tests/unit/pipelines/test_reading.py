"""What is published, read back as of an instant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

import ibkr_pipeline
from ibkr_pipeline.brokers.testing import FakeBrokerAPI, make_simple_fake_position
from ibkr_pipeline.pipelines.positions_sync import sync_positions
from ibkr_pipeline.pipelines.reading import open_read_copy, parse_instant, read_copy_path, show
from ibkr_pipeline.pipelines.workspace import Workspace
from ibkr_pipeline.primitives.errors import ConfigError, WarehouseMissingError
from ibkr_pipeline_tests.pipeline_runs import FIRST, SECOND, TickingClock, make_settings


def test_positions_are_those_of_the_instant_asked_for(
    workspace: Workspace, broker: FakeBrokerAPI, clock: TickingClock
) -> None:
    """What was current then is not what is current now."""
    sync_positions(workspace)
    then = clock.now()
    clock.advance(timedelta(days=1))
    broker.positions[0] = make_simple_fake_position(FIRST, quantity=Decimal(7))
    sync_positions(workspace)

    quantities = [
        show(workspace.settings, "positions", at=at, accounts=[FIRST])["quantity"].to_list()
        for at in (then, None, then - timedelta(days=1))
    ]

    assert [[Decimal(100)], [Decimal(7)], []] == quantities


def test_loads_are_shown_with_the_failed_ones(workspace: Workspace, broker: FakeBrokerAPI) -> None:
    """Why an account has nothing new is what a person looks for."""
    broker.failing[SECOND] = "no end marker"
    sync_positions(workspace, [SECOND])
    found = show(workspace.settings, "loads", accounts=[SECOND])

    assert {("failed", "no end marker")} == set(found.select("status", "reason").iter_rows())
    assert 0 == show(workspace.settings, "loads", accounts=[FIRST]).height


def test_loads_as_of_an_instant_are_those_begun_by_then(
    workspace: Workspace, clock: TickingClock
) -> None:
    """A later night does not change what an earlier one looked like."""
    sync_positions(workspace)
    then = clock.now()
    sync_positions(workspace)

    assert [6, 12] == [show(workspace.settings, "loads", at=at).height for at in (then, None)]


def test_nothing_read_yet_says_what_to_run(tmp_path: Path) -> None:
    """And makes nothing: looking must leave no trace."""
    settings = make_settings(tmp_path / "data")

    for table in ("positions", "loads"):
        with pytest.raises(WarehouseMissingError, match="sync all"):
            show(settings, table)
    assert not (tmp_path / "data").exists()


def test_rows_of_another_environment_are_pointed_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the demo `show` looks in the paper directory; the rows are next door."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "simulated").mkdir(parents=True)
    (tmp_path / "data" / "simulated" / "warehouse_read.duckdb").touch()

    with pytest.raises(WarehouseMissingError, match="IBKR_PIPELINE_MODE=simulated"):
        show(make_settings(tmp_path).model_copy(update={"data_dir": None}), "positions")


def test_a_table_nobody_knows_is_refused(tmp_path: Path) -> None:
    """The message lists what there is."""
    with pytest.raises(ConfigError, match="accounts, positions, orders, executions, loads"):
        show(make_settings(tmp_path), "trades")


def test_a_notebook_opens_the_read_copy_of_a_directory(workspace: Workspace) -> None:
    """Instants come back in UTC, and nothing can be written."""
    sync_positions(workspace)
    connection = ibkr_pipeline.open_warehouse(workspace.directory)
    try:
        (count,) = connection.sql("SELECT count(*) FROM core.current_positions").fetchall()
        (zone,) = connection.sql("SELECT current_setting('TimeZone')").fetchall()
    finally:
        connection.close()

    assert ((2,), ("UTC",)) == (count, zone)
    with open_read_copy(read_copy_path(workspace.directory)) as again:
        assert [(2,)] == again.sql("SELECT count(*) FROM core.positions").fetchall()


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-04-13", datetime(2026, 4, 13, 23, 59, 59, 999999, tzinfo=UTC)),
        ("20260413", datetime(2026, 4, 13, 23, 59, 59, 999999, tzinfo=UTC)),
        ("2026-W16-1", datetime(2026, 4, 13, 23, 59, 59, 999999, tzinfo=UTC)),
        ("2026-04-13T20:30:00Z", datetime(2026, 4, 13, 20, 30, tzinfo=UTC)),
        ("2026-04-13T20:30:00", datetime(2026, 4, 13, 20, 30, tzinfo=UTC)),
        ("2026-04-13T16:30:00-04:00", datetime(2026, 4, 13, 20, 30, tzinfo=UTC)),
    ],
    ids=["date", "basic-date", "week-date", "utc", "no-zone", "zone"],
)
def test_instants_are_read_as_a_person_writes_them(text: str, instant: datetime) -> None:
    """A day means all of it."""
    assert instant == parse_instant(text)


def test_an_instant_that_is_none_is_refused() -> None:
    """The message shows one that is."""
    with pytest.raises(ConfigError, match="2026-11-18T21:30:00Z"):
        parse_instant("yesterday")
