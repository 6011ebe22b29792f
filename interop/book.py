"""What the simulated broker's book says the answers should be.

What lives here: the control port's `state`, before and after a client's orders, as expected rows.
What must not: what clients reported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from interop.plan import ACCOUNT, CLIENT_ID, PLAN

Row = dict[str, Any]
State = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """Rows the answer to one operation must contain.

    Attributes:
        rows: Each with the columns the book knows.
        match_on: Columns by which a reported row is found.
        is_whole: The answer has no other rows.
        count: How many rows the answer has, where the book only counts them.
    """

    rows: tuple[Row, ...]
    match_on: tuple[str, ...]
    is_whole: bool = True
    count: int | None = None


def expectations(before: State, after: State) -> dict[str, Expectation]:
    """Return what the book says, by operation; what it does not say is left out.

    Args:
        before: State when the client connected.
        after: State when the client had gone.
    """
    accounts = before["accounts"]
    return {
        "managed_accounts": _whole([{"account": name} for name in accounts], "account"),
        "next_valid_id": _whole([{"order_id": before["next_order_id"]}]),
        "positions": _whole(
            [
                {"account": name, "local_symbol": symbol, "quantity": quantity}
                for name, account in accounts.items()
                for symbol, quantity in account["positions"].items()
            ],
            *("account", "local_symbol"),
        ),
        "account_summary": _part(
            [row for name, account in accounts.items() for row in _amounts(account, name)],
            *("account", "tag", "currency"),
        ),
        "account_values": _part(
            [
                {key: value for key, value in row.items() if key != "account"}
                for row in _amounts(accounts[ACCOUNT], ACCOUNT)
            ],
            *("tag", "currency"),
        ),
        "portfolio": _whole(
            [
                {"local_symbol": symbol, "quantity": quantity}
                for symbol, quantity in accounts[ACCOUNT]["positions"].items()
            ],
            "local_symbol",
        ),
        "open_orders": _whole(
            [
                {**_order(order), "order_id": order["order_id"], "client_id": order["client_id"]}
                | {"quantity": order["quantity"]}
                for order in before["open_orders"]
            ],
            "perm_id",
        ),
        "completed_orders": _whole(
            [{**_order(o), "filled": o["filled"]} for o in before["completed_orders"]], "perm_id"
        ),
        "executions": _counted(before["fills"]),
        "commissions": _counted(before["fills"]),
        "unknown_contract": _whole([{"code": 200}], "code"),
        **_traded(before, after),
    }


def _traded(before: State, after: State) -> dict[str, Expectation]:
    """Return what became of the two orders the client placed."""
    bought, cancelled = PLAN["market_order"], PLAN["limit_order"]
    filled = _new_order(before, after, bought["order_ref"], "Filled")
    ended = _new_order(before, after, cancelled["order_ref"], "Cancelled")
    symbol = bought["contract"]["symbol"]
    held = [Decimal(s["accounts"][ACCOUNT]["positions"].get(symbol, 0)) for s in (before, after)]
    return {
        "market_order": _whole(
            [
                {
                    **filled,
                    "filled": bought["quantity"],
                    "remaining": 0,
                    "executed": held[1] - held[0],
                }
            ]
        ),
        "limit_order_cancel": _whole([{**ended, "filled": 0, "notice": 202}]),
    }


def _new_order(before: State, after: State, order_ref: str, status: str) -> Row:
    """Return ids and state of an order that was completed in between."""
    known = {order["perm_id"] for order in before["completed_orders"]}
    for order in after["completed_orders"]:
        ours = order["order_ref"] == order_ref and order["client_id"] == CLIENT_ID
        if ours and order["perm_id"] not in known and order["status"] == status:
            return {key: order[key] for key in ("order_id", "perm_id", "status")}
    return {"status": "not in the book"}


def _amounts(account: Mapping[str, Any], name: str) -> list[Row]:
    rows = [
        {"account": name, "tag": "CashBalance", "currency": currency, "value": amount}
        for currency, amount in account["cash"].items()
    ]
    value = account["net_liquidation"]
    return [*rows, {"account": name, "tag": "NetLiquidation", "currency": "USD", "value": value}]


def _order(order: Mapping[str, Any]) -> Row:
    return {
        "perm_id": order["perm_id"],
        "account": order["account"],
        "local_symbol": order["instrument"],
        "action": order["action"],
        "status": order["status"],
        "order_ref": order["order_ref"],
        "tif": order["tif"],
    }


def _whole(rows: list[Row], *match_on: str) -> Expectation:
    return Expectation(rows=tuple(rows), match_on=match_on)


def _part(rows: list[Row], *match_on: str) -> Expectation:
    return Expectation(rows=tuple(rows), match_on=match_on, is_whole=False)


def _counted(count: int) -> Expectation:
    return Expectation(rows=(), match_on=(), is_whole=False, count=count)
