"""Account statements, from the Flex web service or from files, to core and the read copy."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from ibkr_pipeline.pipelines.applying import apply_pending
from ibkr_pipeline.pipelines.coverage import refresh_coverage
from ibkr_pipeline.pipelines.publishing import publish
from ibkr_pipeline.pipelines.single_dataset import new_run_id
from ibkr_pipeline.pipelines.statements.obtaining import (
    StatementRoute,
    from_file,
    from_service,
    require_readable,
)
from ibkr_pipeline.pipelines.statements.receiving import ReceivedStatement, receive_statement
from ibkr_pipeline.pipelines.statements.scratch import sweep_scratch
from ibkr_pipeline.pipelines.summary import DatasetSummary, RunFacts, summarize
from ibkr_pipeline.pipelines.workspace import Workspace
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.primitives.errors import RawDataError
from ibkr_pipeline.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementChoice:
    """Which statement is wanted.

    Attributes:
        files: Statements that were downloaded by hand; none means the web service is asked.
        from_date, to_date: Session dates the web service is asked for, both included; None
            leaves the window to the query.
    """

    files: tuple[Path, ...] = ()
    from_date: date | None = None
    to_date: date | None = None


#: One statement of the web service, in the query's own window.
WEB_SERVICE_CHOICE = StatementChoice()


def sync_flex(
    workspace: Workspace,
    accounts: Sequence[str] | None = None,
    *,
    choice: StatementChoice = WEB_SERVICE_CHOICE,
    run_id: str | None = None,
) -> DatasetSummary:
    """Receive statements, apply their sections and publish; return what became of each section.

    A section that cannot be read holds back no other. The same bytes again bring nothing, and
    what an earlier run left half done is finished first.

    Args:
        workspace: What to work with.
        accounts: Account codes; None means every account that is allowed.
        choice: Which statements; by default one of the web service in the query's own window.
        run_id: Id of the run; a new one by default.

    Raises:
        ConfigError: If a file that was named cannot be read, or the web service is not set up;
            before anything is asked for.
    """
    run = run_id or new_run_id()
    receive_statements(workspace, accounts, choice=choice, run_id=run)
    apply_pending(workspace, Dataset.FLEX)
    return publish_and_summarize(workspace, run)


def receive_statements(
    workspace: Workspace,
    accounts: Sequence[str] | None = None,
    *,
    choice: StatementChoice = WEB_SERVICE_CHOICE,
    run_id: str | None = None,
) -> tuple[ReceivedStatement, ...]:
    """Receive and land statements; their rows wait for `apply_pending`.

    Raises:
        ConfigError: As `sync_flex`.
    """
    routes = _routes(workspace, choice)
    finish_earlier(workspace)
    return tuple(
        receive_statement(workspace, route, accounts=accounts, run_id=run_id) for route in routes
    )


def finish_earlier(workspace: Workspace) -> None:
    """Apply what an earlier run landed, and remove what it left in scratch folders.

    A raw file that is broken is told by `apply_pending` again, after what is new was received.
    """
    sweep_scratch(workspace.directory, now=workspace.clock.now())
    with suppress(RawDataError):
        apply_pending(workspace, Dataset.FLEX)


def publish_and_summarize(workspace: Workspace, run_id: str) -> DatasetSummary:
    """Record what is covered now, publish, and return what a run did with statements."""
    if workspace.warehouse.path.exists():
        refresh_coverage(workspace)
        publish(workspace)
    facts = RunFacts(
        run_id=run_id, environment=workspace.environment, allowed=workspace.settings.ibkr.accounts
    )
    return summarize(workspace.control, facts, (Dataset.FLEX,))[0]


def is_switched_on(settings: Settings) -> bool:
    """Return whether token and query of the web service are set."""
    return settings.ibkr.flex_token is not None and settings.ibkr.flex_query_id is not None


def _routes(workspace: Workspace, choice: StatementChoice) -> list[StatementRoute]:
    if choice.files:
        paths = [require_readable(path) for path in choice.files]
        return [from_file(path, clock=workspace.clock) for path in paths]
    source = workspace.statement_source()
    return [from_service(source, from_date=choice.from_date, to_date=choice.to_date)]
