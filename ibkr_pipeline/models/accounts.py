"""A broker account as the application names it.

What lives here: which account of which broker in which world is meant. What must not: its
balances (`schemas/core.py`) or its settings.
"""

from __future__ import annotations

from dataclasses import dataclass

from ibkr_pipeline.primitives.enums import Environment
from ibkr_pipeline.primitives.identifiers import mask_account


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerAccount:
    """One account at one broker; equal codes in two environments are two accounts."""

    broker: str = "ibkr"
    environment: Environment = Environment.PAPER
    account_id: str

    def __str__(self) -> str:
        """Return the account as a log may show it: code masked."""
        return f"{self.broker}:{self.environment.value}:{mask_account(self.account_id)}"
