"""ib_async must read every message at every server version it can negotiate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from ib_async import Client, Contract, LimitOrder, MarketOrder, Order, TagValue

from ibkr_pipeline.simulator.account_rows import ValueRow, account_window_rows
from ibkr_pipeline.simulator.book import Book
from ibkr_pipeline.simulator.gateway.simulator import Simulator
from ibkr_pipeline.simulator.records import Order as BookOrder
from ibkr_pipeline.simulator.records import OrderStatus
from ibkr_pipeline.simulator.scenario import load_simulator
from ibkr_pipeline.simulator.wire import (
    account_messages,
    order_messages,
    reference_messages,
    session_messages,
    trade_messages,
)
from ibkr_pipeline.simulator.wire.fields import FieldReader
from ibkr_pipeline.simulator.wire.message import Layout
from ibkr_pipeline.simulator.wire.requests import parse_place_order

VERSIONS = range(157, 179)
UNSET = 1.7976931348623157e308


@pytest.fixture(scope="module")
def book() -> Book:
    """The default scenario's book; these tests only read it."""
    return load_simulator("default").book


@pytest.mark.parametrize("version", VERSIONS)
def test_open_orders_read_back_as_the_book_has_them(
    version: int, book: Book, layout: Callable[..., Layout], judge: Any
) -> None:
    """The 130-odd fields of openOrder move with the version; one field off ruins the order."""
    order = next(o for o in book.open_orders() if o.order_ref == "core-msft-2")

    _, (order_id, contract, read, state) = judge.decode(
        version, order_messages.open_order(layout(version), order).body
    )

    assert (order_id, contract.conId, contract.symbol) == (order.order_id, 272093, "MSFT")
    assert (read.action, read.totalQuantity, read.lmtPrice, read.tif) == ("BUY", 10, 395.0, "GTC")
    assert (read.permId, read.orderRef, read.account) == (
        order.perm_id,
        "core-msft-2",
        "DU0000001",
    )
    assert (state.status, state.commission, read.filledQuantity) == ("Submitted", UNSET, UNSET)
    assert (read.deltaNeutralOrderType, read.deltaNeutralOpenClose) == ("None", "?")
    assert (read.clearingIntent, read.whatIf, read.autoCancelParent) == ("IB", False, False)


@pytest.mark.parametrize("version", VERSIONS)
def test_completed_orders_read_back_as_the_book_has_them(
    version: int, book: Book, layout: Callable[..., Layout], judge: Any
) -> None:
    """CompletedOrder has no ids but the permanent one, and its text may hold a newline."""
    order = next(o for o in book.completed_orders() if o.order_ref == "core-aapl-1")
    order = replace(order, completed_status="Cancelled by System:\n")

    _, (contract, read, state) = judge.decode(
        version, order_messages.completed_order(layout(version), order).body
    )

    assert (contract.symbol, read.permId, read.orderRef) == ("AAPL", order.perm_id, "core-aapl-1")
    assert (read.totalQuantity, read.filledQuantity, read.lmtPrice) == (0, 300, 230.9)
    assert (state.status, state.completedStatus) == ("Filled", "Cancelled by System:\n")
    assert state.completedTime == "20261118 09:47:31 US/Eastern"
    assert read.shareholder == "Not an insider or substantial shareholder"


@pytest.mark.parametrize("version", VERSIONS)
def test_executions_read_back_as_the_book_has_them(
    version: int, book: Book, layout: Callable[..., Layout], judge: Any
) -> None:
    """ExecDetails gains a field at 178; option contracts carry strike, right and multiplier."""
    fill = next(f for f in book.todays_fills() if f.instrument.sec_type == "OPT")

    _, (request_id, contract, execution) = judge.decode(
        version, trade_messages.execution(layout(version), 7, fill).body
    )

    assert (request_id, contract.localSymbol) == (7, "AAPL  261218C00240000")
    assert (contract.strike, contract.right, contract.multiplier) == (240.0, "C", "100")
    assert (execution.execId, execution.side, execution.shares) == (fill.exec_id, "SLD", 2.0)
    assert (execution.price, execution.cumQty, execution.avgPrice) == (3.82, 2.0, 3.82)
    assert (execution.permId, execution.clientId) == (fill.perm_id, 1)
    assert execution.time == datetime(2026, 11, 18, 16, 3, 22, tzinfo=UTC)
    assert (execution.orderRef, execution.acctNumber) == ("calls-aapl-1", "DU0000001")


