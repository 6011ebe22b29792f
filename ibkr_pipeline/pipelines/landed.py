"""What a read of one dataset left behind: its requests, their raw files and the verdicts.

What lives here: the records a read returns. What must not: reading (`reading_broker.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ibkr_pipeline.models.requests import Payload, RawFile, RequestProof, SubjectOutcome
from ibkr_pipeline.primitives.enums import Dataset, LoadStatus
from ibkr_pipeline.primitives.errors import BrokerError


@dataclass(frozen=True, slots=True, kw_only=True)
class LandedRequest:
    """One request as it ended.

    Attributes:
        outcomes: One verdict per account that was asked for.
        proof: Its proof; None when the broker never answered.
        raw: The published raw file; None when the broker never answered.
        payload: The messages, still in memory.
        error: Why there was no answer.
    """

    request_id: str
    dataset: Dataset
    outcomes: tuple[SubjectOutcome, ...] = ()
    proof: RequestProof | None = None
    raw: RawFile | None = None
    payload: Payload = field(default_factory=dict, repr=False)
    error: BrokerError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LandedRead:
    """One dataset read, with every attempt it took. The last verdict on an account counts."""

    dataset: Dataset
    requests: tuple[LandedRequest, ...]

    @property
    def outcomes(self) -> Mapping[str, SubjectOutcome]:
        """Account code -> last verdict on it."""
        return {o.account_id: o for request in self.requests for o in request.outcomes}

    @property
    def complete(self) -> tuple[str, ...]:
        """Accounts whose rows are all landed."""
        return tuple(
            account
            for account, outcome in self.outcomes.items()
            if outcome.status is LoadStatus.COMPLETE
        )

    @property
    def failed(self) -> Mapping[str, str]:
        """Account code -> reason, of every account that failed; unsupported is not failed."""
        return {
            account: outcome.reason or "no reason was given"
            for account, outcome in self.outcomes.items()
            if outcome.status not in (LoadStatus.COMPLETE, LoadStatus.UNSUPPORTED)
        }

    @property
    def unsupported(self) -> Mapping[str, str]:
        """Account code -> reason, of every account whose gateway refuses this read."""
        return {
            account: outcome.reason or "no reason was given"
            for account, outcome in self.outcomes.items()
            if outcome.status is LoadStatus.UNSUPPORTED
        }

    @property
    def error(self) -> BrokerError | None:
        """Why the last request got no answer at all; None when it got one."""
        return self.requests[-1].error if self.requests else None

    @property
    def proof(self) -> RequestProof | None:
        """The last proof there is."""
        proofs = [request.proof for request in self.requests if request.proof is not None]
        return proofs[-1] if proofs else None

    @property
    def raw_files(self) -> tuple[RawFile, ...]:
        """Raw files published, in order."""
        return tuple(request.raw for request in self.requests if request.raw is not None)

    @property
    def n_rows(self) -> int:
        """Messages landed, those of failed accounts included."""
        return sum(raw.n_rows for raw in self.raw_files)

    @property
    def is_well(self) -> bool:
        """Whether every account asked for is complete or unsupported."""
        return self.error is None and not self.failed
