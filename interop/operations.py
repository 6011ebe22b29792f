"""The operations every client is asked for: their names, keys and columns.

What lives here: what a row of each answer consists of. What must not: expected values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_CONTRACT = {
    "con_id": "number",
    "symbol": "text",
    "sec_type": "text",
    "currency": "text",
    "local_symbol": "text",
}
_ORDER = {
    "account": "text",
    **_CONTRACT,
    "perm_id": "number",
    "action": "text",
    "type": "text",
    "tif": "text",
    "order_ref": "text",
    "status": "text",
}
_DETAILS = {
    **_CONTRACT,
    "multiplier": "number_or_none",
    "expiry": "text",
    "strike": "number_or_none",
    "right": "right",
    "exchange": "text",
    "primary_exchange": "text",
    "trading_class": "text",
    "long_name": "text",
    "min_tick": "number",
    "under_con_id": "number",
    "contract_month": "text",
    "valid_exchanges": "set",
    "trading_hours": "text",
    "isin": "text",
    "stock_type": "text",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One thing a client is asked to do.

    Attributes:
        name: Name in the programs' documents.
        title: Name on the page.
        key: Columns that identify a row of the answer; none for an answer of one row.
        columns: Every column with the kind of its values.
        own: Columns each client may fill as it likes; only the book is asked about them.
    """

    name: str
    title: str
    key: tuple[str, ...]
    columns: Mapping[str, str]
    own: tuple[str, ...] = ()


OPERATIONS = (
    Operation(
        name="connect",
        title="connect, server version",
        key=(),
        own=("server_version",),
        columns={"server_version": "number"},
    ),
    Operation(
        name="managed_accounts",
        title="managed accounts",
        key=("account",),
        columns={"account": "text"},
    ),
    Operation(name="next_valid_id", title="next valid id", key=(), columns={"order_id": "number"}),
    Operation(
        name="positions",
        title="positions",
        key=("account", "con_id"),
        columns={
            "account": "text",
            **_CONTRACT,
            "quantity": "number",
            "average_cost": "number",
        },
    ),
    Operation(
        name="account_summary",
        title="account summary with `$LEDGER`",
        key=("account", "tag", "currency"),
        columns={"account": "text", "tag": "text", "currency": "text", "value": "value"},
    ),
    Operation(
        name="account_values",
        title="account updates: values",
        key=("tag", "currency"),
        columns={"tag": "text", "currency": "text", "value": "value"},
    ),
    Operation(
        name="portfolio",
        title="account updates: portfolio",
        key=("con_id",),
        columns={
            **_CONTRACT,
            "quantity": "number",
            "price": "number",
            "value": "number",
            "average_cost": "number",
            "unrealized": "number",
            "realized": "number",
        },
    ),
    Operation(
        name="open_orders",
        title="open orders of all clients",
        key=("perm_id",),
        columns={
            **_ORDER,
            "order_id": "number",
            "client_id": "number",
            "quantity": "number",
            "limit": "number_or_none",
            "outside_rth": "flag",
        },
    ),
    Operation(
        name="completed_orders",
        title="completed orders",
        key=("perm_id",),
        columns={
            **_ORDER,
            "filled": "number",
            "completed_at": "text",
            "completed_status": "text",
        },
    ),
    Operation(
        name="executions",
        title="executions",
        key=("exec_id",),
        columns={
            "account": "text",
            **_CONTRACT,
            "exec_id": "text",
            "order_id": "number",
            "client_id": "number",
            "perm_id": "number",
            "order_ref": "text",
            "time": "instant",
            "exchange": "text",
            "side": "text",
            "quantity": "number",
            "price": "number",
            "cumulative": "number",
            "average_price": "number",
        },
    ),
    Operation(
        name="commissions",
        title="commission reports",
        key=("exec_id",),
        columns={
            "exec_id": "text",
            "commission": "number",
            "currency": "text",
            "realized": "number",
        },
    ),
    Operation(
        name="contract_details_stock",
        title="contract details: stock",
        key=("con_id",),
        columns=_DETAILS,
    ),
    Operation(
        name="contract_details_option",
        title="contract details: option",
        key=("con_id",),
        columns=_DETAILS,
    ),
    Operation(
        name="contract_details_future",
        title="contract details: future",
        key=("con_id",),
        columns=_DETAILS,
    ),
    Operation(
        name="daily_bars",
        title="daily bars",
        key=("date",),
        columns={
            "date": "text",
            **dict.fromkeys(("open", "high", "low", "close", "volume", "wap", "trades"), "number"),
        },
    ),
    Operation(
        name="market_order",
        title="market order, filled, with commission",
        key=(),
        own=("order_id",),
        columns={
            "order_id": "number",
            "perm_id": "number",
            "status": "text",
            "filled": "number",
            "remaining": "number",
            "average_price": "number",
            "executed": "number",
            "commission": "number",
            "currency": "text",
        },
    ),
    Operation(
        name="limit_order_cancel",
        title="limit order, rests, cancelled",
        key=(),
        own=("order_id",),
        columns={
            "order_id": "number",
            "perm_id": "number",
            "resting": "text",
            "status": "text",
            "filled": "number",
            "notice": "number",
        },
    ),
    Operation(
        name="unknown_contract",
        title="unknown contract: error 200",
        key=("code",),
        columns={"code": "number"},
    ),
)
