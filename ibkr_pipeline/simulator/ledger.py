"""What one account owns: holdings at average cost and cash per currency.

What lives here: the posting of a fill to holdings and cash, and the realized result it causes.
What must not: orders, and anything that needs a current price (`valuation.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from ibkr_pipeline.simulator.instruments import Instrument
from ibkr_pipeline.simulator.records import ZERO, AccountOpening, Fill

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


class AccountLedger:
    """Holdings and cash of one account.

    Args:
        opening: What the account started with.
        base_currency: Currency commissions of currency trades are charged in.
    """

    def __init__(self, opening: AccountOpening, base_currency: str) -> None:
        self.opening = opening
        self.account = opening.account
        self.base_currency = base_currency
        self.cash: dict[str, Decimal] = {}
        self.holdings: dict[int, Holding] = {}
        self.realized: dict[int, Decimal] = {}
        self.fills: list[Fill] = []
        self.start_cash: dict[str, Decimal] = {base_currency: ZERO, **opening.cash}
        self.start_holdings = _opening_holdings(opening)
        self._restart()

    def post(self, fill: Fill) -> Decimal | None:
        """Book a fill and return its realized result, net of commission; None if it opened."""
        if not fill.books:
            return None
        self.fills.append(fill)
        return self._apply(fill)

    def replace(self, corrected: Fill) -> Decimal | None:
        """Book a corrected fill in place of its earlier revision; return its realized result.

        The ledger is computed again from its opening, because a corrected price changes the cost
        every later fill was measured against.
        """
        self.fills = [corrected if f.root == corrected.root else f for f in self.fills]
        self._restart()
        realized: Decimal | None = None
        for fill in self.fills:
            outcome = self._apply(fill)
            if fill is corrected:
                realized = outcome
        return realized

    def close_day(self) -> None:
        """Make the current state the start of the next day and forget realized results.

        The gateway counts fills and realized results from its midnight on.
        """
        self.start_cash = dict(self.cash)
        self.start_holdings = {k: h for k, h in self.holdings.items() if h.quantity}
        self.fills = []
        self._restart()

    def _restart(self) -> None:
        self.cash = dict(self.start_cash)
        self.holdings = dict(self.start_holdings)
        self.realized.clear()

    def _apply(self, fill: Fill) -> Decimal | None:
        posting = post_fill(self.holdings.get(fill.instrument.con_id), fill, self.base_currency)
        for currency, amount in posting.cash:
            self.cash[currency] = self.cash.get(currency, ZERO) + amount
        if posting.holding is not None:
            self.holdings[fill.instrument.con_id] = posting.holding
        if posting.realized is not None:
            total = self.realized.get(fill.instrument.con_id, ZERO)
            self.realized[fill.instrument.con_id] = total + posting.realized
        return posting.realized


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


def _opening_holdings(opening: AccountOpening) -> dict[int, Holding]:
    return {
        instrument.con_id: Holding(instrument, quantity, quantity * price * instrument.multiplier)
        for instrument, quantity, price in opening.positions
    }


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
