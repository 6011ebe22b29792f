"""`ibkr-pipeline sync`: read a dataset from the broker and tell what became of each account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ibkr_pipeline.cli import statements
from ibkr_pipeline.cli.invocation import AccountOption, ConfigOption, JsonOption, begin
from ibkr_pipeline.cli.output import write_document, write_error, write_line
from ibkr_pipeline.cli.progress import progress
from ibkr_pipeline.primitives.enums import WIRE_DATASETS, Dataset
from ibkr_pipeline.primitives.error_report import EXIT_INTERRUPTED
from ibkr_pipeline.primitives.errors import ConfigError
from ibkr_pipeline.settings import Settings

if TYPE_CHECKING:
    from ibkr_pipeline.defs.launch import LaunchResult
    from ibkr_pipeline.pipelines.summary import DatasetSummary, RunFacts

#: Failures of these checks are told account by account, section by section, in the summary.
ACCOUNT_CHECK = "every_account_current"
STATEMENT_CHECK = "every_statement_current"


class SyncDataset(StrEnum):
    """What can be synced."""

    ACCOUNTS = "accounts"
    POSITIONS = "positions"
    ORDERS = "orders"
    EXECUTIONS = "executions"
    OPTION_EVENTS = "option-events"
    FLEX = "flex"
    ALL = "all"


_STATEMENTS = (SyncDataset.OPTION_EVENTS, SyncDataset.FLEX)


def sync(
    context: typer.Context,
    *,
    dataset: Annotated[SyncDataset, typer.Argument(help="What to read.")],
    account: AccountOption = None,
    flex_file: Annotated[
        list[Path] | None,
        typer.Option(
            "--flex-file",
            metavar="PATH",
            help="A statement downloaded by hand, in place of the web service; may be repeated.",
        ),
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Read a dataset of every allowed account, land it, and bring it into the warehouse.

    The gateway tells accounts, positions, orders and executions; `flex` and `option-events` come
    with statements of the Flex web service. `all` is everything that is switched on.

    Ends with 0 when every account is complete, 1 when one failed (the others are in), 75 when
    another run holds the warehouse.
    """
    settings = begin(context, config, as_json=as_json, log_to_file=True, accounts=account)
    files = tuple(flex_file or ())
    has_statements = _check_statements(settings, dataset, files)
    is_first = has_statements and not files and not statements.has_statements(settings)
    datasets = _datasets(dataset, has_statements=has_statements)
    result = run(settings, datasets, account or (), files)
    facts = facts_of(settings, result)
    summaries = _summaries(settings, facts, dataset, datasets)
    skipped = {} if has_statements else {Dataset.FLEX.value: statements.SWITCHED_OFF}
    _tell(settings, facts, summaries, dataset, skipped, as_json=as_json, is_well=result.success)
    tell_failures(result)
    tell_checks(result)
    code = exit_code_of(result, summaries)
    if is_first and code == 0:
        statements.offer_history(settings, account)
    raise typer.Exit(code)


def _check_statements(settings: Settings, dataset: SyncDataset, files: Sequence[Path]) -> bool:
    """Return whether the run is to bring in statements.

    Raises:
        ConfigError: If they were asked for and cannot be had.
    """
    if dataset not in (*_STATEMENTS, SyncDataset.ALL):
        if files:
            raise ConfigError(
                f"--flex-file was given for {dataset.value}, which the gateway tells; expected it "
                f"with flex, option-events or all."
            )
        return False
    return statements.can_be_had(settings, files, is_required=dataset in _STATEMENTS)


def _datasets(dataset: SyncDataset, *, has_statements: bool) -> tuple[Dataset, ...]:
    if dataset in _STATEMENTS:
        return (Dataset.FLEX,)
    if dataset is SyncDataset.ALL:
        return (*WIRE_DATASETS, *((Dataset.FLEX,) if has_statements else ()))
    return (Dataset(dataset.value),)


def _summaries(
    settings: Settings, facts: RunFacts, dataset: SyncDataset, datasets: Sequence[Dataset]
) -> tuple[DatasetSummary, ...]:
    from ibkr_pipeline.pipelines.option_events_sync import only_option_events
    from ibkr_pipeline.pipelines.summary import summarize_run

    summaries = summarize_run(settings, facts, datasets)
    if dataset is not SyncDataset.OPTION_EVENTS:
        return summaries
    return tuple(only_option_events(settings, facts.run_id, summary) for summary in summaries)


def _tell(
    settings: Settings,
    facts: RunFacts,
    summaries: Sequence[DatasetSummary],
    dataset: SyncDataset,
    skipped: Mapping[str, str],
    *,
    as_json: bool,
    is_well: bool,
) -> None:
    from ibkr_pipeline.cli.summary_table import write_summary
    from ibkr_pipeline.pipelines.summary import to_document

    is_all = dataset is SyncDataset.ALL
    if as_json:
        document = to_document(summaries, facts, is_all=is_all)
        left_aside = [{"dataset": name, "reason": why} for name, why in skipped.items()]
        write_document({**document, "skipped": left_aside} if is_all else document)
        return
    write_summary(settings, summaries, run_id=facts.run_id, is_well=is_well)
    if is_all:
        for name, why in skipped.items():
            write_line(f"{name} was left out: {why}.")


#: Checks of which accounts were read; the summary names every one that was not.
_TOLD_BY_THE_SUMMARY = ("read_complete", ACCOUNT_CHECK, STATEMENT_CHECK)


def run(
    settings: Settings,
    datasets: Sequence[Dataset],
    accounts: Sequence[str],
    files: Sequence[Path] = (),
) -> LaunchResult:
    """Run the sync as a Dagster job in this process, telling progress on stderr.

    Raises:
        PipelineError: If the run could not be started.
    """
    from ibkr_pipeline.defs.launch import run_sync

    words = f"{settings.mode.value}: reading {', '.join(item.value for item in datasets)}"
    with progress(words) as tell:
        return run_sync(settings, datasets, accounts, files=files, on_progress=tell)


def facts_of(settings: Settings, result: LaunchResult) -> RunFacts:
    """Return what a summary needs to know of a run beside its requests."""
    from ibkr_pipeline.pipelines.summary import RunFacts

    return RunFacts(
        run_id=result.run_id,
        environment=settings.mode,
        allowed=settings.ibkr.accounts,
        error=_error_of(result),
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


def _error_of(result: LaunchResult) -> str | None:
    if result.is_interrupted:
        return "the run was interrupted; the next one applies it"
    return None if result.success or not result.failures else result.failures[0].message


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
        if not failure.is_interrupt
        and not failure.message.startswith((ACCOUNT_CHECK, STATEMENT_CHECK))
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
