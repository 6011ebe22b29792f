"""The simulated market: current marks, exchange rates and how much of an order trades at once.

What lives here: mutable marks and the matching rule of market and limit orders. What must not:
accounts and order states (`book.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from ibkr_pipeline.simulator.instruments import Catalogue, Instrument
from ibkr_pipeline.simulator.prices import PriceTape, round_to_tick
from ibkr_pipeline.simulator.records import Order
from ibkr_pipeline.simulator.sessions import SimulatorClock


@dataclass(frozen=True, slots=True, kw_only=True)
class Liquidity:
    """How much trades when an order meets the market.

    Attributes:
        slice_quantity: Largest quantity of one execution; 0 means no limit.
        available_quantity: Quantity an order finds each time it meets the market; 0 means all.
    """

    slice_quantity: Decimal = Decimal(0)
    available_quantity: Decimal = Decimal(0)

    def slices(self, remaining: Decimal) -> Iterator[Decimal]:
        """Yield the quantities of the executions an order gets now."""
        left = min(remaining, self.available_quantity or remaining)
        while left > 0:
            piece = min(left, self.slice_quantity or left)
            yield piece
            left -= piece


class Market:
    """Marks and rates of one simulated market.

    Args:
        catalogue: What is listed.
        tape: The price path marks start from and move along.
        clock: The simulator's clock.
        base_currency: Currency of every account's totals.
        liquidity: What an order finds when it meets the market.
    """

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        tape: PriceTape,
        clock: SimulatorClock,
        base_currency: str = "USD",
        liquidity: Liquidity | None = None,
    ) -> None:
        self.catalogue = catalogue
        self.tape = tape
        self.clock = clock
        self.base_currency = base_currency
        self.liquidity = liquidity or Liquidity()
        self._marks = {i.con_id: i.mark for i in catalogue}

    def list_instrument(self, instrument: Instrument) -> None:
        """Add an instrument to the catalogue at its opening mark."""
        self.catalogue.add(instrument)
        self._marks[instrument.con_id] = instrument.mark

    def mark(self, instrument: Instrument) -> Decimal:
        """Return the current price of an instrument."""
        return self._marks[instrument.con_id]

    def set_mark(self, instrument: Instrument, price: Decimal) -> None:
        """Move an instrument to a price; it must be positive."""
        if price <= 0:
            raise ValueError(f"{instrument.local_symbol} price was {price}; it must be positive.")
        self._marks[instrument.con_id] = round_to_tick(price, instrument.min_tick)

    def marks(self) -> dict[int, Decimal]:
        """Return the current price of every instrument by contract id."""
        return dict(self._marks)

    def closes(self, session: date) -> dict[int, Decimal]:
        """Return the closing prices of a session along the undisturbed price path."""
        return {i.con_id: self.tape.close(i, session) for i in self.catalogue}

    def move_to_next_session(self) -> None:
        """Advance the clock one session and every mark along its seeded path."""
        session = self.clock.advance_session()
        for instrument in self.catalogue:
            grown = self._marks[instrument.con_id] * self.tape.growth(instrument, session)
            self._marks[instrument.con_id] = round_to_tick(grown, instrument.min_tick)

    def rates(self) -> dict[str, Decimal]:
        """Return the base currency per unit of every currency that has a listed pair."""
        return self.rates_at(self._marks)

    def rates_at(self, marks: Mapping[int, Decimal]) -> dict[str, Decimal]:
        """Return the base currency per unit of every currency at given marks."""
        pairs = {
            i.symbol: marks[i.con_id]
            for i in self.catalogue
            if i.sec_type == "CASH" and i.currency == self.base_currency and i.con_id in marks
        }
        return {self.base_currency: Decimal(1), **pairs}

    def crosses(self, order: Order) -> bool:
        """Tell whether an order trades at the current mark."""
        if order.order_type == "MKT" or order.limit_price is None:
            return True
        mark = self.mark(order.instrument)
        if order.action == "BUY":
            return order.limit_price >= mark
        return order.limit_price <= mark
