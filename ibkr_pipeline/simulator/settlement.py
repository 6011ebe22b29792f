"""The end of options: expiry, assignment, exercise and cash settlement after a session.

What lives here: which options end, and the entries that follow. What must not: orders and the
wording of a statement.

An option that ends in the money by a tick or more is assigned (short) or exercised (long): it
leaves the account at price 0 and the underlying is bought or sold at the strike. No result arises
on the option itself: its premium becomes part of the basis of what was delivered, which is how the
broker books it. An option on an index is settled in cash instead. Any other option that reaches its
expiry is worth nothing: the whole premium is its result.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal

from ibkr_pipeline.simulator.bookings import Booking, BookingIds, BookingKind
from ibkr_pipeline.simulator.instruments import Instrument
from ibkr_pipeline.simulator.ledger import AccountLedger
from ibkr_pipeline.simulator.market import Market
from ibkr_pipeline.simulator.posting import CENT, Holding, close_option, deliver
from ibkr_pipeline.simulator.records import ZERO

BOOKED_AT = time(16, 20)
_CODES = {"Assignment": "A", "Exercise": "Ex", "Expiration": "Ep"}


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionDemand:
    """Contracts that are assigned or exercised before they expire."""

    account: str
    instrument: Instrument
    quantity: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """What the entries of one night need: the date, the market and fresh ids."""

    session: date
    market: Market
    ids: BookingIds

    def at(self, local: time) -> datetime:
        """Return a local time of the session, UTC."""
        return self.market.clock.at_local(self.session, local)


def settle_options(
    night: Night, accounts: Mapping[str, AccountLedger], demands: Iterable[OptionDemand] = ()
) -> list[Booking]:
    """End what was demanded and what has expired; returns the entries in order of booking.

    Raises:
        LookupError: If the underlying of an option to be delivered is not listed.
        ValueError: If more is demanded than the account holds.
    """
    bookings: list[Booking] = []
    for demand in demands:
        ledger = accounts[demand.account]
        held = ledger.holdings.get(demand.instrument.con_id)
        if held is None or abs(held.quantity) < demand.quantity:
            raise ValueError(
                f"{demand.account} was to give up {demand.quantity} of "
                f"{demand.instrument.local_symbol} and holds {held.quantity if held else 0}; "
                "demand at most what is held."
            )
        bookings += _deliver_or_settle(night, ledger, held, demand.quantity)
    today = f"{night.session:%Y%m%d}"
    for ledger in accounts.values():
        for held in list(ledger.holdings.values()):
            is_over = held.instrument.sec_type == "OPT" and held.instrument.expiry <= today
            if is_over and held.quantity:
                bookings += _end(night, ledger, held)
    return bookings


def closing_prices(market: Market, session: date) -> dict[int, Decimal]:
    """Return the closing prices of a session; an option that expires closes at what it is worth."""
    closes = market.marks()
    for option in market.catalogue:
        expires = option.sec_type == "OPT" and option.expiry == f"{session:%Y%m%d}"
        if expires and option.under_con_id in closes:
            closes[option.con_id] = intrinsic_value(option, closes[option.under_con_id])
    return closes


def intrinsic_value(option: Instrument, underlying_mark: Decimal) -> Decimal:
    """Return what an option is worth if it ends now, per unit of the underlying; never negative."""
    strike = option.strike or ZERO
    worth = underlying_mark - strike if option.right == "C" else strike - underlying_mark
    return max(worth, ZERO)


def underlying_of(option: Instrument, market: Market) -> Instrument:
    """Return the instrument an option is written on; raises LookupError when it is not listed."""
    try:
        return market.catalogue.get(option.under_con_id)
    except KeyError:
        raise LookupError(
            f"{option.local_symbol} ends and its underlying (contract id {option.under_con_id}) is "
            "not listed; give the instrument an `underlying`."
        ) from None


def _end(night: Night, ledger: AccountLedger, held: Holding) -> list[Booking]:
    option = held.instrument
    mark = night.market.mark(underlying_of(option, night.market))
    if intrinsic_value(option, mark) >= CENT:
        return _deliver_or_settle(night, ledger, held, abs(held.quantity))
    after, released = close_option(held, abs(held.quantity))
    ledger.book([after], [])
    realized = (-released).quantize(CENT)
    return [
        _option_entry(
            night,
            ledger.account,
            (held, after),
            event="Expiration",
            realized=realized,
            action_id=night.ids.position_action(),
        )
    ]


def _deliver_or_settle(
    night: Night, ledger: AccountLedger, held: Holding, quantity: Decimal
) -> list[Booking]:
    event = "Assignment" if held.quantity < 0 else "Exercise"
    action_id = night.ids.position_action()
    underlying = underlying_of(held.instrument, night.market)
    after, released = close_option(held, quantity)
    option = _option_entry(
        night, ledger.account, (held, after), event=event, realized=ZERO, action_id=action_id
    )
    ledger.book([after], [])
    if underlying.sec_type == "IND":
        return [option, _settle_in_cash(night, ledger, option, released)]
    return [option, _deliver(night, ledger, option, underlying, released)]


def _option_entry(
    night: Night,
    account: str,
    change: tuple[Holding, Holding],
    *,
    event: str,
    realized: Decimal,
    action_id: int,
) -> Booking:
    before, after = change
    return Booking(
        kind=BookingKind.OPTION,
        account=account,
        session=night.session,
        at=night.at(BOOKED_AT),
        event=event,
        instrument=before.instrument,
        quantity=after.quantity - before.quantity,
        cost=after.cost - before.cost,
        realized=realized,
        code=_CODES[event],
        action_id=action_id,
        trade_id=night.ids.trade(),
        transaction_id=night.ids.transaction(),
    )


def _deliver(
    night: Night, ledger: AccountLedger, option: Booking, underlying: Instrument, released: Decimal
) -> Booking:
    contract = option.instrument
    strike = (contract.strike if contract is not None else None) or ZERO
    multiplier = contract.multiplier if contract is not None else 1
    is_call = contract is not None and contract.right == "C"
    was_long = option.event == "Exercise"
    direction = 1 if is_call == was_long else -1
    signed = direction * abs(option.quantity) * multiplier
    held = ledger.holdings.get(underlying.con_id)
    posting = deliver(held, underlying, signed, strike, released)
    after = posting.holding or Holding(underlying, ZERO, ZERO)
    ledger.book([after], posting.cash)
    before = held.quantity if held is not None else ZERO
    return Booking(
        kind=BookingKind.DELIVERY,
        account=ledger.account,
        session=night.session,
        at=option.at,
        event="Buy" if signed > 0 else "Sell",
        instrument=underlying,
        quantity=signed,
        price=strike,
        cash=posting.cash,
        cost=after.cost - (held.cost if held is not None else ZERO),
        realized=posting.realized or ZERO,
        code=option.code,
        opens=before * signed >= 0,
        action_id=option.action_id,
        trade_id=night.ids.trade(),
        transaction_id=night.ids.transaction(),
    )


def _settle_in_cash(
    night: Night, ledger: AccountLedger, option: Booking, released: Decimal
) -> Booking:
    """Pay (to a long) or take (from a short) what the option is worth at the index's last value."""
    contract = option.instrument
    if contract is None:
        raise ValueError("A cash settlement needs the option it settles; none was given.")
    index = night.market.mark(underlying_of(contract, night.market))
    worth = intrinsic_value(contract, index) * contract.multiplier * -option.quantity
    amount = worth.quantize(CENT)
    ledger.book([], [(contract.currency, amount)])
    return Booking(
        kind=BookingKind.SETTLEMENT,
        account=ledger.account,
        session=night.session,
        at=option.at,
        event="Cash Settlement",
        instrument=contract,
        price=intrinsic_value(contract, index),
        cash=((contract.currency, amount),),
        realized=(amount - released).quantize(CENT),
        code=option.code,
        action_id=option.action_id,
        trade_id=option.trade_id,
        transaction_id=night.ids.transaction(),
    )
