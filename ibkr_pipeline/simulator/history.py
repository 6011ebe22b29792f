"""The sessions that have ended: what each account was, did and became.

What lives here: the record a statement is written from. What must not: the statement itself
(`flex/`) and the rules by which a day ends (`rollover.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from ibkr_pipeline.simulator.bookings import Booking
from ibkr_pipeline.simulator.instruments import Instrument
from ibkr_pipeline.simulator.ledger import LedgerState
from ibkr_pipeline.simulator.records import Fill, Order


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDay:
    """One account over one session.

    Attributes:
        start: State when the day began.
        fills: The fills that count (the last revision of each), in the order they were booked.
        bookings: What was booked overnight, in order.
        end: State after the night.
    """

    start: LedgerState
    fills: Sequence[Fill]
    bookings: Sequence[Booking]
    end: LedgerState


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingExercise:
    """A request to exercise that the night after the next session carries out."""

    account: str
    instrument: Instrument
    quantity: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One ended session.

    Attributes:
        session: Its date.
        closes: Closing price by contract id.
        marks: Price after overnight corporate actions by contract id, the base of values.
        rates: Base currency per unit of each currency.
        accounts: Every account by id.
        revisions: Every fill reported in the session, superseded ones included, each with its
            place among all fills.
        orders: The orders of those fills as they stood, by permanent id.
        pending: Exercise requests not carried out yet.
    """

    session: date
    closes: Mapping[int, Decimal]
    marks: Mapping[int, Decimal]
    rates: Mapping[str, Decimal]
    accounts: Mapping[str, AccountDay]
    revisions: Sequence[tuple[int, Fill]] = ()
    orders: Mapping[int, Order]
    pending: Sequence[PendingExercise] = ()


class History:
    """The ended sessions of a book, oldest first."""

    def __init__(self) -> None:
        self.days: list[Day] = []
        self.reported_fills = 0

    def add(self, day: Day) -> None:
        """Append a session that has just ended."""
        self.days.append(day)

    def sessions(self) -> list[date]:
        """Return the dates of the ended sessions."""
        return [day.session for day in self.days]
