"""The plan as a Python client goes through it, and the document it prints.

What lives here: the order of the operations and what becomes of one that fails. What must not:
calls of any client.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from interop.programs.rows import Rows


class Driver(Protocol):
    """What a program makes of its client: each operation returns the rows it was told."""

    plan: dict[str, Any]

    def connect(self) -> Rows:
        """Connect and return the server version."""
        ...

    def managed_accounts(self) -> Rows:
        """Return the accounts named at the start."""
        ...

    def next_valid_id(self) -> Rows:
        """Return the order id named at the start."""
        ...

    def positions(self) -> Rows:
        """Return the positions of all accounts, once their end was told."""
        ...

    def account_summary(self) -> Rows:
        """Return the asked tags and the `$LEDGER` blocks of all accounts."""
        ...

    def account_values(self) -> Rows:
        """Return every value of the account window."""
        ...

    def portfolio(self) -> Rows:
        """Return the positions of the account window."""
        ...

    def open_orders(self) -> Rows:
        """Return the open orders of all clients."""
        ...

    def completed_orders(self) -> Rows:
        """Return the orders completed today."""
        ...

    def executions(self) -> Rows:
        """Return the executions of today."""
        ...

    def commissions(self) -> Rows:
        """Return the commission reports that came with the executions."""
        ...

    def contract_details(self, name: str) -> Rows:
        """Return what is told about a contract of the plan."""
        ...

    def daily_bars(self) -> Rows:
        """Return the last daily bars."""
        ...

    def market_order(self) -> Rows:
        """Place an order that is filled and return what became of it."""
        ...

    def limit_order_cancel(self) -> Rows:
        """Place an order that rests, cancel it and return what became of it."""
        ...

    def unknown_contract(self) -> Rows:
        """Return the error codes that answer a contract nobody lists."""
        ...


def run_plan(driver: Driver, distribution: str) -> None:
    """Go through the plan and print one JSON document: version, rows or failure of each step."""
    steps: dict[str, Callable[[], Rows]] = {
        "connect": driver.connect,
        "managed_accounts": driver.managed_accounts,
        "next_valid_id": driver.next_valid_id,
        "positions": driver.positions,
        "account_summary": driver.account_summary,
        "account_values": driver.account_values,
        "portfolio": driver.portfolio,
        "open_orders": driver.open_orders,
        "completed_orders": driver.completed_orders,
        "executions": driver.executions,
        "commissions": driver.commissions,
        **{name: partial(driver.contract_details, name) for name in driver.plan["contracts"]},
        "daily_bars": driver.daily_bars,
        "market_order": driver.market_order,
        "limit_order_cancel": driver.limit_order_cancel,
        "unknown_contract": driver.unknown_contract,
    }
    document = {
        "version": importlib.metadata.version(distribution),
        "operations": {name: _tried(step) for name, step in steps.items()},
    }
    # A decimal is printed as text, with every digit it has.
    sys.stdout.write(json.dumps(document, default=str) + "\n")


def _tried(step: Callable[[], Rows]) -> dict[str, object]:
    """Return the rows of a step, or why it failed; one failure must not hide the others."""
    try:
        return {"rows": step()}
    except Exception as error:  # noqa: BLE001 - whatever a client raises is its answer
        return {"failed": f"{type(error).__name__}: {error}"}
