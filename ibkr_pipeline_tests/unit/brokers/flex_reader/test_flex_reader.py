"""Which rows of a statement are read, whose they are, and which sections fail."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime
from decimal import Decimal
from io import BytesIO

import polars as pl
import pytest

from ibkr_pipeline.brokers.ibkr import flex_handover, flex_reader, flex_xml
from ibkr_pipeline.brokers.statements import StatementHeader
from ibkr_pipeline.primitives.enums import LoadStatus
from ibkr_pipeline.schemas import flex
from ibkr_pipeline_tests.unit.brokers.flex_reader.documents import (
    ACCOUNT,
    CASH,
    OTHER,
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


def test_a_document_says_what_it_is() -> None:
    """The header decides which of two statements is the newer one."""
    data = document(statement(section("Trades", "Trade", TRADE)))

    kept = read(data).read

    header = StatementHeader(
        account_id=ACCOUNT,
        from_date=date(2026, 11, 18),
        to_date=date(2026, 11, 18),
        period="LastBusinessDay",
        generated_at=datetime(2026, 11, 19, 7, tzinfo=UTC),
        generated_text="20261119;020000",
    )
    assert ("nightly", "AF", (header,)) == (kept.query_name, kept.statement_kind, kept.headers)
    assert (len(data), hashlib.sha256(data).hexdigest()) == (kept.n_bytes, kept.sha256)


def test_a_row_becomes_typed_columns_of_its_table() -> None:
    """Everything after the reader relies on names and types alone."""
    kept = read_trades(TRADE)

    frame = kept.rows("Trades")
    assert flex.TRADES.schema == dict(frame.schema)
    flex.TRADES.pandera.validate(frame)
    row = frame.row(0, named=True)
    assert (1, 1001, Decimal(10), Decimal("12.5"), "9001") == (
        row["row_number"],
        row["con_id"],
        row["signed_quantity"],
        row["price"],
        row["transaction_id"],
    )
    assert (datetime(2026, 11, 18, 15, tzinfo=UTC), "20261118;100000") == (
        row["event_ts"],
        row["event_ts_text"],
    )
    # Not selected: the trade date stands in, and the currency for that of the commission.
    assert (date(2026, 11, 18), "USD", "") == (
        row["report_date"],
        row["commission_currency"],
        row["model_code"],
    )


def test_option_events_share_their_name_with_their_section() -> None:
    """OptionEAE is both the section and its rows."""
    row = {
        "accountId": ACCOUNT,
        "currency": "USD",
        "conid": "2001",
        "putCall": "P",
        "date": "20261120",
        "transactionType": "Assignment",
        "quantity": "1",
        "commisionsAndTax": "-0.5",
    }

    kept = read(document(statement(section("OptionEAE", "OptionEAE", row))))

    frame = kept.rows("OptionEAE")
    flex.OPTION_EAE.pandera.validate(frame)
    assert [(date(2026, 11, 20), "Assignment", "P", Decimal("-0.5"))] == frame.select(
        "event_date", "transaction_type", "right", "ib_commission"
    ).rows()


def test_cash_flows_without_a_column_are_gathered() -> None:
    """The roll-forward of cash needs every flow there is; hundreds are possible."""
    row = {
        "accountId": ACCOUNT,
        "currency": "BASE_SUMMARY",
        "startingCash": "100",
        "deposits": "50",
        "depositWithdrawals": "50",
        "advisorFees": "-1.50",
        "bondInterest": "0",
        "advisorFeesMTD": "-9",
        "startingCashSec": "100",
        "slbNetCash": "7",
        "acctAlias": "mine",
        "endingCash": "1,148.5",
    }

    kept = read(document(statement(section("CashReport", "CashReportCurrency", row))))

    frame = kept.rows("CashReport")
    flex.CASH_REPORT.pandera.validate(frame)
    assert [("BASE_SUMMARY", Decimal(50), Decimal("1148.5"), '{"advisorFees": "-1.50"}')] == (
        frame.select("currency", "deposits", "ending_cash", "other_flows").rows()
    )
    # The dates of the statement stand in for the row's own.
    assert [(date(2026, 11, 18), date(2026, 11, 18))] == frame.select("from_date", "to_date").rows()


def test_a_new_attribute_of_the_cash_report_that_is_no_amount_is_counted() -> None:
    """It was taken for a flow, being new; the report is none the worse for it."""
    row = {"accountId": ACCOUNT, "currency": "USD", "endingCash": "1", "newWord": "high"}

    kept = read(document(statement(section("CashReport", "CashReportCurrency", row))))

    assert [None] == kept.rows("CashReport")["other_flows"].to_list()
    assert {"newWord": 1} == kept.result("CashReport").unknown_attributes


def test_deposits_and_withdrawals_told_as_one_are_a_flow() -> None:
    """Their sum counts where the two are not selected."""
    row = {
        "accountId": ACCOUNT,
        "currency": "USD",
        "endingCash": "50",
        "depositWithdrawals": "50",
    }

    kept = read(document(statement(section("CashReport", "CashReportCurrency", row))))

    assert ['{"depositWithdrawals": "50"}'] == kept.rows("CashReport")["other_flows"].to_list()


def test_sections_that_are_their_own_row_are_read() -> None:
    """AccountInformation and ChangeInNAV have no rows inside."""
    info = {"accountId": ACCOUNT, "currency": "USD", "accountType": "Individual"}
    change = {"accountId": ACCOUNT, "startingValue": "100", "endingValue": "101.5", "twr": "1.5%"}

    kept = read(
        document(statement(element("AccountInformation", info), element("ChangeInNAV", change)))
    )

    assert ["Individual"] == kept.rows("AccountInformation")["account_type"].to_list()
    flex.NAV_CHANGES.pandera.validate(kept.rows("ChangeInNAV"))
    assert [(Decimal("101.5"), Decimal("1.5"))] == (
        kept.rows("ChangeInNAV").select("ending_value", "twr").rows()
    )


PERSON = {
    "name": "Jane Canary",
    "accountHolderName": "Jane Canary",
    "primaryEmail": "jane@canary.example",
    "street": "Canary Wharf 1",
    "phone": "555-CANARY",
    "masterName": "Canary Master",
    "someNewPersonalField": "Canary again",
}


def test_personal_data_never_leaves_the_reader() -> None:
    """A warehouse that is copied and shown has no use for names and addresses."""
    info = {"accountId": ACCOUNT, "currency": "USD"} | PERSON

    kept = read(document(statement(element("AccountInformation", info))))

    left = repr(kept.read) + "".join(frame.write_csv() for _, _, frame in kept.chunks)
    assert "anary" not in left
    assert {"someNewPersonalField": 1} == kept.result("AccountInformation").unknown_attributes


@pytest.mark.parametrize("tag", ["EquitySummaryInBase", "NetAssetValueInBase"])
def test_nav_is_read_in_both_spellings(tag: str) -> None:
    """The section was renamed; its rows were not."""
    row = {"accountId": ACCOUNT, "currency": "USD", "reportDate": "20261118", "total": "1000"}

    kept = read(document(statement(section(tag, "EquitySummaryByReportDateInBase", row))))

    assert [Decimal(1000)] == kept.rows("EquitySummaryInBase")["nav_total"].to_list()


def test_attributes_the_rows_need_are_named_with_what_to_tick() -> None:
    """test_fault_48: the section fails, everything else lands."""
    bare = without(TRADE, "transactionID", "notes")

    kept = read(
        document(
            statement(
                section("Trades", "Trade", bare), section("OpenPositions", "OpenPosition", POSITION)
            )
        )
    )

    result = kept.result("Trades")
    assert (FAILED, ("transactionID", "notes"), 1, 0) == (
        result.status,
        result.missing_columns,
        result.n_rows,
        result.n_kept,
    )
    assert "section Trades, tick Transaction ID, Notes/Codes" in str(result.reason)
    assert COMPLETE == kept.result("OpenPositions").status


def test_fault_48_a_bad_row_fails_its_section_and_no_other() -> None:
    """The message names section, row, attribute and what was there."""
    bad = TRADE | {"tradePrice": "12.5x"}

    kept = read(
        document(
            statement(
                section("Trades", "Trade", TRADE, bad),
                section("CashTransactions", "CashTransaction", CASH),
            )
        )
    )

    result = kept.result("Trades")
    assert (FAILED, 2, 0) == (result.status, result.n_rows, result.n_kept)
    assert str(result.reason).startswith(
        "Trades, row 2: tradePrice was '12.5x'; a plain number such as -1234.56 was expected."
    )
    assert COMPLETE == kept.result("CashTransactions").status


@pytest.mark.parametrize("name", ["conid", "currency", "dateTime", "tradeDate", "quantity"])
def test_an_empty_value_a_row_needs_fails_the_section(name: str) -> None:
    """A fill without contract or time is no fill."""
    result = read_trades(TRADE | {name: ""}).result("Trades")

    assert f"Trades, row 1: {name} was empty; a value was expected." in str(result.reason)


@pytest.mark.parametrize("name", ["transactionID", "ibExecID", "notes", "transactionType"])
def test_selected_attributes_may_be_empty(name: str) -> None:
    """Assignments have no execution id, ordinary trades no notes."""
    assert COMPLETE == read_trades(TRADE | {name: ""}).result("Trades").status


def test_a_bad_row_fails_the_account_it_is_of() -> None:
    """One file holds many accounts; the others have done nothing wrong."""
    other = TRADE | {"accountId": OTHER}
    bad = other | {"quantity": "?"}

    kept = read_trades(TRADE, bad, other, TRADE)

    assert 2 == kept.rows("Trades").height
    assert (COMPLETE, FAILED) == (
        kept.result("Trades").status,
        kept.result("Trades", OTHER).status,
    )
    assert 2 == kept.result("Trades", OTHER).n_rows


def test_rows_belong_to_the_account_they_name() -> None:
    """An advisor's statement holds the rows of all clients."""
    kept = read_trades(TRADE | {"accountId": OTHER}, without(TRADE, "accountId"))

    assert [ACCOUNT, OTHER] == sorted(header.account_id for header in kept.read.headers)
    assert [1] == kept.rows("Trades", OTHER)["row_number"].to_list()
    assert [(ACCOUNT, 2)] == kept.rows("Trades").select("account_id", "row_number").rows()


