"""Every comparison has its check, and no check is without a comparison."""

from ibkr_pipeline.defs.assets.statement_reconciliation import STATEMENT_COMPARISONS
from ibkr_pipeline.pipelines.statement_reconciliation import COMPARISONS


def test_every_comparison_of_statements_has_a_check() -> None:
    """One without would end the run; a check without one would never be evaluated."""
    assert set(COMPARISONS) == set(STATEMENT_COMPARISONS)
