"""The statement side of `sync`: whether statements can be had, and the offer of their history.

What lives here: what the command line asks and offers. What must not: how a statement gets into
core (`pipelines/flex_sync.py`).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.primitives.errors import ConfigError
from ibkr_pipeline.settings import Settings

if TYPE_CHECKING:
    from ibkr_pipeline.pipelines.workspace import Workspace

#: Days of history the web service gives in one statement.
HISTORY_DAYS = 365
SWITCHED_OFF = (
    "the Flex web service is not switched on; set IBKR_FLEX_TOKEN and IBKR_FLEX_QUERY_ID, or load "
    "a file with --flex-file"
)


def can_be_had(settings: Settings, files: Sequence[Path], *, is_required: bool) -> bool:
    """Return whether statements can be had, from files or from the web service.

    Raises:
        ConfigError: If a file cannot be read, or they are required and not switched on.
    """
    from ibkr_pipeline.pipelines.flex_sync import is_switched_on
    from ibkr_pipeline.pipelines.statements.obtaining import require_readable

    for path in files:
        require_readable(path)
    if files or is_switched_on(settings):
        return True
    if is_required:
        raise ConfigError(f"Statements were asked for, and {SWITCHED_OFF}.")
    return False


def has_statements(settings: Settings) -> bool:
    """Return whether a statement was ever read."""
    from ibkr_pipeline.control.store import ControlStore
    from ibkr_pipeline.primitives.clock import SystemClock

    if settings.postgres_url is None and not settings.control_path.exists():
        return False
    with ControlStore.open(settings.control_url, clock=SystemClock()) as control:
        return bool(control.loads(dataset=Dataset.FLEX, limit=1))


def offer_history(settings: Settings, accounts: Sequence[str] | None) -> None:
    """Offer the last 365 days after the first statement: ask on a terminal, else name the command.

    Nothing is fetched without a yes.
    """
    from ibkr_pipeline.cli.backfill import run_backfill
    from ibkr_pipeline.pipelines.workspace import open_workspace

    with open_workspace(settings) as workspace:
        missing = _missing_history(workspace, accounts)
    if not missing:
        return
    first, last = missing
    typer.echo(
        f"No history yet before this statement. `ibkr-pipeline backfill executions --from {first} "
        f"--to {last}` fetches it, with everything else the query holds.",
        err=True,
    )
    if sys.stdin.isatty() and sys.stderr.isatty() and typer.confirm("Fetch it now?", err=True):
        run_backfill(settings, "executions", first=first, last=last, accounts=accounts)


def _missing_history(
    workspace: Workspace, accounts: Sequence[str] | None
) -> tuple[date, date] | None:
    from ibkr_pipeline.pipelines.backfill import closed_sessions, missing_sessions

    now = workspace.clock.now()
    first = now.date() - timedelta(days=HISTORY_DAYS)
    sessions = closed_sessions(first, now.date() - timedelta(days=1), now=now)
    missing = missing_sessions(workspace, "executions", sessions, accounts)
    return (missing[0], missing[-1]) if len(missing) > 1 else None
