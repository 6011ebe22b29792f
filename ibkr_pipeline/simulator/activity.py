"""The orders a scenario says have already happened today, played into the book.

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
from ibkr_pipeline.simulator.ledger import total
from ibkr_pipeline.simulator.records import OrderStatus, OrderTicket
from ibkr_pipeline.simulator.register import Execution

_ENDS = ("filled", "working", "cancelled", "rejected")


@dataclass(frozen=True, slots=True, kw_only=True)
class PastFill:
    """One execution of a past order; `corrected_to` is the price of its second revision."""

    at: datetime
    quantity: Decimal
    price: Decimal
    exchange: str
    corrected_to: Decimal | None
    allocated: dict[str, Decimal]


def play_orders(book: Book, sections: Iterable[Section]) -> None:
    """Place the orders of a scenario and bring each to its end.

    Raises:
        ScenarioError: If an order names an unknown account or instrument, or its fills do not add
            up to its end.
    """
    for section in sections:
        _play_order(book, section)


def _play_order(book: Book, section: Section) -> None:
    instrument = _instrument(book, section)
    account = section.text("account")
    if account not in book.accounts:
        raise section.error(f"account {account!r} is not under accounts.")
    quantity = section.positive("quantity")
    limit = section.optional_decimal("limit")
    order_id = section.integer("order_id", -1, low=-1, high=2**31 - 1)
    ticket = OrderTicket(
        client_id=section.integer("client_id", 1, low=0, high=2**31 - 1),
        order_id=book.register.next_order_id if order_id < 0 else order_id,
        contract=ContractQuery(con_id=instrument.con_id),
        action=section.choice("action", "BUY", ("BUY", "SELL")),
        quantity=quantity,
        order_type="MKT" if limit is None else "LMT",
        limit_price=limit,
        tif=section.choice("tif", "DAY", ("DAY", "GTC")),
        order_ref=section.text("order_ref", ""),
        outside_rth=section.flag("outside_rth"),
        fa_group=section.text("fa_group", ""),
    )
    order = book.register.accept(ticket, instrument, account, _moment(book, section))
    fills = [_read_fill(book, s) for s in section.sections("fills")]
    end = section.choice("end", "filled" if fills else "working", _ENDS)
    reason = section.text("reason", "")
    section.end()
    filled = total(f.quantity for f in fills)
    if filled > quantity or (end == "filled" and filled != quantity):
        raise section.error(f"fills add up to {filled}, the order has {quantity} and ends {end}.")
    for fill in fills:
        _play_fill(book, order.perm_id, fill)
    _play_end(book, order.perm_id, end, reason)


def _play_fill(book: Book, perm_id: int, fill: PastFill) -> None:
    execution = Execution(
        quantity=fill.quantity,
        price=fill.price,
        at=fill.at,
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


def _moment(book: Book, section: Section) -> datetime:
    text = section.text("at", "10:00:00")
    try:
        local = time.fromisoformat(text)
    except ValueError as error:
        raise section.error(f"at was {text!r}, expected a quoted HH:MM:SS.") from error
    moment = book.market.clock.at_local(book.market.clock.today(), local)
    if moment > book.market.clock.now():
        raise section.error(f"at was {text}, later than the clock.")
    return moment


def _instrument(book: Book, section: Section) -> Instrument:
    try:
        return book.market.catalogue.named(section.text("instrument"))
    except LookupError as error:
        raise section.error(str(error)) from error
