"""Assignments, exercises and expirations, from statements to core and the read copy.

What lives here: what a run did to the option events of each account. What must not: how a
statement gets into core (`flex_sync.py`), or what an option event is (`normalization/`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from ibkr_pipeline.brokers.exceptions import IncompleteReadError
from ibkr_pipeline.control.store import ControlStore
from ibkr_pipeline.models.accounts import BrokerAccount
from ibkr_pipeline.pipelines.flex_sync import WEB_SERVICE_CHOICE, StatementChoice, sync_flex
from ibkr_pipeline.pipelines.reading import open_read_copy, read_copy_path
from ibkr_pipeline.pipelines.single_dataset import new_run_id, workspace_of
from ibkr_pipeline.pipelines.statements.staging import EXERCISES
from ibkr_pipeline.pipelines.summary import DatasetSummary, SubjectSummary
from ibkr_pipeline.pipelines.workspace import Workspace
from ibkr_pipeline.primitives.clock import SystemClock
from ibkr_pipeline.primitives.enums import Dataset, LoadStatus
from ibkr_pipeline.schemas.statements import OPTION_EVENTS
from ibkr_pipeline.settings import Settings
from ibkr_pipeline.warehouse.reads import as_of

NAME = "option-events"
#: Sections that tell option events, the one that tells nothing else first.
TELLING_SECTIONS = (EXERCISES, "Trades")
_NOT_TOLD = (
    "the statement has no section that tells option events; in the Flex query, tick Option "
    "Exercises, Assignments and Expirations"
)


def sync_option_events(
    workspace: Workspace,
    accounts: Sequence[str] | None = None,
    *,
    choice: StatementChoice = WEB_SERVICE_CHOICE,
    run_id: str | None = None,
) -> DatasetSummary:
    """Bring statements into core; return what became of the option events of each account.

    The gateway tells of no option event, so a statement is what is read. An event is known by
    account, contract, date and kind and counted once, whatever told of it. Of each account, `read`
    are the events of the statement's window, new and changed those this run added or changed.

    Args:
        workspace: What to work with.
        accounts: Account codes; None means every account that is allowed.
        choice: Which statements; by default one of the web service in the query's own window.
        run_id: Id of the run; a new one by default.

    Raises:
        ConfigError: If a file that was named cannot be read, or the web service is not set up.
    """
    run = run_id or new_run_id()
    statements = sync_flex(workspace, accounts, choice=choice, run_id=run)
    return _only_events(workspace.control, workspace.directory, run, statements)


def only_option_events(
    settings: Settings, run_id: str, statements: DatasetSummary
) -> DatasetSummary:
    """Return what a run that has ended did to option events, from what it did with statements."""
    with ControlStore.open(settings.control_url, clock=SystemClock()) as control:
        return _only_events(control, settings.environment_dir, run_id, statements)


def sync_option_events_for_broker_account(
    broker_account: BrokerAccount,
    *,
    workspace: Workspace | None = None,
    choice: StatementChoice = WEB_SERVICE_CHOICE,
) -> SubjectSummary:
    """Bring the option events of one account into core and return what became of them.

    Args:
        broker_account: Which account of which broker in which environment.
        workspace: What to work with; by default the configured one of the account's environment.
        choice: Which statements; by default one of the web service in the query's own window.

    Raises:
        ConfigError: If the workspace is one of another environment.
        IncompleteReadError: If no statement told of the account's option events.
    """
    account = broker_account.account_id
    with workspace_of(broker_account, workspace) as opened:
        summary = sync_option_events(opened, (account,), choice=choice)
    told = [item for item in summary.subjects if item.account_id == account]
    subject = told[0] if told else next(iter(summary.subjects), None)
    if subject is not None and subject.error is None:
        return subject
    reason = summary.error if subject is None else subject.error
    raise IncompleteReadError(
        f"The option events of account {account} were not read: {reason}. What is known from "
        f"earlier statements stays.",
        failed={account: reason or "no statement came"},
    )


def _only_events(
    control: ControlStore, directory: Path, run_id: str, statements: DatasetSummary
) -> DatasetSummary:
    commits = {row.applied_at for row in control.loads(run_id=run_id, dataset=Dataset.FLEX)}
    events = _current_events(directory).with_columns(
        is_fresh=pl.col("recorded_at").is_in([at for at in commits if at is not None])
    )
    by_account: dict[str, list[SubjectSummary]] = {}
    for subject in statements.subjects:
        by_account.setdefault(subject.account_id, []).append(subject)
    subjects = tuple(_subject(sections, events) for sections in by_account.values())
    return replace(statements, name=NAME, subjects=subjects)


def _current_events(directory: Path) -> pl.DataFrame:
    if not read_copy_path(directory).exists():
        return OPTION_EVENTS.empty()
    connection = open_read_copy(directory)
    try:
        return as_of(connection, OPTION_EVENTS.name.removeprefix("core."))
    finally:
        connection.close()


def _subject(sections: Sequence[SubjectSummary], events: pl.DataFrame) -> SubjectSummary:
    """Return one account's summary from those of its sections."""
    first = sections[0]
    if not first.account_id:
        return first
    telling = [item for item in sections if item.section in TELLING_SECTIONS]
    complete = [item for item in telling if item.error is None]
    errors = [item.error for item in telling or sections if item.error is not None]
    subject = SubjectSummary(
        account_id=first.account_id,
        kind=first.kind,
        status=LoadStatus.COMPLETE if complete else LoadStatus.FAILED,
        from_date=first.from_date,
        to_date=first.to_date,
        error=None if complete else "; ".join(errors) or _NOT_TOLD,
    )
    return _counted(subject, complete, events)


def _counted(
    subject: SubjectSummary, telling: Sequence[SubjectSummary], events: pl.DataFrame
) -> SubjectSummary:
    """Add how many events the windows of these sections hold, and what is new of them."""
    in_window = pl.lit(value=False)
    for item in telling:
        in_window |= pl.col("event_date").is_between(item.from_date, item.to_date)
    own = events.filter(pl.col("account_id") == subject.account_id)
    fresh = own.filter("is_fresh")
    n_new = fresh.filter(pl.col("version") == 1).height
    n_read = max(own.filter(in_window).height, fresh.height)
    return replace(
        subject,
        n_read=n_read,
        n_new=n_new,
        n_changed=fresh.height - n_new,
        n_unchanged=n_read - fresh.height,
    )
