"""Scripted events of a session: splits, dividends, symbol changes, cash and transfers.

What lives here: the events as records and the entries each account gets for them in the night. What
must not: reading them from a scenario (`script_reader.py`) and how a statement words them.

Options on a stock that splits or changes its symbol are left as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal

from ibkr_pipeline.simulator.bookings import Booking, BookingKind
from ibkr_pipeline.simulator.instruments import Instrument
from ibkr_pipeline.simulator.ledger import AccountLedger
from ibkr_pipeline.simulator.posting import CENT, Holding
from ibkr_pipeline.simulator.records import ZERO
from ibkr_pipeline.simulator.settlement import Night

ACTION_AT = time(20, 25)
CASH_AT = time(20, 20)
DEPOSIT = "Deposits/Withdrawals"
DIVIDEND = "Dividends"
IN_LIEU = "Payment In Lieu Of Dividends"
WITHHOLDING = "Withholding Tax"

Accounts = Mapping[str, AccountLedger]


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """`new` shares for every `old` ones; the price follows."""

    instrument: Instrument
    new: Decimal
    old: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolChange:
    """An instrument is exchanged one for one for another contract."""

    instrument: Instrument
    successor: Instrument


@dataclass(frozen=True, slots=True, kw_only=True)
class Dividend:
    """Cash per share; `withholding` is the tax rate taken from long holders."""

    instrument: Instrument
    per_share: Decimal
    withholding: Decimal
    ex_date: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CashMove:
    """Cash that comes or goes by itself; `type` is a cash transaction's type."""

    account: str
    currency: str
    amount: Decimal
    type: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """A position moved in kind; a positive quantity comes in at `price`.

    `counterparty` is the other account; when it belongs to the same broker both sides are booked.
    """

    account: str
    instrument: Instrument
    quantity: Decimal
    price: Decimal | None
    counterparty: str


ScriptedEvent = Split | SymbolChange | Dividend | CashMove | Transfer


def apply_event(night: Night, accounts: Accounts, event: ScriptedEvent) -> list[Booking]:
    """Book one event for every account it concerns and return the entries."""
    if isinstance(event, Split):
        return _split(night, accounts, event)
    if isinstance(event, SymbolChange):
        return _change_symbol(night, accounts, event)
    if isinstance(event, Dividend):
        return _pay_dividend(night, accounts, event)
    if isinstance(event, CashMove):
        return [_move_cash(night, accounts[event.account], event)]
    return _transfer(night, accounts, event)


def _split(night: Night, accounts: Accounts, event: Split) -> list[Booking]:
    stock = event.instrument
    action = night.ids.corporate_action()
    text = (
        f"{_named(stock)} SPLIT {event.new.normalize():f} FOR {event.old.normalize():f} "
        f"({stock.symbol}, {stock.long_name}, {stock.isin})"
    )

    def book(ledger: AccountLedger, held: Holding) -> list[Booking]:
        quantity = held.quantity * event.new / event.old
        ledger.book([Holding(stock, quantity, held.cost)], [])
        moved = quantity - held.quantity
        code = "FS" if event.new > event.old else "RS"
        return [_action(night, ledger.account, (code, text, action), (stock, moved, ZERO))]

    bookings = _for_holders(accounts, stock, book)
    night.market.set_mark(stock, night.market.mark(stock) * event.old / event.new)
    return bookings


def _change_symbol(night: Night, accounts: Accounts, event: SymbolChange) -> list[Booking]:
    old, new = event.instrument, event.successor
    action = night.ids.corporate_action()
    text = f"{_named(old)} CUSIP/ISIN CHANGE TO ({new.isin})"

    def book(ledger: AccountLedger, held: Holding) -> list[Booking]:
        known = ledger.holdings.get(new.con_id, Holding(new, ZERO, ZERO))
        grown = Holding(new, known.quantity + held.quantity, known.cost + held.cost)
        ledger.book([Holding(old, ZERO, ZERO), grown], [])
        legs = ((old, -held.quantity, -held.cost), (new, held.quantity, held.cost))
        return [
            _action(
                night,
                ledger.account,
                ("IC", f"{text} ({part.symbol}, {part.long_name}, {part.isin})", action),
                (part, quantity, cost),
            )
            for part, quantity, cost in legs
        ]

    bookings = _for_holders(accounts, old, book)
    night.market.set_mark(new, night.market.mark(old))
    return bookings


