"""Option events of a run, account by account, each counted once."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from ibkr_pipeline.brokers.exceptions import IncompleteReadError
from ibkr_pipeline.models.accounts import BrokerAccount
from ibkr_pipeline.pipelines.flex_sync import StatementChoice
from ibkr_pipeline.pipelines.option_events_sync import (
    sync_option_events,
    sync_option_events_for_broker_account,
)
from ibkr_pipeline.pipelines.workspace import Workspace
from ibkr_pipeline.primitives.enums import Environment, LoadStatus
from ibkr_pipeline.primitives.errors import ConfigError
from ibkr_pipeline_tests.pipeline_runs import FIRST, rows
from ibkr_pipeline_tests.unit.brokers.flex_reader.documents import (
    CASH,
    TRADE,
    Attributes,
    document,
    section,
    statement,
)
from ibkr_pipeline_tests.unit.pipelines.statements.conftest import WriteFile

ACCOUNT = BrokerAccount(account_id=FIRST)
PUT: Attributes = {
    "assetCategory": "OPT",
    "symbol": "SIMA  261120P00012500",
    "conid": "2001",
    "underlyingConid": "1001",
    "underlyingSymbol": "SIMA",
    "multiplier": "100",
    "strike": "12.5",
    "expiry": "20261120",
    "putCall": "P",
    "tradeID": "81",
}
BOOKED: Attributes = {
    "ibExecID": "",
    "transactionType": "BookTrade",
    "dateTime": "20261118;162000",
    "notes": "A",
    "positionActionID": "55",
}
#: A short put is assigned: the option goes, 100 shares come at the strike.
OPTION_TRADE = {
    **TRADE, **PUT, **BOOKED, "transactionID": "9101", "quantity": "1", "tradePrice": "0",
}  # fmt: skip
STOCK_TRADE = {
    **TRADE, **BOOKED, "tradeID": "82", "transactionID": "9102", "quantity": "100",
}  # fmt: skip
EXERCISE: Attributes = {
    "accountId": FIRST,
    "currency": "USD",
    **PUT,
    "date": "20261118",
    "transactionType": "Assignment",
    "quantity": "1",
    "tradePrice": "0",
}
DELIVERY: Attributes = {
    "accountId": FIRST,
    "currency": "USD",
    "assetCategory": "STK",
    "symbol": "SIMA",
    "conid": "1001",
    "tradeID": "82",
    "date": "20261118",
    "transactionType": "Buy",
    "quantity": "100",
    "tradePrice": "12.5",
}
ASSIGNED = document(
    statement(
        section("Trades", "Trade", TRADE, OPTION_TRADE, STOCK_TRADE),
        section("OptionEAE", "OptionEAE", EXERCISE, DELIVERY),
    )
)


def test_an_assignment_told_by_two_sections_is_one_event(
    workspace: Workspace, write: WriteFile
) -> None:
    """OptionEAE and Trades tell the same booking; a second look finds it unchanged."""
    choice = StatementChoice(files=(write(ASSIGNED),))
    first = sync_option_events(workspace, choice=choice).subjects[0]
    second = sync_option_events(workspace, choice=choice).subjects[0]

    assert (1, 1, 0, 0) == (first.n_read, first.n_new, first.n_changed, first.n_unchanged)
    assert (1, 0, 0, 1) == (second.n_read, second.n_new, second.n_changed, second.n_unchanged)
    (event,) = rows(workspace, "option-events").iter_rows(named=True)
    assert ("assignment", "confirmed", date(2026, 11, 18)) == (
        event["event_type"],
        event["state"],
        event["event_date"],
    )
    assert (Decimal(1), Decimal(100), Decimal("12.5")) == (
        event["signed_quantity"],
        event["delivered_quantity"],
        event["delivered_price"],
    )


def test_both_legs_stay_out_of_ordinary_executions(workspace: Workspace, write: WriteFile) -> None:
    """Only the ordinary purchase of 10 was a decision of anybody's."""
    sync_option_events(workspace, choice=StatementChoice(files=(write(ASSIGNED),)))
    with workspace.warehouse.read() as connection:
        ordinary = connection.sql("SELECT signed_quantity FROM core.ordinary_executions").fetchall()

    assert 3 == rows(workspace, "executions").height
    assert [(Decimal(10),)] == ordinary


def test_one_account_is_synced_by_itself(workspace: Workspace, write: WriteFile) -> None:
    """The call of the requirements, for one broker account."""
    subject = sync_option_events_for_broker_account(
        ACCOUNT, workspace=workspace, choice=StatementChoice(files=(write(ASSIGNED),))
    )

    assert (FIRST, LoadStatus.COMPLETE, 1) == (subject.account_id, subject.status, subject.n_new)


def test_a_statement_that_tells_no_option_events_fails(
    workspace: Workspace, write: WriteFile
) -> None:
    """No section is not the same as no event; the message names the box to tick."""
    only_cash = document(statement(section("CashTransactions", "CashTransaction", CASH)))
    with pytest.raises(IncompleteReadError, match="tick Option Exercises"):
        sync_option_events_for_broker_account(
            ACCOUNT, workspace=workspace, choice=StatementChoice(files=(write(only_cash),))
        )


def test_an_empty_section_is_an_answer(workspace: Workspace, write: WriteFile) -> None:
    """Nothing was exercised, assigned or expired."""
    nothing = document(statement("<OptionEAE />"))
    subject = sync_option_events(
        workspace, choice=StatementChoice(files=(write(nothing),))
    ).subjects[0]

    assert (LoadStatus.COMPLETE, 0) == (subject.status, subject.n_read)


def test_an_account_of_another_world_is_refused(workspace: Workspace) -> None:
    """A live account in a paper workspace."""
    live = BrokerAccount(environment=Environment.LIVE, account_id="U0000001")
    with pytest.raises(ConfigError, match="live"):
        sync_option_events_for_broker_account(live, workspace=workspace)