def test_rows_of_many_statements_keep_theirs() -> None:
    """Without account ids, only the statement around a row says whose it is."""
    row = without(TRADE, "accountId")
    accounts = [f"DU{number:07}" for number in range(1, 301)]

    kept = read(
        document(
            *(
                statement(
                    section("Trades", "Trade", row | {"transactionID": account}), account=account
                )
                for account in accounts
            )
        )
    )

    assert accounts == [header.account_id for header in kept.read.headers]
    assert [(account, account) for account in accounts] == pl.concat(
        frame for _, _, frame in kept.chunks
    ).select("account_id", "transaction_id").rows()
    assert all(header.account_id == frame["account_id"][0] for header, _, frame in kept.chunks)


def test_rows_of_no_account_fail() -> None:
    """They cannot be given to anybody."""
    kept = read(
        document(statement(section("Trades", "Trade", without(TRADE, "accountId")), account="-"))
    )

    assert (FAILED, ()) == (kept.result("Trades", "-").status, kept.read.headers)
    assert "tick Account ID" in str(kept.result("Trades", "-").reason)


def test_a_section_that_comes_twice_is_read_twice() -> None:
    """A library keeps the last one and says nothing."""
    again = TRADE | {"transactionID": "9002"}

    kept = read(
        document(statement(section("Trades", "Trade", TRADE), section("Trades", "Trade", again)))
    )

    assert [(1, "9001"), (2, "9002")] == (
        kept.rows("Trades").select("row_number", "transaction_id").rows()
    )
    assert 2 == kept.result("Trades").n_kept


