"""The acceptance scenarios of reading, each through the real client against the simulator.

The letters are those of the published scenario list; what concerns sending alone is not here.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from ibkr_pipeline.brokers.exceptions import ModeMismatchError
from ibkr_pipeline.pipelines.accounts_sync import sync_account_snapshots
from ibkr_pipeline.pipelines.executions_sync import sync_executions
from ibkr_pipeline.pipelines.orders_sync import sync_orders
from ibkr_pipeline.pipelines.positions_sync import sync_positions
from ibkr_pipeline.pipelines.rebuild import rebuild_workspace
from ibkr_pipeline.pipelines.workspace import Workspace
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.primitives.errors import StaleDataError
from ibkr_pipeline.simulator.testing import SimulatorThread
from ibkr_pipeline_tests.pipeline_runs import FIRST, SECOND, rows, simulated_workspace, subject

#: Message ids: what the gateway sends (outbound) and what it is asked (inbound).
POSITION, POSITION_END, OPEN_ORDER, COMPLETED_ORDER = 61, 62, 5, 101
START_API, ACCOUNT_UPDATES = 71, 6


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


def test_scenario_a_a_positions_read_without_its_end_keeps_the_last_snapshot(
    workspace: Workspace, gateway: SimulatorThread
) -> None:
    """The run fails, what was true stays current, and what depends on it is stopped."""
    sync_positions(workspace)
    before = rows(workspace, "positions")
    gateway.arm("omit", message=POSITION_END)
    summary = sync_positions(workspace)

    assert {FIRST: True, SECOND: True} == {
        item.account_id: item.is_failed for item in summary.subjects
    }
    assert before.equals(rows(workspace, "positions"))
    with pytest.raises(StaleDataError, match="the last read failed"):
        workspace.control.require_current(
            [FIRST],
            [Dataset.POSITIONS],
            now=workspace.clock.now(),
            max_age=timedelta(days=1),
        )


def test_scenario_b_a_commission_that_is_late_is_pending_until_it_comes(
    workspace: Workspace, gateway: SimulatorThread
) -> None:
    """A fill without its commission is a fill; the next run completes it."""
    gateway.arm("missing_commission", position=1)
    sync_executions(workspace)
    first = rows(workspace, "executions")["commission_status"].value_counts()
    sync_executions(workspace)
    second = rows(workspace, "executions")["commission_status"].value_counts()

    assert {"final": 6, "pending": 1} == dict(first.iter_rows())
    assert {"final": 7} == dict(second.iter_rows())


def test_scenario_c_a_correction_replaces_and_keeps_what_it_corrects(
    workspace: Workspace, gateway: SimulatorThread
) -> None:
    """Net quantity unchanged, price updated, both rows kept."""
    sync_executions(workspace)
    before = _fills_of(workspace, "AAPL", "STK")
    exec_id = before.item(0, "exec_id")
    gateway.command("correct", exec_id=exec_id, price="230.50")
    changed = subject(sync_executions(workspace), FIRST)
    after = _fills_of(workspace, "AAPL", "STK")

    assert before["signed_quantity"].sum() == after["signed_quantity"].sum() == Decimal(300)
    assert (Decimal("230.5"), before.item(0, "revision") + 1) == (
        after.item(0, "price"),
        after.item(0, "revision"),
    )
    assert 0 < changed.n_new + changed.n_changed
    with workspace.warehouse.read() as connection:
        kept = connection.execute(
            "SELECT price FROM core.executions WHERE fill_id = ? ORDER BY revision",
            [after.item(0, "fill_id")],
        ).fetchall()
    assert [(before.item(0, "price"),), (Decimal("230.5"),)] == kept


def test_scenario_d_one_order_id_with_two_permanent_ids_is_two_orders(tmp_path: Path) -> None:
    """Ids are given out again after a gateway restart; fills must not meet the wrong order."""
    with (
        SimulatorThread("reissued_ids") as gateway,
        simulated_workspace(tmp_path / "data", gateway) as workspace,
    ):
        sync_orders(workspace)
        sync_executions(workspace)
        orders = rows(workspace, "orders")
        fills = rows(workspace, "executions")

    assert 2 == orders["order_key"].n_unique() == orders["perm_id"].n_unique()
    of_symbol = dict(orders.select("order_key", "symbol").iter_rows())
    assert {"SPY": 1, "AAPL": 1} == dict(
        fills.select(pl.col("order_key").replace(of_symbol)).to_series().value_counts().iter_rows()
    )


@pytest.mark.parametrize(
    ("code", "text"),
    [
        pytest.param(10349, "Order TIF was set to DAY based on order preset.", id="e"),
        pytest.param(10148, "OrderId 11 that needs to be cancelled cannot be cancelled", id="g"),
    ],
)
def test_scenario_e_and_g_a_remark_about_an_order_never_cancels_it(
    workspace: Workspace, gateway: SimulatorThread, code: int, text: str
) -> None:
    """The library calls such orders cancelled; the broker's own status is what counts."""
    expected = _states(gateway, workspace)
    gateway.arm("notice", message=COMPLETED_ORDER, code=code, text=text)
    gateway.arm("notice", message=OPEN_ORDER, code=code, text=text)
    summary = sync_orders(workspace)

    assert not summary.is_failed
    assert expected == _statuses(workspace)
    assert "filled" in expected.values()


