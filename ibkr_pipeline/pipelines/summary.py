"""What a run did, per dataset and account, as control remembers it.

What lives here: the summary and its JSON document. What must not: printing (`cli/`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ibkr_pipeline.control.store import ControlStore
from ibkr_pipeline.models.requests import Load, LoadRow, RequestProof, RequestRow
from ibkr_pipeline.pipelines.account_choice import kind_in, left_out
from ibkr_pipeline.primitives.clock import SystemClock
from ibkr_pipeline.primitives.enums import Dataset, Environment, LoadStatus
from ibkr_pipeline.settings import Settings

#: Verdicts that make a run a failed one. What a gateway refuses by its own settings does not.
FAILED = (LoadStatus.FAILED, LoadStatus.ABANDONED, LoadStatus.STARTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectSummary:
    """What became of one account in one dataset.

    Counts compare with the previous snapshot for accounts and positions, with what core knew for
    orders and executions; they are 0 where nothing entered core.

    Attributes:
        kind: `LIVE`, `PAPER` or `SIMULATED`; None for a code that is not known to be an account.
        kept_as_of: When what core holds of it was received, where this read brought nothing.
    """

    account_id: str
    status: LoadStatus
    kind: str | None = None
    kept_as_of: datetime | None = None
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


def summarize(
    control: ControlStore, run: RunFacts, datasets: Sequence[Dataset]
) -> tuple[DatasetSummary, ...]:
    """Return what a run did to each dataset, in the order asked for.

    Where a run read an account several times (again after a loss, or executions before and after
    the positions), the last verdict counts; new and changed are of all its reads together, read
    is the longest of them, and unchanged what is left of it.

    Args:
        control: Where it is remembered.
        run: The run.
        datasets: Which datasets to tell of.
    """
    return tuple(_dataset(control, run, dataset) for dataset in datasets)


def summarize_run(
    settings: Settings, run: RunFacts, datasets: Sequence[Dataset]
) -> tuple[DatasetSummary, ...]:
    """Return what a run that has ended did, read from the control store of the settings."""
    with ControlStore.open(settings.control_url, clock=SystemClock()) as control:
        return summarize(control, run, datasets)


def to_document(
    summaries: Sequence[DatasetSummary], run: RunFacts, *, is_all: bool
) -> dict[str, Any]:
    """Return the JSON document of a sync.

    Args:
        summaries: One per dataset.
        run: The run; why it failed is told where no dataset and no account carries the reason.
        is_all: Whether all datasets were asked for; the document then holds a list of them.
    """
    documents = [_document(summary) for summary in summaries]
    left_out = {item: why for summary in summaries for item, why in summary.left_out.items()}
    document: dict[str, Any] = {
        "run_id": run.run_id,
        "environment": run.environment.value,
        **({"datasets": documents} if is_all else documents[0]),
        "left_out": [
            {"id": account, "kind": kind_in(account, run.environment).lower(), "reason": why}
            for account, why in left_out.items()
        ],
        "failed_checks": [dict(check) for check in run.failed_checks],
    }
    if run.error is not None and not any(summary.is_failed for summary in summaries):
        document["error"] = run.error
    return document


def _dataset(control: ControlStore, run: RunFacts, dataset: Dataset) -> DatasetSummary:
    rows = control.loads(run_id=run.run_id, dataset=dataset)
    requests = control.requests(run_id=run.run_id, dataset=dataset)
    proof = _last_proof(control, requests)
    managed = () if proof is None else proof.managed_accounts
    by_account: dict[str, list[LoadRow]] = {}
    for row in rows:
        by_account.setdefault(row.account_id, []).append(row)
    subjects = tuple(
        _identified(control, run, dataset, _subject(run, account, by_account[account]), managed)
        for account in sorted(by_account)
    )
    return DatasetSummary(
        dataset=dataset,
        subjects=subjects,
        left_out=_left_out(proof, read=tuple(by_account), allowed=run.allowed),
        error=_error(run, requests, subjects),
    )


def _identified(
    control: ControlStore,
    run: RunFacts,
    dataset: Dataset,
    subject: SubjectSummary,
    managed: Sequence[str],
) -> SubjectSummary:
    """Add the kind of account, and what core keeps of one that was not read."""
    kept: Load | None = None
    if subject.status is not LoadStatus.COMPLETE:
        last = control.current_load(run.environment, subject.account_id, dataset)
        kept = None if last is None or last.applied_at is None else last
    is_account = subject.status is LoadStatus.COMPLETE or subject.account_id in managed
    return replace(
        subject,
        kind=kind_in(subject.account_id, run.environment) if is_account or kept else None,
        kept_as_of=None if kept is None else kept.available_at,
    )


def _subject(run: RunFacts, account: str, rows: Sequence[LoadRow]) -> SubjectSummary:
    """Return one account's summary; `rows` are its loads, newest first."""
    last = max(rows, key=lambda row: (row.started_at, row.load_id))
    n_read = max(row.n_read or 0 for row in rows)
    n_new = sum(row.n_new or 0 for row in rows)
    n_changed = sum(row.n_changed or 0 for row in rows)
    status, error = _verdict(run, last)
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


def _verdict(run: RunFacts, last: LoadRow) -> tuple[LoadStatus, str | None]:
    if last.status is not LoadStatus.COMPLETE:
        return last.status, last.reason or last.status.value
    if last.applied_at is None:
        why = f": {run.error}" if run.error else "; the next run applies it"
        return LoadStatus.FAILED, f"it was read, but is not in core yet{why}"
    return last.status, None


def _last_proof(control: ControlStore, requests: Sequence[RequestRow]) -> RequestProof | None:
    proofs = (control.proof(request.request_id) for request in requests)
    return next((proof for proof in proofs if proof is not None), None)


def _left_out(
    proof: RequestProof | None, *, read: Sequence[str], allowed: Sequence[str]
) -> dict[str, str]:
    if proof is None:
        return {}
    groups = proof.details.get("group_accounts", "").split(",")
    return left_out(proof.managed_accounts, read=read, allowed=allowed, groups=groups)


def _error(
    run: RunFacts, requests: Sequence[RequestRow], subjects: Sequence[SubjectSummary]
) -> str | None:
    if subjects:
        return None
    if not requests:
        return run.error or "the run ended before it was read"
    return requests[0].reason or f"the request was {requests[0].status}"


def _document(summary: DatasetSummary) -> dict[str, Any]:
    document: dict[str, Any] = {
        "dataset": summary.dataset.value,
        "subjects": [
            {
                "type": "account",
                "id": subject.account_id,
                "kind": None if subject.kind is None else subject.kind.lower(),
                "status": _status(subject.status),
                "read": subject.n_read,
                "new": subject.n_new,
                "changed": subject.n_changed,
                "unchanged": subject.n_unchanged,
                "gone": subject.n_gone,
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
