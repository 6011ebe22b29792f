"""Coverage as an asset: which account-days are covered, and by whom.

What lives here: `ops/coverage`. What must not: the rule (`pipelines/coverage.py`).
It is recorded before the read copy is published, which shows it.
"""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from ibkr_pipeline.defs.catalog import (
    COVERAGE,
    NIGHTLY_TAG,
    OWNERS,
    core_keys,
    table_key,
)
from ibkr_pipeline.defs.freshness import AFTER_EVERY_SESSION
from ibkr_pipeline.defs.resources import RunWorkspace
from ibkr_pipeline.defs.table_metadata import code_version_of, column_schema, preview_of
from ibkr_pipeline.pipelines.coverage import refresh_coverage
from ibkr_pipeline.primitives import crashpoints
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.schemas import ops, statements
from ibkr_pipeline.warehouse.ops import coverage_selection

#: Account-days written out.
MOST_ROWS = 60
#: After core, before the read copy.
BEFORE_PUBLISHED = 20


@dg.asset(
    key=COVERAGE,
    deps=[*core_keys(Dataset.EXECUTIONS), table_key(statements.FLEX_STATEMENTS)],
    group_name="ops",
    description=f"{ops.COVERAGE.description} Grain: {ops.COVERAGE.grain}.",
    tags={NIGHTLY_TAG: ""},
    owners=list(OWNERS),
    kinds={"duckdb"},
    code_version=code_version_of(ops.COVERAGE),
    freshness_policy=AFTER_EVERY_SESSION,
    metadata={
        "dagster/column_schema": column_schema(ops.COVERAGE.columns, key=ops.COVERAGE.key),
        "dagster/table_name": ops.COVERAGE.name,
    },
    output_required=False,
    op_tags={"dagster/priority": str(BEFORE_PUBLISHED)},
)
def coverage(
    context: dg.AssetExecutionContext, workspace: dg.ResourceParam[RunWorkspace]
) -> Iterator[dg.MaterializeResult[None]]:
    """Record what is covered now; where nothing ever reached core nothing is."""
    if not workspace.workspace.warehouse.path.exists():
        context.log.warning("Nothing is in core yet; there is no coverage to record.")
        return
    with workspace.warehouse_turn():
        n_changed = refresh_coverage(workspace.workspace)
        days = _days(workspace)
    missing = days.filter(pl.col("missing").is_not_null())
    crashpoints.reach(crashpoints.BEFORE_EVENT)
    yield dg.MaterializeResult(
        metadata={
            "dagster/row_count": days.height,
            "covered by the gateway": days.filter("by_wire").height,
            "covered by a statement": days.filter("by_flex").height,
            "covered by neither": days.filter(~pl.col("by_wire") & ~pl.col("by_flex")).height,
            "changed": n_changed,
            "missing": dg.MetadataValue.md(preview_of(_shown(missing), most=MOST_ROWS)),
            "preview": dg.MetadataValue.md(preview_of(_shown(days), most=MOST_ROWS)),
        }
    )


def _days(workspace: RunWorkspace) -> pl.DataFrame:
    """Return every account-day of this environment, the newest first."""
    with workspace.workspace.warehouse.read() as connection:
        found: pl.DataFrame = connection.sql(
            f"SELECT * FROM ({coverage_selection()}) WHERE environment = ? "  # noqa: S608  # ours
            f"ORDER BY session_date DESC, account_id",
            params=[workspace.workspace.environment.value],
        ).pl()
    return found


def _shown(days: pl.DataFrame) -> pl.DataFrame:
    return days.select("session_date", "account_id", "by_wire", "by_flex", "missing")
