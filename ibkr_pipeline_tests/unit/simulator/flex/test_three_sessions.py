"""The bundled scenario `three_sessions`, row by row, against sums worked out by hand."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from decimal import Decimal

import pytest

from ibkr_pipeline.simulator.flex.options import LEVELS, FlexQuery
from ibkr_pipeline.simulator.gateway.simulator import Simulator
from ibkr_pipeline.simulator.rollover import advance_session
from ibkr_pipeline.simulator.scenario import load_simulator
from ibkr_pipeline_tests.unit.simulator.statements import rows_of, statement, statement_bytes

PUT = "SPY   261119P00590000"


def after(sessions: int) -> Simulator:
    """Play the scenario until a number of its sessions have ended."""
    simulator = load_simulator("three_sessions")
    for _ in range(sessions):
        advance_session(simulator.book)
    return simulator


def only(element: ET.Element, tag: str, **wanted: str) -> ET.Element:
    """Return the one row with these columns."""
    (found,) = [
        r for r in element.iter(tag) if r.attrib and wanted.items() <= dict(r.attrib).items()
    ]
    return found


def test_a_corrected_execution_is_original_cancel_and_rebooking() -> None:
    """The shape real statements have: same trade id, no execution id on the cancel."""
    account = statement(after(1))["DU0000001"]
    trades = [t for t in account.iter("Trade") if t.attrib["exchange"] == "ARCA"]
    columns = ("transactionType", "quantity", "tradePrice", "buySell", "notes", "ibCommission")

    assert [
        ("ExchTrade", "150", "230.9", "BUY", "", "-1"),
        ("TradeCancel", "-150", "230.9", "BUY (Ca.)", "Ca", "0"),
        ("ExchTrade", "150", "230.87", "BUY", "", "0"),
    ] == [tuple(t.attrib[c] for c in columns) for t in trades]
    original, cancel, rebooked = (t.attrib for t in trades)
    assert original["tradeID"] == rebooked["tradeID"] == cancel["origTradeID"]
    assert ("", "") == (cancel["tradeID"], cancel["ibExecID"])
    root, _, revision = original["ibExecID"].rpartition(".")
    assert ("01", f"{root}.02") == (revision, rebooked["ibExecID"])
    assert original["ibOrderID"] == cancel["ibOrderID"] == rebooked["ibOrderID"]
    assert 3 == len({t.attrib["transactionID"] for t in trades})


def test_a_put_that_ends_worthless_expires_with_its_premium() -> None:
    """2 contracts at 0.62 x 100 = 124.00 less 1.30 commission = 122.70."""
    account = statement(after(1))["DU0000001"]

    trade = only(account, "Trade", notes="Ep").attrib
    event = only(account, "OptionEAE", transactionType="Expiration").attrib

    assert ("2", "0", "C", "122.7", "") == tuple(
        trade[c]
        for c in ("quantity", "tradePrice", "openCloseIndicator", "fifoPnlRealized", "ibExecID")
    )
    assert (trade["tradeID"], "2", "122.7", "20261118") == tuple(
        event[c] for c in ("tradeID", "quantity", "realizedPnl", "date")
    )


def test_an_assigned_put_has_two_legs_in_two_sections() -> None:
    """SPY at 584.35 against 590: 100 shares at 590, basis 59,000 - 214.35 = 58,785.65."""
    account = statement(after(2))["DU0000001"]

    legs = [t.attrib for t in account.iter("Trade") if t.attrib["notes"] == "A"]
    columns = ("symbol", "quantity", "tradePrice", "transactionType", "cost", "fifoPnlRealized")
    assert [
        (PUT, "1", "0", "BookTrade", "214.35", "0"),
        ("SPY", "100", "590", "BookTrade", "58785.65", "0"),
    ] == [tuple(leg[c] for c in columns) for leg in legs]
    assert 1 == len({leg["positionActionID"] for leg in legs})
    assert {"20261119;162000"} == {leg["dateTime"] for leg in legs}
    assert [leg["transactionID"] for leg in legs] == [leg["ibOrderID"] for leg in legs]
    events = rows_of(account, "OptionEAE", "transactionType", "quantity", "tradePrice", "tradeID")
    assert [
        ("Assignment", "1", "0", legs[0]["tradeID"]),
        ("Buy", "100", "590", legs[1]["tradeID"]),
    ] == events
    position = only(account, "OpenPosition", symbol="SPY", levelOfDetail="SUMMARY").attrib
    assert ("100", "58785.65") == (position["position"], position["costBasisMoney"])


def test_the_wire_has_the_stock_and_no_option_and_no_execution_of_it() -> None:
    """What a gateway tells the morning after an assignment."""
    book = after(2).book

    held = {h.instrument.local_symbol: h for h in book.accounts["DU0000001"].holdings.values()}
    assert 100 == held["SPY"].quantity
    assert PUT not in held or held[PUT].quantity == 0
    assert [] == [f for f in book.todays_fills() if f.instrument.symbol == "SPY" and not f.books]


def test_a_dividend_is_paid_with_its_tax_as_summary_and_detail() -> None:
    """25 Microsoft are left when 0.91 is paid: 22.75, 15 % of it 3.41."""
    account = statement(after(2))["DU0000001"]
    columns = ("accountId", "type", "amount", "levelOfDetail", "exDate")

    rows = rows_of(account, "CashTransactions", *columns)

    assert [
        ("-", "Dividends", "22.75", "SUMMARY", "20261119"),
        ("DU0000001", "Dividends", "22.75", "DETAIL", ""),
        ("-", "Withholding Tax", "-3.41", "SUMMARY", "20261119"),
        ("DU0000001", "Withholding Tax", "-3.41", "DETAIL", ""),
    ] == rows


def test_an_index_option_is_settled_in_cash_once() -> None:
    """5900 - 5871.15 = 28.85 x 100 = 2,885.00; 2,450.00 were paid: 435.00."""
    account = statement(after(3))["DU0000002"]

    assert [("Exercise", "-1", "0", "0"), ("Cash Settlement", "0", "2885", "435")] == rows_of(
        account, "OptionEAE", "transactionType", "quantity", "proceeds", "realizedPnl"
    )
    assert ("-1", "0", "435") == tuple(
        only(account, "Trade", notes="Ex").attrib[c]
        for c in ("quantity", "proceeds", "fifoPnlRealized")
    )
    cash = only(account, "CashReportCurrency", currency="USD").attrib
    assert "2885" == cash["cashSettlingMtm"]


def test_the_session_before_the_first_shows_the_opening_and_nothing_else() -> None:
    """So that the first session has something to be compared with."""
    account = statement(after(0))["DU0000001"]

    assert [("120", "20261117"), ("40", "20261117"), ("200", "20261117")] == [
        row[:2]
        for row in rows_of(account, "OpenPositions", "position", "reportDate", "levelOfDetail")
        if row[2] == "SUMMARY"
    ]
    assert [] == rows_of(account, "Trades")


def test_all_levels_of_trades_are_siblings_and_add_up() -> None:
    """Whoever sums every row counts each trade several times: the trap is there on purpose."""
    levels = {"Trades": LEVELS["Trades"]}
    account = statement(after(2), levels=levels, sections=("Trades",))["DU0000001"]
    rows = list(account.find("Trades") or ())

    assert {"AssetSummary", "SymbolSummary", "Order", "Trade", "Lot"} == {r.tag for r in rows}
    for asset in ("OPT", "STK"):
        sums = {
            tag: sum(
                float(r.attrib["proceeds"])
                for r in rows
                if r.tag == tag and r.attrib["assetCategory"] == asset
            )
            for tag in ("AssetSummary", "SymbolSummary", "Order", "Trade")
        }
        assert 1 == len({round(total, 2) for total in sums.values()})
    assert {"MULTI"} == {r.attrib["openDateTime"] for r in rows if r.tag == "Lot"}


def test_confirmations_come_during_the_session_under_their_own_names() -> None:
    """Today's trades, which no activity statement has yet."""
    sections = ("TradeConfirms",)
    statements = statement(after(1), kind="TCF", period="Today", sections=sections)
    account = statements["DU0000001"]

    assert [("MSFT", "-15", "417.35", "-1", "C")] == rows_of(
        account, "TradeConfirms", "symbol", "quantity", "price", "commission", "code"
    )


