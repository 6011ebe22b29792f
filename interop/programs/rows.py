"""Objects of Python clients as rows under the common names.

What lives here: the attributes ib_async, ib_insync and ibapi share, for they follow the same
protocol. What must not: requests.
"""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]
Rows = list[Row]

_UNSET_ABOVE = 1e300


def contract_row(contract: Any) -> Row:  # noqa: ANN401 - an object of the client
    """Return the contract part of any row."""
    return {
        "con_id": contract.conId,
        "symbol": contract.symbol,
        "sec_type": contract.secType,
        "currency": contract.currency,
        "local_symbol": contract.localSymbol,
    }


def order_row(contract: Any, order: Any, status: str) -> Row:  # noqa: ANN401
    """Return what open and completed orders have in common."""
    return {
        "account": order.account,
        **contract_row(contract),
        "perm_id": order.permId,
        "action": order.action,
        "type": order.orderType,
        "tif": order.tif,
        "order_ref": order.orderRef,
        "status": status,
    }


def open_order_row(contract: Any, order: Any, status: str, order_id: int) -> Row:  # noqa: ANN401
    """Return an open order."""
    return {
        **order_row(contract, order, status),
        "order_id": order_id,
        "client_id": order.clientId,
        "quantity": order.totalQuantity,
        "limit": order.lmtPrice,
        "outside_rth": order.outsideRth,
    }


def execution_row(contract: Any, execution: Any, time: str) -> Row:  # noqa: ANN401
    """Return an execution; `time` as text with its zone."""
    return {
        "account": execution.acctNumber,
        **contract_row(contract),
        "exec_id": execution.execId,
        "order_id": execution.orderId,
        "client_id": execution.clientId,
        "perm_id": execution.permId,
        "order_ref": execution.orderRef,
        "time": time,
        "exchange": execution.exchange,
        "side": execution.side,
        "quantity": execution.shares,
        "price": execution.price,
        "cumulative": execution.cumQty,
        "average_price": execution.avgPrice,
    }


def commission_row(report: Any) -> Row:  # noqa: ANN401
    """Return a commission report; an unset realized result is null."""
    return {
        "exec_id": report.execId,
        "commission": charge(report),
        "currency": report.currency,
        "realized": None if report.realizedPNL > _UNSET_ABOVE else report.realizedPNL,
    }


def charge(report: Any) -> float:  # noqa: ANN401
    """Return the amount of a commission report; it was renamed when fees were added to it."""
    found = report.commissionAndFees if hasattr(report, "commissionAndFees") else report.commission
    return float(found)


def details_row(details: Any) -> Row:  # noqa: ANN401
    """Return the details of a contract."""
    contract = details.contract
    return {
        **contract_row(contract),
        "multiplier": contract.multiplier,
        "expiry": contract.lastTradeDateOrContractMonth,
        "strike": contract.strike,
        "right": contract.right,
        "exchange": contract.exchange,
        "primary_exchange": contract.primaryExchange,
        "trading_class": contract.tradingClass,
        "long_name": details.longName,
        "min_tick": details.minTick,
        "under_con_id": details.underConId,
        "contract_month": details.contractMonth,
        "valid_exchanges": details.validExchanges,
        "trading_hours": details.tradingHours,
        "isin": ",".join(t.value for t in details.secIdList or [] if t.tag == "ISIN"),
        "stock_type": details.stockType,
    }


def bar_row(bar: Any, date: str, wap: float) -> Row:  # noqa: ANN401
    """Return a daily bar; clients disagree about the name of its average price."""
    return {
        "date": date,
        "open": bar.open,
        "high": bar.high,
        "low": bar.low,
        "close": bar.close,
        "volume": bar.volume,
        "wap": wap,
        "trades": bar.barCount,
    }


def fill_contract(contract: Any, description: Row) -> Any:  # noqa: ANN401
    """Write a contract of the plan into a client's own object and return it."""
    contract.symbol = description["symbol"]
    contract.secType = description["sec_type"]
    contract.exchange = description["exchange"]
    contract.currency = description["currency"]
    contract.lastTradeDateOrContractMonth = description.get("expiry", "")
    contract.right = description.get("right", "")
    contract.multiplier = description.get("multiplier", "")
    if "strike" in description:
        contract.strike = float(description["strike"])
    return contract


def fill_order(order: Any, description: Row, order_type: str, account: str) -> Any:  # noqa: ANN401
    """Write an order of the plan into a client's own object and return it."""
    order.action = "BUY"
    order.orderType = order_type
    order.totalQuantity = description["quantity"]
    order.tif = "DAY"
    order.account = account
    order.orderRef = description["order_ref"]
    if "limit" in description:
        order.lmtPrice = description["limit"]
    return order
