"""The orders a scenario says have already happened in a session, played into the book.

What lives here: the keys of one past order and how its outcome comes about. What must not: matching
(a past order fills exactly as written).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, time
from decimal import Decimal

from ibkr_pipeline.simulator.book import Book
from ibkr_pipeline.simulator.document import Section
from ibkr_pipeline.simulator.instruments import ContractQuery, Instrument
from ibkr_pipeline.simulator.posting import total
from ibkr_pipeline.simulator.records import OrderStatus, OrderTicket
from ibkr_pipeline.simulator.register import Execution

_ENDS = ("filled", "working", "cancelled", "rejected")


@dataclass(frozen=True, slots=True, kw_only=True)
class PastFill:
    """One execution of a past order; `corrected_to` is the price of its second revision."""

    at: time
    quantity: Decimal
    price: Decimal
    exchange: str
    corrected_to: Decimal | None
    allocated: dict[str, Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class PastOrder:
    """One past order, checked; `at` is a local time of the session it is played in."""

    ticket: OrderTicket
    instrument: Instrument
    at: time
    fills: tuple[PastFill, ...]
    end: str
    reason: str
    has_own_id: bool


def read_orders(book: Book, sections: Iterable[Section]) -> tuple[PastOrder, ...]:
    """Read the past orders of one session.

    Raises:
        ScenarioError: If an order names an unknown account or instrument, or its fills do not add
            up to its end.
    """
    return tuple(_read_order(book, section) for section in sections)


def play_orders(book: Book, orders: Iterable[PastOrder]) -> None:
    """Place past orders in the current session and bring each to its end."""
    for order in orders:
        _play_order(book, order)


def _read_order(book: Book, section: Section) -> PastOrder:
    instrument = _instrument(book, section)
    account = section.text("account")
    if account not in book.accounts:
        raise section.error(f"account {account!r} is not under accounts.")
    quantity = section.positive("quantity")
    limit = section.optional_decimal("limit")
    order_id = section.integer("order_id", -1, low=-1, high=2**31 - 1)
    ticket = OrderTicket(
        client_id=section.integer("client_id", 1, low=0, high=2**31 - 1),
        order_id=max(order_id, 0),
        contract=ContractQuery(con_id=instrument.con_id),
        action=section.choice("action", "BUY", ("BUY", "SELL")),
        quantity=quantity,
        order_type="MKT" if limit is None else "LMT",
        limit_price=limit,
        tif=section.choice("tif", "DAY", ("DAY", "GTC")),
        account=account,
        order_ref=section.text("order_ref", ""),
        outside_rth=section.flag("outside_rth"),
        fa_group=section.text("fa_group", ""),
    )
    at = _moment(book, section)
    fills = tuple(_read_fill(book, s) for s in section.sections("fills"))
    end = section.choice("end", "filled" if fills else "working", _ENDS)
    reason = section.text("reason", "")
    section.end()
    filled = total(f.quantity for f in fills)
    if filled > quantity or (end == "filled" and filled != quantity):
        raise section.error(f"fills add up to {filled}, the order has {quantity} and ends {end}.")
    return PastOrder(
        ticket=ticket,
        instrument=instrument,
        at=at,
        fills=fills,
        end=end,
        reason=reason,
        has_own_id=order_id >= 0,
    )


def _play_order(book: Book, past: PastOrder) -> None:
    ticket = past.ticket
    if not past.has_own_id:
        ticket = replace(ticket, order_id=book.register.next_order_id)
    accepted_at = _today_at(book, past.at)
    order = book.register.accept(ticket, past.instrument, ticket.account, accepted_at)
    for fill in past.fills:
        _play_fill(book, order.perm_id, fill)
    _play_end(book, order.perm_id, past.end, past.reason)


def _play_fill(book: Book, perm_id: int, fill: PastFill) -> None:
    execution = Execution(
        quantity=fill.quantity,
        price=fill.price,
        at=_today_at(book, fill.at),
        exchange=fill.exchange,
        books=not fill.allocated,
    )
    _, block = book.register.record(book.orders[perm_id], execution)
    for account, quantity in fill.allocated.items():
        book.register.allocate(block, account, quantity)
    if fill.corrected_to is not None:
        book.correct(block.exec_id, fill.corrected_to)


def _play_end(book: Book, perm_id: int, end: str, reason: str) -> None:
    order = book.orders[perm_id]
    if end == "cancelled":
        book.expire_order(order, reason or "Cancelled by Trader")
    elif end == "rejected":
        book.reject(order, (201, reason or "Order rejected - reason:"))
    elif end == "working":
        book.register.store(replace(order, status=OrderStatus.SUBMITTED))


def _read_fill(book: Book, section: Section) -> PastFill:
    allocated = section.amounts("allocated")
    unknown = sorted(set(allocated) - set(book.accounts))
    if unknown:
        raise section.error(f"allocated names account {unknown[0]!r}, not under accounts.")
    fill = PastFill(
        at=_moment(book, section),
        quantity=section.positive("quantity"),
        price=section.positive("price"),
        exchange=section.text("exchange", ""),
        corrected_to=section.optional_decimal("corrected_to"),
        allocated=allocated,
    )
    section.end()
    if allocated and total(allocated.values()) != fill.quantity:
        raise section.error(f"allocated adds up to {total(allocated.values())}, not the quantity.")
    return fill


def _moment(book: Book, section: Section) -> time:
    text = section.text("at", "10:00:00")
    try:
        local = time.fromisoformat(text)
    except ValueError as error:
        raise section.error(f"at was {text!r}, expected a quoted HH:MM:SS.") from error
    # Every session is entered at the same time of day, so this holds for later ones as well.
    if _today_at(book, local) > book.market.clock.now():
        raise section.error(f"at was {text}, later than the clock.")
    return local


def _today_at(book: Book, local: time) -> datetime:
    return book.market.clock.at_local(book.market.clock.today(), local)


def _instrument(book: Book, section: Section) -> Instrument:
    try:
        return book.market.catalogue.named(section.text("instrument"))
    except LookupError as error:
        raise section.error(str(error)) from error