def test_the_same_seed_writes_the_same_bytes_and_another_seed_others() -> None:
    """Demos and goldens rely on it."""
    first, second = after(3), after(3)
    other = load_simulator("three_sessions", seed=8)
    for _ in range(3):
        advance_session(other.book)
    query = FlexQuery(period="Last365CalendarDays")

    assert statement_bytes(first, query) == statement_bytes(second, query)
    assert statement_bytes(first, query) != statement_bytes(other, query)


@pytest.mark.parametrize("seed", [1, 8, 99])
def test_the_story_is_the_same_with_every_seed(seed: int) -> None:
    """The demo may be run with any: prices that decide are set, not drawn."""
    simulator = load_simulator("three_sessions", seed=seed)
    events = []
    for _ in range(3):
        advance_session(simulator.book)
        for element in statement(simulator).values():
            events += [row[0] for row in rows_of(element, "OptionEAE", "transactionType")]

    assert ["Expiration", "Assignment", "Buy", "Exercise", "Cash Settlement"] == events


def test_the_value_of_a_statement_is_what_the_gateway_showed_at_the_close() -> None:
    """No option ends on the default scenario's first session: one value, told twice."""
    simulator = load_simulator("default")
    shown = {a: simulator.book.value(a).net_liquidation for a in simulator.book.accounts}
    cash = {a: simulator.book.value(a).base.total_cash for a in simulator.book.accounts}

    advance_session(simulator.book)

    told = {
        account: only(element, "EquitySummaryByReportDateInBase").attrib
        for account, element in statement(simulator).items()
    }
    assert shown == {account: Decimal(row["total"]) for account, row in told.items()}
    assert cash == {account: Decimal(row["cash"]) for account, row in told.items()}
