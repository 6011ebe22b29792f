"""Drive ib_async or ib_insync through the plan and print what it reported as one JSON document.

Usage: `python -m interop.programs.asyncio_client MODULE [HOST PORT PLAN]`; with the module alone it
is only loaded. What lives here: the calls a user of these libraries makes. What must not: any
judgement of the answers.
"""

from __future__ import annotations

import importlib
import json
import logging
import sys
import time
from collections.abc import Callable
from typing import Any

from interop.programs.rows import (
    Rows,
    bar_row,
    charge,
    commission_row,
    contract_row,
    details_row,
    execution_row,
    fill_contract,
    fill_order,
    open_order_row,
    order_row,
)
from interop.programs.script import run_plan


class AsyncioDriver:
    """One connected client.

    Args:
        library: The module `ib_async` or `ib_insync`.
        host: Address of the gateway.
        port: Its TCP port.
        plan: What to do.
    """

    def __init__(self, library: Any, host: str, port: int, plan: dict[str, Any]) -> None:  # noqa: ANN401
        self.library = library
        self.plan = plan
        self.errors: list[tuple[int, int]] = []
        self.first_ids: list[int] = []
        self.ib = library.IB()
        self.ib.RaiseRequestErrors = True
        self.ib.RequestTimeout = plan["patience"]
        self.ib.errorEvent += lambda request, code, *_rest: self.errors.append((request, code))
        self.host, self.port = host, port

    def connect(self) -> Rows:
        """Connect and return the server version."""
        # Requests of the start-up take ids of the same counter, so it is read before them.
        self.ib.client.apiStart += lambda: self.first_ids.append(self.ib.client.getReqId())
        self.ib.connect(
            self.host,
            self.port,
            clientId=self.plan["client_id"],
            timeout=self.plan["patience"],
            account=self.plan["account"],
        )
        return [{"server_version": self.ib.client.serverVersion()}]

    def managed_accounts(self) -> Rows:
        """Return the accounts named at the start."""
        return [{"account": account} for account in self.ib.managedAccounts()]

    def next_valid_id(self) -> Rows:
        """Return the order id named at the start."""
        return [{"order_id": self.first_ids[0]}]

    def positions(self) -> Rows:
        """Return the positions of all accounts, once their end was told."""
        return [
            {
                "account": p.account,
                **contract_row(p.contract),
                "quantity": p.position,
                "average_cost": p.avgCost,
            }
            for p in self.ib.reqPositions()
        ]

    def account_summary(self) -> Rows:
        """Return the asked tags and the `$LEDGER` blocks of all accounts."""
        return [
            {"account": v.account, "tag": v.tag, "currency": v.currency, "value": v.value}
            for v in self.ib.accountSummary()
            if v.tag in self.plan["summary_tags"]
        ]

    def account_values(self) -> Rows:
        """Return every value of the account window."""
        return [
            {"tag": v.tag, "currency": v.currency, "value": v.value}
            for v in self.ib.accountValues(self.plan["account"])
        ]

    def portfolio(self) -> Rows:
        """Return the positions of the account window."""
        return [
            {
                **contract_row(p.contract),
                "quantity": p.position,
                "price": p.marketPrice,
                "value": p.marketValue,
                "average_cost": p.averageCost,
                "unrealized": p.unrealizedPNL,
                "realized": p.realizedPNL,
            }
            for p in self.ib.portfolio()
        ]

    def open_orders(self) -> Rows:
        """Return the open orders of all clients."""
        return [
            open_order_row(t.contract, t.order, t.orderStatus.status, t.order.orderId)
            for t in self.ib.reqAllOpenOrders()
        ]

    def completed_orders(self) -> Rows:
        """Return the orders completed today."""
        return [
            {
                **order_row(t.contract, t.order, t.orderStatus.status),
                "filled": t.order.filledQuantity,
            }
            for t in self.ib.reqCompletedOrders(apiOnly=False)
        ]

    def executions(self) -> Rows:
        """Return the executions of today."""
        return [
            execution_row(f.contract, f.execution, f.execution.time.isoformat())
            for f in self.ib.reqExecutions()
        ]

    def commissions(self) -> Rows:
        """Return the commission reports that came with the executions."""
        reports = [f.commissionReport for f in self.ib.fills()]
        return [commission_row(report) for report in reports if report.execId]

    def contract_details(self, name: str) -> Rows:
        """Return what is told about a contract of the plan."""
        wanted = self._contract(self.plan["contracts"][name])
        return [details_row(details) for details in self.ib.reqContractDetails(wanted)]

    def daily_bars(self) -> Rows:
        """Return the last daily bars."""
        contract = self._contract(self.plan["bars"])
        bars = self.ib.reqHistoricalData(contract, "", "5 D", "1 day", "TRADES", True)
        return [bar_row(bar, f"{bar.date:%Y%m%d}", bar.average) for bar in bars]

    def market_order(self) -> Rows:
        """Place an order that is filled and return what became of it."""
        trade = self._place("market_order", "MKT")
        self._until(
            lambda: (
                trade.isDone()
                and trade.fills
                and all(f.commissionReport.execId for f in trade.fills)
            )
        )
        return [
            {
                "order_id": trade.order.orderId,
                "perm_id": trade.order.permId,
                "status": trade.orderStatus.status,
                "filled": trade.orderStatus.filled,
                "remaining": trade.orderStatus.remaining,
                "average_price": trade.orderStatus.avgFillPrice,
                "executed": sum(f.execution.shares for f in trade.fills),
                "commission": sum(charge(f.commissionReport) for f in trade.fills),
                "currency": trade.fills[0].commissionReport.currency,
            }
        ]

    def limit_order_cancel(self) -> Rows:
        """Place an order that rests, cancel it and return what became of it."""
        trade = self._place("limit_order", "LMT")
        self._until(lambda: trade.orderStatus.status == "Submitted")
        resting = trade.orderStatus.status
        self.ib.cancelOrder(trade.order)
        order_id = trade.order.orderId
        self._until(lambda: trade.isDone() and (order_id, 202) in self.errors)
        return [
            {
                "order_id": order_id,
                "perm_id": trade.order.permId,
                "resting": resting,
                "status": trade.orderStatus.status,
                "filled": trade.orderStatus.filled,
                "notice": 202,
            }
        ]

    def unknown_contract(self) -> Rows:
        """Return the error codes that answer a contract nobody lists."""
        before = len(self.errors)
        try:
            self.ib.reqContractDetails(self._contract(self.plan["unknown"]))
        except self.library.RequestError:
            return [{"code": code} for _, code in self.errors[before:]]
        return []

    def _contract(self, description: dict[str, Any]) -> Any:  # noqa: ANN401
        return fill_contract(self.library.Contract(), description)

    def _place(self, name: str, order_type: str) -> Any:  # noqa: ANN401
        wanted = self.plan[name]
        order = fill_order(self.library.Order(), wanted, order_type, self.plan["account"])
        return self.ib.placeOrder(self._contract(wanted["contract"]), order)

    def _until(self, condition: Callable[[], object]) -> None:
        # loopUntil looks only when an update wakes it, and can sleep through the last one.
        deadline = time.monotonic() + self.plan["patience"]
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"no answer within {self.plan['patience']} s")
            self.ib.sleep(0.01)


def main() -> int:
    """Run the plan; 0 when every operation was tried."""
    library = importlib.import_module(sys.argv[1])
    if len(sys.argv) > 2:
        logging.disable(logging.CRITICAL)
        host, port, plan = sys.argv[2:5]
        driver = AsyncioDriver(library, host, int(port), json.loads(plan))
        run_plan(driver, sys.argv[1])
        driver.ib.disconnect()
    return 0


if __name__ == "__main__":
    sys.exit(main())
