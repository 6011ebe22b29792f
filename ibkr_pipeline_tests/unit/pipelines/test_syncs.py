"""The four syncs: from the broker to the read copy, for all accounts or for one."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from ibkr_pipeline.brokers.exceptions import BrokerConnectionError, IncompleteReadError
from ibkr_pipeline.brokers.testing import FakeBrokerAPI, make_simple_fake_execution
from ibkr_pipeline.models.accounts import BrokerAccount
from ibkr_pipeline.pipelines.accounts_sync import (
    sync_account_snapshot_for_broker_account,
    sync_account_snapshots,
)
from ibkr_pipeline.pipelines.executions_sync import (
    sync_executions,
    sync_executions_for_broker_account,
)
from ibkr_pipeline.pipelines.orders_sync import sync_orders, sync_orders_for_broker_account
from ibkr_pipeline.pipelines.positions_sync import (
    sync_positions,
    sync_positions_for_broker_account,
)
from ibkr_pipeline.pipelines.reconciliation_inputs import reconcile
from ibkr_pipeline.pipelines.workspace import Workspace
from ibkr_pipeline.primitives.enums import WIRE_DATASETS, Dataset, Environment
from ibkr_pipeline.primitives.errors import ConfigError
from ibkr_pipeline_tests.pipeline_runs import (
    FIRST,
    SECOND,
    SYNCS,
    TickingClock,
    fake_workspace,
    make_broker,
    rows,
    subject,
)

ACCOUNT = BrokerAccount(broker="fake", account_id=FIRST)


@pytest.mark.parametrize("dataset", WIRE_DATASETS)
def test_a_second_sync_finds_everything_unchanged(workspace: Workspace, dataset: Dataset) -> None:
    """Running twice changes nothing and says so."""
    first, second = (SYNCS[dataset](workspace) for _ in range(2))

    counts = [
        (item.n_new, item.n_changed, item.n_unchanged, item.n_gone)
        for item in (subject(first, FIRST), subject(second, FIRST))
    ]
    n_read = subject(first, FIRST).n_read
    assert [(n_read, 0, 0, 0), (0, 0, n_read, 0)] == counts
    assert not first.is_failed


def test_a_failed_account_keeps_its_last_snapshot(
    workspace: Workspace, broker: FakeBrokerAPI
) -> None:
    """Unknown is not empty: what was true last stays current, and the summary says why."""
    sync_positions(workspace)
    broker.failing[SECOND] = "no end marker"
    summary = sync_positions(workspace)

    assert (True, "no end marker") == (summary.is_failed, subject(summary, SECOND).error)
    assert {FIRST, SECOND} == set(rows(workspace, "positions")["account_id"])


def test_an_empty_account_is_a_fact(workspace: Workspace, broker: FakeBrokerAPI) -> None:
    """A position that was closed does not come back."""
    sync_positions(workspace)
    broker.positions = [item for item in broker.positions if item.account_id != SECOND]
    summary = sync_positions(workspace)

    assert (0, 1) == (subject(summary, SECOND).n_read, subject(summary, SECOND).n_gone)
    assert {FIRST} == set(rows(workspace, "positions")["account_id"])


def test_positions_are_read_between_two_executions_reads(
    workspace: Workspace, broker: FakeBrokerAPI
) -> None:
    """What trades meanwhile can then be told apart; both brackets are loads like any other."""
    sync_positions(workspace)

    assert [Dataset.EXECUTIONS, Dataset.POSITIONS, Dataset.EXECUTIONS] == [
        dataset for dataset, _ in broker.fetches
    ]
    assert 2 == rows(workspace, "executions").height


def test_two_nights_reconcile(
    workspace: Workspace, broker: FakeBrokerAPI, clock: TickingClock
) -> None:
    """100 held, 50 bought since and told: 150 expected and found."""
    sync_positions(workspace)
    clock.advance(timedelta(minutes=30))
    broker.executions.append(
        make_simple_fake_execution(
            FIRST,
            exec_id="0000e0d5.69dd7411.02.01",
            fill_id="exec:0000e0d5.69dd7411.02",
            fill_quantity=Decimal(50),
            signed_quantity=Decimal(50),
        )
    )
    from ibkr_pipeline.brokers.testing import make_simple_fake_position

    broker.positions[0] = make_simple_fake_position(FIRST, quantity=Decimal(150))
    sync_positions(workspace)
    found = reconcile(workspace)

    assert ["ok", "ok"] == found["positions"]["verdict"].to_list()
    assert ["150", "100"] == found["positions"]["found"].to_list()
    assert ["ok", "ok"] == found["zero_executions"]["verdict"].to_list()


def test_a_position_that_changed_without_an_execution_breaks(
    workspace: Workspace, broker: FakeBrokerAPI, clock: TickingClock
) -> None:
    """Nobody told of the 50 that are new."""
    from ibkr_pipeline.brokers.testing import make_simple_fake_position

    sync_positions(workspace)
    clock.advance(timedelta(minutes=30))
    broker.positions[0] = make_simple_fake_position(FIRST, quantity=Decimal(150))
    sync_positions(workspace)
    found = reconcile(workspace)

    assert ["break", "ok"] == found["positions"]["verdict"].to_list()
    assert ["break", "ok"] == found["zero_executions"]["verdict"].to_list()


def test_no_answer_at_all_is_raised(workspace: Workspace, broker: FakeBrokerAPI) -> None:
    """There is no account to hang the reason on."""
    broker.connect_error = BrokerConnectionError("Nothing listens on 127.0.0.1:7497.")

    with pytest.raises(BrokerConnectionError, match="Nothing listens"):
        sync_account_snapshots(workspace)


def test_the_syncs_of_one_account_touch_no_other(
    workspace: Workspace, broker: FakeBrokerAPI
) -> None:
    """Each resolves its client, reads one account and commits it in one transaction."""
    done = [
        sync_account_snapshot_for_broker_account(ACCOUNT, workspace=workspace),
        sync_positions_for_broker_account(ACCOUNT, workspace=workspace),
        sync_orders_for_broker_account(ACCOUNT, workspace=workspace),
        sync_executions_for_broker_account(ACCOUNT, workspace=workspace),
    ]

    assert [FIRST] * 4 == [item.account_id for item in done]
    assert {(FIRST,)} == {accounts for _, accounts in broker.fetches}
    for table in ("accounts", "positions", "orders", "executions"):
        assert [FIRST] == rows(workspace, table)["account_id"].to_list()


def test_the_sync_of_one_account_raises_what_failed_it(
    workspace: Workspace, broker: FakeBrokerAPI
) -> None:
    """A caller of one account must not have to look for a verdict."""
    broker.failing[FIRST] = "no end marker"

    with pytest.raises(IncompleteReadError, match="no end marker"):
        sync_account_snapshot_for_broker_account(ACCOUNT, workspace=workspace)


def test_an_account_of_another_environment_is_refused(workspace: Workspace) -> None:
    """Equal codes in two environments are two accounts."""
    live = BrokerAccount(environment=Environment.LIVE, account_id=FIRST)

    with pytest.raises(ConfigError, match="DU\\*\\*\\*\\*\\*01"):
        sync_orders_for_broker_account(live, workspace=workspace)


def test_without_a_workspace_the_configured_one_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The names of the requirements work from a plain script."""
    monkeypatch.setenv("IBKR_PIPELINE_DATA", str(tmp_path / "data"))

    done = sync_account_snapshot_for_broker_account(ACCOUNT)

    assert (FIRST, 1) == (done.account_id, done.n_new)
    assert (tmp_path / "data" / "warehouse.duckdb").exists()


