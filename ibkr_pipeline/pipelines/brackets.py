"""Which executions reads stand before and after a positions read, and what time they cover.

What lives here: pairs of position snapshots with their brackets, as pure functions over the
loads. What must not: comparing anything (`reconciliation.py`).

Instants are those of our own clock (when a read was sent, when its answer was here), so that the
broker's clock need not agree with it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

import polars as pl

_INSTANT = pl.Datetime("us", "UTC")

#: Complete loads: whose, which, when sent, when answered, from when on the answer speaks.
LOADS: dict[str, pl.DataType] = {
    "account_id": pl.String(),
    "load_id": pl.String(),
    "started_at": _INSTANT,
    "available_at": _INSTANT,
    "window_start": _INSTANT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bracket:
    """One position snapshot of an account with the executions reads around it.

    Attributes:
        opening_sent_at, opened_at: When the last executions read before it was sent and answered;
            None if there is none.
        closed_at: When the first executions read after it was answered; None if there is none.
    """

    account_id: str
    snapshot_id: str
    started_at: datetime
    available_at: datetime
    opening_sent_at: datetime | None
    opened_at: datetime | None
    closed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotPair:
    """A position snapshot of an account, its last as a rule, and the one before it.

    Attributes:
        gaps: Time between the two of which no executions read speaks.
    """

    account_id: str
    before: Bracket
    after: Bracket
    gaps: tuple[tuple[datetime, datetime], ...]


def snapshot_pairs(
    positions: pl.DataFrame,
    executions: pl.DataFrame,
    *,
    also: Collection[tuple[str, datetime]] = (),
) -> tuple[SnapshotPair, ...]:
    """Return the last two position snapshots of every account that has two, and earlier pairs.

    Args:
        positions: Complete positions loads (`LOADS`).
        executions: Complete executions loads (`LOADS`).
        also: Account and `available_at` of snapshots to be compared again with the one before.
    """
    by_account: dict[str, list[Bracket]] = {}
    for bracket in _brackets(positions, executions):
        by_account.setdefault(bracket.account_id, []).append(bracket)
    reads = executions.partition_by("account_id", as_dict=True)
    return tuple(
        SnapshotPair(
            account_id=account,
            before=before,
            after=after,
            gaps=_gaps(reads.get((account,)), before, after),
        )
        for account, found in sorted(by_account.items())
        for before, after in pairwise(found)
        if after is found[-1] or (account, after.available_at) in also
    )


def uncovered(
    windows: Iterable[tuple[datetime, datetime]], *, start: datetime, end: datetime
) -> tuple[tuple[datetime, datetime], ...]:
    """Return the parts of `start` to `end` that no window covers, in order."""
    gaps: list[tuple[datetime, datetime]] = []
    reached = start
    for first, last in sorted(windows):
        if first > reached:
            gaps.append((reached, min(first, end)))
        reached = max(reached, last)
        if reached >= end:
            break
    if reached < end:
        gaps.append((reached, end))
    return tuple((first, last) for first, last in gaps if first < last)


def _brackets(positions: pl.DataFrame, executions: pl.DataFrame) -> Sequence[Bracket]:
    answered = executions.select(
        "account_id", opening_sent_at="started_at", opened_at="available_at"
    ).sort("opened_at")
    sent = executions.select("account_id", sent_at="started_at", closed_at="available_at").sort(
        "sent_at"
    )
    joined = (
        positions.sort("started_at")
        .join_asof(
            answered,
            left_on="started_at",
            right_on="opened_at",
            by="account_id",
            strategy="backward",
            coalesce=False,
            check_sortedness=False,
        )
        .sort("available_at", "load_id")
        .join_asof(
            sent,
            left_on="available_at",
            right_on="sent_at",
            by="account_id",
            strategy="forward",
            coalesce=False,
            check_sortedness=False,
        )
    )
    return [
        Bracket(
            account_id=row["account_id"],
            snapshot_id=row["load_id"],
            started_at=row["started_at"],
            available_at=row["available_at"],
            opening_sent_at=row["opening_sent_at"],
            opened_at=row["opened_at"],
            closed_at=row["closed_at"],
        )
        for row in joined.iter_rows(named=True)
    ]


def _gaps(
    reads: pl.DataFrame | None, before: Bracket, after: Bracket
) -> tuple[tuple[datetime, datetime], ...]:
    """Return the time between two snapshots of which no executions read speaks."""
    start = before.opening_sent_at or before.started_at
    end = after.opening_sent_at or after.started_at
    windows = [] if reads is None else reads.select("window_start", "started_at").rows()
    known = [(first, last) for first, last in windows if first is not None]
    return uncovered(known, start=start, end=end)
