"""What a read of a broker is: payload as heard, its proof, and who failed and why.

What lives here: `Read`. What must not: how any broker is asked.
A failed read is never an empty one: rows can be had only through `require_complete`, or account
by account from the ones that are complete.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar

import polars as pl

from ibkr_pipeline.brokers.exceptions import IncompleteReadError
from ibkr_pipeline.models.requests import Payload, RequestProof, SubjectOutcome
from ibkr_pipeline.primitives.enums import LoadStatus

Row = TypeVar("Row")

#: Message name or table name -> typed frame of `schemas/broker.py` (`broker.positions`, …).
Frames = Mapping[str, pl.DataFrame]


@dataclass(frozen=True, kw_only=True)
class Read(Generic[Row]):
    """The answer of a fetch.

    Iterating gives row views, and raises `IncompleteReadError` when any account failed:
    half an answer is not an answer. `only_complete()` gives the healthy accounts on purpose.

    Attributes:
        proof: The completeness proof.
        outcomes: One verdict per account that was asked for.
        payload: Messages as heard, of every account, the failed ones included.
        to_frames: Broker's mapper: payload (of complete accounts) -> typed frames by table name.
        row_table: Table of `to_frames` the row views are built from.
        to_row: Builds one row view from a mapping of that table.
    """

    proof: RequestProof
    outcomes: tuple[SubjectOutcome, ...]
    payload: Payload
    to_frames: Callable[[Payload, RequestProof], Frames]
    row_table: str
    to_row: Callable[[Mapping[str, Any]], Row]

    @property
    def complete(self) -> tuple[str, ...]:
        """Accounts whose rows are all here."""
        return tuple(o.account_id for o in self.outcomes if o.status is LoadStatus.COMPLETE)

    @property
    def failed(self) -> Mapping[str, str]:
        """Account -> reason, of every account that is not complete."""
        return {
            o.account_id: o.reason or o.status.value
            for o in self.outcomes
            if o.status is not LoadStatus.COMPLETE
        }

    def require_complete(self) -> Self:
        """Return this read, or raise if an account is missing.

        Raises:
            IncompleteReadError: If any account that was asked for is not complete.
        """
        if self.failed:
            reasons = "; ".join(f"{account}: {reason}" for account, reason in self.failed.items())
            raise IncompleteReadError(
                f"Read {self.proof.request_id} of {self.proof.dataset.value} was not complete "
                f"({reasons}). Nothing of it may be taken for an empty answer.",
                failed=self.failed,
            )
        return self

    def only_complete(self) -> tuple[Row, ...]:
        """Return the row views of the complete accounts, leaving the failed ones out."""
        frames = self.to_frames(restrict(self.payload, self.complete), self.proof)
        return tuple(self.to_row(row) for row in frames[self.row_table].iter_rows(named=True))

    def __iter__(self) -> Iterator[Row]:
        """Iterate over the row views of a complete read."""
        self.require_complete()
        return iter(self.only_complete())


def restrict(payload: Payload, accounts: tuple[str, ...]) -> Payload:
    """Return the messages of `accounts` alone; order of arrival is kept."""
    return {
        name: frame.filter(pl.col("account").is_in(accounts)) for name, frame in payload.items()
    }
