"""The gate of statements: what this run asked for, and whether every section of it is in core.

What lives here: `ops/current_statements` with `every_statement_current`. What must not: the
verdicts themselves (`pipelines/statements/`).

Nothing waits for it. Whoever compares with statements asks which sessions they cover, so a failed
section stops nothing but itself; the run is red all the same.
"""

from collections.abc import Iterator

import dagster as dg

from ibkr_pipeline.defs.catalog import CURRENT_STATEMENTS, NIGHTLY_TAG, OWNERS, table_key
from ibkr_pipeline.defs.freshness import AFTER_EVERY_SESSION
from ibkr_pipeline.defs.resources import RunWorkspace
from ibkr_pipeline.defs.statement_metadata import is_early
from ibkr_pipeline.defs.table_metadata import code_version_of
from ibkr_pipeline.pipelines.summary import (
    DatasetSummary,
    RunFacts,
    SubjectSummary,
    summarize,
)
from ibkr_pipeline.primitives import crashpoints
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.primitives.identifiers import mask_accounts
from ibkr_pipeline.schemas import statements

EVERY_STATEMENT_CURRENT = "every_statement_current"
#: Rows shown on the asset, and problems named by its check; control has them all.
MOST_ROWS = 1000


@dg.asset(
    key=CURRENT_STATEMENTS,
    deps=[table_key(statements.FLEX_STATEMENTS)],
    group_name="ops",
    description=(
        "What became of each section of each statement a run received. Its check fails the run "
        "when a section is not in core; what was complete stays."
    ),
    tags={NIGHTLY_TAG: ""},
    owners=list(OWNERS),
    kinds={"sqlite"},
    code_version=code_version_of(),
    freshness_policy=AFTER_EVERY_SESSION,
    check_specs=[
        dg.AssetCheckSpec(
            EVERY_STATEMENT_CURRENT,
            asset=CURRENT_STATEMENTS,
            blocking=True,
            description=(
                "Every statement this run asked for was received, and all its sections are in "
                "core. One that the broker has not made yet is no failure: it comes by itself."
            ),
        )
    ],
)
def current_statements(
    context: dg.AssetExecutionContext, workspace: dg.ResourceParam[RunWorkspace]
) -> Iterator[dg.MaterializeResult[None]]:
    """Judge the statements of this run."""
    if workspace.statements_refused:
        raise workspace.statements_refused[0]
    summary = _summary(workspace)
    problems = _problems(workspace, summary)
    for problem in problems:
        context.log.error(mask_accounts(problem))
    crashpoints.reach(crashpoints.BEFORE_EVENT)
    yield dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(summary.subjects),
            "statements": len(workspace.received),
            "sections": _table(summary),
            "unknown to this program": list(summary.notes[:MOST_ROWS]),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name=EVERY_STATEMENT_CURRENT,
                asset_key=CURRENT_STATEMENTS,
                passed=not problems,
                severity=dg.AssetCheckSeverity.ERROR,
                description="; ".join(problems[:MOST_ROWS]) or _all_well(workspace),
                metadata={"problems": list(problems[:MOST_ROWS])},
            )
        ],
    )


def _summary(workspace: RunWorkspace) -> DatasetSummary:
    settings = workspace.workspace.settings
    facts = RunFacts(
        run_id=workspace.run_id,
        environment=workspace.workspace.environment,
        allowed=settings.ibkr.accounts,
    )
    return summarize(workspace.workspace.control, facts, (Dataset.FLEX,))[0]


def _problems(workspace: RunWorkspace, summary: DatasetSummary) -> tuple[str, ...]:
    early = {item.request_id for item in workspace.received if is_early(item)}
    return tuple(
        f"{_place(subject)}: {subject.error}"
        for subject in summary.subjects
        if subject.is_failed and subject.request_id not in early
    )


def _place(subject: SubjectSummary) -> str:
    if not subject.account_id:
        return f"statement {subject.request_id}"
    return f"{subject.section or 'statement'} of {subject.account_id}"


def _all_well(workspace: RunWorkspace) -> str:
    if not workspace.received:
        return "No statement was asked for in this run."
    early = [item for item in workspace.received if is_early(item)]
    return f"Not published yet: {early[0].error}" if early else "Every section is in core."


def _table(summary: DatasetSummary) -> dg.TableMetadataValue | str:
    if not summary.subjects:
        return "none"
    return dg.MetadataValue.table(
        records=[
            dg.TableRecord(
                {
                    "account": subject.account_id,
                    "section": subject.section,
                    "verdict": subject.status.value,
                    "read": subject.n_read,
                    "new": subject.n_new,
                    "changed": subject.n_changed,
                    "unchanged": subject.n_unchanged,
                    "problem": subject.error or "",
                }
            )
            for subject in summary.subjects[:MOST_ROWS]
        ]
    )
