"""Which portfolio an account is counted in."""

from __future__ import annotations

import pytest

from ibkr_pipeline.normalization.portfolios import Portfolio, assign_portfolios
from ibkr_pipeline.primitives.errors import ConfigError
from ibkr_pipeline.settings import PortfolioSettings
from ibkr_pipeline_tests.warehouse_rows import ACCOUNT, OTHER

GROWTH = PortfolioSettings(portfolio_id="growth", name="Growth", accounts=(ACCOUNT,))
ALL = PortfolioSettings(portfolio_id="all", accounts=(ACCOUNT, OTHER))


def test_an_account_in_no_portfolio_is_its_own() -> None:
    """One portfolio per account by default."""
    found = assign_portfolios([OTHER], [GROWTH])

    assert found == {OTHER: Portfolio(portfolio_id=OTHER, name=OTHER)}


def test_a_single_match_is_taken() -> None:
    """And a name that is not given is the id."""
    assert assign_portfolios([ACCOUNT], [GROWTH]) == {
        ACCOUNT: Portfolio(portfolio_id="growth", name="Growth")
    }
    assert assign_portfolios([OTHER], [ALL])[OTHER].name == "all"


def test_several_matches_need_a_choice() -> None:
    """Guessing would count a position in the wrong place."""
    with pytest.raises(ConfigError, match="growth, all"):
        assign_portfolios([ACCOUNT], [GROWTH, ALL])

    chosen = assign_portfolios([ACCOUNT], [GROWTH, ALL], chosen="all")
    assert chosen[ACCOUNT].portfolio_id == "all"


def test_a_choice_that_does_not_fit_is_refused() -> None:
    """An unknown portfolio, and one that lacks the account."""
    with pytest.raises(ConfigError, match="not configured"):
        assign_portfolios([ACCOUNT], [GROWTH], chosen="income")
    with pytest.raises(ConfigError, match="does not name"):
        assign_portfolios([OTHER], [GROWTH], chosen="growth")