@pytest.mark.parametrize("version", VERSIONS)
def test_contract_details_read_back_as_the_catalogue_has_them(
    version: int, book: Book, layout: Callable[..., Layout], judge: Any
) -> None:
    """ContractDetails changes at 163 and 164; a future's expiry carries time and zone."""
    catalogue = book.market.catalogue
    future, stock = catalogue.named("ESZ6"), catalogue.named("MC")

    _, (_, future_read) = judge.decode(
        version,
        reference_messages.contract_details(layout(version), 3, future, ("a", "b")).body,
    )
    _, (request_id, stock_read) = judge.decode(
        version, reference_messages.contract_details(layout(version), 4, stock, ("a", "b")).body
    )

    assert future_read.contract.lastTradeDateOrContractMonth == "20261218"
    assert (future_read.lastTradeTime, future_read.timeZoneId) == ("08:30", "US/Central")
    assert (future_read.minTick, future_read.contract.multiplier) == (0.25, "50")
    assert (request_id, stock_read.longName) == (4, "LVMH MOËT HENNESSY")
    assert [(t.tag, t.value) for t in stock_read.secIdList] == [("ISIN", "FR0000121014")]
    assert (stock_read.contract.primaryExchange, stock_read.stockType) == ("SBF", "COMMON")


@pytest.mark.parametrize("version", VERSIONS)
def test_errors_read_back_whole(version: int, layout: Callable[..., Layout], judge: Any) -> None:
    """From 166 the error message has a sixth field; old clients drop a frame of wrong length."""
    body = session_messages.error(layout(version), 41, 202, "Order Canceled - reason:").body

    _, arguments = judge.decode(version, body)

    assert arguments == (41, 202, "Order Canceled - reason:", "")
    assert body.count(b"\0") == (6 if version >= 166 else 5)


def test_account_messages_read_back_as_the_book_has_them(
    book: Book, layout: Callable[..., Layout], judge: Any
) -> None:
    """Account messages have the same layout at every version."""
    value = book.value("DU0000001")
    option = next(p for p in value.positions if p.instrument.sec_type == "OPT")
    row = ValueRow("DU0000001", "CashBalance", "12.50", "EUR")

    read = [
        judge.decode(178, message.body)
        for message in (
            account_messages.account_value(row),
            account_messages.portfolio_value(option),
            account_messages.account_time(layout(), book.now(), "DU0000001"),
            account_messages.account_download_end("DU0000001"),
            account_messages.position(option),
            account_messages.position_end(),
            account_messages.position_multi(5, option, ""),
            account_messages.position_multi_end(5, "DU0000001"),
            account_messages.summary_value(6, row),
            account_messages.summary_end(6),
            account_messages.value_multi(7, row, ""),
            account_messages.value_multi_end(7, "DU0000001"),
        )
    ]

    assert [name for name, _ in read] == [
        "updateAccountValue",
        "updatePortfolio",
        "updateAccountTime",
        "accountDownloadEnd",
        "position",
        "positionEnd",
        "positionMulti",
        "positionMultiEnd",
        "accountSummary",
        "accountSummaryEnd",
        "accountUpdateMulti",
        "accountUpdateMultiEnd",
    ]
    assert read[0][1] == ("CashBalance", "12.50", "EUR", "DU0000001")
    # Two calls sold at 9.15, now 7.45: worth -1490, 340 earned.
    assert read[1][1][1:] == (-2.0, 7.45, -1490.0, 915.0, 340.0, 0.0, "DU0000001")
    assert read[2][1] == ("16:20",)
    assert read[4][1][0] == "DU0000001"
    assert read[4][1][2:] == (-2.0, 915.0)
    assert read[4][1][1].exchange == ""
    assert read[6][1][:3] == (5, "DU0000001", "")
    assert read[8][1] == (6, "DU0000001", "CashBalance", "12.50", "EUR")
    assert read[10][1] == (7, "DU0000001", "", "CashBalance", "12.50", "EUR")


def test_every_account_window_row_is_unique_per_key_and_currency(book: Book) -> None:
    """A client keeps values by key and currency; a repeated pair would hide one of them."""
    rows = account_window_rows(book.value("DU0000001"))

    pairs = [(r.key, r.currency) for r in rows]

    assert len(pairs) == len(set(pairs))


