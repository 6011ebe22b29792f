"""Which portfolio an account is counted in.

What lives here: the choice among configured portfolios. What must not: where the configuration
comes from, or the table (`warehouse/portfolios.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ibkr_pipeline.primitives.errors import ConfigError


class ConfiguredPortfolio(Protocol):
    """A portfolio as the settings describe it."""

    @property
    def portfolio_id(self) -> str:
        """Its id."""
        ...

    @property
    def name(self) -> str:
        """Its name; may be empty."""
        ...

    @property
    def accounts(self) -> tuple[str, ...]:
        """Accounts counted in it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Portfolio:
    """A portfolio by id and name."""

    portfolio_id: str
    name: str


def assign_portfolios(
    accounts: Sequence[str],
    configured: Sequence[ConfiguredPortfolio],
    *,
    chosen: str | None = None,
) -> Mapping[str, Portfolio]:
    """Return the portfolio of each account.

    The chosen one if there is a choice; else the only configured one that names the account;
    else a portfolio of its own, with the account code as id and name.

    Raises:
        ConfigError: If the chosen portfolio does not exist or lacks an account, or an account is
            in several portfolios and none was chosen.
    """
    if chosen is not None:
        return dict.fromkeys(accounts, _chosen(accounts, configured, chosen))
    return {account: _single(account, configured) for account in accounts}


def _single(account: str, configured: Sequence[ConfiguredPortfolio]) -> Portfolio:
    matches = [item for item in configured if account in item.accounts]
    if len(matches) > 1:
        named = ", ".join(item.portfolio_id for item in matches)
        raise ConfigError(
            f"Account {account} is in the portfolios {named}; expected one. Choose the portfolio."
        )
    if not matches:
        return Portfolio(portfolio_id=account, name=account)
    return _named(matches[0])


def _chosen(
    accounts: Sequence[str], configured: Sequence[ConfiguredPortfolio], chosen: str
) -> Portfolio:
    matches = [item for item in configured if item.portfolio_id == chosen]
    if not matches:
        known = ", ".join(item.portfolio_id for item in configured) or "none"
        raise ConfigError(
            f"Portfolio {chosen!r} is not configured (configured: {known}). Name one of them or "
            f"add it to the settings."
        )
    absent = [account for account in accounts if account not in matches[0].accounts]
    if absent:
        raise ConfigError(
            f"Portfolio {chosen!r} does not name the account {absent[0]}. Add the account to it "
            f"or choose another portfolio."
        )
    return _named(matches[0])


def _named(item: ConfiguredPortfolio) -> Portfolio:
    return Portfolio(portfolio_id=item.portfolio_id, name=item.name or item.portfolio_id)
