"""Messages about fills: execDetails, commissionReport and their end (11, 59, 55)."""

from __future__ import annotations

from ibkr_pipeline.simulator.records import Fill
from ibkr_pipeline.simulator.wire.contract_fields import execution_contract
from ibkr_pipeline.simulator.wire.framing import encode_body
from ibkr_pipeline.simulator.wire.message import Layout, Message, joined, message
from ibkr_pipeline.simulator.wire.text import UNSET_DOUBLE, double, number, optional_double

UNSOLICITED = -1


def execution_tail(layout: Layout, fill: Fill) -> bytes:
    """Return the body of execDetails after the request id: it is the same for every request."""
    fields = [
        str(fill.order_id),
        *execution_contract(fill.instrument, fill.exchange),
        fill.exec_id,
        layout.times.instant(fill.executed_at),
        fill.account,
        fill.exchange,
        "BOT" if fill.action == "BUY" else "SLD",
        number(fill.quantity),
        number(fill.price),
        str(fill.perm_id),
        str(fill.client_id),
        "0",
        number(fill.cum_quantity),
        number(fill.avg_price),
        fill.order_ref,
        "",
        "",
        "",
        str(fill.liquidity),
    ]
    if layout.version >= 178:
        fields.append("0")
    return encode_body(fields)


def execution(layout: Layout, request_id: int, fill: Fill) -> Message:
    """Message 11: one fill; request id -1 when it happens now."""
    head = f"11\0{request_id}\0".encode("ascii")
    return Message(11, head + execution_tail(layout, fill), fill.account, fill.exec_id)


def commission(fill: Fill) -> Message:
    """Message 59: the commission of a fill; realized result unset for an opening trade."""
    fields = (
        "1",
        fill.exec_id,
        double(fill.commission),
        fill.commission_currency,
        optional_double(fill.realized_pnl),
        UNSET_DOUBLE,
        "",
    )
    return joined(59, fields, account=fill.account, key=fill.exec_id)


def execution_end(request_id: int) -> Message:
    """Message 55: every fill of the request was sent."""
    return message(55, "1", str(request_id))