def _pay_dividend(night: Night, accounts: Accounts, event: Dividend) -> list[Booking]:
    stock = event.instrument
    action = night.ids.corporate_action()
    rate = f"{stock.currency} {event.per_share.normalize():f} PER SHARE"

    def book(ledger: AccountLedger, held: Holding) -> list[Booking]:
        amount = (held.quantity * event.per_share).quantize(CENT)
        if held.quantity < 0:
            text = f"{_named(stock)} PAYMENT IN LIEU OF DIVIDEND (Ordinary Dividend)"
            parts = [(IN_LIEU, amount, text)]
        else:
            text = f"{_named(stock)} CASH DIVIDEND {rate}"
            tax = -(amount * event.withholding).quantize(CENT)
            country = stock.isin[:2] or "US"
            parts = [(DIVIDEND, amount, f"{text} (Ordinary Dividend)")]
            parts += [(WITHHOLDING, tax, f"{text} - {country} TAX")] if tax else []
        return [
            _cash_entry(night, ledger, (kind, money, words), event, action)
            for kind, money, words in parts
        ]

    return _for_holders(accounts, stock, book)


def _cash_entry(
    night: Night,
    ledger: AccountLedger,
    move: tuple[str, Decimal, str],
    event: Dividend,
    action_id: int,
) -> Booking:
    kind, amount, description = move
    currency = event.instrument.currency
    ledger.book([], [(currency, amount)])
    return Booking(
        kind=BookingKind.CASH,
        account=ledger.account,
        session=night.session,
        at=night.at(CASH_AT),
        event=kind,
        instrument=event.instrument,
        cash=((currency, amount),),
        description=description,
        action_id=action_id,
        transaction_id=night.ids.transaction(),
        ex_date=event.ex_date or night.session,
    )


def _move_cash(night: Night, ledger: AccountLedger, event: CashMove) -> Booking:
    ledger.book([], [(event.currency, event.amount)])
    return Booking(
        kind=BookingKind.CASH,
        account=ledger.account,
        session=night.session,
        at=night.at(CASH_AT),
        event=event.type,
        cash=((event.currency, event.amount),),
        description=event.description,
        transaction_id=night.ids.transaction(),
    )


def _transfer(night: Night, accounts: Accounts, event: Transfer) -> list[Booking]:
    internal = event.counterparty in accounts
    price = event.price or night.market.mark(event.instrument)
    own = (event.account, event.quantity, event.counterparty)
    sides = [own, (event.counterparty, -event.quantity, event.account)] if internal else [own]
    return [
        _transfer_side(
            night,
            accounts[account],
            event.instrument,
            (quantity, price),
            ("INTERNAL" if internal else "FOP", other),
        )
        for account, quantity, other in sides
    ]


def _transfer_side(
    night: Night,
    ledger: AccountLedger,
    instrument: Instrument,
    moved: tuple[Decimal, Decimal],
    via: tuple[str, str],
) -> Booking:
    quantity, price = moved
    kind, counterparty = via
    held = ledger.holdings.get(instrument.con_id, Holding(instrument, ZERO, ZERO))
    leaves = held.quantity * quantity < 0
    if leaves and abs(quantity) > abs(held.quantity):
        raise ValueError(
            f"{ledger.account} was to transfer {abs(quantity)} {instrument.local_symbol} and holds "
            f"{held.quantity}; transfer at most what is held."
        )
    cost = quantity * price * instrument.multiplier
    if leaves:
        cost = (held.cost * quantity / held.quantity).quantize(Decimal("0.00000001"))
    ledger.book([Holding(instrument, held.quantity + quantity, held.cost + cost)], [])
    return Booking(
        kind=BookingKind.TRANSFER,
        account=ledger.account,
        session=night.session,
        at=night.at(CASH_AT),
        event=kind,
        instrument=instrument,
        quantity=quantity,
        price=price,
        cost=cost,
        opens=not leaves,
        description=instrument.long_name,
        transaction_id=night.ids.transaction(),
        counterparty=counterparty,
    )


def _action(
    night: Night,
    account: str,
    action: tuple[str, str, int],
    change: tuple[Instrument, Decimal, Decimal],
) -> Booking:
    code, description, action_id = action
    instrument, quantity, cost = change
    return Booking(
        kind=BookingKind.CORPORATE,
        account=account,
        session=night.session,
        at=night.at(ACTION_AT),
        event=code,
        instrument=instrument,
        quantity=quantity,
        cost=cost,
        description=description,
        action_id=action_id,
        transaction_id=night.ids.transaction(),
    )


def _for_holders(
    accounts: Accounts,
    instrument: Instrument,
    book: Callable[[AccountLedger, Holding], list[Booking]],
) -> list[Booking]:
    bookings: list[Booking] = []
    for ledger in accounts.values():
        held = ledger.holdings.get(instrument.con_id)
        if held is not None and held.quantity:
            bookings += book(ledger, held)
    return bookings


def _named(instrument: Instrument) -> str:
    return f"{instrument.symbol}({instrument.isin})"
