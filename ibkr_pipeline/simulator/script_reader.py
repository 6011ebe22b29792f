"""Reads what a scenario says happens in later sessions and in the nights.

What lives here: the keys under `sessions:` and of each event. What must not: what an event does
(`corporate.py`, `settlement.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal

from ibkr_pipeline.simulator.activity import read_orders
from ibkr_pipeline.simulator.book import Book
from ibkr_pipeline.simulator.corporate import (
    DEPOSIT,
    CashMove,
    Dividend,
    ScriptedEvent,
    Split,
    SymbolChange,
    Transfer,
)
from ibkr_pipeline.simulator.document import Section
from ibkr_pipeline.simulator.history import PendingExercise
from ibkr_pipeline.simulator.instruments import Instrument
from ibkr_pipeline.simulator.script import Script, SessionScript
from ibkr_pipeline.simulator.settlement import OptionDemand

_LAST_SESSION = 10_000
CASH_TYPES = (
    "Deposits/Withdrawals",
    "Broker Interest Received",
    "Broker Interest Paid",
    "Other Fees",
    "Advisor Fees",
    "Commission Adjustments",
    "Payment In Lieu Of Dividends",
    "Dividends",
    "Withholding Tax",
)


def read_script(root: Section, book: Book) -> Script:
    """Read the script of a scenario.

    Raises:
        ScenarioError: If an event or an order says something unknown or names a stranger.
    """
    sessions: dict[int, SessionScript] = {}
    for section in root.sections("sessions"):
        number = section.integer("number", low=1, high=_LAST_SESSION)
        if number in sessions:
            raise section.error(f"session {number} is described twice.")
        sessions[number] = _read_session(section, book, number)
    shows = root.flag("wire_shows_assignments")
    return Script(sessions=sessions, wire_shows_assignments=shows)


def _read_session(section: Section, book: Book, number: int) -> SessionScript:
    marks = section.amounts("marks")
    orders = read_orders(book, section.sections("orders"))
    if number == 1 and (marks or orders):
        raise section.error("session 1 takes its marks and orders from the top of the scenario.")
    script = SessionScript(
        marks=tuple((named(book, section, name), price) for name, price in marks.items()),
        orders=orders,
    )
    for event in section.sections("events"):
        script = _with_event(script, event, book)
    section.end()
    return script


def _with_event(script: SessionScript, section: Section, book: Book) -> SessionScript:
    kind = section.choice("event", "", (*_EVENTS, "assign", "exercise"))
    if kind in ("assign", "exercise"):
        account, instrument = _account(book, section), _instrument(book, section)
        quantity = section.positive("quantity")
        section.end()
        if kind == "assign":
            demand = OptionDemand(account=account, instrument=instrument, quantity=quantity)
            return replace(script, assignments=(*script.assignments, demand))
        asked = PendingExercise(account=account, instrument=instrument, quantity=quantity)
        return replace(script, exercises=(*script.exercises, asked))
    event = _EVENTS[kind](section, book)
    section.end()
    return replace(script, events=(*script.events, event))


def _read_split(section: Section, book: Book) -> ScriptedEvent:
    return Split(
        instrument=_instrument(book, section),
        new=section.positive("new"),
        old=section.positive("old"),
    )


def _read_symbol_change(section: Section, book: Book) -> ScriptedEvent:
    old = _instrument(book, section)
    symbol = section.text("symbol")
    successor = replace(
        old,
        con_id=section.integer("con_id", low=1, high=2**31 - 1),
        symbol=symbol,
        local_symbol=symbol,
        isin=section.text("isin", ""),
        long_name=section.text("long_name", old.long_name),
    )
    try:
        book.market.list_instrument(successor)
    except ValueError as error:
        raise section.error(str(error)) from error
    return SymbolChange(instrument=old, successor=successor)


def _read_dividend(section: Section, book: Book) -> ScriptedEvent:
    rate = section.decimal("withholding", "0")
    if not 0 <= rate < 1:
        raise section.error(f"withholding was {rate}, expected a rate from 0 up to 1.")
    return Dividend(
        instrument=_instrument(book, section),
        per_share=section.positive("per_share"),
        withholding=rate,
        ex_date=_optional_date(section, "ex_date"),
    )


def _read_deposit(section: Section, book: Book) -> ScriptedEvent:
    return _plain_cash(section, book, 1, "CASH RECEIPTS / ELECTRONIC FUND TRANSFERS")


def _read_withdrawal(section: Section, book: Book) -> ScriptedEvent:
    return _plain_cash(section, book, -1, "DISBURSEMENT INITIATED BY ACCOUNT HOLDER")


def _plain_cash(section: Section, book: Book, sign: int, text: str) -> ScriptedEvent:
    return CashMove(
        account=_account(book, section),
        currency=_currency(book, section),
        amount=section.positive("amount") * sign,
        type=DEPOSIT,
        description=section.text("description", text),
    )


def _read_cash(section: Section, book: Book) -> ScriptedEvent:
    kind = section.choice("type", "", CASH_TYPES)
    return CashMove(
        account=_account(book, section),
        currency=_currency(book, section),
        amount=section.decimal("amount"),
        type=kind,
        description=section.text("description", kind.upper()),
    )


def _read_transfer(section: Section, book: Book) -> ScriptedEvent:
    quantity = section.decimal("quantity")
    if quantity == 0:
        raise section.error("quantity was 0; give what comes in, or a negative number to send out.")
    return Transfer(
        account=_account(book, section),
        instrument=_instrument(book, section),
        quantity=quantity,
        price=section.optional_decimal("price"),
        counterparty=section.text("counterparty", "OTHER-BROKER"),
    )


_EVENTS: Mapping[str, Callable[[Section, Book], ScriptedEvent]] = {
    "split": _read_split,
    "symbol_change": _read_symbol_change,
    "dividend": _read_dividend,
    "deposit": _read_deposit,
    "withdrawal": _read_withdrawal,
    "cash": _read_cash,
    "transfer": _read_transfer,
}


def named(book: Book, section: Section, name: str) -> Instrument:
    """Return the instrument a scenario names; raises ScenarioError for an unknown one."""
    try:
        return book.market.catalogue.named(name)
    except LookupError as error:
        raise section.error(str(error)) from error


def _instrument(book: Book, section: Section) -> Instrument:
    return named(book, section, section.text("instrument"))


def _account(book: Book, section: Section) -> str:
    account = section.text("account")
    if account not in book.accounts:
        raise section.error(f"account {account!r} is not under accounts.")
    return account


def _currency(book: Book, section: Section) -> str:
    currency = section.text("currency", book.market.base_currency)
    known: Mapping[str, Decimal] = book.market.rates()
    if currency not in known:
        raise section.error(
            f"currency was {currency!r}, expected one of: {', '.join(sorted(known))}."
        )
    return currency


def _optional_date(section: Section, key: str) -> date | None:
    value = section.value(key, "")
    if value == "":
        return None
    try:
        return value if isinstance(value, date) else date.fromisoformat(str(value))
    except ValueError as error:
        raise section.error(f"{key} was {value!r}, expected YYYY-MM-DD.") from error
