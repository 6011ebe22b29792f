"""Drive the ibapi package through the plan and print what it reported as one JSON document.

Usage: `python -m interop.programs.official_client DISTRIBUTION [HOST PORT PLAN]`; with the name
alone the package is only loaded. Written for 9.81 and 10.46 alike: callbacks that changed their
name or arguments in between are taken under both. What must not be here: any judgement of the
answers.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from ibapi.client import EClient  # type: ignore[import-not-found]
from ibapi.contract import Contract  # type: ignore[import-not-found]
from ibapi.execution import ExecutionFilter  # type: ignore[import-not-found]
from ibapi.order import Order  # type: ignore[import-not-found]
from ibapi.wrapper import EWrapper  # type: ignore[import-not-found]

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


class Collector(EWrapper, EClient):  # type: ignore[misc]
    """A client that keeps what it hears under the name of the callback."""

    def __init__(self, patience: float) -> None:
        EClient.__init__(self, self)
        self.patience = patience
        self.heard: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
        self.news = threading.Condition()

    def keep(self, name: str, *values: Any) -> None:  # noqa: ANN401
        """Remember a callback and wake whoever waits."""
        with self.news:
            self.heard[name].append(values)
            self.news.notify_all()

    def until(self, condition: Callable[[], object]) -> None:
        """Wait until the condition holds; TimeoutError when patience ends."""
        with self.news:
            if not self.news.wait_for(lambda: bool(condition()), timeout=self.patience):
                raise TimeoutError(f"no answer within {self.patience} s")

    def codes(self, request_id: int) -> list[int]:
        """Return the error codes a request or order was answered with."""
        return [code for request, code in self.heard["error"] if request == request_id]

    def error(self, reqId: int, *rest: Any) -> None:  # noqa: ANN401, N803
        """Remember an error under its request."""
        # 9.81: code, text. 10.46: time, code, text, advanced rejection.
        self.keep("error", reqId, rest[0] if isinstance(rest[1], str) else rest[1])


def _keeper(name: str) -> Callable[..., None]:
    def callback(self: Collector, *values: Any) -> None:  # noqa: ANN401
        self.keep(name, *values)

    return callback


for _name in (
    *("nextValidId", "managedAccounts", "position", "positionEnd", "accountSummary"),
    *("accountSummaryEnd", "updateAccountValue", "updatePortfolio", "accountDownloadEnd"),
    *("openOrder", "openOrderEnd", "orderStatus", "completedOrder", "completedOrdersEnd"),
    *("execDetails", "execDetailsEnd", "commissionReport", "commissionAndFeesReport"),
    *("contractDetails", "contractDetailsEnd", "historicalData", "historicalDataEnd"),
):
    setattr(Collector, _name, _keeper(_name))


class OfficialDriver:
    """The plan, step by step.

    Args:
        host: Address of the gateway.
        port: Its TCP port.
        plan: What to do.
    """

    def __init__(self, host: str, port: int, plan: dict[str, Any]) -> None:
        self.host, self.port, self.plan = host, port, plan
        self.app = Collector(plan["patience"])
        self._last_request = 100

    def connect(self) -> Rows:
        """Connect and return the server version."""
        self.app.connect(self.host, self.port, self.plan["client_id"])
        threading.Thread(target=self.app.run, daemon=True).start()
        self.app.until(lambda: self.app.heard["nextValidId"] and self.app.heard["managedAccounts"])
        return [{"server_version": self.app.serverVersion()}]

    def managed_accounts(self) -> Rows:
        """Return the accounts named at the start."""
        names = self.app.heard["managedAccounts"][-1][0].split(",")
        return [{"account": name} for name in names if name]

    def next_valid_id(self) -> Rows:
        """Return the order id named at the start."""
        return [{"order_id": self.app.heard["nextValidId"][-1][0]}]

    def positions(self) -> Rows:
        """Return the positions of all accounts, once their end was told."""
        self.app.reqPositions()
        self.app.until(lambda: self.app.heard["positionEnd"])
        return [
            {"account": account, **contract_row(contract), "quantity": held, "average_cost": cost}
            for account, contract, held, cost in self.app.heard["position"]
        ]

    def account_summary(self) -> Rows:
        """Return the asked tags and the `$LEDGER` blocks of all accounts."""
        self.app.reqAccountSummary(self._request(), "All", self.plan["summary_request"])
        self.app.until(lambda: self.app.heard["accountSummaryEnd"])
        return [
            {"account": account, "tag": tag, "currency": currency, "value": value}
            for _, account, tag, value, currency in self.app.heard["accountSummary"]
            if tag in self.plan["summary_tags"]
        ]

    def account_values(self) -> Rows:
        """Return every value of the account window."""
        self.app.reqAccountUpdates(True, self.plan["account"])
        self.app.until(lambda: self.app.heard["accountDownloadEnd"])
        return [
            {"tag": key, "currency": currency, "value": value}
            for key, value, currency, _ in self.app.heard["updateAccountValue"]
        ]

    def portfolio(self) -> Rows:
        """Return the positions of the account window."""
        return [
            {
                **contract_row(contract),
                "quantity": held,
                "price": price,
                "value": value,
                "average_cost": cost,
                "unrealized": unrealized,
                "realized": realized,
            }
            for contract, held, price, value, cost, unrealized, realized, _ in self.app.heard[
                "updatePortfolio"
            ]
        ]

    def open_orders(self) -> Rows:
        """Return the open orders of all clients."""
        self.app.reqAllOpenOrders()
        self.app.until(lambda: self.app.heard["openOrderEnd"])
        return [
            open_order_row(contract, order, state.status, order_id)
            for order_id, contract, order, state in self.app.heard["openOrder"]
        ]

    def completed_orders(self) -> Rows:
        """Return the orders completed today."""
        self.app.reqCompletedOrders(False)
        self.app.until(lambda: self.app.heard["completedOrdersEnd"])
        return [
            {
                **order_row(contract, order, state.status),
                "filled": order.filledQuantity,
                "completed_at": state.completedTime,
                "completed_status": state.completedStatus,
            }
            for contract, order, state in self.app.heard["completedOrder"]
        ]

    def executions(self) -> Rows:
        """Return the executions of today."""
        self.app.reqExecutions(self._request(), ExecutionFilter())
        self.app.until(lambda: self.app.heard["execDetailsEnd"])
        return [
            execution_row(contract, execution, execution.time)
            for _, contract, execution in self.app.heard["execDetails"]
        ]

    def commissions(self) -> Rows:
        """Return the commission reports that came with the executions."""
        return [commission_row(report) for report in self._reports()]

    def contract_details(self, name: str) -> Rows:
        """Return what is told about a contract of the plan."""
        request = self._request()
        wanted = fill_contract(Contract(), self.plan["contracts"][name])
        self.app.reqContractDetails(request, wanted)
        self.app.until(lambda: (request,) in self.app.heard["contractDetailsEnd"])
        heard = self.app.heard["contractDetails"]
        return [details_row(details) for asked, details in heard if asked == request]

    def daily_bars(self) -> Rows:
        """Return the last daily bars."""
        contract = fill_contract(Contract(), self.plan["bars"])
        self.app.reqHistoricalData(
            self._request(), contract, "", "5 D", "1 day", "TRADES", 1, 1, False, []
        )
        self.app.until(lambda: self.app.heard["historicalDataEnd"])
        return [
            bar_row(bar, bar.date, bar.wap if hasattr(bar, "wap") else bar.average)
            for _, bar in self.app.heard["historicalData"]
        ]

    def market_order(self) -> Rows:
        """Place an order that is filled and return what became of it."""
        order_id = self._place("market_order", "MKT")
        self.app.until(
            lambda: (
                "Filled" in self._statuses(order_id)
                and self._fills(order_id)
                and len(self._charges(order_id)) == len(self._fills(order_id))
            )
        )
        charges = self._charges(order_id)
        last = [s for s in self.app.heard["orderStatus"] if s[0] == order_id][-1]
        return [
            {
                "order_id": order_id,
                "perm_id": last[5],
                "status": last[1],
                "filled": last[2],
                "remaining": last[3],
                "average_price": last[4],
                "executed": sum(execution.shares for execution in self._fills(order_id)),
                "commission": sum(charge(report) for report in charges),
                "currency": charges[0].currency,
            }
        ]

    def limit_order_cancel(self) -> Rows:
        """Place an order that rests, cancel it and return what became of it."""
        order_id = self._place("limit_order", "LMT")
        self.app.until(lambda: "Submitted" in self._statuses(order_id))
        try:
            self.app.cancelOrder(order_id)
        except TypeError:
            from ibapi.order_cancel import OrderCancel  # type: ignore[import-not-found]

            self.app.cancelOrder(order_id, OrderCancel())
        self.app.until(
            lambda: "Cancelled" in self._statuses(order_id) and 202 in self.app.codes(order_id)
        )
        last = [s for s in self.app.heard["orderStatus"] if s[0] == order_id][-1]
        return [
            {
                "order_id": order_id,
                "perm_id": last[5],
                "resting": "Submitted",
                "status": last[1],
                "filled": last[2],
                "notice": 202,
            }
        ]

    def unknown_contract(self) -> Rows:
        """Return the error codes that answer a contract nobody lists."""
        request = self._request()
        self.app.reqContractDetails(request, fill_contract(Contract(), self.plan["unknown"]))
        self.app.until(lambda: self.app.codes(request))
        return [{"code": code} for code in self.app.codes(request)]

    def _request(self) -> int:
        self._last_request += 1
        return self._last_request

    def _reports(self) -> list[Any]:
        heard = self.app.heard
        return [r for (r,) in [*heard["commissionReport"], *heard["commissionAndFeesReport"]]]

    def _statuses(self, order_id: int) -> list[str]:
        return [s[1] for s in self.app.heard["orderStatus"] if s[0] == order_id]

    def _fills(self, order_id: int) -> list[Any]:
        """Return the executions of an order of this client that were heard as they happened."""
        return [
            execution
            for _, _, execution in self.app.heard["execDetails"]
            if execution.orderId == order_id and execution.clientId == self.plan["client_id"]
        ]

    def _charges(self, order_id: int) -> list[Any]:
        ids = {execution.execId for execution in self._fills(order_id)}
        return [report for report in self._reports() if report.execId in ids]

    def _place(self, name: str, order_type: str) -> int:
        wanted = self.plan[name]
        order = fill_order(Order(), wanted, order_type, self.plan["account"])
        # Gateways refuse these two since 2020; 9.81 still sets them.
        order.eTradeOnly = order.firmQuoteOnly = False
        order_id = int(self.app.heard["nextValidId"][-1][0])
        self.app.heard["nextValidId"].append((order_id + 1,))
        self.app.placeOrder(order_id, fill_contract(Contract(), wanted["contract"]), order)
        return order_id


def main() -> int:
    """Run the plan; 0 when every operation was tried."""
    if len(sys.argv) > 2:
        logging.disable(logging.CRITICAL)
        host, port, plan = sys.argv[2:5]
        driver = OfficialDriver(host, int(port), json.loads(plan))
        run_plan(driver, sys.argv[1])
        driver.app.disconnect()
    return 0


if __name__ == "__main__":
    sys.exit(main())
