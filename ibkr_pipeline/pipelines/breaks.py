"""Breaks: findings kept from one night to the next, with an identity, an age and a state.

What lives here: which version of a break follows from what was found. What must not: any
comparison (`reconciliation.py`, `statement_reconciliation.py`), or SQL (`warehouse/ops.py`).

A break is opened by a finding, keeps the instant it was first seen at while it is found again,
and is closed when the same thing is compared and agrees, or is no longer among the findings of a
comparison that looked at it. What could not be compared neither opens nor closes one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import polars as pl

from ibkr_pipeline.pipelines.findings import Compared, Verdict
from ibkr_pipeline.pipelines.workspace import Workspace
from ibkr_pipeline.primitives.enums import BreakState, Environment
from ibkr_pipeline.schemas import ops
from ibkr_pipeline.warehouse.ops import append_breaks, current_breaks
from ibkr_pipeline.warehouse.transaction import WriteTransaction

Row = dict[str, Any]
_ID_DIGITS = 12
_GONE = "it is no longer found"
_AGREES = "what was compared agrees now"
#: What makes a new version of a break that stays open.
_CONTENT = ("expected", "found", "difference", "why")
_VERSION = {name: dtype for name, dtype in ops.BREAKS.schema.items() if name != "recorded_at"}


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakChanges:
    """What an update did to the breaks.

    Attributes:
        opened, reopened, changed, closed: Breaks that got a new version, and which.
        still_open: Breaks that are open afterwards.
    """

    opened: int
    reopened: int
    changed: int
    closed: int
    still_open: int


def update_breaks(
    transaction: WriteTransaction,
    comparisons: Mapping[str, Compared | None],
    now: datetime,
    *,
    environment: Environment,
    broker: str = "ibkr",
) -> BreakChanges:
    """Append what the findings change of the breaks.

    Args:
        transaction: The open transaction.
        comparisons: Name of a comparison -> what it found; None for one that could not be made,
            which closes nothing.
        now: The clock's instant.
        environment: World of the accounts compared.
        broker: Broker of the accounts compared.
    """
    known = current_breaks(transaction.connection, environment=environment.value)
    versions = next_versions(known, comparisons, now, environment=environment.value, broker=broker)
    append_breaks(transaction, versions)
    return _counted(known, versions)


def record_breaks(workspace: Workspace, comparisons: Mapping[str, Compared | None]) -> BreakChanges:
    """Update the breaks of a workspace in a transaction of its own.

    Raises:
        BusyError: If another process held the warehouse.
    """
    with workspace.warehouse.write("keeping the breaks") as transaction:
        return update_breaks(
            transaction,
            comparisons,
            workspace.clock.now(),
            environment=workspace.environment,
        )


def next_versions(
    known: pl.DataFrame,
    comparisons: Mapping[str, Compared | None],
    now: datetime,
    *,
    environment: str,
    broker: str = "ibkr",
) -> pl.DataFrame:
    """Return the versions of breaks that follow: `ops.breaks` without recorded_at.

    Args:
        known: Last version of every break (`ops.breaks`), of any comparison.
        comparisons: As for `update_breaks`.
        now: The clock's instant.
        environment: World of the accounts compared.
        broker: Broker of the accounts compared.
    """
    owner = {"broker": broker, "environment": environment}
    before = {row["break_id"]: row for row in known.iter_rows(named=True)}
    found: list[Row] = []
    for name, compared in comparisons.items():
        if compared is not None:
            own = {key: row for key, row in before.items() if row["comparison"] == name}
            found.extend(_versions_of(name, compared, own, now, owner))
    return pl.DataFrame(found, schema=_VERSION, orient="row")


def break_id(
    comparison: str,
    *,
    broker: str,
    environment: str,
    account_id: str,
    con_id: int | None,
    subject: str | None,
    session_date: date | None,
) -> str:
    """Return the identity of a break: what is compared, of whom, about what, of which session.

    Twelve hexadecimal digits of SHA-256: short enough to type, and the same in every version.
    """
    day = "" if session_date is None else session_date.isoformat()
    parts = (
        comparison, broker, environment, account_id, str(con_id or ""), subject or "", day
    )  # fmt: skip
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:_ID_DIGITS]


def _versions_of(
    name: str, compared: Compared, known: Mapping[str, Row], now: datetime, owner: Mapping[str, str]
) -> Iterator[Row]:
    findings = _by_identity(name, _worth_a_look(compared.findings, known), owner)
    for key, finding in findings.items():
        version = _next(known.get(key), finding, now)
        if version is not None:
            yield {**owner, "break_id": key, "comparison": name, **_about(finding), **version}
    for key, row in known.items():
        is_open = row["break_state"] == BreakState.OPEN.value
        if key not in findings and is_open and _was_looked_at(row["session_date"], compared.since):
            yield {**_kept(row), **_closed(row, _GONE, now)}


def _worth_a_look(findings: pl.DataFrame, known: Mapping[str, Row]) -> pl.DataFrame:
    """Return the breaks, and what may close a known one; most findings are neither.

    A break is worst and comes last, so that it wins over another finding of the same identity.
    """
    is_break = pl.col("verdict") == Verdict.BREAK.value
    accounts = {row["account_id"] for row in known.values()}
    return findings.filter(is_break | pl.col("account_id").is_in(accounts)).sort(
        is_break, maintain_order=True
    )


def _by_identity(name: str, findings: pl.DataFrame, owner: Mapping[str, str]) -> dict[str, Row]:
    return {
        break_id(
            name,
            **owner,
            account_id=row["account_id"],
            con_id=row["con_id"],
            subject=row["subject"],
            session_date=row["session_date"],
        ): row
        for row in findings.iter_rows(named=True)
    }


def _next(known: Row | None, finding: Row, now: datetime) -> Row | None:
    """Return the version a finding makes of a break, None where it changes nothing."""
    is_open = known is not None and known["break_state"] == BreakState.OPEN.value
    if finding["verdict"] == Verdict.BREAK.value:
        if is_open and all(known[name] == finding[name] for name in _CONTENT):  # type: ignore[index]
            return None
        return _opened(known, now)
    if known is None or not is_open or finding["verdict"] == Verdict.NOT_COMPARABLE.value:
        return None
    if finding["is_suspected"]:
        same = known["why"] == finding["why"] and known["difference"] == finding["difference"]
        return None if same else _opened(known, now)
    return _closed(known, finding["why"] or _AGREES, now)


def _opened(known: Row | None, now: datetime) -> Row:
    return {
        "version": 1 if known is None else known["version"] + 1,
        "break_state": BreakState.OPEN.value,
        "first_seen_at": now if known is None else known["first_seen_at"],
        "closed_at": None,
    }


def _closed(known: Row, why: str, now: datetime) -> Row:
    return {
        "version": known["version"] + 1,
        "break_state": BreakState.CLOSED.value,
        "first_seen_at": known["first_seen_at"],
        "closed_at": now,
        "why": why,
    }


def _about(finding: Row) -> Row:
    names = ("account_id", "subject", "con_id", "symbol", "session_date", *_CONTENT)
    return {name: finding[name] for name in names}


def _kept(known: Row) -> Row:
    return {name: known[name] for name in _VERSION}


def _was_looked_at(session: date | None, since: date | None) -> bool:
    """Say whether a comparison would have found a break of a session again."""
    if since is None:
        return True
    return session >= since if session is not None else since != date.max


def _counted(known: pl.DataFrame, versions: pl.DataFrame) -> BreakChanges:
    before = {row["break_id"]: row["break_state"] for row in known.iter_rows(named=True)}
    is_open = BreakState.OPEN.value
    counts = dict.fromkeys(("opened", "reopened", "changed", "closed"), 0)
    after = dict(before)
    for row in versions.iter_rows(named=True):
        known_state = before.get(row["break_id"])
        after[row["break_id"]] = row["break_state"]
        if row["break_state"] != is_open:
            counts["closed"] += 1
        elif known_state is None:
            counts["opened"] += 1
        else:
            counts["changed" if known_state == is_open else "reopened"] += 1
    return BreakChanges(still_open=sum(state == is_open for state in after.values()), **counts)
