"""What an account statement says of itself and of each of its sections, for any broker.

What lives here: the records a statement reader returns, and the sink it hands rows to. What must
not: any format of a statement (`brokers/ibkr/flex_*.py`), or what core makes of the rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol

import polars as pl

from ibkr_pipeline.primitives.enums import LoadStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementHeader:
    """Whose statement it is and what it speaks of.

    Attributes:
        account_id: Account of the rows. Where a statement holds rows of other accounts (those of
            an advisor), each account gets a header of its own, alike in everything else.
        from_date: First session date the statement speaks of.
        to_date: Last one, included.
        period: Period in the broker's own word; empty where it says none.
        generated_at: When the broker made it, UTC; the text is read as New York time. None where
            it does not say.
        generated_text: The same exactly as the broker wrote it.
    """

    account_id: str
    from_date: date
    to_date: date
    period: str
    generated_at: datetime | None
    generated_text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionResult:
    """How the rows of one account in one section were read.

    Attributes:
        account_id: Account of the rows.
        section: Section as the vendor names it.
        table: `flex.…` table of the frames handed over; None for a section nobody knows.
        status: COMPLETE, or FAILED: then none of its rows counts, handed over or not.
        reason: Why it failed, and what to do; None when complete.
        n_rows: Rows heard, at every level of detail.
        n_kept: Rows handed over.
        rows_by_level: Rows heard by level of detail; `none` where a row tells no level.
        unknown_attributes: Attributes nobody knows -> rows that had them.
        unknown_values: Attribute -> value outside its known set -> rows that had it.
        missing_columns: Attributes the rows lack and identity or meaning needs, in the vendor's
            spelling.
    """

    account_id: str
    section: str
    table: str | None
    status: LoadStatus
    reason: str | None = None
    n_rows: int = 0
    n_kept: int = 0
    rows_by_level: Mapping[str, int] = field(default_factory=dict)
    unknown_attributes: Mapping[str, int] = field(default_factory=dict)
    unknown_values: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    missing_columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementDocument:
    """One file that was read to its end.

    Attributes:
        query_name: Name of the query that made it.
        statement_kind: AF activity, TCF trade confirmations.
        headers: One per account and window, in the order heard.
        sections: One per account and section, empty sections included.
        n_bytes: Length of the file.
        sha256: Hash of its bytes, hexadecimal.
    """

    query_name: str
    statement_kind: str
    headers: tuple[StatementHeader, ...]
    sections: tuple[SectionResult, ...]
    n_bytes: int
    sha256: str


class RowSink(Protocol):
    """Takes the rows of a statement as they are read."""

    def add(self, header: StatementHeader, section: str, frame: pl.DataFrame) -> None:
        """Take a chunk of rows of one account and one section.

        Called by one thread, not always the caller's, one call at a time, and never after the
        reader has returned or raised. What it raises ends the reading and reaches the caller.

        Args:
            header: Statement the rows stand in; its `account_id` is that of every row.
            section: Section as the vendor names it.
            frame: At least one row, in exactly the columns of the section's `flex.…` table.
        """
        ...
