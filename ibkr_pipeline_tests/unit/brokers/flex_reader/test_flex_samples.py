"""Statements that brokers really made: rows, totals and links, counted by hand from the files."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from ibkr_pipeline.primitives.enums import LoadStatus
from ibkr_pipeline.schemas import flex
from ibkr_pipeline_tests.repository import ROOT
from ibkr_pipeline_tests.unit.brokers.flex_reader.documents import Kept, read

FOLDER = ROOT.parent / "shared" / "samples" / "flex"
COMPLETE, FAILED = LoadStatus.COMPLETE, LoadStatus.FAILED
_TABLES = {table.name: table for table in flex.TABLES}


def sample(name: str) -> Kept:
    """Read a sample; skip where the samples are not beside this checkout."""
    path = FOLDER / name
    if not path.is_file():
        pytest.skip("the sample statements (../shared/samples/flex) are not beside this checkout")
    return read(Path(path).read_bytes())


def account_of(kept: Kept) -> str:
    """Return the only account a sample speaks of."""
    (header,) = kept.read.headers
    return header.account_id


def outcome(kept: Kept) -> dict[str, tuple[LoadStatus, int, int]]:
    """Return status, rows heard and rows kept by section."""
    return {
        result.section: (result.status, result.n_rows, result.n_kept)
        for result in kept.read.sections
    }


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.xml")), ids=lambda path: path.stem)
def test_every_sample_is_known_to_the_last_word(path: Path) -> None:
    """Every frame fits its table, and no attribute, value or level is a stranger."""
    kept = read(path.read_bytes())

    tables = {result.section: result.table for result in kept.read.sections}
    for _, section, frame in kept.chunks:
        _TABLES[str(tables[section])].pandera.validate(frame)
    assert [] == [
        (result.section, result.unknown_attributes, result.unknown_values)
        for result in kept.read.sections
        if result.unknown_attributes or result.unknown_values
    ]


def test_exercise_and_correction() -> None:
    """24 executions and 5 option events, linked by tradeID; one fill cancelled and booked anew."""
    kept = sample("activity_exercise_and_correction_2026.xml")

    assert {"Trades": (COMPLETE, 24, 24), "OptionEAE": (COMPLETE, 5, 5)} == outcome(kept)
    trades = kept.rows("Trades", account_of(kept))
    assert (Decimal(296), Decimal("-13.6856864")) == (
        trades["signed_quantity"].sum(),
        trades["ib_commission"].sum(),
    )
    assert 24 == trades["transaction_id"].n_unique()
    events = kept.rows("OptionEAE", account_of(kept))
    assert set(events["trade_id"]) < set(trades["trade_id"])
    corrected = trades.filter(
        (pl.col("trade_id") == "1786699376") | (pl.col("orig_trade_id") == "1786699376")
    )
    assert [
        ("ExchTrade", Decimal(2), "0001938c.6a59af42.01.01", Decimal("-1.3666")),
        ("TradeCancel", Decimal(-2), None, Decimal(0)),
        ("ExchTrade", Decimal(1), "0001938c.6a59af42.01.02", Decimal("0.3333")),
    ] == corrected.select("transaction_type", "signed_quantity", "exec_id", "ib_commission").rows()
    exercised = trades.filter(pl.col("code") == "Ex").sort("con_id")
    # 16:20 New York time in July is 20:20 UTC.
    assert [
        (286030327, Decimal(400), Decimal("11.5"), datetime(2026, 7, 24, 20, 20, tzinfo=UTC)),
        (889375205, Decimal(-4), Decimal(0), datetime(2026, 7, 24, 20, 20, tzinfo=UTC)),
    ] == exercised.select("con_id", "signed_quantity", "price", "event_ts").rows()


def test_corporate_action() -> None:
    """A CUSIP change takes 24 shares of one contract and gives 24 of another; sums are left out."""
    kept = sample("corporate_action_2025.xml")

    assert {
        "OpenPositions": (COMPLETE, 2, 1),
        "Trades": (COMPLETE, 3, 1),
        "CorporateActions": (COMPLETE, 4, 2),
        "CashTransactions": (COMPLETE, 8, 4),
    } == outcome(kept)
    assert {account_of(kept)} == {result.account_id for result in kept.read.sections}
    actions = kept.rows("CorporateActions", account_of(kept))
    assert [
        (665375414, Decimal(-24), "34519343314", "157743720", date(2025, 8, 18)),
        (808825105, Decimal(24), "34519343318", "157743720", date(2025, 8, 18)),
    ] == actions.select(
        "con_id", "signed_quantity", "transaction_id", "action_id", "event_date"
    ).rows()
    cash = kept.rows("CashTransactions", account_of(kept))
    # -1.91 - 2.09 of tax, 12.72 + 13.92 of dividends.
    assert Decimal("22.64") == cash["amount"].sum()
    (trade,) = kept.rows("Trades", account_of(kept)).rows(named=True)
    assert ("34300637871", "0000d349.689445a6.01.01", None, None, False) == (
        trade["transaction_id"],
        trade["exec_id"],
        trade["orig_transaction_id"],
        trade["code"],
        trade["is_api_order"],
    )
    assert [Decimal("8.76")] == kept.rows("OpenPositions", account_of(kept))[
        "percent_of_nav"
    ].to_list()


def test_option_events_and_futures() -> None:
    """Trades lack ids and times and are refused; option events, positions and cash land."""
    kept = sample("option_events_and_futures_2025.xml")

    assert {
        "AccountInformation": (COMPLETE, 1, 1),
        "CashReport": (COMPLETE, 0, 0),
        "OpenPositions": (COMPLETE, 11, 11),
        "Trades": (FAILED, 39, 0),
        "OptionEAE": (COMPLETE, 13, 13),
        "CorporateActions": (COMPLETE, 0, 0),
        "CashTransactions": (COMPLETE, 52, 52),
        "Transfers": (COMPLETE, 0, 0),
        "ChangeInDividendAccruals": (COMPLETE, 44, 0),
    } == outcome(kept)
    trades = kept.result("Trades", account_of(kept))
    assert ("dateTime", "transactionID", "ibExecID", "notes") == trades.missing_columns
    assert "tick Date/Time, Transaction ID, IB Execution ID, Notes/Codes" in str(trades.reason)
    events = kept.rows("OptionEAE", account_of(kept))
    assert {
        "Assignment": 1,
        "Exercise": 2,
        "Expiration": 3,
        "Cash Settlement": 1,
        "Buy": 2,
        "Sell": 4,
    } == Counter(events["transaction_type"])
    cash = kept.rows("CashTransactions", account_of(kept))
    assert {("CHF", Decimal("41.95")), ("USD", Decimal("483.64"))} == set(
        cash.group_by("currency").agg(pl.col("amount").sum()).rows()
    )
    positions = kept.rows("OpenPositions", account_of(kept))
    assert Decimal("25887.15") == positions["value"].sum()


def test_statement_of_funds_with_a_byte_order_mark() -> None:
    """47 lines in base currency; their sum is the last balance, but for its rounding."""
    kept = sample("statement_of_funds_bom_2018.xml")

    assert {"StmtFunds": (COMPLETE, 47, 47)} == outcome(kept)
    lines = kept.rows("StmtFunds", account_of(kept))
    assert (Decimal("904627.8632002150"), Decimal("904627.8632002160")) == (
        lines["amount"].sum(),
        lines["balance"][-1],
    )


def test_trade_confirms() -> None:
    """7 executions that net to nothing, under the names confirmations have."""
    kept = sample("trade_confirms_2026.xml")

    assert "TCF" == kept.read.statement_kind
    assert {"TradeConfirms": (COMPLETE, 7, 7)} == outcome(kept)
    trades = kept.rows("TradeConfirms", account_of(kept))
    assert (Decimal(0), Decimal("-4.712874"), 7) == (
        trades["signed_quantity"].sum(),
        trades["ib_commission"].sum(),
        trades["exec_id"].n_unique(),
    )
    assert (0, 7) == (trades["broker_order_id"].null_count(), trades["transaction_id"].null_count())