def test_the_only_portfolio_that_holds_the_account_is_taken(
    tmp_path: Path, clock: TickingClock
) -> None:
    """One match needs no choice; an account in none is a portfolio of its own."""
    portfolios = [{"portfolio_id": "core", "name": "Core", "accounts": [FIRST]}]
    with fake_workspace(
        tmp_path / "data", make_broker(clock), clock, portfolios=portfolios
    ) as workspace:
        sync_positions(workspace)
        found = rows(workspace, "positions").select("account_id", "portfolio_id").rows()

    assert [(FIRST, "core"), (SECOND, SECOND)] == found


def test_a_portfolio_is_checked_before_anything_is_read(
    tmp_path: Path, clock: TickingClock
) -> None:
    """A clear error at once, not after the gateway was asked."""
    broker = make_broker(clock)
    portfolios = [{"portfolio_id": p, "accounts": [FIRST]} for p in ("core", "side")]
    with fake_workspace(tmp_path / "data", broker, clock, portfolios=portfolios) as workspace:
        with pytest.raises(ConfigError, match="core, side"):
            sync_positions_for_broker_account(ACCOUNT, workspace=workspace)
        fetched_before = list(broker.fetches)
        done = sync_positions_for_broker_account(ACCOUNT, "side", workspace=workspace)

    assert ([], 1) == (fetched_before, done.n_new)


def test_orders_and_executions_follow_the_broker(
    workspace: Workspace, broker: FakeBrokerAPI
) -> None:
    """A status that changed is a new version of the same order; its fill is told with it."""
    from ibkr_pipeline.brokers.testing import make_simple_fake_order

    sync_orders(workspace, [FIRST])
    broker.orders[0] = make_simple_fake_order(
        FIRST, status="filled", broker_status="Filled", filled_quantity=Decimal(100), is_open=False
    )
    changed = subject(sync_orders(workspace, [FIRST]), FIRST)
    sync_executions(workspace, [FIRST])

    assert (0, 1) == (changed.n_new, changed.n_changed)
    assert [("filled", Decimal(100))] == rows(workspace, "orders").select(
        "status", "filled_quantity"
    ).rows()
    assert ["ok"] == reconcile(workspace)["orders"]["verdict"].to_list()


def test_an_account_is_new_in_the_run_that_first_reads_it(
    workspace: Workspace, broker: FakeBrokerAPI
) -> None:
    """Its brackets are of the same run and make it no older."""
    found = []
    for run_id in ("night-1", "night-2"):
        sync_positions(workspace, run_id=run_id)
        found.append(reconcile(workspace)["accounts"]["why"].to_list())

    assert [["new", "new"], [None, None]] == found
