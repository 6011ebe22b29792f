"""A short put that vanished while its shares came is suspected, kept, and survives a rebuild."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from ibkr_pipeline.brokers.testing import FakeBrokerAPI, make_simple_fake_position
from ibkr_pipeline.pipelines.positions_sync import sync_positions
from ibkr_pipeline.pipelines.rebuild import rebuild_workspace
from ibkr_pipeline.pipelines.suspecting import record_suspicions
from ibkr_pipeline.pipelines.workspace import Workspace
from ibkr_pipeline_tests.pipeline_runs import (
    FIRST,
    TickingClock,
    fake_workspace,
    make_broker,
    rows,
)

SHARES = make_simple_fake_position(FIRST)
#: Two nights before its expiration; AAPL stands at 140, the strike is 150.
SHORT_PUT = make_simple_fake_position(
    FIRST,
    con_id=700000001,
    security_type="OPT",
    local_symbol="AAPL  260415P00150000",
    expiry=date(2026, 4, 15),
    strike=Decimal(150),
    right="P",
    multiplier=Decimal(100),
    quantity=Decimal(-1),
    market_price=Decimal(10),
    market_value=Decimal(-1000),
)
DELIVERED = make_simple_fake_position(FIRST, quantity=Decimal(200))


@pytest.fixture
def assigned(tmp_path: Path, clock: TickingClock) -> object:
    """A workspace in which the put was there one night and its shares the next."""
    broker: FakeBrokerAPI = make_broker(clock, accounts=[FIRST], executions=[])
    broker.positions = [SHARES, SHORT_PUT]
    with fake_workspace(tmp_path / "data", broker, clock) as workspace:
        sync_positions(workspace)
        clock.advance(timedelta(days=1))
        broker.positions = [DELIVERED]
        sync_positions(workspace)
        yield workspace


def test_an_assignment_nobody_told_of_is_suspected(assigned: Workspace) -> None:
    """+1 put and +100 shares without a fill: 100 bought at the strike."""
    (event,) = rows(assigned, "option-events").iter_rows(named=True)

    assert ("assignment", "suspected", Decimal(1), Decimal(100)) == (
        event["event_type"],
        event["state"],
        event["signed_quantity"],
        event["delivered_quantity"],
    )
    assert 0 == rows(assigned, "executions").height


def test_suspecting_twice_adds_nothing(assigned: Workspace) -> None:
    """The same two reads say the same."""
    assert 0 == record_suspicions(assigned)
    assert 1 == rows(assigned, "option-events").height


def test_a_rebuild_keeps_what_was_suspected_and_when(assigned: Workspace) -> None:
    """It has no load of its own, and an audit read has to answer the same afterwards."""
    before = rows(assigned, "option-events")
    result = rebuild_workspace(assigned, replace=True)

    assert result.is_equal
    assert before.equals(rows(assigned, "option-events"))
