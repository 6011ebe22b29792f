"""What changed positions without an execution of the gateway, and whether it explains a gap.

What lives here: option events, corporate actions, transfers and fills only statements tell, as
changes of positions, and the choice of those that explain a difference. What must not: SQL, or
the comparison itself (`position_reconciliation.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import combinations

import polars as pl

from ibkr_pipeline.pipelines.brackets import SnapshotPair
from ibkr_pipeline.pipelines.statement_reconciliation_coverage import (
    next_session,
    previous_session,
)
from ibkr_pipeline.primitives.sessions import session_date

#: One change of one position: whose, of what, of which date (null: of any), by how much, what it
#: was, and whether no statement has confirmed it.
CHANGES: dict[str, pl.DataType] = {
    "account_id": pl.String(),
    "con_id": pl.Int64(),
    "day": pl.Date(),
    "quantity": pl.Decimal(38, 10),
    "what": pl.String(),
    "is_suspected": pl.Boolean(),
}
#: More changes of one contract between two snapshots than these are not tried one by one.
_MOST_TRIED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What explains a difference, in words, and whether it is only suspected."""

    text: str
    is_suspected: bool


class Explanations:
    """The changes of positions of all accounts; each explains one difference at most.

    Args:
        changes: `CHANGES`.
    """

    def __init__(self, changes: pl.DataFrame) -> None:
        self._changes: dict[tuple[str, int], list[dict[str, object]]] = {}
        for row in changes.sort("day", "what").iter_rows(named=True):
            self._changes.setdefault((row["account_id"], row["con_id"]), []).append(row)

    def of(self, pair: SnapshotPair, con_id: int, difference: Decimal) -> Explanation | None:
        """Return what explains a difference between two snapshots exactly, if anything does.

        Confirmed changes are tried before suspected ones, all of them before some. A booking of
        the night may bear the date of the session before the earlier snapshot (it was read after
        hours), one of a corporate action that of the session after the later one.
        """
        known = self._changes.get((pair.account_id, con_id), [])
        first, last = span_of(pair)
        fitting = [row for row in known if _is_between(row["day"], first, last)]
        confirmed = [row for row in fitting if not row["is_suspected"]]
        for candidates in (confirmed, fitting):
            chosen = _adding_up(candidates, difference)
            if chosen:
                self._take(known, chosen)
                return Explanation(
                    text="; ".join(str(row["what"]) for row in chosen),
                    is_suspected=any(bool(row["is_suspected"]) for row in chosen),
                )
        return None

    @staticmethod
    def _take(known: list[dict[str, object]], chosen: Sequence[dict[str, object]]) -> None:
        """Take the changes out: what explains one difference explains no other."""
        for row in chosen:
            known.remove(row)


def span_of(pair: SnapshotPair) -> tuple[date, date]:
    """Return the dates a booking between two snapshots may bear, both included."""
    before = session_date(pair.before.started_at)
    after = session_date(pair.after.available_at)
    return previous_session(before), next_session(after)


def _is_between(day: object, first: date, last: date) -> bool:
    return not isinstance(day, date) or first <= day <= last


def _adding_up(
    candidates: Sequence[dict[str, object]], difference: Decimal
) -> Sequence[dict[str, object]]:
    """Return the candidates that add up to the difference, as many as possible."""
    if len(candidates) > _MOST_TRIED:
        total = sum((Decimal(str(row["quantity"])) for row in candidates), Decimal(0))
        return candidates if total == difference else ()
    for size in range(len(candidates), 0, -1):
        for chosen in combinations(candidates, size):
            if sum((Decimal(str(row["quantity"])) for row in chosen), Decimal(0)) == difference:
                return chosen
    return ()
