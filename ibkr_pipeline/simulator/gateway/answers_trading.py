"""Answers about orders and fills (3, 4, 5, 7, 8, 15, 16, 58, 99)."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ibkr_pipeline.simulator.gateway.executions import arrange, correct_before_read
from ibkr_pipeline.simulator.gateway.session import Session
from ibkr_pipeline.simulator.records import Fill, Order
from ibkr_pipeline.simulator.wire import order_messages, session_messages
from ibkr_pipeline.simulator.wire.fields import FieldReader, RequestError
from ibkr_pipeline.simulator.wire.message import Message
from ibkr_pipeline.simulator.wire.requests import (
    ExecutionQuery,
    parse_executions,
    parse_place_order,
)

_SIDES = {"BUY": "BUY", "BOT": "BUY", "SELL": "SELL", "SLD": "SELL", "SSHORT": "SELL"}


def answer_place_order(session: Session, reader: FieldReader) -> list[Message]:
    """Place or modify an order; the events go to every client they concern."""
    ticket = parse_place_order(reader, session.layout.version, session.client_id)
    _refuse_read_only(session, ticket.order_id, "bF")
    session.publish(session.simulator.book.place(ticket))
    return []


def answer_cancel_order(session: Session, reader: FieldReader) -> list[Message]:
    """Cancel an order of this client."""
    reader.skip(1)
    order_id = reader.integer("Order Id")
    _refuse_read_only(session, order_id, "bG")
    session.publish(session.simulator.book.cancel(session.client_id, order_id))
    return []


def answer_global_cancel(session: Session, _reader: FieldReader) -> list[Message]:
    """Cancel every working order of every client."""
    _refuse_read_only(session, -1, "bH")
    session.publish(session.simulator.book.cancel_all())
    return []


def answer_ids(session: Session, _reader: FieldReader) -> list[Message]:
    """Tell the next order id."""
    _refuse_read_only(session, -1, "b7")
    return [session_messages.next_valid_id(session.simulator.book.register.next_order_id)]


def answer_open_orders(session: Session, _reader: FieldReader) -> list[Message]:
    """Tell this client's open orders; client 0 also gets manual orders, and binds them."""
    _refuse_read_only(session, -1, "as")
    bound = session.bind_manual_orders() if session.client_id == 0 else []
    own = [o for o in session.simulator.book.open_orders() if o.client_id == session.client_id]
    return [*bound, *_described(session, own), order_messages.open_order_end()]


def answer_all_open_orders(session: Session, _reader: FieldReader) -> list[Message]:
    """Tell the open orders of all clients; the next order id rises above all of them."""
    _refuse_read_only(session, -1, "as")
    book = session.simulator.book
    orders = book.open_orders()
    book.register.next_order_id = max(
        [book.register.next_order_id, *(o.order_id + 1 for o in orders)]
    )
    return [*_described(session, orders), order_messages.open_order_end()]


def answer_auto_open_orders(session: Session, reader: FieldReader) -> list[Message]:
    """Bind manual orders to client 0 from now on."""
    reader.skip(1)
    wanted = reader.flag("AutoBind")
    _refuse_read_only(session, -1, "bB")
    if session.client_id != 0:
        raise RequestError(327, "Only the default client (i.e 0) can auto bind orders.")
    session.subscriptions.auto_bind = wanted
    return session.bind_manual_orders() if wanted else []


def answer_completed_orders(session: Session, reader: FieldReader) -> list[Message]:
    """Tell the orders completed on the current day; `apiOnly` leaves manual orders out."""
    api_only = reader.flag("ApiOnly")
    _refuse_read_only(session, -1, "S")
    orders = [
        o
        for o in session.simulator.book.completed_orders()
        if not (api_only and o.client_id == 0 and o.order_id == 0)
    ]
    return [
        *(order_messages.completed_order(session.layout, o) for o in orders),
        order_messages.completed_orders_end(),
    ]


def answer_executions(session: Session, reader: FieldReader) -> list[Message]:
    """Tell the fills since midnight that match the filter, with their commissions."""
    query = parse_executions(reader)
    since = _filter_time(session, query)
    simulator = session.simulator
    faults = simulator.faults.on_executions()
    if faults:
        matching = [f for f in simulator.book.todays_fills() if _matches(f, query, since)]
        correct_before_read(simulator.book, matching, faults)
    midnight = simulator.book.midnight()
    hidden = simulator.faults.vanished_accounts()
    found = [
        e
        for e in simulator.executions.encoded(session.layout)
        if e.fill.executed_at >= midnight
        and e.fill.account not in hidden
        and _matches(e.fill, query, since)
    ]
    last = simulator.options.commission_order == "after_executions"
    return arrange(query.request_id, found, faults, commissions_last=last)


def _described(session: Session, orders: list[Order]) -> list[Message]:
    return [
        m
        for o in orders
        for m in (order_messages.open_order(session.layout, o), order_messages.order_status(o))
    ]


def _matches(fill: Fill, query: ExecutionQuery, since: datetime | None) -> bool:
    return (
        query.client_id in (0, fill.client_id)
        and query.account in ("", fill.account)
        and query.symbol in ("", fill.instrument.symbol)
        and query.sec_type in ("", fill.instrument.sec_type)
        and query.exchange in ("", fill.exchange)
        and _SIDES.get(query.side.upper(), query.side) in ("", fill.action)
        and (since is None or fill.executed_at >= since)
    )


def _filter_time(session: Session, query: ExecutionQuery) -> datetime | None:
    """Read the filter's time: `yyyymmdd-hh:mm:ss` is UTC, with a blank it is local or zoned."""
    text = query.time.strip()
    if not text:
        return None
    try:
        if "-" in text:
            return datetime.strptime(text, "%Y%m%d-%H:%M:%S").replace(tzinfo=UTC)
        day, clock, *zone = text.split()
        local = ZoneInfo(zone[0]) if zone else session.layout.times.zone
        return datetime.strptime(f"{day} {clock}", "%Y%m%d %H:%M:%S").replace(tzinfo=local)
    except (ValueError, ZoneInfoNotFoundError) as error:
        raise RequestError(
            321,
            f"Error validating request.-'bc' : cause - Invalid time format '{text}'.",
            query.request_id,
        ) from error


def _refuse_read_only(session: Session, request_id: int, marker: str) -> None:
    if session.simulator.options.read_only:
        raise RequestError(
            321,
            f"Error validating request.-'{marker}' : cause - "
            "The API interface is currently in Read-Only mode.",
            request_id,
        )