def test_commission_of_an_opening_trade_has_the_unset_sentinel(book: Book, judge: Any) -> None:
    """The wire says 'not applicable' with the largest double; 0 would be a real result."""
    opening, closing = book.todays_fills()[0], book.todays_fills()[4]

    opened = trade_messages.commission(opening).body.split(b"\0")
    _, (report,) = judge.decode(178, trade_messages.commission(closing).body)

    assert opened[5:7] == [b"1.7976931348623157E308", b"1.7976931348623157E308"]
    # 15 x (417.35 - 402.10) = 228.75, less 1.00 commission.
    assert (report.execId, report.realizedPNL) == (closing.exec_id, 227.75)


def test_statuses_bars_and_ids_read_back(book: Book, judge: Any) -> None:
    """The remaining messages are read with the values they were written with."""
    order = book.completed_orders()[0]
    apple = book.market.catalogue.named("AAPL")
    bars = [book.market.tape.bar(apple, book.market.clock.today())]

    status = judge.decode(178, order_messages.order_status(order).body)[1]
    judge.decode(178, reference_messages.historical_data(9, bars, ("a", "b")).body)
    bound = judge.decode(178, session_messages.order_bound(5, 0, -1).body)[1]

    assert status[1:4] == ("Filled", 300.0, 0.0)
    assert judge.calls[1][1][1].close == 231.5
    assert judge.calls[2] == ("historicalDataEnd", (9, "a", "b"))
    assert bound == (5, 0, -1)


def _sent_by_ib_async(version: int, contract: Contract, order: Order) -> list[str]:
    sent: list[str] = []
    client: Any = Client.__new__(Client)
    client.connState = Client.CONNECTED
    client._serverVersion = version
    client.sendMsg = sent.append
    client.placeOrder(77, contract, order)
    return sent[0].split("\0")[:-1]


@pytest.mark.parametrize("version", VERSIONS)
def test_place_order_is_read_as_ib_async_writes_it(version: int) -> None:
    """PlaceOrder grows with the version; the fields behind the account must still be found."""
    contract = Contract(
        conId=265598, symbol="AAPL", secType="STK", exchange="SMART", currency="USD"
    )
    order = LimitOrder("SELL", 12.5, 230.25, tif="GTC", account="DU0000001", orderRef="ref-1")
    order.outsideRth = True

    reader = FieldReader(_sent_by_ib_async(version, contract, order)[1:])
    ticket = parse_place_order(reader, version, 4)

    assert reader.remaining == 0
    assert (ticket.client_id, ticket.order_id, ticket.contract.con_id) == (4, 77, 265598)
    assert (ticket.action, ticket.quantity, ticket.limit_price) == (
        "SELL",
        Decimal("12.5"),
        Decimal("230.25"),
    )
    assert (ticket.tif, ticket.account, ticket.order_ref) == ("GTC", "DU0000001", "ref-1")
    assert (ticket.outside_rth, ticket.transmit, ticket.what_if) == (True, True, False)


@pytest.mark.parametrize("version", [157, 170, 178])
def test_place_order_with_optional_blocks_is_read_to_its_end(version: int) -> None:
    """Algo parameters, scale and hedge blocks shift everything behind them."""
    contract = Contract(symbol="AAPL", secType="STK", exchange="SMART", currency="USD")
    order = MarketOrder("BUY", 5, account="DU0000001", whatIf=True)
    order.algoStrategy, order.algoParams = "Twap", [TagValue("strategyType", "Marketable")]
    order.scalePriceIncrement, order.hedgeType, order.hedgeParam = 0.1, "D", "x"

    reader = FieldReader(_sent_by_ib_async(version, contract, order)[1:])
    ticket = parse_place_order(reader, version, 1)

    assert reader.remaining == 0
    assert (ticket.what_if, ticket.algo_strategy) == (True, "Twap")


def test_an_order_status_follows_the_field_count_of_the_protocol() -> None:
    """OrderStatus has no version field at these versions: twelve fields."""
    simulator: Simulator = load_simulator("default")
    order: BookOrder = next(iter(simulator.book.orders.values()))

    assert order.status is OrderStatus.FILLED
    assert order_messages.order_status(order).body.count(b"\0") == 12
