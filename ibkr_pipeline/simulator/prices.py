"""The price path of every instrument: a seeded random walk, the same for the same seed.

What lives here: closing prices per session, daily bars made from them and tick rounding. What must
not: orders and the current mark, which fills and tests may move (`market.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from random import Random

from ibkr_pipeline.simulator.instruments import Instrument
from ibkr_pipeline.simulator.sessions import next_session, previous_session

_DAILY_MOVE = {"STK": 0.012, "OPT": 0.05, "FUT": 0.009, "CASH": 0.004, "IND": 0.008}


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyBar:
    """One session of one instrument; `volume` in units, `wap` the volume-weighted price."""

    session: date
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int
    wap: Decimal
    trades: int


class PriceTape:
    """Closing prices for any session, anchored at each instrument's mark on the first session.

    Args:
        seed: Seed of the walk.
        anchor: Session on which the close equals `Instrument.mark`.
    """

    def __init__(self, seed: int, anchor: date) -> None:
        self._seed = seed
        self._anchor = anchor
        self._closes: dict[tuple[int, date], Decimal] = {}
        self._spans: dict[int, tuple[date, date]] = {}

    def close(self, instrument: Instrument, session: date) -> Decimal:
        """Return the closing price of a session, before or after the anchor."""
        key = instrument.con_id
        if key not in self._spans:
            self._closes[key, self._anchor] = instrument.mark
            self._spans[key] = (self._anchor, self._anchor)
        first, last = self._spans[key]
        while last < session:
            following = next_session(last)
            grown = self._closes[key, last] * self.growth(instrument, following)
            self._closes[key, following] = round_to_tick(grown, instrument.min_tick)
            last = following
        while first > session:
            shrunk = self._closes[key, first] / self.growth(instrument, first)
            first = previous_session(first)
            self._closes[key, first] = round_to_tick(shrunk, instrument.min_tick)
        self._spans[key] = (first, last)
        return self._closes[key, session]

    def growth(self, instrument: Instrument, session: date) -> Decimal:
        """Return the factor by which the price moves into a session."""
        move = self._random(instrument, session).gauss(0.0003, _DAILY_MOVE[instrument.sec_type])
        return Decimal(1) + Decimal(str(round(max(-0.2, min(0.2, move)), 6)))

    def bar(self, instrument: Instrument, session: date) -> DailyBar:
        """Return the daily bar of a session."""
        close = self.close(instrument, session)
        random = self._random(instrument, session)
        random.random()
        tick = instrument.min_tick
        opened = round_to_tick(close * _factor(random, 0.006), tick)
        high = round_to_tick(max(opened, close) * (1 + abs(_factor(random, 0.004) - 1)), tick)
        low = round_to_tick(min(opened, close) * (1 - abs(_factor(random, 0.004) - 1)), tick)
        wap = ((opened + high + low + close) / 4).quantize(Decimal("0.0001"))
        return DailyBar(
            session=session,
            open=opened,
            high=high,
            low=low,
            close=close,
            volume=random.randrange(200_000, 5_000_000),
            wap=wap,
            trades=random.randrange(2_000, 90_000),
        )

    def _random(self, instrument: Instrument, session: date) -> Random:
        # The generator only draws a plausible price path; it secures nothing.
        return Random(f"{self._seed}:{instrument.con_id}:{session.isoformat()}")  # noqa: S311  # seeded on purpose


def round_to_tick(price: Decimal, tick: Decimal) -> Decimal:
    """Round a price to the instrument's tick, never below one tick."""
    steps = (price / tick).quantize(Decimal(1), rounding=ROUND_HALF_EVEN)
    return max(steps, Decimal(1)) * tick


def is_on_tick(price: Decimal, tick: Decimal) -> bool:
    """Tell whether a price is a multiple of the tick."""
    return price % tick == 0


def _factor(random: Random, width: float) -> Decimal:
    return Decimal(1) + Decimal(str(round(random.uniform(-width, width), 6)))
