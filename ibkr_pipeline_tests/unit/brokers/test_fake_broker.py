"""The fake broker's scripts: what tests of other rooms lean on."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from ibkr_pipeline.brokers.exceptions import BrokerConnectionError
from ibkr_pipeline.brokers.testing import (
    FAKE_ACCOUNT,
    FakeBrokerAPI,
    make_simple_fake_account_snapshot,
    make_simple_fake_execution,
    make_simple_fake_order,
    make_simple_fake_position,
)
from ibkr_pipeline.primitives.enums import Dataset, LoadStatus


def test_records_come_back_as_they_were_put_in() -> None:
    """Through text and back: nothing is lost on the way a raw file takes."""
    broker = FakeBrokerAPI(
        account_snapshots=[make_simple_fake_account_snapshot()],
        positions=[make_simple_fake_position(avg_price=Decimal("150.1234567891"))],
        orders=[make_simple_fake_order()],
        executions=[make_simple_fake_execution()],
    )

    with broker:
        told = (
            *broker.fetch_account_snapshots(),
            *broker.fetch_positions(),
            *broker.fetch_open_orders(),
            *broker.fetch_executions(),
        )

    account, position, order, execution = told
    assert make_simple_fake_account_snapshot() == account
    assert make_simple_fake_position(avg_price=Decimal("150.1234567891")) == position
    assert make_simple_fake_order() == order
    assert make_simple_fake_execution().event_ts == execution.event_ts


def test_the_ledger_is_told_beside_the_accounts() -> None:
    """Cash by currency has no record of its own."""
    broker = FakeBrokerAPI(
        ledger=[{"account_id": FAKE_ACCOUNT, "currency": "USD", "cash_balance": Decimal("1.5")}]
    )

    read = broker.fetch_account_snapshots()
    frame = read.to_frames(read.payload, read.proof)["broker.account_ledger"]

    assert [("USD", Decimal("1.5"))] == frame.select("currency", "cash_balance").rows()


def test_an_execution_without_commission_has_no_report() -> None:
    """Its commission is pending."""
    broker = FakeBrokerAPI(executions=[make_simple_fake_execution(commission=None)])

    read = broker.fetch_executions()

    assert 0 == read.to_frames(read.payload, read.proof)["broker.commissions"].height


def test_executions_before_since_are_left_out() -> None:
    """As a real broker does."""
    fill = make_simple_fake_execution()
    broker = FakeBrokerAPI(executions=[fill])

    assert [] == list(broker.fetch_executions(since=fill.event_ts + timedelta(seconds=1)))


def test_scripts() -> None:
    """An account can fail in one dataset, a dataset be refused, a connection not come about."""
    broker = FakeBrokerAPI(
        failing={(Dataset.POSITIONS, FAKE_ACCOUNT): "no end marker"},
        unsupported={Dataset.ORDERS: "Read-Only API"},
        interrupted_by={Dataset.EXECUTIONS: KeyboardInterrupt()},
    )

    assert {FAKE_ACCOUNT: "no end marker"} == dict(broker.fetch_positions().failed)
    assert {} == dict(broker.fetch_account_snapshots().failed)
    assert LoadStatus.UNSUPPORTED is broker.fetch_open_orders().outcomes[0].status
    with pytest.raises(KeyboardInterrupt):
        broker.fetch_executions()
    with pytest.raises(BrokerConnectionError):
        FakeBrokerAPI(connect_error=BrokerConnectionError("down")).managed_accounts()
