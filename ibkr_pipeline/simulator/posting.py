"""What one trade does to a holding and to cash, at average cost.

What lives here: the holding record and pure arithmetic over it. What must not: the state of an
account (`ledger.py`) and anything that needs a current price (`valuation.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from ibkr_pipeline.simulator.instruments import Instrument
from ibkr_pipeline.simulator.records import ZERO, Fill

CENT = Decimal("0.01")
_COST_DIGITS = Decimal("0.00000001")


@dataclass(frozen=True, slots=True)
class Holding:
    """A position: signed quantity and signed total cost in the instrument's currency.

    Cost includes the multiplier, and the opening commission of stocks and options; a short
    position has negative quantity and negative cost, so the average cost is positive.
    """

    instrument: Instrument
    quantity: Decimal
    cost: Decimal

    @property
    def average_cost(self) -> Decimal:
        """Cost per unit including the multiplier; 0 for a flat position."""
        if not self.quantity:
            return ZERO
        return (self.cost / self.quantity).quantize(_COST_DIGITS)


@dataclass(frozen=True, slots=True)
class Posting:
    """The effect of one trade: the new holding, cash moves and the realized result (or None)."""

    holding: Holding | None
    cash: tuple[tuple[str, Decimal], ...]
    realized: Decimal | None


def post_fill(held: Holding | None, fill: Fill, base_currency: str) -> Posting:
    """Compute what a fill does to a holding and to cash.

    Stocks and options pay their price; a future pays only its result when it is closed; a
    currency pair exchanges one cash balance for another and holds nothing.
    """
    instrument, signed = fill.instrument, fill.signed_quantity
    value = (signed * fill.price * instrument.multiplier).quantize(CENT)
    if instrument.sec_type == "CASH":
        exchanged = ((instrument.symbol, signed), (instrument.currency, -value))
        return Posting(None, (*exchanged, (base_currency, -fill.commission)), None)
    is_future = instrument.sec_type == "FUT"
    before = held or Holding(instrument, ZERO, ZERO)
    cost_commission = ZERO if is_future else fill.commission
    closed = min(abs(signed), abs(before.quantity)) if signed * before.quantity < 0 else ZERO
    after, gross = _settle(before, signed, value, cost_commission, closed)
    realized = None
    if closed:
        share = fill.commission if is_future else fill.commission * closed / abs(signed)
        realized = (gross - share).quantize(CENT)
    paid = gross.quantize(CENT) - fill.commission if is_future else -value - fill.commission
    return Posting(after, ((instrument.currency, paid),), realized)


def close_option(held: Holding, quantity: Decimal) -> tuple[Holding, Decimal]:
    """Take contracts out of an option holding at no price: exercised, assigned or expired.

    Args:
        held: The option holding, long or short.
        quantity: Contracts that end, positive.

    Returns:
        The holding afterwards and the signed cost that left with the contracts: positive for a
        long option, negative (the premium received) for a short one.
    """
    signed = quantity if held.quantity < 0 else -quantity
    after, gross = _settle(held, signed, ZERO, ZERO, quantity)
    return after, -gross


def deliver(
    held: Holding | None, instrument: Instrument, signed: Decimal, price: Decimal, carried: Decimal
) -> Posting:
    """Buy or sell the underlying of an option at its strike; the option's cost is carried over.

    The money that moves is the strike's; the premium that was paid or received earlier becomes
    part of the basis of what was bought, or of the result of what was sold.
    """
    value = (signed * price * instrument.multiplier).quantize(CENT)
    before = held or Holding(instrument, ZERO, ZERO)
    closed = min(abs(signed), abs(before.quantity)) if signed * before.quantity < 0 else ZERO
    after, gross = _settle(before, signed, value + carried, ZERO, closed)
    realized = gross.quantize(CENT) if closed else None
    return Posting(after, ((instrument.currency, -value),), realized)


def _settle(
    before: Holding, signed: Decimal, value: Decimal, commission: Decimal, closed: Decimal
) -> tuple[Holding, Decimal]:
    """Return the holding after a trade and the gross result of the part that closed."""
    if not closed:
        grown = Holding(
            before.instrument, before.quantity + signed, before.cost + value + commission
        )
        return grown, ZERO
    released = (before.cost * closed / abs(before.quantity)).quantize(_COST_DIGITS)
    closing_value = value * closed / abs(signed)
    opened = abs(signed) - closed
    cost = before.cost - released
    if opened:
        cost = value - closing_value + commission * opened / abs(signed)
    elif closed == abs(before.quantity):
        cost = ZERO
    return Holding(before.instrument, before.quantity + signed, cost), -closing_value - released


def commission_of(instrument: Instrument, quantity: Decimal) -> Decimal:
    """Return the broker's charge for a fill, in `commission_currency_of` it, rounded to cents."""
    rates: dict[str, tuple[str, str]] = {
        "STK": ("0.005", "1.00"),
        "OPT": ("0.65", "0.65"),
        "FUT": ("2.25", "2.25"),
    }
    per_unit, minimum = rates.get(instrument.sec_type, ("0", "2.00"))
    return max(Decimal(per_unit) * quantity, Decimal(minimum)).quantize(CENT)


def total(amounts: Iterable[Decimal]) -> Decimal:
    """Add amounts up; 0 for none."""
    return sum(amounts, ZERO)