def test_an_empty_section_is_a_fact() -> None:
    """No trades is an answer; a section that is absent is none."""
    kept = read(document(statement("<Trades/>", "<ChangeInNAV/>")))

    assert [("Trades", COMPLETE, 0), ("ChangeInNAV", COMPLETE, 0)] == [
        (result.section, result.status, result.n_rows) for result in kept.read.sections
    ]


def test_a_statement_of_nothing_is_read() -> None:
    """A query may be answered with no statement at all."""
    kept = read(document()).read

    assert ((), ()) == (kept.headers, kept.sections)


def test_fault_47_what_nobody_knows_is_counted_and_never_fatal() -> None:
    """New attributes, values and sections appear with every release."""
    trade = TRADE | {
        "brandNew": "1",
        "assetCategory": "MOON",
        "notes": "O;Zz",
        "transactionType": "ExchTrade",
    }
    body = (
        element("Trade", trade)
        + element("Trade", TRADE | {"levelOfDetail": "ATOM"})
        + element("Whatever", {"accountId": ACCOUNT})
    )
    stranger = section("BrandNewSection", "Row", {"a": "1"}, {"a": "2"})

    kept = read(document(statement(f'<Trades new="1">{body}</Trades>', stranger)))

    result = kept.result("Trades")
    assert (COMPLETE, 3, 1) == (result.status, result.n_rows, result.n_kept)
    assert {"brandNew": 1} == result.unknown_attributes
    assert {
        "assetCategory": {"MOON": 1},
        "notes": {"Zz": 1},
        "levelOfDetail": {"ATOM": 1, "Whatever": 1},
    } == {name: dict(counts) for name, counts in result.unknown_values.items()}
    assert ["MOON"] == kept.rows("Trades")["security_type"].to_list()
    unknown = kept.result("BrandNewSection")
    assert (None, COMPLETE, 2) == (unknown.table, unknown.status, unknown.n_rows)


