"""The span of time a load speaks of, which bounds what has to be read of a large table.

What lives here: first and last instant of a column. What must not: how wide a margin a subject
needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A closed span of time, UTC."""

    first: datetime
    last: datetime

    def condition(self, column: str, *, margin: timedelta = timedelta(0)) -> str:
        """Return an SQL condition that a row's instant lies in the span, widened by a margin."""
        first, last = (self.first - margin).isoformat(), (self.last + margin).isoformat()
        return f"{column} BETWEEN TIMESTAMPTZ '{first}' AND TIMESTAMPTZ '{last}'"


def span_of(instants: pl.Series) -> Span:
    """Return the span from the first to the last instant; nulls do not count.

    Raises:
        ValueError: If there is no instant.
    """
    first, last = instants.min(), instants.max()
    if not isinstance(first, datetime) or not isinstance(last, datetime):
        raise ValueError(  # noqa: TRY004  # the values are missing, not of another type
            f"Column {instants.name} held no instant to bound a read with."
        )
    return Span(first=first, last=last)
