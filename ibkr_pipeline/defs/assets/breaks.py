"""Breaks as an asset: what does not reconcile, since when, and why.

What lives here: `ops/breaks`. What must not: what opens or closes a break (`pipelines/breaks.py`).

It comes last and publishes the read copy once more, because the night's own breaks are what a
person looks for in the morning. A comparison the run did not make closes nothing.
"""

from collections.abc import Iterator
from datetime import datetime

import dagster as dg
import polars as pl

from ibkr_pipeline.defs.catalog import BREAKS, NIGHTLY_TAG, OWNERS, STATEMENT_RECONCILIATION
from ibkr_pipeline.defs.freshness import AFTER_EVERY_SESSION
from ibkr_pipeline.defs.resources import RunWorkspace
from ibkr_pipeline.defs.table_metadata import code_version_of, column_schema, preview_of
from ibkr_pipeline.pipelines.breaks import record_breaks
from ibkr_pipeline.pipelines.publishing import publish
from ibkr_pipeline.primitives import crashpoints
from ibkr_pipeline.schemas import ops
from ibkr_pipeline.warehouse.ops import open_breaks

#: Breaks written out; the table has all.
MOST_ROWS = 100
#: After both reconciliations.
LAST = -10


@dg.asset(
    key=BREAKS,
    deps=[STATEMENT_RECONCILIATION],
    group_name="ops",
    description=f"{ops.BREAKS.description} Grain: {ops.BREAKS.grain}.",
    tags={NIGHTLY_TAG: ""},
    owners=list(OWNERS),
    kinds={"duckdb"},
    code_version=code_version_of(ops.BREAKS),
    freshness_policy=AFTER_EVERY_SESSION,
    metadata={
        "dagster/column_schema": column_schema(ops.BREAKS.columns, key=ops.BREAKS.key),
        "dagster/table_name": ops.BREAKS.name,
    },
    output_required=False,
    op_tags={"dagster/priority": str(LAST)},
)
def breaks(
    context: dg.AssetExecutionContext, workspace: dg.ResourceParam[RunWorkspace]
) -> Iterator[dg.MaterializeResult[None]]:
    """Record what this run's comparisons change of the breaks, and show those that are open."""
    if not workspace.workspace.warehouse.path.exists():
        context.log.warning("Nothing is in core yet; there is nothing that could break.")
        return
    now = workspace.workspace.clock.now()
    with workspace.warehouse_turn():
        changes = record_breaks(workspace.workspace, workspace.compared)
        still_open = _open(workspace)
        publish(workspace.workspace)
    crashpoints.reach(crashpoints.BEFORE_EVENT)
    yield dg.MaterializeResult(
        metadata={
            "dagster/row_count": still_open.height,
            "opened": changes.opened,
            "reopened": changes.reopened,
            "changed": changes.changed,
            "closed": changes.closed,
            "compared": sorted(workspace.compared),
            "open": dg.MetadataValue.md(preview_of(with_age(still_open, now), most=MOST_ROWS)),
        }
    )


def with_age(open_ones: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """Return open breaks as a person reads them, with their age in days, the oldest first."""
    return open_ones.select(
        "break_id",
        (pl.lit(now) - pl.col("first_seen_at")).dt.total_days().alias("age in days"),
        "comparison",
        "account_id",
        "symbol",
        "subject",
        "session_date",
        "expected",
        "found",
        "difference",
        "why",
    )


def _open(workspace: RunWorkspace) -> pl.DataFrame:
    with workspace.workspace.warehouse.read() as connection:
        return open_breaks(connection, environment=workspace.workspace.environment.value)
