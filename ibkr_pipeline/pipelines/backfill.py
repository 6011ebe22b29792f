"""History from statements: a window of session dates, in parts, resumable.

What lives here: which parts are asked for, and going on where an earlier run ended. What must not:
a statement's way into core (`flex_sync.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from ibkr_pipeline.brokers.exceptions import StatementError, StatementNotPublishedError
from ibkr_pipeline.pipelines.applying import apply_pending
from ibkr_pipeline.pipelines.coverage import sessions_without
from ibkr_pipeline.pipelines.flex_sync import finish_earlier, publish_and_summarize
from ibkr_pipeline.pipelines.single_dataset import new_run_id
from ibkr_pipeline.pipelines.statements.obtaining import from_service
from ibkr_pipeline.pipelines.statements.receiving import ReceivedStatement, receive_statement
from ibkr_pipeline.pipelines.summary import DatasetSummary
from ibkr_pipeline.pipelines.workspace import Workspace
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.primitives.errors import ConfigError, Terminal
from ibkr_pipeline.primitives.sessions import session_hours, sessions_between

#: Longest window one statement may have, both ends counted. Source: IBKR, Flex Web Service.
LONGEST_WINDOW_DAYS = 365
#: How many sessions at the end of a window may not be published yet.
LATE_SESSIONS = 3
#: What may be asked for -> sections that have to be there for a session to count as had. A
#: statement brings all it has, whatever it was asked for.
SUBJECTS = {
    "executions": ("Trades",),
    "option-events": ("Trades", "OptionEAE"),
    "cash": ("CashTransactions",),
    "positions": ("OpenPositions",),
    "nav": ("EquitySummaryInBase",),
    "corporate-actions": ("CorporateActions",),
    "transfers": ("Transfers",),
    "conversion-rates": ("ConversionRates",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillResult:
    """What a backfill did.

    Attributes:
        asked: Windows that were asked for, both ends included.
        n_skipped: Sessions that were there already.
        n_left: Sessions that are still missing.
        summary: What became of each section; None where nothing was asked for.
        last_closed: Last session of the window that has closed; later ones were left out.
        last_wanted: Last date of the window.
    """

    asked: tuple[tuple[date, date], ...]
    n_skipped: int
    n_left: int
    summary: DatasetSummary | None
    last_closed: date
    last_wanted: date


def backfill(
    workspace: Workspace,
    subject: str,
    *,
    first: date,
    last: date,
    accounts: Sequence[str] | None = None,
    again: bool = False,
    run_id: str | None = None,
) -> BackfillResult:
    """Fetch the statements of a window of sessions and bring them into core.

    Every part is in core before the next is asked for, so an interrupted run goes on where it
    ended. A window whose last session is not published yet is asked for without it.

    Args:
        workspace: What to work with.
        subject: What is wanted, a name of `SUBJECTS`.
        first: First session date.
        last: Last one, included; sessions that have not closed are left out.
        accounts: Account codes; None means every account that is allowed.
        again: Also sessions that are there already.
        run_id: Id of the run; a new one by default.

    Raises:
        ConfigError: If the subject or the window cannot be, or the web service is not set up.
        BusyError: If the warehouse stayed locked.
    """
    sessions = closed_sessions(first, last, now=workspace.clock.now())
    workspace.statement_source()
    run = run_id or new_run_id()
    finish_earlier(workspace)
    wanted = sessions if again else missing_sessions(workspace, subject, sessions, accounts)
    asked: list[tuple[date, date]] = []
    parts = windows_of(wanted)
    for place, (start, end) in enumerate(parts, start=1):
        workspace.on_progress(f"statement {place} of {len(parts)}: {start} to {end}")
        attempts = receive_window(workspace, (start, end), accounts=accounts, run_id=run)
        asked.append((start, end))
        apply_pending(workspace, Dataset.FLEX)
        if _is_hopeless(attempts[-1]):
            break
    # Also where nothing was asked for: a killed run may have committed and not published.
    summary = publish_and_summarize(workspace, run)
    return BackfillResult(
        asked=tuple(asked),
        n_skipped=len(sessions) - len(wanted),
        n_left=len(missing_sessions(workspace, subject, sessions, accounts)),
        summary=summary if asked else None,
        last_closed=sessions[-1],
        last_wanted=last,
    )


def receive_window(
    workspace: Workspace,
    window: tuple[date, date],
    *,
    accounts: Sequence[str] | None = None,
    run_id: str | None = None,
) -> tuple[ReceivedStatement, ...]:
    """Receive the statement of a window, or of the part of it that is published.

    Args:
        workspace: What to work with.
        window: First and last session date.
        accounts: Account codes; None means every account that is allowed.
        run_id: The run on whose behalf it is asked for.

    Returns:
        Every attempt in order: those that ended on a session that is not published yet, then the
        one that ended otherwise.

    Raises:
        ConfigError: If the web service is not set up.
    """
    source = workspace.statement_source()
    first, last = window
    attempts: list[ReceivedStatement] = []
    for _ in range(LATE_SESSIONS):
        route = from_service(source, from_date=first, to_date=last)
        received = receive_statement(workspace, route, accounts=accounts, run_id=run_id)
        attempts.append(received)
        earlier = sessions_between(first, last - timedelta(days=1))
        if not isinstance(received.error, StatementNotPublishedError) or not earlier:
            break
        workspace.on_progress(f"the statement of {last} is not published yet; asking without it")
        last = earlier[-1]
    return tuple(attempts)


def closed_sessions(first: date, last: date, *, now: datetime) -> tuple[date, ...]:
    """Return the sessions of a window that have closed.

    Raises:
        ConfigError: If there is none.
    """
    if first > last:
        raise ConfigError(
            f"The window was {first} to {last}; expected its first session date before its last."
        )
    found = tuple(
        day
        for day in sessions_between(first, min(last, now.date()))
        if session_hours(day)[1] <= now
    )
    if not found:
        raise ConfigError(
            f"No session has closed between {first} and {last}; expected session dates of the "
            f"past. Statements of a session come after its close."
        )
    return found


def missing_sessions(
    workspace: Workspace,
    subject: str,
    sessions: Sequence[date],
    accounts: Sequence[str] | None = None,
) -> tuple[date, ...]:
    """Return the sessions some account has no complete statement of, ascending.

    Accounts are those that were named, else those that statements ever told of.

    Raises:
        ConfigError: If the subject is not known.
    """
    if subject not in SUBJECTS:
        raise ConfigError(
            f"Backfill was asked for {subject!r}; expected one of {', '.join(SUBJECTS)}."
        )
    return sessions_without(
        workspace.control,
        workspace.environment,
        sessions,
        sections=SUBJECTS[subject],
        accounts=accounts,
        allowed=workspace.settings.ibkr.accounts,
    )


def windows_of(sessions: Sequence[date]) -> tuple[tuple[date, date], ...]:
    """Return as few windows as hold these sessions, none longer than a statement may be.

    >>> windows_of([date(2025, 1, 2), date(2025, 12, 31), date(2026, 1, 2)])[1]
    (datetime.date(2026, 1, 2), datetime.date(2026, 1, 2))
    """
    windows: list[tuple[date, date]] = []
    for day in sessions:
        if windows and (day - windows[-1][0]).days < LONGEST_WINDOW_DAYS:
            windows[-1] = (windows[-1][0], day)
        else:
            windows.append((day, day))
    return tuple(windows)


def _is_hopeless(received: ReceivedStatement) -> bool:
    """Return whether the service refuses for a reason that the next window will not mend."""
    error: object = received.error
    return isinstance(error, Terminal) and not isinstance(error, StatementError)
