"""Messages about orders: openOrder, orderStatus, completedOrder, ends (5, 3, 53, 101, 102).

Field order of 5 and 101 follows frames recorded from live gateways; the fields this market does
not use carry the values those frames carry.
"""

from __future__ import annotations

from ibkr_pipeline.simulator.records import Order, OrderStatus
from ibkr_pipeline.simulator.wire.contract_fields import order_contract
from ibkr_pipeline.simulator.wire.message import Layout, Message, joined, message
from ibkr_pipeline.simulator.wire.text import (
    UNSET_DOUBLE,
    UNSET_INTEGER,
    UNSET_LONG,
    double,
    flag,
    number,
)

# Delta-neutral order type is the word None, which makes decoders read the block behind it.
_OPEN_DELTA_NEUTRAL = ("None", "", "0", "", "", "", "?", "0", "0", "")
_COMPLETED_DELTA_NEUTRAL = ("None", "", "0", "0", "0", "")


def order_status(order: Order) -> Message:
    """Message 3: state, filled and remaining quantity, prices."""
    fields = (
        str(order.order_id),
        order.status.value,
        number(order.filled),
        number(order.remaining),
        number(order.avg_price),
        str(order.perm_id),
        "0",
        number(order.last_price),
        str(order.client_id),
        "",
        "0",
    )
    return joined(3, fields, account=order.account, key=str(order.perm_id))


def open_order(layout: Layout, order: Order) -> Message:
    """Message 5: everything about an order that is not final (or has just become so)."""
    fields = [
        str(order.order_id),
        *order_contract(order.instrument),
        *_terms(order, number(order.quantity)),
        order.order_ref,
        str(order.client_id),
        str(order.perm_id),
        flag(order.outside_rth),
        flag(order.hidden),
        "0",
        "",
        f"{order.perm_id}.0/{order.account}/{number(order.quantity)}",
        *_advisor(layout, order),
        *("", "", "", "", "", "0", "", "-1", "0", "", "", "", "", "", UNSET_INTEGER),
        *("0", "0", "0", "", "3", "0", "0", "", "0", "0", "", "0"),
        *_OPEN_DELTA_NEUTRAL,
        *("0", "0", "", "", "", "", "", "0", "0", "0"),
        *(UNSET_INTEGER, UNSET_INTEGER, "", "", "0", "", "IB", "0", "0", "", "0", "0"),
        order.status.value,
        *([UNSET_DOUBLE] * 9),
        *_commission(order),
        *("", "0", "0", "0", "None"),
        *([UNSET_DOUBLE] * 6),
        *("0", "", "", "", "0", "1", "0", "0", "0"),
        *_version_tail(layout),
    ]
    return joined(5, fields, account=order.account, key=str(order.perm_id))


def open_order_end() -> Message:
    """Message 53: every open order was sent."""
    return message(53, "1")


def completed_order(layout: Layout, order: Order) -> Message:
    """Message 101: an order that became final today; it has no order id and no client id.

    The total quantity is 0 for a filled order, as live gateways send it; the filled quantity
    stands near the end.
    """
    quantity = "0" if order.status is OrderStatus.FILLED else number(order.quantity)
    completed = layout.times.zoned(order.completed_at) if order.completed_at else ""
    fields = [
        *order_contract(order.instrument),
        *_terms(order, quantity),
        order.order_ref,
        str(order.perm_id),
        flag(order.outside_rth),
        flag(order.hidden),
        *("0", ""),
        *_advisor(layout, order),
        *("", "", "0", "", "", "0", "", "-1", "", "", "", "", "", UNSET_INTEGER),
        *("0", "0", "", "3", "0", "", "0"),
        *_COMPLETED_DELTA_NEUTRAL,
        *("0", "0", "", "", "", "0", "0", "0", UNSET_INTEGER, UNSET_INTEGER, "", ""),
        *("", "IB", "0", "0", "", "0"),
        order.status.value,
        *("0", "0", "0", UNSET_DOUBLE, UNSET_DOUBLE, "0", "1", "0", ""),
        number(order.filled),
        *(UNSET_INTEGER, "0", "Not an insider or substantial shareholder", "0", "0", UNSET_LONG),
        completed,
        order.completed_status,
    ]
    if layout.version >= 170:
        fields += [""] * 5
    return joined(101, fields, account=order.account, key=str(order.perm_id))


def completed_orders_end() -> Message:
    """Message 102: every completed order was sent."""
    return message(102)


def _terms(order: Order, quantity: str) -> tuple[str, ...]:
    limit = double(order.limit_price) if order.limit_price is not None else "0.0"
    return (
        order.action,
        quantity,
        order.order_type,
        limit,
        "0.0",
        order.tif,
        "",
        order.account,
        "",
        "0",
    )


def _advisor(layout: Layout, order: Order) -> tuple[str, ...]:
    """Advisor group, method, percentage; below version 177 also the profile."""
    profile = ("",) if layout.version < 177 else ()
    return (order.fa_group, "", "", *profile)


def _commission(order: Order) -> tuple[str, ...]:
    if order.commission is None:
        return ("", "", "", "")
    return (double(order.commission), "", "", order.commission_currency)


def _version_tail(layout: Layout) -> list[str]:
    tail: list[str] = []
    if layout.version >= 158:
        tail.append("")
    if layout.version >= 160:
        tail.append("")
    if layout.version >= 162:
        tail.append("0")
    if layout.version >= 170:
        tail += ["", "", "", "", ""]
    return tail
