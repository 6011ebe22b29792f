"""Reconciliation as an asset: what does not agree, and one check per comparison.

What lives here: `ops/reconciliation` and its checks. What must not: the comparisons
(`pipelines/reconciliation.py`).

It depends on the gate: where an account is not current, comparing it would report the failed
read as a break, so nothing is compared until every account is current again. Its checks do not
block: a break is told, never mended, and stops nobody by itself.
"""

from collections.abc import Iterator, Mapping

import dagster as dg

from ibkr_pipeline.defs.catalog import (
    CURRENT_ACCOUNTS,
    NIGHTLY_TAG,
    OWNERS,
    RECONCILIATION,
    core_keys,
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
from ibkr_pipeline.pipelines.findings import Compared
from ibkr_pipeline.pipelines.reconciliation_inputs import reconcile
from ibkr_pipeline.primitives import crashpoints
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.primitives.errors import WarehouseMissingError

COMPARED = (Dataset.POSITIONS, Dataset.ORDERS, Dataset.EXECUTIONS)
#: Name of a comparison, as `reconcile` gives it -> its check.
COMPARISONS: Mapping[str, Comparison] = {
    "positions": Comparison(
        check="positions_follow_from_executions",
        severity=dg.AssetCheckSeverity.ERROR,
        description="Each position equals the one before plus the executions told since.",
    ),
    "zero_executions": Comparison(
        check="changed_positions_have_executions",
        severity=dg.AssetCheckSeverity.ERROR,
        description=(
            "Where positions changed, executions were told. Some gateway settings answer an "
            "executions request with nothing, end marker included."
        ),
    ),
    "orders": Comparison(
        check="filled_orders_have_executions",
        severity=dg.AssetCheckSeverity.ERROR,
        description="What an order says it filled equals the sum of its executions.",
    ),
    "accounts": Comparison(
        check="account_list_is_complete",
        severity=dg.AssetCheckSeverity.ERROR,
        description="The gateway still manages every account it is expected to manage.",
    ),
    "staleness": Comparison(
        check="accounts_are_fresh",
        severity=dg.AssetCheckSeverity.WARN,
        description="Every dataset of every account was read completely within four days.",
    ),
    "execution_roots": Comparison(
        check="executions_count_once",
        severity=dg.AssetCheckSeverity.ERROR,
        description="No fill is current twice.",
    ),
    "fill_times": Comparison(
        check="fill_times_are_past",
        severity=dg.AssetCheckSeverity.WARN,
        description="No fill is stamped later than now: the sign of a mistaken time zone.",
    ),
}


@dg.asset(
    key=RECONCILIATION,
    deps=[CURRENT_ACCOUNTS, *(key for dataset in COMPARED for key in core_keys(dataset))],
    group_name="ops",
    description="Everything compared with everything it should agree with: one row per finding.",
    tags={NIGHTLY_TAG: ""},
    owners=list(OWNERS),
    kinds={"duckdb", "polars"},
    code_version=code_version_of(),
    freshness_policy=AFTER_EVERY_SESSION,
    metadata={"dagster/column_schema": COLUMN_SCHEMA},
    check_specs=comparison_specs(RECONCILIATION, COMPARISONS.values()),
    output_required=False,
)
def reconciliation(
    context: dg.AssetExecutionContext, workspace: dg.ResourceParam[RunWorkspace]
) -> Iterator[dg.MaterializeResult[None]]:
    """Compare; where nothing ever reached core there is nothing to compare."""
    try:
        with workspace.warehouse_turn():
            found = reconcile(workspace.workspace)
    except WarehouseMissingError as error:
        context.log.warning(str(error))
        return
    workspace.compared.update({name: Compared(findings=frame) for name, frame in found.items()})
    crashpoints.reach(crashpoints.BEFORE_EVENT)
    yield reconciliation_result(RECONCILIATION, COMPARISONS, found)
