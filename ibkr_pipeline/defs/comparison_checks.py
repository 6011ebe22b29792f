"""Findings of a reconciliation as Dagster shows them: a check per comparison, a table of all.

What lives here: findings -> check results and metadata. What must not: which comparisons there
are (`assets/`), or the comparisons themselves (`pipelines/`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg
import polars as pl

from ibkr_pipeline.defs.table_metadata import preview_of
from ibkr_pipeline.pipelines.findings import SCHEMA, Verdict, breaks

#: Breaks named in a check's description; the asset's table has more.
MOST_NAMED = 10
COLUMN_SCHEMA = dg.TableSchema(
    columns=[
        dg.TableColumn(name=name, type=str(dtype))
        for name, dtype in {"comparison": pl.String(), **SCHEMA}.items()
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One check: the comparison it shows and how much a break of it matters."""

    check: str
    severity: dg.AssetCheckSeverity
    description: str


def comparison_specs(
    key: dg.AssetKey, comparisons: Iterable[Comparison]
) -> list[dg.AssetCheckSpec]:
    """Return the checks of a reconciliation; none blocks, because a break is told, not mended."""
    return [
        dg.AssetCheckSpec(item.check, asset=key, description=item.description)
        for item in comparisons
    ]


def reconciliation_result(
    key: dg.AssetKey, comparisons: Mapping[str, Comparison], found: Mapping[str, pl.DataFrame]
) -> dg.MaterializeResult[None]:
    """Return a reconciliation as its asset shows it, with the verdict of every comparison.

    Args:
        key: The asset.
        comparisons: Name of a comparison -> its check.
        found: Name of a comparison -> its findings.
    """
    everything = pl.concat(
        [frame.select(pl.lit(name).alias("comparison"), pl.all()) for name, frame in found.items()]
    )
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": everything.height,
            "breaks": breaks(everything).height,
            "not comparable": _not_comparable(everything).height,
            "preview": dg.MetadataValue.md(preview_of(_worst_first(everything))),
        },
        check_results=[
            comparison_result(key, comparisons[name], frame) for name, frame in found.items()
        ],
    )


def comparison_result(
    key: dg.AssetKey, comparison: Comparison, findings: pl.DataFrame
) -> dg.AssetCheckResult:
    """Return the check of one comparison; what could not be compared is counted, not failed."""
    found = breaks(findings)
    metadata: dict[str, Any] = {
        "compared": findings.height,
        "breaks": found.height,
        "not comparable": _not_comparable(findings).height,
        "findings": dg.MetadataValue.md(preview_of(_worst_first(findings))),
    }
    return dg.AssetCheckResult(
        check_name=comparison.check,
        asset_key=key,
        passed=found.is_empty(),
        severity=comparison.severity,
        description=_described(findings, found),
        metadata=metadata,
    )


def _described(findings: pl.DataFrame, found: pl.DataFrame) -> str:
    if findings.is_empty():
        return "There was nothing to compare."
    if found.is_empty():
        waiting = _not_comparable(findings).height
        rest = f", {waiting} could not be compared" if waiting else ""
        return f"{findings.height - waiting} agree{rest}."
    named = [_named(row) for row in found.head(MOST_NAMED).iter_rows(named=True)]
    more = found.height - len(named)
    return "; ".join([*named, *([f"and {more} more"] if more else [])])


def _named(row: Mapping[str, Any]) -> str:
    parts = (
        row["account_id"] or "gateway",
        row["con_id"] if row["con_id"] is not None else row["subject"],
        row["session_date"],
        f"expected {row['expected']}, found {row['found']}: {row['why']}",
    )
    return " ".join(str(part) for part in parts if part is not None)


def _not_comparable(findings: pl.DataFrame) -> pl.DataFrame:
    return findings.filter(pl.col("verdict") == Verdict.NOT_COMPARABLE.value)


def _worst_first(findings: pl.DataFrame) -> pl.DataFrame:
    order = [Verdict.BREAK.value, Verdict.NOT_COMPARABLE.value, Verdict.OK.value]
    return findings.sort(
        pl.col("verdict").replace_strict(order, range(len(order)), return_dtype=pl.Int64),
        maintain_order=True,
    )
