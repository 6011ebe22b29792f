"""Nights on the simulated broker, gateway and statements together: everything agrees in the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from ibkr_pipeline.pipelines.breaks import BreakChanges, record_breaks
from ibkr_pipeline.pipelines.flex_sync import sync_flex
from ibkr_pipeline.pipelines.reconciliation_inputs import compared_wire, reconcile
from ibkr_pipeline.pipelines.statement_reconciliation import reconcile_statements
from ibkr_pipeline.pipelines.workspace import Workspace, open_workspace
from ibkr_pipeline.simulator.testing import SimulatorThread
from ibkr_pipeline.warehouse.reads import as_of
from ibkr_pipeline_tests.pipeline_runs import SYNCS, TickingClock, make_settings

#: Half past four in New York, on the scenario's first session.
FIRST_NIGHT = datetime(2026, 11, 18, 21, 30, tzinfo=UTC)


@dataclass(frozen=True)
class Nights:
    """A workspace on the simulated broker, whose clock follows the broker's sessions."""

    workspace: Workspace
    simulator: SimulatorThread
    clock: TickingClock

    def read_gateway(self) -> None:
        """Read everything the gateway tells."""
        for sync in SYNCS.values():
            sync(self.workspace)

    def events(self) -> list[tuple[str, str]]:
        """Return the option events of the warehouse with their states."""
        with self.workspace.warehouse.read() as connection:
            events = as_of(connection, "option_events")
        return events.select("option_event_id", "state").rows()

    def keep_breaks(self) -> BreakChanges:
        """Compare everything and keep the breaks."""
        wire = compared_wire(reconcile(self.workspace))
        return record_breaks(self.workspace, {**wire, **reconcile_statements(self.workspace)})

    def positions(self) -> dict[int, tuple[str, str | None, bool]]:
        """Return the findings on positions of the first account that something explains."""
        found = reconcile(self.workspace)["positions"].filter(
            (pl.col("account_id") == "DU0000001") & pl.col("why").is_not_null()
        )
        return {
            con_id: (verdict, why, is_suspected)
            for con_id, verdict, why, is_suspected in found.select(
                "con_id", "verdict", "why", "is_suspected"
            ).iter_rows()
        }

    def next_session(self) -> None:
        """Let the broker's night pass."""
        self.simulator.command("advance_session")
        self.clock.advance(timedelta(days=1))


@pytest.fixture
def nights(tmp_path: Path) -> Iterator[Nights]:
    """An expiration after the first session, an assignment after the second."""
    clock = TickingClock(FIRST_NIGHT)
    with SimulatorThread(scenario="three_sessions") as simulator:
        settings = make_settings(
            tmp_path / "data",
            mode="simulated",
            ibkr__host=simulator.host,
            ibkr__port=simulator.port,
            ibkr__flex_token="SIMULATED-FLEX-TOKEN",
            ibkr__flex_query_id="1",
            ibkr__flex_url=simulator.flex_url,
            ibkr__flex_spacing_seconds=0,
        )
        with open_workspace(settings, clock=clock, sleep=lambda _seconds: None) as workspace:
            yield Nights(workspace=workspace, simulator=simulator, clock=clock)


def test_what_positions_let_suspect_a_statement_confirms(nights: Nights) -> None:
    """The gateway tells no fill of an expiration: suspected first, explained by the statement."""
    nights.read_gateway()
    nights.next_session()
    nights.read_gateway()

    event = "741000101:20261118:expiration"
    assert [(event, "suspected")] == nights.events()
    (suspected,) = nights.positions().values()
    sync_flex(nights.workspace)
    (confirmed,) = nights.positions().values()

    assert [(event, "confirmed")] == nights.events()
    assert ("ok", "explained, suspected: expiration of AAPL on 2026-11-18", True) == suspected
    assert ("ok", "explained: expiration of AAPL on 2026-11-18 (statement)", False) == confirmed


def test_three_sessions_end_reconciled(nights: Nights) -> None:
    """A corrected fill, an expiration, an assignment with both legs, a dividend: no break."""
    changes = []
    for _ in range(3):
        nights.read_gateway()
        sync_flex(nights.workspace)
        changes.append(nights.keep_breaks())
        nights.next_session()

    assert [0, 0, 0] == [item.still_open for item in changes]
    compared = reconcile_statements(nights.workspace)
    kinds = {name: set(item.findings["verdict"]) for name, item in compared.items()}
    assert {name: {"ok"} for name in kinds} == kinds
