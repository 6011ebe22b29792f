"""Which account-days are covered by the gateway, by a statement, or by neither.

What lives here: the rule, as a pure function of what was read, and the facts it takes from control.
What must not: reading anything again (`backfill.py`).

The gateway covers a session when the windows of its executions reads, put together, reach from the
opening of the exchange to its close; fills outside these hours only a statement is sure to tell. A
statement covers a session when it has a complete Trades section that speaks of it and was received
after its close.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from ibkr_pipeline.control.store import ControlStore
from ibkr_pipeline.models.requests import Load, LoadRow
from ibkr_pipeline.pipelines.statements.accounts import wanted_accounts
from ibkr_pipeline.pipelines.workspace import Workspace
from ibkr_pipeline.primitives.enums import Dataset, Environment, LoadStatus
from ibkr_pipeline.primitives.sessions import session_date, session_hours, sessions_between
from ibkr_pipeline.schemas import ops
from ibkr_pipeline.warehouse.ops import append_coverage

#: Section that tells the fills of a session, and by which statements cover it.
TRADES = "Trades"
_SCHEMA = {name: dtype for name, dtype in ops.COVERAGE.schema.items() if name != "recorded_at"}
_Window = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountReads:
    """What was read of one account.

    Attributes:
        windows: Time each of the executions reads speaks of.
        statements: Complete Trades sections.
    """

    account_id: str
    windows: tuple[_Window, ...] = ()
    statements: tuple[Load, ...] = ()


def coverage_of(
    reads: Sequence[AccountReads], *, broker: str, environment: Environment, now: datetime
) -> pl.DataFrame:
    """Return one row per account and session, from the first session anything was read of.

    Args:
        reads: What was read of each account.
        broker: Whose accounts they are.
        environment: Their world.
        now: Sessions that have not closed yet are left out.

    Returns:
        `ops.coverage` without recorded_at, by account and session.
    """
    rows = [
        {"broker": broker, "environment": environment.value, **row}
        for item in sorted(reads, key=lambda item: item.account_id)
        for row in _rows(item, now)
    ]
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")


def reads_of(
    control: ControlStore,
    environment: Environment,
    *,
    at: datetime | None = None,
    accounts: Sequence[str] | None = None,
) -> tuple[AccountReads, ...]:
    """Return what control knows was read and is in core, of each account.

    Args:
        control: Where it is remembered.
        environment: World of the accounts.
        at: Leave out what was received later.
        accounts: Only these accounts.
    """
    windows: dict[str, list[_Window]] = {}
    for account, window in _windows(control, environment, at):
        windows.setdefault(account, []).append(window)
    statements: dict[str, list[Load]] = {}
    for load in control.loads(dataset=Dataset.FLEX, section=TRADES):
        if _counts(load, environment, at):
            statements.setdefault(load.account_id, []).append(load)
    return tuple(
        AccountReads(
            account_id=account,
            windows=tuple(windows.get(account, ())),
            statements=tuple(statements.get(account, ())),
        )
        for account in sorted({*windows, *statements})
        if accounts is None or account in accounts
    )


def refresh_coverage(workspace: Workspace) -> int:
    """Append to `ops.coverage` what changed of it; return how many account-days did.

    Raises:
        BusyError: If the warehouse stayed locked.
    """
    environment = workspace.environment
    found = coverage_of(
        reads_of(workspace.control, environment),
        broker=workspace.broker,
        environment=environment,
        now=workspace.clock.now(),
    )
    with workspace.warehouse.write("recording what is covered") as transaction:
        return append_coverage(transaction, found)


def sessions_without(
    control: ControlStore,
    environment: Environment,
    sessions: Sequence[date],
    *,
    sections: Sequence[str] = (TRADES,),
    accounts: Sequence[str] | None = None,
    allowed: Sequence[str] = (),
) -> tuple[date, ...]:
    """Return the sessions that the statements of some account do not cover, ascending.

    Args:
        control: Where it is remembered what was read.
        environment: World of the accounts.
        sessions: Session dates.
        sections: Sections that each have to tell of a session.
        accounts: Accounts that count; by default those that statements ever told of. Where none
            ever did, no session is covered.
        allowed: The allow-list; empty means no list.
    """
    known = [row for row in control.loads(dataset=Dataset.FLEX) if row.environment is environment]
    told = [row.account_id for row in known if row.section]
    wanted = tuple(accounts or ()) or wanted_accounts(told, named=None, allowed=allowed)
    told_by: dict[tuple[str, str], list[Load]] = {}
    for row in known:
        if _counts(row, environment, None):
            told_by.setdefault((row.account_id, row.section), []).append(row)
    needed = [told_by.get((account, section), []) for account in wanted for section in sections]
    return tuple(
        day
        for day in sessions
        if not needed or any(_covering(loads, day) is None for loads in needed)
    )


def _windows(
    control: ControlStore, environment: Environment, at: datetime | None
) -> Iterator[tuple[str, _Window]]:
    proofs: dict[str, _Window | None] = {}
    for load in control.loads(dataset=Dataset.EXECUTIONS):
        if not _counts(load, environment, at):
            continue
        if load.request_id not in proofs:
            proofs[load.request_id] = _window_of(control, load.request_id)
        window = proofs[load.request_id]
        if window is not None:
            yield load.account_id, window


def _window_of(control: ControlStore, request_id: str) -> _Window | None:
    proof = control.proof(request_id)
    if proof is None or proof.window_start is None or proof.window_end is None:
        return None
    return proof.window_start, proof.window_end


def _counts(load: LoadRow, environment: Environment, at: datetime | None) -> bool:
    is_in_core = load.status is LoadStatus.COMPLETE and load.applied_at is not None
    is_known = at is None or (load.available_at is not None and load.available_at <= at)
    return is_in_core and is_known and load.environment is environment


def _rows(reads: AccountReads, now: datetime) -> Iterator[Mapping[str, object]]:
    first = _first_day(reads)
    if first is None:
        return
    spans = _joined(reads.windows)
    for day in sessions_between(first, now.date()):
        opens, closes = session_hours(day)
        if closes > now:
            return
        by_wire = any(start <= opens and closes <= end for start, end in spans)
        load = _covering(reads.statements, day)
        yield {
            "account_id": reads.account_id,
            "session_date": day,
            "by_wire": by_wire,
            "by_flex": load is not None,
            "flex_load_id": None if load is None else load.load_id,
            "missing": None if load is not None else _missing(day, by_wire=by_wire),
        }


def _first_day(reads: AccountReads) -> date | None:
    told = [load.from_date for load in reads.statements if load.from_date is not None]
    heard = [session_date(start) for start, _ in reads.windows]
    return min((*told, *heard), default=None)


def _joined(windows: Iterable[_Window]) -> list[_Window]:
    """Return windows that touch as one."""
    spans: list[_Window] = []
    for start, end in sorted(windows):
        if spans and start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], end))
        else:
            spans.append((start, end))
    return spans


def _covering(statements: Sequence[Load], day: date) -> Load | None:
    """Return the newest statement that covers a session."""
    _, closes = session_hours(day)
    found = [
        load
        for load in statements
        if load.from_date is not None
        and load.to_date is not None
        and load.available_at is not None
        and load.from_date <= day <= load.to_date
        and load.available_at >= closes
    ]
    return max(found, key=lambda load: (load.available_at, load.load_id), default=None)


def _missing(day: date, *, by_wire: bool) -> str:
    again = f"`ibkr-pipeline backfill executions --from {day} --to {day}`"
    if by_wire:
        return f"the statement, which has the last word: {again}"
    return f"every fill: the gateway no longer tells of that day; {again}"
