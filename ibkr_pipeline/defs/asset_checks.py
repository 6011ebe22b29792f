"""Asset checks: their specifications and how a verdict becomes a check result.

What lives here: read, schema, account and reconciliation checks as Dagster sees them. What must
not: the comparisons themselves (`pipelines/`).
"""

from __future__ import annotations

from typing import Any

import dagster as dg
import pandera.errors
import polars as pl

from ibkr_pipeline.defs.read_metadata import verdict_of
from ibkr_pipeline.defs.table_metadata import TableState
from ibkr_pipeline.pipelines.landed import LandedRead
from ibkr_pipeline.schemas.table import Table

READ_COMPLETE = "read_complete"
SCHEMA = "schema"
#: Failing rows shown on a check; a frame may have half a million of them.
MOST_FAILURE_CASES = 20


def read_complete_spec(key: dg.AssetKey) -> dg.AssetCheckSpec:
    """Return the check that every account of a read is complete; it warns and never blocks."""
    return dg.AssetCheckSpec(
        READ_COMPLETE,
        asset=key,
        description=(
            "Every account asked for has its end markers and no errors. What is not complete "
            "never reaches core; the last complete snapshot of that account stays current."
        ),
    )


def read_complete_result(key: dg.AssetKey, landed: LandedRead) -> dg.AssetCheckResult:
    """Return the verdict on a read: failed is an error, unsupported a warning."""
    is_failed = landed.error is not None or bool(landed.failed)
    return dg.AssetCheckResult(
        check_name=READ_COMPLETE,
        asset_key=key,
        passed=not is_failed and not landed.unsupported,
        severity=dg.AssetCheckSeverity.ERROR if is_failed else dg.AssetCheckSeverity.WARN,
        description=verdict_of(landed),
    )


def schema_spec(table: Table, key: dg.AssetKey) -> dg.AssetCheckSpec:
    """Return the blocking check of a table's newest rows against its schema."""
    return dg.AssetCheckSpec(
        SCHEMA,
        asset=key,
        blocking=True,
        description=f"The newest rows have exactly the columns, types and key of {table.name}.",
    )


def schema_result(key: dg.AssetKey, state: TableState) -> dg.AssetCheckResult:
    """Validate a table's newest rows as they stand in the warehouse.

    What was written was validated before the commit; this reads it back.
    """
    table, frame = state.table, state.newest
    failures = _failure_cases(table, frame)
    metadata: dict[str, Any] = {
        "rows checked": frame.height,
        "shape": f"{frame.height} x {frame.width}",
        "expected types": {name: str(dtype) for name, dtype in table.schema.items()},
        "actual types": {name: str(dtype) for name, dtype in frame.schema.items()},
    }
    if failures is not None:
        metadata["failure cases"] = dg.MetadataValue.md(_as_markdown(failures))
        metadata["number of failure cases"] = failures.height
    return dg.AssetCheckResult(
        check_name=SCHEMA,
        asset_key=key,
        passed=failures is None,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata=metadata,
    )


def _failure_cases(table: Table, frame: pl.DataFrame) -> pl.DataFrame | None:
    try:
        table.pandera.validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as error:
        return pl.DataFrame(error.failure_cases)
    return None


def _as_markdown(failures: pl.DataFrame) -> str:
    shown = failures.head(MOST_FAILURE_CASES)
    lines = ["| " + " | ".join(shown.columns) + " |", "|" + "---|" * shown.width]
    lines += ["| " + " | ".join(str(value) for value in row) + " |" for row in shown.iter_rows()]
    return "\n".join(lines)
