"""The read copy as an asset: where it is, and what is in it.

What lives here: `ops/read_copy`. What must not: how the copy is made (`warehouse/`).
It depends on core alone (on its last step, which waits for all others), so that healthy accounts
are published also when another one failed; a failed schema check stops it.
"""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from ibkr_pipeline.defs.catalog import NIGHTLY_TAG, OWNERS, READ_COPY, shared_keys
from ibkr_pipeline.defs.freshness import AFTER_EVERY_SESSION
from ibkr_pipeline.defs.resources import RunWorkspace
from ibkr_pipeline.defs.table_metadata import code_version_of
from ibkr_pipeline.pipelines.publishing import publish
from ibkr_pipeline.primitives import crashpoints
from ibkr_pipeline.primitives.errors import WarehouseMissingError
from ibkr_pipeline.schemas import core

#: Of the steps that follow core, publication comes first: whatever the verdicts, the copy is new.
PUBLISHED_BEFORE_JUDGED = 10


@dg.asset(
    key=READ_COPY,
    deps=shared_keys(),
    group_name="ops",
    description=(
        "The published copy of the warehouse: what `ibkr-pipeline show`, notebooks "
        "(`ibkr_pipeline.open_warehouse(path)`) and BI tools read. Replaced whole, so a reader "
        "never waits for a run and never sees half of one."
    ),
    tags={NIGHTLY_TAG: ""},
    owners=list(OWNERS),
    kinds={"duckdb"},
    code_version=code_version_of(*core.TABLES),
    freshness_policy=AFTER_EVERY_SESSION,
    output_required=False,
    op_tags={"dagster/priority": str(PUBLISHED_BEFORE_JUDGED)},
)
def read_copy(
    context: dg.AssetExecutionContext, workspace: dg.ResourceParam[RunWorkspace]
) -> Iterator[dg.MaterializeResult[None]]:
    """Publish the read copy; where nothing ever reached core there is none to publish."""
    try:
        with workspace.warehouse_turn():
            path = publish(workspace.workspace)
    except WarehouseMissingError as error:
        context.log.warning(str(error))
        return
    crashpoints.reach(crashpoints.BEFORE_EVENT)
    yield dg.MaterializeResult(
        metadata={
            "path": dg.MetadataValue.path(str(path)),
            "bytes": path.stat().st_size,
            "open it": dg.MetadataValue.md(_snippet(path)),
        }
    )


def _snippet(path: Path) -> str:
    """Return how to open this very copy in a notebook, whatever the settings there say."""
    return "\n".join(
        (
            "```python",
            "import ibkr_pipeline",
            "",
            f"con = ibkr_pipeline.open_warehouse({str(path)!r})",
            'con.sql("from core.current_positions").pl()',
            "```",
        )
    )
