"""Do statements agree with themselves, with each other and with the gateway?

What lives here: which comparisons of statements there are, and making all of them. What must not:
any comparison (`statement_reconciliation_*.py`), or what becomes of a finding (`breaks.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date

import polars as pl

from ibkr_pipeline.pipelines.findings import Compared
from ibkr_pipeline.pipelines.statement_reconciliation_cash import reconcile_cash
from ibkr_pipeline.pipelines.statement_reconciliation_events import reconcile_option_events
from ibkr_pipeline.pipelines.statement_reconciliation_fills import (
    reconcile_commissions,
    reconcile_fills,
)
from ibkr_pipeline.pipelines.statement_reconciliation_inputs import (
    StatementInputs,
    fetch_statement_inputs,
)
from ibkr_pipeline.pipelines.statement_reconciliation_nav import (
    reconcile_conversion_rates,
    reconcile_nav,
    reconcile_nav_changes,
)
from ibkr_pipeline.pipelines.statement_reconciliation_positions import (
    reconcile_statement_positions,
)
from ibkr_pipeline.pipelines.workspace import Workspace


def reconcile_statements(workspace: Workspace) -> dict[str, Compared]:
    """Make every comparison that statements take part in.

    Returns:
        Name of the comparison -> what it found and how far it looked. No statement, no finding.

    Raises:
        WarehouseMissingError: If nothing was ever applied.
        BusyError: If the warehouse stayed locked.
    """
    with workspace.warehouse.read() as connection:
        found = fetch_statement_inputs(
            connection,
            environment=workspace.environment.value,
            now=workspace.clock.now(),
            comparisons=frozenset(COMPARISONS),
        )
    return compare_statements(found)


def compare_statements(found: StatementInputs) -> dict[str, Compared]:
    """Make every comparison on what was fetched."""
    return {
        name: Compared(
            findings=compare(found), since=date.max if name in _FILL_BY_FILL else found.since
        )
        for name, compare in COMPARISONS.items()
    }


def _statement_positions(found: StatementInputs) -> pl.DataFrame:
    return reconcile_statement_positions(
        found.sections, found.positions, found.movements, since=found.since
    )


def _statement_fills(found: StatementInputs) -> pl.DataFrame:
    return reconcile_fills(found.wire_fills, found.statement_fills, found.coverage, found.aliases)


def _statement_commissions(found: StatementInputs) -> pl.DataFrame:
    return reconcile_commissions(found.wire_fills, found.statement_fills, found.coverage)


def _cash(found: StatementInputs) -> pl.DataFrame:
    return reconcile_cash(found.cash, since=found.since)


def _nav(found: StatementInputs) -> pl.DataFrame:
    return reconcile_nav(
        found.nav, found.positions, found.cash, found.position_days, since=found.since
    )


def _nav_changes(found: StatementInputs) -> pl.DataFrame:
    return reconcile_nav_changes(found.nav_changes, since=found.since)


def _conversion_rates(found: StatementInputs) -> pl.DataFrame:
    return reconcile_conversion_rates(found.currencies, found.rates, found.bases, since=found.since)


def _option_events(found: StatementInputs) -> pl.DataFrame:
    adjusted = frozenset(found.adjusted.get_column("con_id"))
    return reconcile_option_events(found.events, found.evidence, adjusted)


#: Name of a comparison -> how it is made.
COMPARISONS: Mapping[str, Callable[[StatementInputs], pl.DataFrame]] = {
    "statement_positions": _statement_positions,
    "statement_fills": _statement_fills,
    "statement_commissions": _statement_commissions,
    "cash": _cash,
    "nav": _nav,
    "nav_changes": _nav_changes,
    "conversion_rates": _conversion_rates,
    "option_events": _option_events,
}
#: Compared only where coverage says both sides are whole: what is absent was not looked at.
_FILL_BY_FILL = ("statement_fills", "statement_commissions")
