"""What a run did, per dataset and account, as control remembers it.

What lives here: the summary. What must not: its JSON (`summary_document.py`), printing (`cli/`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ibkr_pipeline.control.store import ControlStore
from ibkr_pipeline.models.requests import Load, LoadRow, RequestProof, RequestRow
from ibkr_pipeline.pipelines.account_choice import kind_in, left_out
from ibkr_pipeline.pipelines.gone_orders import gone_orders
from ibkr_pipeline.pipelines.statements.summarizing import summarize_statements
from ibkr_pipeline.pipelines.summary_document import to_document
from ibkr_pipeline.pipelines.summary_records import (
    FAILED,
    DatasetSummary,
    RunFacts,
    SubjectSummary,
)
from ibkr_pipeline.primitives.clock import SystemClock
from ibkr_pipeline.primitives.enums import Dataset, LoadStatus
from ibkr_pipeline.settings import Settings

__all__ = [
    "FAILED",
    "DatasetSummary",
    "RunFacts",
    "SubjectSummary",
    "summarize",
    "summarize_run",
    "to_document",
]


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
    return tuple(
        summarize_statements(control, run)
        if dataset is Dataset.FLEX
        else _dataset(control, run, dataset)
        for dataset in datasets
    )


def summarize_run(
    settings: Settings, run: RunFacts, datasets: Sequence[Dataset]
) -> tuple[DatasetSummary, ...]:
    """Return what a run that has ended did, as control and the published read copy tell it."""
    with ControlStore.open(settings.control_url, clock=SystemClock()) as control:
        summaries = summarize(control, run, datasets)
        orders = control.loads(run_id=run.run_id, dataset=Dataset.ORDERS)
    gone = gone_orders(settings, orders)
    return tuple(
        _naming(summary, gone) if summary.dataset is Dataset.ORDERS else summary
        for summary in summaries
    )


def _naming(summary: DatasetSummary, gone: Mapping[str, tuple[str, ...]]) -> DatasetSummary:
    subjects = tuple(
        replace(subject, gone_orders=gone.get(subject.account_id, ()))
        for subject in summary.subjects
    )
    return replace(summary, subjects=subjects)


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
