"""Which levels of detail are kept, so that nothing is counted twice, and nothing is lost."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ibkr_pipeline.brokers.ibkr import flex_handover, flex_reader, flex_xml
from ibkr_pipeline.primitives.enums import LoadStatus
from ibkr_pipeline_tests.unit.brokers.flex_reader.documents import (
    ACCOUNT,
    CASH,
    FUNDS_LINE,
    POSITION,
    TRADE,
    document,
    element,
    read,
    read_trades,
    section,
    statement,
    without,
)

COMPLETE, FAILED = LoadStatus.COMPLETE, LoadStatus.FAILED


def test_only_executions_of_trades_are_kept() -> None:
    """Orders, sums and lots repeat the executions; adding them up counts twice."""
    order = {"accountId": ACCOUNT, "levelOfDetail": "ORDER", "quantity": "not a number"}
    lot = {"accountId": ACCOUNT, "quantity": "10"}
    body = (
        element("AssetSummary", {"accountId": ACCOUNT, "levelOfDetail": "ASSET_SUMMARY"})
        + element("Order", order)
        + element("Trade", TRADE)
        + element("Lot", lot)
        + element("Trade", TRADE | {"levelOfDetail": "CLOSED_LOT", "tradePrice": "x"})
        + element("Trade", TRADE | {"transactionID": "9002"})
    )

    kept = read(document(statement(f"<Trades>{body}</Trades>")))

    assert [3, 6] == kept.rows("Trades")["row_number"].to_list()
    result = kept.result("Trades")
    assert (COMPLETE, 6, 2) == (result.status, result.n_rows, result.n_kept)
    assert {"ASSET_SUMMARY": 1, "ORDER": 1, "CLOSED_LOT": 2, "EXECUTION": 2} == (
        result.rows_by_level
    )
    assert {} == result.unknown_values


@pytest.mark.parametrize("level", [None, ""])
def test_a_trade_without_a_level_is_an_execution(level: str | None) -> None:
    """The level may not have been selected; the element says what it is."""
    row = without(TRADE, "levelOfDetail") | ({} if level is None else {"levelOfDetail": level})

    kept = read_trades(row)

    assert {"none": 1} == kept.result("Trades").rows_by_level
    assert 1 == kept.rows("Trades").height


def test_sums_over_accounts_are_never_an_account() -> None:
    """Cash comes as a sum of account `-` and again in detail."""
    total = CASH | {"accountId": "-", "levelOfDetail": "SUMMARY", "transactionID": ""}

    kept = read(document(statement(section("CashTransactions", "CashTransaction", total, CASH))))

    assert ["8001"] == kept.rows("CashTransactions")["transaction_id"].to_list()
    assert {ACCOUNT} == {result.account_id for result in kept.read.sections}
    assert {"SUMMARY": 1, "DETAIL": 1} == kept.result("CashTransactions").rows_by_level


def test_sums_over_accounts_are_told_by_their_account_where_no_level_is() -> None:
    """Without the level, `-` is all that tells a sum from its parts."""
    detail = without(CASH, "levelOfDetail")
    total = {**detail, "accountId": "-"}

    kept = read(document(statement(section("CashTransactions", "CashTransaction", total, detail))))

    assert 1 == kept.rows("CashTransactions").height
    assert {"SUMMARY": 1, "none": 1} == kept.result("CashTransactions").rows_by_level


def test_cash_without_levels_is_detail() -> None:
    """A query with one level need not select the level."""
    row = without(CASH, "levelOfDetail")

    kept = read(document(statement(section("CashTransactions", "CashTransaction", row, row))))

    assert 2 == kept.rows("CashTransactions").height


def test_a_section_of_sums_alone_fails_and_says_what_to_tick() -> None:
    """Sums have no ids: they could never be told from the details that come later."""
    total = CASH | {"accountId": "-", "levelOfDetail": "SUMMARY"}

    kept = read(document(statement(section("CashTransactions", "CashTransaction", total))))

    result = kept.result("CashTransactions")
    assert FAILED == result.status
    assert "section Cash Transactions, tick Detail and Level of Detail" in str(result.reason)


def test_orders_without_executions_fail() -> None:
    """A query with Orders ticked alone would look like a day without trades."""
    order = {"accountId": ACCOUNT, "levelOfDetail": "ORDER"}

    kept = read(document(statement(section("Trades", "Order", order))))

    assert FAILED == kept.result("Trades").status
    assert "tick Execution" in str(kept.result("Trades").reason)


def test_lots_of_positions_are_counted_and_not_kept() -> None:
    """A lot repeats its position."""
    lot = POSITION | {"levelOfDetail": "LOT", "position": "4"}

    kept = read(document(statement(section("OpenPositions", "OpenPosition", POSITION, lot, lot))))

    assert [Decimal(10)] == kept.rows("OpenPositions")["signed_quantity"].to_list()
    assert {"SUMMARY": 1, "LOT": 2} == kept.result("OpenPositions").rows_by_level


def test_positions_told_twice_without_a_level_fail() -> None:
    """One of them is the sum, the other a lot, and nothing says which."""
    row = without(POSITION, "levelOfDetail")

    kept = read(document(statement(section("OpenPositions", "OpenPosition", row, row))))

    result = kept.result("OpenPositions")
    assert (FAILED, 0) == (result.status, result.n_kept)
    assert "tick Level of Detail" in str(result.reason)


def test_lines_in_base_currency_give_way_to_lines_in_their_own() -> None:
    """With both levels selected, every line comes twice under one transactionID."""
    base = FUNDS_LINE | {"levelOfDetail": "BaseCurrency", "amount": "4.6"}
    own = FUNDS_LINE | {"levelOfDetail": "Currency"}

    kept = read(document(statement(section("StmtFunds", "StatementOfFundsLine", base, own, base))))

    assert [Decimal(5)] == kept.rows("StmtFunds")["amount"].to_list()
    assert {"BaseCurrency": 2, "Currency": 1} == kept.result("StmtFunds").rows_by_level
    assert 1 == kept.result("StmtFunds").n_kept


def test_lines_in_base_currency_are_kept_where_there_are_no_others() -> None:
    """Many queries have this level alone."""
    base = FUNDS_LINE | {"levelOfDetail": "BaseCurrency"}

    kept = read(document(statement(section("StmtFunds", "StatementOfFundsLine", base, base))))

    assert 2 == kept.rows("StmtFunds").height


def test_too_many_lines_to_hold_back_are_handed_over_and_regretted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Memory must not grow with the file; a better level after that fails the section."""
    monkeypatch.setattr(flex_handover, "_MOST_HELD", 2)
    base = FUNDS_LINE | {"levelOfDetail": "BaseCurrency"}
    own = FUNDS_LINE | {"levelOfDetail": "Currency"}
    lines = section("StmtFunds", "StatementOfFundsLine", base, base, base)

    held = read(document(statement(lines)))
    monkeypatch.setattr(flex_reader, "BLOCK_ROWS", 1)
    monkeypatch.setattr(flex_xml, "_CHUNK", 64)
    regretted = read(document(statement(lines, section("StmtFunds", "StatementOfFundsLine", own))))

    assert (COMPLETE, 3) == (held.result("StmtFunds").status, held.rows("StmtFunds").height)
    assert FAILED == regretted.result("StmtFunds").status
    assert "tick Currency Breakout alone" in str(regretted.result("StmtFunds").reason)


