"""`ibkr-pipeline backfill`: history from statements, by session dates, resumable."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ibkr_pipeline.cli.invocation import AccountOption, ConfigOption, JsonOption, begin
from ibkr_pipeline.cli.output import write_document, write_line
from ibkr_pipeline.cli.progress import progress
from ibkr_pipeline.primitives.errors import ConfigError
from ibkr_pipeline.settings import Settings

if TYPE_CHECKING:
    from ibkr_pipeline.pipelines.backfill import BackfillResult


class BackfillSubject(StrEnum):
    """What history is wanted of; a statement brings all it has, whatever it is asked for."""

    EXECUTIONS = "executions"
    OPTION_EVENTS = "option-events"
    CASH = "cash"
    POSITIONS = "positions"
    NAV = "nav"
    CORPORATE_ACTIONS = "corporate-actions"
    TRANSFERS = "transfers"
    CONVERSION_RATES = "conversion-rates"


def backfill(
    context: typer.Context,
    *,
    subject: Annotated[BackfillSubject, typer.Argument(help="What to fetch the history of.")],
    first: Annotated[str, typer.Option("--from", metavar="D", help="First session date.")],
    last: Annotated[str, typer.Option("--to", metavar="D", help="Last session date, included.")],
    again: Annotated[
        bool, typer.Option("--again", help="Also sessions that are there already.")
    ] = False,
    account: AccountOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Fetch the statements of a window of session dates, and go on where an earlier run ended.

    Ends with 0 when no session of the window is missing any more, 1 when one is or a section
    failed, 2 when the window cannot be, 75 when another run holds the warehouse.
    """
    settings = begin(context, config, as_json=as_json, log_to_file=True, accounts=account)
    result = run_backfill(
        settings,
        subject.value,
        first=parse_day(first, "--from"),
        last=parse_day(last, "--to"),
        accounts=account,
        again=again,
    )
    if as_json:
        write_document(_document(subject.value, first, last, result))
    else:
        _write(result)
    is_failed = result.summary is not None and result.summary.is_failed
    raise typer.Exit(1 if is_failed or result.n_left else 0)


def run_backfill(
    settings: Settings,
    subject: str,
    *,
    first: date,
    last: date,
    accounts: Sequence[str] | None,
    again: bool = False,
) -> BackfillResult:
    """Run a backfill, telling progress on stderr."""
    from ibkr_pipeline.pipelines.backfill import backfill as run
    from ibkr_pipeline.pipelines.workspace import open_workspace

    with (
        progress(f"{settings.mode.value}: {subject} from {first} to {last}") as tell,
        open_workspace(settings, on_progress=tell) as workspace,
    ):
        return run(workspace, subject, first=first, last=last, accounts=accounts, again=again)


def parse_day(text: str, option: str) -> date:
    """Return the date a person wrote.

    Raises:
        ConfigError: If it is none.
    """
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(
            f"{option} was {text!r}; expected a session date such as 2026-11-18."
        ) from error


def _document(subject: str, first: str, last: str, result: BackfillResult) -> dict[str, Any]:
    from ibkr_pipeline.pipelines.summary_document import dataset_document

    return {
        "subject": subject,
        "from": first,
        "to": last,
        "asked": [{"from": start, "to": end} for start, end in result.asked],
        "skipped": result.n_skipped,
        "left": result.n_left,
        "last_closed": result.last_closed,
        "statements": None if result.summary is None else dataset_document(result.summary),
    }


def _write(result: BackfillResult) -> None:
    from ibkr_pipeline.cli.summary_table import write_dataset

    if result.summary is not None:
        write_dataset(result.summary)
    asked = "; ".join(f"{start} to {end}" for start, end in result.asked) or "none"
    write_line(f"statements asked for: {asked}")
    write_line(f"{result.n_skipped} sessions were there already, {result.n_left} are missing.")
    if result.last_wanted > result.last_closed:
        write_line(
            f"{result.last_closed} is the last session before {result.last_wanted} that has "
            f"closed; what came after it was left out."
        )
