"""Reconciliation as an asset: what does not agree, and one check per comparison.

What lives here: `ops/reconciliation` and its checks. What must not: the comparisons
(`pipelines/reconciliation.py`).

It depends on the gate: where an account is not current, comparing it would report the failed
read as a break, so nothing is compared until every account is current again. Its checks do not
block: a break is told, never mended, and stops nobody by itself.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import dagster as dg
import polars as pl

from ibkr_pipeline.defs.catalog import (
    CURRENT_ACCOUNTS,
    NIGHTLY_TAG,
    OWNERS,
    RECONCILIATION,
    core_keys,
)
from ibkr_pipeline.defs.freshness import AFTER_EVERY_SESSION
from ibkr_pipeline.defs.resources import RunWorkspace
from ibkr_pipeline.defs.table_metadata import code_version_of, preview_of
from ibkr_pipeline.pipelines.findings import SCHEMA, Verdict, breaks
from ibkr_pipeline.pipelines.reconciliation_inputs import reconcile
from ibkr_pipeline.primitives import crashpoints
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.primitives.errors import WarehouseMissingError

COMPARED = (Dataset.POSITIONS, Dataset.ORDERS, Dataset.EXECUTIONS)
#: Breaks named in a check's description; the asset's table has more.
MOST_NAMED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One check: the comparison it shows and how much a break of it matters."""

    check: str
    severity: dg.AssetCheckSeverity
    description: str


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
    metadata={
        "dagster/column_schema": dg.TableSchema(
            columns=[
                dg.TableColumn(name=name, type=str(dtype))
                for name, dtype in {"comparison": pl.String(), **SCHEMA}.items()
            ]
        )
    },
    check_specs=[
        dg.AssetCheckSpec(item.check, asset=RECONCILIATION, description=item.description)
        for item in COMPARISONS.values()
    ],
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
    everything = pl.concat(
        [frame.select(pl.lit(name).alias("comparison"), pl.all()) for name, frame in found.items()]
    )
    crashpoints.reach(crashpoints.BEFORE_EVENT)
    yield dg.MaterializeResult(
        metadata={
            "dagster/row_count": everything.height,
            "breaks": breaks(everything).height,
            "not comparable": _not_comparable(everything).height,
            "preview": dg.MetadataValue.md(preview_of(_worst_first(everything))),
        },
        check_results=[comparison_result(name, frame) for name, frame in found.items()],
    )


def comparison_result(name: str, findings: pl.DataFrame) -> dg.AssetCheckResult:
    """Return the check of one comparison; what could not be compared is counted, not failed."""
    comparison = COMPARISONS[name]
    found = breaks(findings)
    return dg.AssetCheckResult(
        check_name=comparison.check,
        asset_key=RECONCILIATION,
        passed=found.is_empty(),
        severity=comparison.severity,
        description=_described(findings, found),
        metadata={
            "compared": findings.height,
            "breaks": found.height,
            "not comparable": _not_comparable(findings).height,
            "findings": dg.MetadataValue.md(preview_of(_worst_first(findings))),
        },
    )


def _described(findings: pl.DataFrame, found: pl.DataFrame) -> str:
    if findings.is_empty():
        return "There was nothing to compare."
    if found.is_empty():
        waiting = _not_comparable(findings).height
        rest = f", {waiting} could not be compared" if waiting else ""
        return f"{findings.height - waiting} agree{rest}."
    named = [
        " ".join(
            str(part)
            for part in (
                row["account_id"] or "gateway",
                row["con_id"] if row["con_id"] is not None else row["subject"],
                f"expected {row['expected']}, found {row['found']}: {row['why']}",
            )
            if part is not None
        )
        for row in found.head(MOST_NAMED).iter_rows(named=True)
    ]
    more = found.height - len(named)
    return "; ".join([*named, *([f"and {more} more"] if more else [])])


def _not_comparable(findings: pl.DataFrame) -> pl.DataFrame:
    return findings.filter(pl.col("verdict") == Verdict.NOT_COMPARABLE.value)


def _worst_first(findings: pl.DataFrame) -> pl.DataFrame:
    order = [Verdict.BREAK.value, Verdict.NOT_COMPARABLE.value, Verdict.OK.value]
    return findings.sort(
        pl.col("verdict").replace_strict(order, range(len(order)), return_dtype=pl.Int64),
        maintain_order=True,
    )
