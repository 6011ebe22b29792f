"""Which sessions the sections of statements speak of, as far as a comparison needs to know.

What lives here: the question "is every session from here to there covered?". What must not: the
stored coverage of account-days (`coverage.py`), or any comparison.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from functools import lru_cache

import polars as pl

from ibkr_pipeline.primitives.sessions import is_session

#: Sections in core: whose, which, of what days, when made, how many rows.
SECTIONS: dict[str, pl.DataType] = {
    "account_id": pl.String(),
    "section": pl.String(),
    "from_date": pl.Date(),
    "to_date": pl.Date(),
    "generated_at": pl.Datetime("us", "UTC"),
    "n_rows": pl.Int64(),
}
_DAY = timedelta(days=1)


class SectionCoverage:
    """The days each section covers, by account.

    Args:
        sections: Complete sections in core (`SECTIONS`).
    """

    def __init__(self, sections: pl.DataFrame) -> None:
        self._spans: dict[tuple[str, str], list[tuple[date, date]]] = {}
        told = sections.select("account_id", "section", "from_date", "to_date").unique()
        for account, section, first, last in told.iter_rows():
            self._spans.setdefault((account, section), []).append((first, last))

    def uncovered(self, account_id: str, section: str, *, first: date, last: date) -> date | None:
        """Return the first session from `first` to `last` that no statement covers, if any."""
        spans = self._spans.get((account_id, section), [])
        for day in sessions_between(first, last):
            if not any(start <= day <= end for start, end in spans):
                return day
        return None

    def why_uncovered(
        self, account_id: str, sections: Sequence[str], *, first: date, last: date
    ) -> str | None:
        """Return why the days cannot be compared, None where every section covers them."""
        for section in sections:
            day = self.uncovered(account_id, section, first=first, last=last)
            if day is not None:
                return (
                    f"no statement in core has the section {section} for {day}; tick it in the "
                    f"query, then run `ibkr-pipeline backfill executions --from {first} "
                    f"--to {last}`"
                )
        return None


@lru_cache(maxsize=4096)
def sessions_between(first: date, last: date) -> tuple[date, ...]:
    """Return the sessions from `first` to `last`, both included, ascending."""
    days = ((last - first).days + 1) if last >= first else 0
    return tuple(day for i in range(days) if is_session(day := first + i * _DAY))


def next_session(day: date) -> date:
    """Return the first session after a day."""
    day += _DAY
    while not is_session(day):
        day += _DAY
    return day


def previous_session(day: date) -> date:
    """Return the last session before a day."""
    day -= _DAY
    while not is_session(day):
        day -= _DAY
    return day
