"""What a run did with statements, as control remembers it.

What lives here: one subject per account and section, over all statements of the run. What must
not: the other datasets (`pipelines/summary.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ibkr_pipeline.control.store import ControlStore
from ibkr_pipeline.models.requests import LoadRow, RequestProof, RequestRow
from ibkr_pipeline.pipelines.account_choice import kind_in, left_out
from ibkr_pipeline.pipelines.statements.known import KNOWN_AS
from ibkr_pipeline.pipelines.summary_records import DatasetSummary, RunFacts, SubjectSummary
from ibkr_pipeline.primitives.enums import Dataset, LoadStatus

_FINISHED = "finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """One load as it counts in this run."""

    row: LoadRow
    is_known: bool


def summarize_statements(control: ControlStore, run: RunFacts) -> DatasetSummary:
    """Return what became of each section of each account in the statements of a run.

    Counts of several statements are summed. A section that failed in any of them has failed. Of a
    statement whose bytes were known everything is unchanged.

    Args:
        control: Where it is remembered.
        run: The run.
    """
    requests = list(reversed(control.requests(run_id=run.run_id, dataset=Dataset.FLEX)))
    proofs = [control.proof(request.request_id) for request in requests]
    told: dict[tuple[str, str], list[_Told]] = {}
    failed: list[SubjectSummary] = []
    for request, proof in zip(requests, proofs, strict=True):
        loads = list(_loads(control, request, proof))
        for item in loads:
            told.setdefault((item.row.account_id, item.row.section), []).append(item)
        if not loads and request.status != _FINISHED:
            failed.append(_without_statement(request))
    subjects = (*(_subject(run, told[place]) for place in sorted(told)), *failed)
    return DatasetSummary(
        dataset=Dataset.FLEX,
        subjects=subjects,
        left_out=_left_out(run, proofs, read={account for account, _ in told}),
        error=None if requests else run.error or "the run ended before it was read",
        notes=tuple(dict.fromkeys(_notes(proofs))),
    )


def _loads(
    control: ControlStore, request: RequestRow, proof: RequestProof | None
) -> Iterable[_Told]:
    known_as = None if proof is None else proof.details.get(KNOWN_AS)
    rows = control.loads(request_id=known_as or request.request_id)
    return (_Told(row=row, is_known=known_as is not None) for row in rows)


def _subject(run: RunFacts, items: Sequence[_Told]) -> SubjectSummary:
    row = items[0].row
    verdicts = [_verdict(run, item.row) for item in items]
    errors = tuple(dict.fromkeys(error for _, error in verdicts if error is not None))
    fresh = [item.row for item in items if not item.is_known]
    n_read = sum(item.row.n_read or 0 for item in items)
    n_new = sum(row.n_new or 0 for row in fresh)
    n_changed = sum(row.n_changed or 0 for row in fresh)
    return SubjectSummary(
        account_id=row.account_id,
        section=row.section,
        from_date=min((day for day in (i.row.from_date for i in items) if day), default=None),
        to_date=max((day for day in (i.row.to_date for i in items) if day), default=None),
        status=next((status for status, error in verdicts if error), LoadStatus.COMPLETE),
        kind=kind_in(row.account_id, run.environment) if row.section else None,
        n_read=n_read,
        n_new=n_new,
        n_changed=n_changed,
        n_unchanged=max(n_read - n_new - n_changed, 0),
        n_gone=sum(row.n_gone or 0 for row in fresh),
        error="; ".join(errors) or None,
    )


def _verdict(run: RunFacts, row: LoadRow) -> tuple[LoadStatus, str | None]:
    if row.status is not LoadStatus.COMPLETE:
        return row.status, row.reason or row.status.value
    if row.applied_at is None:
        why = f": {run.error}" if run.error else "; the next run applies it"
        return LoadStatus.FAILED, f"it was read, but is not in core yet{why}"
    return row.status, None


def _without_statement(request: RequestRow) -> SubjectSummary:
    return SubjectSummary(
        account_id="",
        request_id=request.request_id,
        status=LoadStatus.FAILED,
        error=request.reason or f"the request was {request.status}",
    )


def _left_out(
    run: RunFacts, proofs: Sequence[RequestProof | None], *, read: set[str]
) -> dict[str, str]:
    managed = dict.fromkeys(
        account for proof in proofs if proof is not None for account in proof.managed_accounts
    )
    return left_out(tuple(managed), read=tuple(read), allowed=run.allowed)


def _notes(proofs: Sequence[RequestProof | None]) -> Iterable[str]:
    for proof in proofs:
        if proof is not None:
            yield from (notice.message for notice in proof.notices)