def test_scenario_h_a_time_without_a_zone_is_utc_wherever_we_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Live gateways set to UTC leave the zone out; this machine's own zone has no say."""
    monkeypatch.setenv("TZ", "America/Chicago")
    time.tzset()
    try:
        with SimulatorThread(_scenario("utc_dash")) as gateway:
            told = _event_times(tmp_path / "dash", gateway)
    finally:
        monkeypatch.undo()
        time.tzset()
    # 09:45:04 in New York is 14:45:04 UTC in November.
    assert datetime(2026, 11, 18, 14, 45, 4, tzinfo=UTC) == min(told)


def test_scenario_i_a_profit_that_is_unset_is_null(
    workspace: Workspace, gateway: SimulatorThread
) -> None:
    """1.797e308 is the gateway's word for "does not apply": an opening fill has no profit."""
    sync_executions(workspace)
    opening = _fills_of(workspace, "AAPL", "STK")["realized_pnl"].to_list()
    closing = _fills_of(workspace, "MSFT", "STK")["realized_pnl"].to_list()

    assert [None, None, None] == opening
    assert all(value is not None and abs(value) < 10_000 for value in closing)


def test_scenario_m_live_accounts_are_refused_before_any_request(tmp_path: Path) -> None:
    """The port proves nothing; the account list does, and nothing is asked after it."""
    with (
        SimulatorThread("live_account") as gateway,
        simulated_workspace(tmp_path / "data", gateway, mode="paper") as workspace,
    ):
        with pytest.raises(ModeMismatchError, match="IBKR_PIPELINE_MODE=live"):
            sync_account_snapshots(workspace)
        asked = {request.message_id for request in gateway.simulator.recorder.requests}

    assert {START_API} == asked


def test_scenario_o_one_account_fails_and_the_other_lands(
    workspace: Workspace, gateway: SimulatorThread
) -> None:
    """Its load is failed with the reason; nothing of it is in core."""
    gateway.arm("error", request=ACCOUNT_UPDATES, account=SECOND, code=321, text="refused")
    summary = sync_account_snapshots(workspace)

    assert ("complete", "failed") == tuple(item.status.value for item in summary.subjects)
    assert "321" in str(subject(summary, SECOND).error)
    assert [FIRST] == rows(workspace, "accounts")["account_id"].to_list()


def test_an_order_that_expired_unread_is_gone_not_open(
    workspace: Workspace, gateway: SimulatorThread
) -> None:
    """A DAY order ends after the evening's read; completed orders are told of their day alone."""
    sync_orders(workspace)
    resting = rows(workspace, "orders").filter(pl.col("is_open"))
    before = dict(resting.select("order_ref", "time_in_force").iter_rows())
    gateway.command("advance_session")
    summary = sync_orders(workspace)
    after = rows(workspace, "orders").filter(
        pl.col("order_key").is_in(resting["order_key"].implode())
    )

    assert {"core-msft-2": "GTC", "core-spy-2": "DAY"} == before
    assert {"core-msft-2": ("submitted", True), "core-spy-2": ("gone", False)} == {
        ref: (status, is_open)
        for ref, status, is_open in after.select("order_ref", "status", "is_open").iter_rows()
    }
    assert (0, 1) == (subject(summary, FIRST).n_gone, subject(summary, SECOND).n_gone)
    expired = after.row(by_predicate=pl.col("status") == "gone", named=True)
    assert resting["available_at"].max() == expired["ended_after"] < expired["ended_before"]
    assert rebuild_workspace(workspace).is_equal
    assert 0 == sum(item.n_gone for item in sync_orders(workspace).subjects)


def _fills_of(workspace: Workspace, symbol: str, security_type: str) -> pl.DataFrame:
    return (
        rows(workspace, "executions")
        .filter((pl.col("symbol") == symbol) & (pl.col("security_type") == security_type))
        .sort("event_ts")
    )


def _statuses(workspace: Workspace) -> dict[str, str]:
    return dict(rows(workspace, "orders").select("order_key", "status").iter_rows())


def _states(gateway: SimulatorThread, workspace: Workspace) -> dict[str, str]:
    """Return the order statuses of a read nothing disturbs."""
    sync_orders(workspace)
    return _statuses(workspace)


def _scenario(time_format: str) -> dict[str, object]:
    return {
        "name": "zone",
        "seed": 7,
        "clock": {"session": "2026-11-18", "time": "16:20:00"},
        "gateway": {"time_format": time_format},
        "accounts": [{"account": FIRST, "cash": {"USD": "1000.00"}}],
        "orders": [
            {
                "account": FIRST,
                "instrument": "AAPL",
                "action": "BUY",
                "quantity": 1,
                "at": "09:45:02",
                "fills": [{"at": "09:45:04", "quantity": 1, "price": "230.88"}],
            }
        ],
    }


def _event_times(data: Path, gateway: SimulatorThread) -> list[datetime]:
    with simulated_workspace(data, gateway) as workspace:
        sync_executions(workspace)
        return rows(workspace, "executions")["event_ts"].to_list()
