"""The real ib_async client, unmodified, over TCP: what it reads is what the book holds."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from ib_async import IB, LimitOrder, MarketOrder, Stock

from ibkr_pipeline.simulator.testing import SimulatorThread


def test_ib_async_reads_a_whole_day_and_trades() -> None:
    """Start-up synchronisation without a timeout, positions, fills, commissions, an order."""
    with SimulatorThread("default") as gateway:
        ib = IB()
        ib.connect(gateway.host, gateway.port, clientId=1, timeout=10, raiseSyncErrors=True)
        book = gateway.simulator.book
        positions = {(p.account, p.contract.conId): p.position for p in ib.positions()}
        fills = {f.execution.execId: f for f in ib.fills()}
        completed = {t.order.permId for t in ib.trades() if t.isDone()}
        net = {v.account: v.value for v in ib.accountSummary() if v.tag == "NetLiquidation"}

        assert ib.client.serverVersion() == 178
        assert ib.managedAccounts() == ["DU0000001", "DU0000002"]
        assert positions == {
            (account, p.instrument.con_id): float(p.quantity)
            for account in book.accounts
            for p in book.value(account).positions
        }
        assert set(fills) == {f.exec_id for f in book.todays_fills()}
        assert all(f.commissionReport.execId == key for key, f in fills.items())
        assert completed == {o.perm_id for o in book.completed_orders()}
        assert {a: Decimal(v) for a, v in net.items()} == {
            a: book.value(a).net_liquidation for a in book.accounts
        }

        apple = Stock("AAPL", "SMART", "USD")
        ib.qualifyContracts(apple)
        resting = ib.placeOrder(apple, LimitOrder("BUY", 5, 100, account="DU0000001", tif="GTC"))
        market = MarketOrder("BUY", 10, account="DU0000001", tif="DAY", orderRef="mine-1")
        bought = ib.placeOrder(apple, market)
        _wait(ib, lambda: bought.isDone() and resting.orderStatus.status == "Submitted")
        ib.cancelOrder(resting.order)
        _wait(ib, resting.isDone)
        bars = ib.reqHistoricalData(apple, "", "2 D", "1 day", "TRADES", True)
        ib.disconnect()

        assert (apple.conId, apple.primaryExchange) == (265598, "NASDAQ")
        assert (bought.orderStatus.status, bought.orderStatus.avgFillPrice) == ("Filled", 231.5)
        assert bought.fills[0].execution.orderRef == "mine-1"
        assert resting.orderStatus.status == "Cancelled"
        assert [b.close for b in bars][-1] == 231.5
        assert book.accounts["DU0000001"].holdings[265598].quantity == 430


def _wait(ib: IB, reached: Callable[[], bool]) -> None:
    """Let the client work until something is reached; its own wait can miss an update."""
    for _ in range(500):
        if reached():
            return
        ib.waitOnUpdate(timeout=0.01)
    raise AssertionError("The client did not get there within five seconds.")
