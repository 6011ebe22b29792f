"""Expirations as an asset: short options that expire next, and what they would deliver.

What lives here: `ops/expirations`. What must not: moneyness or delivery
(`pipelines/expirations.py`). A frame of the moment, shown and not stored.
"""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from ibkr_pipeline.defs.catalog import (
    EXPIRATIONS,
    NIGHTLY_TAG,
    OWNERS,
    core_keys,
    shared_keys,
    table_key,
)
from ibkr_pipeline.defs.freshness import AFTER_EVERY_SESSION
from ibkr_pipeline.defs.resources import RunWorkspace
from ibkr_pipeline.defs.table_metadata import code_version_of, column_schema, preview_of
from ibkr_pipeline.pipelines.expirations import expiring_options
from ibkr_pipeline.primitives import crashpoints
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.primitives.errors import WarehouseMissingError
from ibkr_pipeline.schemas import ops, statements

#: Options written out; there are rarely more in one account.
MOST_ROWS = 100
MONEYNESS = {
    "in": "in the money",
    "at": "at the money",
    "out": "out of the money",
    "unknown": "without a price",
}


@dg.asset(
    key=EXPIRATIONS,
    deps=[
        *shared_keys(),
        *core_keys(Dataset.POSITIONS),
        *core_keys(Dataset.EXECUTIONS),
        table_key(statements.STATEMENT_POSITIONS),
    ],
    group_name="ops",
    description=f"{ops.EXPIRATIONS.description} Grain: {ops.EXPIRATIONS.grain}.",
    tags={NIGHTLY_TAG: ""},
    owners=list(OWNERS),
    kinds={"duckdb", "polars"},
    code_version=code_version_of(ops.EXPIRATIONS),
    freshness_policy=AFTER_EVERY_SESSION,
    metadata={
        "dagster/column_schema": column_schema(ops.EXPIRATIONS.columns, key=ops.EXPIRATIONS.key)
    },
    output_required=False,
)
def expirations(
    context: dg.AssetExecutionContext, workspace: dg.ResourceParam[RunWorkspace]
) -> Iterator[dg.MaterializeResult[None]]:
    """Show what expires next; where nothing ever reached core nothing is held."""
    try:
        with workspace.warehouse_turn():
            expiring = expiring_options(workspace.workspace)
    except WarehouseMissingError as error:
        context.log.warning(str(error))
        return
    counts = {
        words: expiring.filter(pl.col("moneyness") == code).height
        for code, words in MONEYNESS.items()
    }
    crashpoints.reach(crashpoints.BEFORE_EVENT)
    yield dg.MaterializeResult(
        metadata={
            "dagster/row_count": expiring.height,
            **counts,
            "preview": dg.MetadataValue.md(preview_of(expiring, most=MOST_ROWS)),
        }
    )