FX = {"accountId": ACCOUNT, "reportDate": "20261118", "fxCurrency": "EUR", "quantity": "100"}


@pytest.mark.parametrize(
    "body",
    [
        element("FxPosition", FX),
        element("FxPosition", FX | {"levelOfDetail": "SUMMARY"}),
        element("FxLots", {}, inside=element("FxLot", FX)),
        element("FxLots", {}, inside=element("FxLot", FX | {"levelOfDetail": "SUMMARY"})),
        element("FxPosition", FX) + element("FxLots", {}, inside=element("FxLot", FX) * 2),
        element("FxLots", {}, inside=element("FxLot", FX) * 2) + element("FxPosition", FX),
    ],
)
def test_foreign_cash_is_counted_once_in_old_and_new_spelling(body: str) -> None:
    """FxLots held the positions once, and hold the lots beside FxPosition now."""
    kept = read(document(statement(f"<FxPositions>{body}</FxPositions>")))

    assert [("EUR", Decimal(100))] == kept.rows("FxPositions").select(
        "currency", "signed_quantity"
    ).rows()
    assert 1 == kept.result("FxPositions").n_kept


def test_lots_of_foreign_cash_without_a_level_fail_where_they_repeat_a_currency() -> None:
    """They may be lots, or a sum and its lots."""
    body = element("FxLots", {}, inside=element("FxLot", FX) * 2)

    kept = read(document(statement(f"<FxPositions>{body}</FxPositions>")))

    assert FAILED == kept.result("FxPositions").status
    assert "tick Level of Detail, or Summary alone" in str(kept.result("FxPositions").reason)
