"""The gate: which accounts are current, and the one check that turns a run red.

What lives here: `ops/current_accounts` with `every_account_current`. What must not: the verdicts
themselves (`pipelines/account_verdicts.py`).

What reasons over accounts depends on this asset and does not run when the check fails. What only
shows them (`ops/read_copy`) does not depend on it: healthy accounts are published all the same.
"""

from collections.abc import Iterator

import dagster as dg

from ibkr_pipeline.defs.catalog import CURRENT_ACCOUNTS, NIGHTLY_TAG, OWNERS, shared_keys
from ibkr_pipeline.defs.freshness import AFTER_EVERY_SESSION
from ibkr_pipeline.defs.resources import RunWorkspace
from ibkr_pipeline.defs.table_metadata import code_version_of
from ibkr_pipeline.pipelines.account_verdicts import AccountVerdict, AccountVerdicts, judge_accounts
from ibkr_pipeline.primitives import crashpoints
from ibkr_pipeline.primitives.identifiers import mask_accounts

EVERY_ACCOUNT_CURRENT = "every_account_current"
#: Rows shown on the asset; control has them all.
MOST_ROWS = 1000


@dg.asset(
    key=CURRENT_ACCOUNTS,
    deps=shared_keys(),
    group_name="ops",
    description=(
        "Which accounts are current, by dataset. Its check fails the run when one of them is not: "
        "nothing that reasons over accounts runs then, and the last complete snapshot stays."
    ),
    tags={NIGHTLY_TAG: ""},
    owners=list(OWNERS),
    kinds={"sqlite"},
    code_version=code_version_of(),
    freshness_policy=AFTER_EVERY_SESSION,
    check_specs=[
        dg.AssetCheckSpec(
            EVERY_ACCOUNT_CURRENT,
            asset=CURRENT_ACCOUNTS,
            blocking=True,
            description=(
                "Every account this run asked for was read completely, and is in core. "
                "What a gateway refuses by its own settings is unsupported, not failed."
            ),
        )
    ],
)
def current_accounts(
    context: dg.AssetExecutionContext, workspace: dg.ResourceParam[RunWorkspace]
) -> Iterator[dg.MaterializeResult[None]]:
    """Judge the accounts of this run."""
    verdicts = judge_accounts(
        workspace.workspace, run_id=workspace.run_id, datasets=workspace.landed
    )
    for problem in verdicts.problems:
        context.log.error(mask_accounts(problem))
    crashpoints.reach(crashpoints.BEFORE_EVENT)
    yield dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(verdicts.accounts),
            "current": sum(verdict.problem is None for verdict in verdicts.accounts),
            "not current": sum(verdict.problem is not None for verdict in verdicts.accounts),
            "accounts": _table(verdicts.accounts),
        },
        check_results=[_check(verdicts)],
    )


def _check(verdicts: AccountVerdicts) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=EVERY_ACCOUNT_CURRENT,
        asset_key=CURRENT_ACCOUNTS,
        passed=not verdicts.problems,
        severity=dg.AssetCheckSeverity.ERROR,
        description="; ".join(verdicts.problems[:MOST_ROWS]) or "Every account is current.",
        metadata={"problems": list(verdicts.problems[:MOST_ROWS])},
    )


def _table(verdicts: tuple[AccountVerdict, ...]) -> dg.TableMetadataValue | str:
    if not verdicts:
        return "none"
    return dg.MetadataValue.table(
        records=[
            dg.TableRecord(
                {
                    "account": verdict.account_id,
                    "dataset": verdict.dataset.value,
                    "verdict": verdict.status.value,
                    "current as of": verdict.current_as_of.isoformat()
                    if verdict.current_as_of is not None
                    else "",
                    "messages": verdict.n_rows if verdict.n_rows is not None else 0,
                    "problem": verdict.problem or "",
                }
            )
            for verdict in verdicts[:MOST_ROWS]
        ]
    )
