"""The end of a session for one account, valued.

What lives here: state, prices and the value they make. What must not: rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property

from ibkr_pipeline.simulator.ledger import LedgerState
from ibkr_pipeline.simulator.valuation import AccountValue, value_account


# Without slots: the value is worked out once and kept.
@dataclass(frozen=True, kw_only=True)
class Close:
    """The end of a session for one account: its state and the prices it is valued at."""

    session: date
    state: LedgerState
    marks: Mapping[int, Decimal]
    rates: Mapping[str, Decimal]

    @cached_property
    def value(self) -> AccountValue:
        """The account valued."""
        return value_account(self.state, lambda i: self.marks[i.con_id], self.rates)

    @cached_property
    def cash(self) -> dict[str, Decimal]:
        """Cash per currency as a statement counts it: open results of futures included."""
        return {block.currency: block.total_cash for block in self.value.currencies}
