"""`ibkr-pipeline sync`: read a dataset from the broker and tell what became of each account."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from ibkr_pipeline.cli.invocation import AccountOption, ConfigOption, JsonOption, begin
from ibkr_pipeline.cli.output import write_document, write_error
from ibkr_pipeline.cli.progress import progress
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.primitives.error_report import EXIT_INTERRUPTED
from ibkr_pipeline.settings import Settings

if TYPE_CHECKING:
    from ibkr_pipeline.defs.launch import LaunchResult
    from ibkr_pipeline.pipelines.summary import DatasetSummary, RunFacts

#: Failures of this check are told account by account in the summary.
ACCOUNT_CHECK = "every_account_current"


class SyncDataset(StrEnum):
    """What can be synced."""

    ACCOUNTS = "accounts"
    POSITIONS = "positions"
    ORDERS = "orders"
    EXECUTIONS = "executions"
    ALL = "all"


def sync(
    context: typer.Context,
    *,
    dataset: Annotated[SyncDataset, typer.Argument(help="What to read.")],
    account: AccountOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Read a dataset of every allowed account, land it, and bring it into the warehouse.

    Ends with 0 when every account is complete, 1 when one failed (the others are in), 75 when
    another run holds the warehouse.
    """
    settings = begin(context, config, as_json=as_json, log_to_file=True, accounts=account)
    from ibkr_pipeline.cli.summary_table import write_summary
    from ibkr_pipeline.pipelines.summary import summarize_run, to_document

    is_all = dataset is SyncDataset.ALL
    datasets = tuple(Dataset) if is_all else (Dataset(dataset.value),)
    result = run(settings, datasets, account or ())
    facts = facts_of(settings, result)
    summaries = summarize_run(settings, facts, datasets)
    if as_json:
        write_document(to_document(summaries, facts, is_all=is_all))
    else:
        write_summary(settings, summaries, run_id=result.run_id, is_well=result.success)
    tell_failures(result)
    tell_checks(result)
    raise typer.Exit(exit_code_of(result, summaries))


#: Checks of which accounts were read; the summary names every one that was not.
_TOLD_BY_THE_SUMMARY = ("read_complete", "every_account_current")


def run(settings: Settings, datasets: Sequence[Dataset], accounts: Sequence[str]) -> LaunchResult:
    """Run the sync as a Dagster job in this process, telling progress on stderr.

    Raises:
        PipelineError: If the run could not be started.
    """
    from ibkr_pipeline.defs.launch import run_sync

    words = f"{settings.mode.value}: reading {', '.join(item.value for item in datasets)}"
    with progress(words) as tell:
        return run_sync(settings, datasets, accounts, on_progress=tell)


def facts_of(settings: Settings, result: LaunchResult) -> RunFacts:
    """Return what a summary needs to know of a run beside its requests."""
    from ibkr_pipeline.pipelines.summary import RunFacts

    return RunFacts(
        run_id=result.run_id,
        environment=settings.mode,
        allowed=settings.ibkr.accounts,
        error=None if result.success or not result.failures else result.failures[0].message,
        failed_checks=tuple(
            {
                "asset": check.asset,
                "check": check.name,
                "severity": check.severity.lower(),
                "reason": check.description,
            }
            for check in result.checks
            if not check.passed
        ),
    )


def exit_code_of(result: LaunchResult, summaries: Sequence[DatasetSummary]) -> int:
    """Return 0 all well, 2 a wrong setting, 75 busy, 130 interrupted, else 1.

    A check that failed and matters (severity error) is not well, also when every read was.
    """
    if result.is_interrupted:
        return EXIT_INTERRUPTED
    if not result.success:
        return result.exit_code
    is_broken = any(check.is_break for check in result.checks)
    return 1 if is_broken or any(summary.is_failed for summary in summaries) else 0


def tell_failures(result: LaunchResult) -> None:
    """Tell on stderr why a run failed, where it was more than an account that failed."""
    if result.is_interrupted:
        write_error("Interrupted.", "What was complete is kept; run it again for the rest.")
    told = [
        failure
        for failure in result.failures
        if not failure.is_interrupt and not failure.message.startswith(ACCOUNT_CHECK)
    ]
    for message in dict.fromkeys(failure.message for failure in told):
        steps = ", ".join(failure.step for failure in told if failure.message == message)
        write_error(f"{steps}: {message}")


def tell_checks(result: LaunchResult) -> None:
    """Tell on stderr which checks failed, where the summary has not told it already.

    A break of the reconciliation leaves the run green in Dagster, because nothing that was read
    is wrong by itself; nobody should have to look there to hear of it.
    """
    for check in result.checks:
        if not check.passed and check.name not in _TOLD_BY_THE_SUMMARY:
            write_error(f"check {check.name} of {check.asset} failed: {check.description}")