def test_rows_of_different_shape_share_a_section() -> None:
    """Attributes may come in any order, and some rows may lack some."""
    reordered = dict(reversed(TRADE.items())) | {"transactionID": "9002"}
    shorter = without(TRADE, "symbol") | {"transactionID": "9003"}

    kept = read_trades(TRADE, reordered, shorter, TRADE)

    assert [("9001", "SIMA"), ("9002", "SIMA"), ("9003", None), ("9001", "SIMA")] == (
        kept.rows("Trades").select("transaction_id", "symbol").rows()
    )


def test_more_shapes_than_are_remembered_are_read_all_the_same() -> None:
    """Memory is bounded; a file with ever new attributes costs time alone."""
    rows = [TRADE | {f"new{number}": "", "transactionID": str(number)} for number in range(1, 601)]

    kept = read_trades(*rows)

    assert [str(number) for number in range(1, 601)] == (
        kept.rows("Trades")["transaction_id"].to_list()
    )
    assert 201 == len(kept.result("Trades").unknown_attributes)


@pytest.mark.parametrize("text", ['"', "a\nb", "a\tb", ",", "\u20ac\u200b", "'", "<&>", " x "])
def test_text_comes_out_as_it_went_in(text: str) -> None:
    """Whatever a description holds, it is no separator."""
    row = CASH | {"description": text}
    data = document(statement(section("CashTransactions", "CashTransaction", row, CASH)))

    frame = read(data.replace(b"\n", b"&#10;").replace(b"\t", b"&#9;")).rows("CashTransactions")

    assert [text, None] == frame["description"].to_list()


def test_dates_with_slashes_fail_the_section_with_what_to_set() -> None:
    """Day and month cannot be told apart."""
    result = read_trades(TRADE | {"tradeDate": "18/11/2026"}).result("Trades")

    assert FAILED == result.status
    assert "set the date format of the query to yyyyMMdd" in str(result.reason)


def test_many_rows_come_in_few_frames_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame per block would cost the sink more than the rows do."""
    monkeypatch.setattr(flex_handover, "_FRAME_ROWS", 25)
    monkeypatch.setattr(flex_reader, "BLOCK_ROWS", 10)
    monkeypatch.setattr(flex_xml, "_CHUNK", 1_000)
    rows = [TRADE | {"transactionID": str(n)} for n in range(1, 61)]

    kept = read_trades(*rows)

    assert [str(n) for n in range(1, 61)] == kept.rows("Trades")["transaction_id"].to_list()
    assert list(range(1, 61)) == kept.rows("Trades")["row_number"].to_list()
    assert 2 == len(kept.chunks)


class _FullDiskError(Exception):
    pass


class _FullSink:
    def __init__(self, error: type[Exception]) -> None:
        self._error = error

    def add(self, header: StatementHeader, section: str, frame: pl.DataFrame) -> None:
        """Refuse."""
        raise self._error(section)


@pytest.mark.parametrize("error", [_FullDiskError, ValueError, LookupError])
def test_what_the_sink_raises_reaches_the_caller(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full is not the statement's fault."""
    monkeypatch.setattr(flex_handover, "_FRAME_ROWS", 1)
    monkeypatch.setattr(flex_reader, "BLOCK_ROWS", 1)
    monkeypatch.setattr(flex_xml, "_CHUNK", 64)
    data = document(statement(section("Trades", "Trade", *([TRADE] * 9))))

    with pytest.raises(error, match="Trades"):
        flex_reader.read_statement(BytesIO(data), _FullSink(error))
