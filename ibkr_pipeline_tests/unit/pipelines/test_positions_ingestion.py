"""From a broker in memory to positions, instruments and contracts in core."""

from __future__ import annotations

from decimal import Decimal

from ibkr_pipeline.brokers.testing import FakeBrokerAPI, make_simple_fake_position
from ibkr_pipeline.pipelines.positions_sync import sync_positions
from ibkr_pipeline.pipelines.workspace import Workspace
from ibkr_pipeline_tests.pipeline_runs import FIRST, SECOND, rows


def test_a_position_creates_its_row_its_instrument_and_its_contract(workspace: Workspace) -> None:
    """Both accounts hold the same 100 shares of AAPL: two positions, one contract."""
    sync_positions(workspace)

    positions = rows(workspace, "positions")
    assert [(FIRST, 265598, Decimal(100)), (SECOND, 265598, Decimal(100))] == positions.select(
        "account_id", "con_id", "quantity"
    ).rows()
    instruments = rows(workspace, "instruments").select("instrument_key", "symbol")
    assert [("ibkr:265598", "AAPL")] == instruments.rows()
    contracts = rows(workspace, "contracts").select("con_id", "instrument_key", "local_symbol")
    assert [(265598, "ibkr:265598", "AAPL")] == contracts.rows()


def test_a_past_position_is_never_overwritten(workspace: Workspace, broker: FakeBrokerAPI) -> None:
    """Snapshot only: the 100 shares of the first evening stay what they were."""
    sync_positions(workspace)
    broker.positions = [make_simple_fake_position(FIRST, quantity=Decimal(40))]
    sync_positions(workspace)

    with workspace.warehouse.read() as connection:
        stored = connection.sql(
            "SELECT account_id, quantity, as_of = (SELECT min(as_of) FROM core.positions) AS early "
            "FROM core.positions ORDER BY as_of, account_id"
        ).fetchall()
    assert [
        (FIRST, Decimal(100), True),
        (SECOND, Decimal(100), True),
        (FIRST, Decimal(40), False),
    ] == stored
    assert [Decimal(40)] == rows(workspace, "positions")["quantity"].to_list()
