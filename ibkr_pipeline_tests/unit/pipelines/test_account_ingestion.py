"""From a broker in memory to account snapshots in core."""

from __future__ import annotations

from decimal import Decimal

from ibkr_pipeline.brokers.testing import FakeBrokerAPI, make_simple_fake_account_snapshot
from ibkr_pipeline.pipelines.accounts_sync import sync_account_snapshots
from ibkr_pipeline.pipelines.workspace import Workspace
from ibkr_pipeline_tests.pipeline_runs import FIRST, SECOND, rows, subject


def test_an_account_snapshot_is_stored_with_its_amounts_and_where_it_came_from(
    workspace: Workspace,
) -> None:
    """100,000 USD of which 50,000 in cash; the payload is found by load and request."""
    sync_account_snapshots(workspace, [FIRST])

    (found,) = rows(workspace, "accounts").iter_rows(named=True)
    assert (FIRST, "USD", Decimal(100000), Decimal(50000)) == (
        found["account_id"],
        found["base_currency"],
        found["net_liquidation_value"],
        found["total_cash"],
    )
    request_id, account = found["load_id"].rsplit(":", 1)
    payload = workspace.landing.read(request_id, accounts=[account])
    assert {FIRST} == {name for frame in payload.values() for name in frame["account"]}
    assert found["available_at"] == found["as_of"] <= found["recorded_at"]


def test_a_second_snapshot_stands_beside_the_first(
    workspace: Workspace, broker: FakeBrokerAPI
) -> None:
    """A snapshot is never overwritten; the current one is the last complete one."""
    sync_account_snapshots(workspace)
    broker.account_snapshots[0] = make_simple_fake_account_snapshot(
        FIRST, net_liquidation_value=Decimal(101000)
    )
    summary = sync_account_snapshots(workspace)

    assert (1, 1) == (subject(summary, FIRST).n_changed, subject(summary, SECOND).n_unchanged)
    with workspace.warehouse.read() as connection:
        stored = connection.sql(
            "SELECT net_liquidation_value FROM core.accounts "
            f"WHERE account_id = '{FIRST}' ORDER BY as_of"
        ).fetchall()
    assert [(Decimal(100000),), (Decimal(101000),)] == stored
    current = rows(workspace, "accounts")
    assert [Decimal(101000), Decimal(100000)] == current["net_liquidation_value"].to_list()
