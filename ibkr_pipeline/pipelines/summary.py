"""What a run did, per dataset and account, as control remembers it.

What lives here: the summary and its JSON document. What must not: printing (`cli/`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ibkr_pipeline.control.store import ControlStore
from ibkr_pipeline.models.requests import LoadRow, RequestRow
from ibkr_pipeline.pipelines.account_choice import left_out
from ibkr_pipeline.primitives.clock import SystemClock
from ibkr_pipeline.primitives.enums import Dataset, LoadStatus
from ibkr_pipeline.settings import Settings

#: Verdicts that make a run a failed one. What a gateway refuses by its own settings does not.
FAILED = (LoadStatus.FAILED, LoadStatus.ABANDONED, LoadStatus.STARTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectSummary:
    """What became of one account in one dataset.

    Counts compare with the previous snapshot for accounts and positions, with what core knew for
    orders and executions; they are 0 where nothing entered core.
    """

    account_id: str
    status: LoadStatus
    n_read: int = 0
    n_new: int = 0
    n_changed: int = 0
    n_unchanged: int = 0
    n_gone: int = 0
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
    """

    dataset: Dataset
    subjects: tuple[SubjectSummary, ...]
    left_out: Mapping[str, str]
    error: str | None = None

    @property
    def is_failed(self) -> bool:
        """Whether anything that was asked for is missing."""
        return self.error is not None or any(subject.is_failed for subject in self.subjects)


def summarize(
    control: ControlStore,
    run_id: str,
    datasets: Sequence[Dataset],
    *,
    allowed: Sequence[str] = (),
) -> tuple[DatasetSummary, ...]:
    """Return what a run did to each dataset, in the order asked for.

    Where a run read an account several times (again after a loss, or executions before and after
    the positions), the last verdict counts; new and changed are of all its reads together, read
    is the longest of them, and unchanged what is left of it.

    Args:
        control: Where it is remembered.
        run_id: The run.
        datasets: Which datasets to tell of.
        allowed: The allow-list, to say why an account was left out.
    """
    return tuple(_dataset(control, run_id, dataset, allowed) for dataset in datasets)


def summarize_run(
    settings: Settings, run_id: str, datasets: Sequence[Dataset]
) -> tuple[DatasetSummary, ...]:
    """Return what a run that has ended did, read from the control store of the settings."""
    with ControlStore.open(settings.control_url, clock=SystemClock()) as control:
        return summarize(control, run_id, datasets, allowed=settings.ibkr.accounts)


def to_document(
    summaries: Sequence[DatasetSummary], *, is_all: bool, error: str | None = None
) -> dict[str, Any]:
    """Return the JSON document of a sync.

    Args:
        summaries: One per dataset.
        is_all: Whether all datasets were asked for; the document then holds a list of them.
        error: Why the run failed; told where no dataset and no account carries the reason.
    """
    documents = [_document(summary) for summary in summaries]
    document: dict[str, Any] = {"datasets": documents} if is_all else documents[0]
    if error is not None and not any(summary.is_failed for summary in summaries):
        document["error"] = error
    return document


def _dataset(
    control: ControlStore, run_id: str, dataset: Dataset, allowed: Sequence[str]
) -> DatasetSummary:
    rows = control.loads(run_id=run_id, dataset=dataset)
    requests = control.requests(run_id=run_id, dataset=dataset)
    by_account: dict[str, list[LoadRow]] = {}
    for row in rows:
        by_account.setdefault(row.account_id, []).append(row)
    subjects = tuple(_subject(account, by_account[account]) for account in sorted(by_account))
    return DatasetSummary(
        dataset=dataset,
        subjects=subjects,
        left_out=_left_out(control, requests, read=tuple(by_account), allowed=allowed),
        error=_error(requests, subjects),
    )


def _subject(account: str, rows: Sequence[LoadRow]) -> SubjectSummary:
    """Return one account's summary; `rows` are its loads, newest first."""
    last = max(rows, key=lambda row: (row.started_at, row.load_id))
    n_read = max(row.n_read or 0 for row in rows)
    n_new = sum(row.n_new or 0 for row in rows)
    n_changed = sum(row.n_changed or 0 for row in rows)
    status, error = _verdict(last)
    return SubjectSummary(
        account_id=account,
        status=status,
        n_read=n_read,
        n_new=n_new,
        n_changed=n_changed,
        n_unchanged=max(n_read - n_new - n_changed, 0),
        n_gone=sum(row.n_gone or 0 for row in rows),
        error=error,
    )


def _verdict(last: LoadRow) -> tuple[LoadStatus, str | None]:
    if last.status is not LoadStatus.COMPLETE:
        return last.status, last.reason or last.status.value
    if last.applied_at is None:
        return LoadStatus.FAILED, "it was read, but is not in core yet; the next run applies it"
    return last.status, None


def _left_out(
    control: ControlStore,
    requests: Sequence[RequestRow],
    *,
    read: Sequence[str],
    allowed: Sequence[str],
) -> dict[str, str]:
    for request in requests:
        proof = control.proof(request.request_id)
        if proof is not None:
            groups = proof.details.get("group_accounts", "").split(",")
            return left_out(proof.managed_accounts, read=read, allowed=allowed, groups=groups)
    return {}


def _error(requests: Sequence[RequestRow], subjects: Sequence[SubjectSummary]) -> str | None:
    if subjects:
        return None
    if not requests:
        return "the run ended before it was read"
    return requests[0].reason or f"the request was {requests[0].status}"


def _document(summary: DatasetSummary) -> dict[str, Any]:
    document: dict[str, Any] = {
        "dataset": summary.dataset.value,
        "subjects": [
            {
                "type": "account",
                "id": subject.account_id,
                "status": _status(subject.status),
                "read": subject.n_read,
                "new": subject.n_new,
                "changed": subject.n_changed,
                "unchanged": subject.n_unchanged,
                "error": subject.error,
            }
            for subject in summary.subjects
        ],
    }
    if summary.error is not None:
        document["error"] = summary.error
    return document


def _status(status: LoadStatus) -> str:
    """Return the verdict in the words of the document: complete, failed or unsupported."""
    if status in (LoadStatus.COMPLETE, LoadStatus.UNSUPPORTED):
        return status.value
    return LoadStatus.FAILED.value
