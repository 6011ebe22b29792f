"""What a run did, as records: per dataset, per account, and for statements per section.

What lives here: the records. What must not: how they come about (`summary.py`), JSON
(`summary_document.py`), printing (`cli/`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from ibkr_pipeline.primitives.enums import Dataset, Environment, LoadStatus

#: Verdicts that make a run a failed one. What a gateway refuses by its own settings does not.
FAILED = (LoadStatus.FAILED, LoadStatus.ABANDONED, LoadStatus.STARTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectSummary:
    """What became of one account in one dataset, or of one section of its statements.

    Counts compare with the previous snapshot for accounts and positions, with what core knew for
    everything else; they are 0 where nothing entered core.

    Attributes:
        section: Section of statements; empty for what the gateway tells.
        from_date: First session date the statements speak of, where there were any.
        to_date: Last one, included.
        request_id: Request that brought no statement, where there is no account to name.
        kind: `LIVE`, `PAPER` or `SIMULATED`; None for a code that is not known to be an account.
        kept_as_of: When what core holds of it was received, where this read brought nothing.
        gone_orders: Keys of the orders counted as gone: listed as open by the read before, told
            of no more by this one. Empty in every other dataset.
    """

    account_id: str
    status: LoadStatus
    section: str = ""
    from_date: date | None = None
    to_date: date | None = None
    request_id: str | None = None
    kind: str | None = None
    kept_as_of: datetime | None = None
    n_read: int = 0
    n_new: int = 0
    n_changed: int = 0
    n_unchanged: int = 0
    n_gone: int = 0
    gone_orders: tuple[str, ...] = ()
    error: str | None = None

    @property
    def is_failed(self) -> bool:
        """Whether the account failed."""
        return self.status in FAILED


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSummary:
    """What became of one dataset in one run.

    Attributes:
        left_out: Managed account that was not read -> why.
        error: Why there was no answer at all, where no account carries the reason.
        notes: What statements held that nobody knows; kept, and never a failure.
        name: What is told of, where it is a part of a dataset.
    """

    dataset: Dataset
    subjects: tuple[SubjectSummary, ...]
    left_out: Mapping[str, str]
    error: str | None = None
    notes: tuple[str, ...] = ()
    name: str = ""

    @property
    def title(self) -> str:
        """What is told of, in a word."""
        return self.name or self.dataset.value

    @property
    def is_failed(self) -> bool:
        """Whether anything that was asked for is missing."""
        return self.error is not None or any(subject.is_failed for subject in self.subjects)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What is known of a run beside its requests.

    Attributes:
        environment: World whose accounts it read.
        allowed: The allow-list, to say why an account was left out.
        error: Why the run itself failed, if it did; the reason of every dataset it never came to.
        failed_checks: Checks that failed: asset, check, severity and reason.
    """

    run_id: str
    environment: Environment
    allowed: Sequence[str] = ()
    error: str | None = None
    failed_checks: Sequence[Mapping[str, str]] = ()
