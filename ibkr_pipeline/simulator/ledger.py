"""What one account owns: holdings at average cost and cash per currency.

What lives here: the state of an account, the booking of fills and of what happens overnight. What
must not: orders, the arithmetic of one trade (`posting.py`), and anything that needs a current
price (`valuation.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from ibkr_pipeline.simulator.posting import Holding, post_fill
from ibkr_pipeline.simulator.records import ZERO, AccountOpening, Fill


class AccountState(Protocol):
    """What can be valued: holdings and cash of one account, now or at the end of a day."""

    @property
    def account(self) -> str:
        """Account id."""

    @property
    def account_type(self) -> str:
        """Kind of account as the gateway names it."""

    @property
    def base_currency(self) -> str:
        """Currency of the totals."""

    @property
    def cash(self) -> Mapping[str, Decimal]:
        """Cash per currency."""

    @property
    def holdings(self) -> Mapping[int, Holding]:
        """Holdings by contract id; a flat one may be left in."""

    @property
    def realized(self) -> Mapping[int, Decimal]:
        """Realized result of the day by contract id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerState:
    """An account as it stood at one instant."""

    account: str
    account_type: str
    base_currency: str
    cash: Mapping[str, Decimal]
    holdings: Mapping[int, Holding]
    realized: Mapping[int, Decimal]


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

    @property
    def account_type(self) -> str:
        """Kind of account as the gateway names it."""
        return self.opening.account_type

    def state(self) -> LedgerState:
        """Return the account as it stands."""
        return self._state_of(self.cash, self.holdings, self.realized)

    def start_state(self) -> LedgerState:
        """Return the account as it stood when the day began."""
        return self._state_of(self.start_cash, self.start_holdings, {})

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

        Raises:
            LookupError: If the execution belongs to a day that has ended.
        """
        if all(f.root != corrected.root for f in self.fills):
            raise LookupError(
                f"Execution {corrected.exec_id!r} belongs to a day that has ended; correct it "
                "before its session ends."
            )
        self.fills = [corrected if f.root == corrected.root else f for f in self.fills]
        self._restart()
        realized: Decimal | None = None
        for fill in self.fills:
            outcome = self._apply(fill)
            if fill is corrected:
                realized = outcome
        return realized

    def book(
        self,
        holdings: Iterable[Holding],
        cash: Iterable[tuple[str, Decimal]],
    ) -> None:
        """Put holdings and cash moves of the night in place; a day's fills never see them.

        A correction computes the day again from its fills, so this is called when the day's fills
        are final, right before `close_day`.
        """
        for holding in holdings:
            self.holdings[holding.instrument.con_id] = holding
        for currency, amount in cash:
            self.cash[currency] = self.cash.get(currency, ZERO) + amount

    def close_day(self) -> None:
        """Make the current state the start of the next day and forget realized results.

        The gateway counts fills and realized results from its midnight on.
        """
        self.start_cash = dict(self.cash)
        self.start_holdings = {k: h for k, h in self.holdings.items() if h.quantity}
        self.fills = []
        self._restart()

    def _state_of(
        self,
        cash: Mapping[str, Decimal],
        holdings: Mapping[int, Holding],
        realized: Mapping[int, Decimal],
    ) -> LedgerState:
        return LedgerState(
            account=self.account,
            account_type=self.account_type,
            base_currency=self.base_currency,
            cash=dict(cash),
            holdings=dict(holdings),
            realized=dict(realized),
        )

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


def _opening_holdings(opening: AccountOpening) -> dict[int, Holding]:
    return {
        instrument.con_id: Holding(instrument, quantity, quantity * price * instrument.multiplier)
        for instrument, quantity, price in opening.positions
    }
