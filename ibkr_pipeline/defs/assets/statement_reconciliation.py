"""Reconciliation with statements as an asset: one check per comparison.

What lives here: `ops/statement_reconciliation` and its checks. What must not: the comparisons
(`pipelines/statement_reconciliation.py`).

It does not wait for the gate of accounts: each comparison looks only at sessions that coverage
says are whole, so what could not be read is not comparable, and no break.
"""

from collections.abc import Iterator, Mapping

import dagster as dg

from ibkr_pipeline.defs.catalog import (
    COVERAGE,
    NIGHTLY_TAG,
    OWNERS,
    STATEMENT_RECONCILIATION,
    core_keys,
    option_keys,
    statement_keys,
)
from ibkr_pipeline.defs.comparison_checks import (
    COLUMN_SCHEMA,
    Comparison,
    comparison_specs,
    reconciliation_result,
)
from ibkr_pipeline.defs.freshness import AFTER_EVERY_SESSION
from ibkr_pipeline.defs.resources import RunWorkspace
from ibkr_pipeline.defs.table_metadata import code_version_of
from ibkr_pipeline.pipelines.statement_reconciliation import reconcile_statements
from ibkr_pipeline.primitives import crashpoints
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.primitives.errors import WarehouseMissingError


def _error(check: str, description: str) -> Comparison:
    return Comparison(check=check, severity=dg.AssetCheckSeverity.ERROR, description=description)


#: Name of a comparison, as `reconcile_statements` gives it -> its check.
STATEMENT_COMPARISONS: Mapping[str, Comparison] = {
    "statement_positions": _error(
        "positions_roll_forward",
        "The positions of a session are those of the one before, plus trades, option events, "
        "corporate actions and transfers.",
    ),
    "statement_fills": _error(
        "fills_are_told_alike",
        "Each fill of a session both cover is told by gateway and statement, with the same "
        "quantity and price.",
    ),
    "statement_commissions": _error(
        "commissions_are_told_alike",
        "Gateway and statement tell the same commission of a fill, to the cent.",
    ),
    "cash": _error(
        "cash_rolls_forward",
        "Starting cash plus what flowed is ending cash, by currency, and the next statement "
        "starts with it.",
    ),
    "nav": _error(
        "nav_is_positions_and_cash",
        "NAV is the value of positions and cash, within one unit or one basis point.",
    ),
    "nav_changes": _error(
        "nav_rolls_forward",
        "Starting NAV plus what changed it is ending NAV.",
    ),
    "conversion_rates": _error(
        "conversion_rates_are_there",
        "Every currency held has a rate to the base currency on that day; none is taken for 1.",
    ),
    "option_events": _error(
        "option_events_agree",
        "Every source tells the same of an option event, and what was delivered follows from it.",
    ),
}


@dg.asset(
    key=STATEMENT_RECONCILIATION,
    deps=[
        COVERAGE,
        *statement_keys(),
        *core_keys(Dataset.EXECUTIONS),
        *option_keys(),
    ],
    group_name="ops",
    description="Statements compared with themselves, each other and the gateway.",
    tags={NIGHTLY_TAG: ""},
    owners=list(OWNERS),
    kinds={"duckdb", "polars"},
    code_version=code_version_of(),
    freshness_policy=AFTER_EVERY_SESSION,
    metadata={"dagster/column_schema": COLUMN_SCHEMA},
    check_specs=comparison_specs(STATEMENT_RECONCILIATION, STATEMENT_COMPARISONS.values()),
    output_required=False,
)
def statement_reconciliation(
    context: dg.AssetExecutionContext, workspace: dg.ResourceParam[RunWorkspace]
) -> Iterator[dg.MaterializeResult[None]]:
    """Compare; where nothing ever reached core there is nothing to compare."""
    try:
        with workspace.warehouse_turn():
            compared = reconcile_statements(workspace.workspace)
    except WarehouseMissingError as error:
        context.log.warning(str(error))
        return
    workspace.compared.update(compared)
    crashpoints.reach(crashpoints.BEFORE_EVENT)
    yield reconciliation_result(
        STATEMENT_RECONCILIATION,
        STATEMENT_COMPARISONS,
        {name: item.findings for name, item in compared.items()},
    )
