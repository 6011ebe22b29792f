"""What happens to an account overnight: the records of option events, cash and corporate actions.

What lives here: one immutable record per entry and the ids it carries. What must not: how an entry
comes about (`settlement.py`, `corporate.py`) and how a statement words it (`flex/`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from random import Random

from ibkr_pipeline.simulator.instruments import Instrument
from ibkr_pipeline.simulator.records import ZERO


class BookingKind(StrEnum):
    """What an entry is about."""

    OPTION = "option"
    DELIVERY = "delivery"
    SETTLEMENT = "settlement"
    CASH = "cash"
    CORPORATE = "corporate"
    TRANSFER = "transfer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """One entry of one account, booked after a session's trades.

    Attributes:
        kind: What it is about.
        account: Account id.
        session: Session it is reported with.
        at: When it is stamped, UTC.
        event: The broker's name of it: `Assignment`, `Exercise`, `Expiration`, `Cash Settlement`,
            `Buy`, `Sell`, a cash transaction's type, a corporate action's code or a transfer's
            type.
        instrument: What it concerns; None for plain cash.
        quantity: Signed change of the position.
        price: Price per unit: 0 for the option, the strike for what is delivered.
        cash: Signed cash moves by currency.
        cost: Signed change of the holding's cost.
        realized: Realized result in the instrument's currency; None where none arises.
        code: The statement's code: `A`, `Ex`, `Ep`.
        opens: Whether the quantity opens (True) or closes a position.
        description: The statement's text.
        action_id: What belongs together: option with delivery, or the parts of one action.
        trade_id: Trade id; 0 where the broker gives none.
        transaction_id: Distinct for every entry.
        ex_date: Ex-date of a dividend.
        counterparty: The other side of a transfer.
    """

    kind: BookingKind
    account: str
    session: date
    at: datetime
    event: str
    transaction_id: int
    instrument: Instrument | None = None
    quantity: Decimal = ZERO
    price: Decimal = ZERO
    cash: tuple[tuple[str, Decimal], ...] = ()
    cost: Decimal = ZERO
    realized: Decimal | None = None
    code: str = ""
    opens: bool = False
    description: str = ""
    action_id: int = 0
    trade_id: int = 0
    ex_date: date | None = None
    counterparty: str = ""

    @property
    def amount(self) -> Decimal:
        """The single cash move; 0 when there is none."""
        return self.cash[0][1] if self.cash else ZERO

    @property
    def currency(self) -> str:
        """Currency of the cash move, else of the instrument."""
        if self.cash:
            return self.cash[0][0]
        return self.instrument.currency if self.instrument is not None else ""


class BookingIds:
    """Gives out the ids of overnight entries; the same seed gives the same ids.

    The transaction ids exceed 32 bits, as the broker's do.
    """

    def __init__(self, seed: int) -> None:
        random = Random(f"{seed}:bookings")  # noqa: S311  # stable and plausible, no secret
        self._trade = 1_850_000_000 + random.randrange(1_000_000)
        self._transaction = 36_900_000_000 + random.randrange(1_000_000)
        self._action = 101_240_000 + random.randrange(10_000)
        self._corporate = 157_000_000 + random.randrange(100_000)

    def trade(self) -> int:
        """Return a new trade id."""
        self._trade += 1
        return self._trade

    def transaction(self) -> int:
        """Return a new transaction id."""
        self._transaction += 2
        return self._transaction

    def position_action(self) -> int:
        """Return a new id that ties an option event to its delivery."""
        self._action += 1
        return self._action

    def corporate_action(self) -> int:
        """Return a new id of a corporate action."""
        self._corporate += 7
        return self._corporate
