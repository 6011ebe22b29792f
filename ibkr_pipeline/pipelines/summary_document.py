"""The JSON document of a sync.

What lives here: the spelling. What must not: what is told (`summary.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ibkr_pipeline.pipelines.account_choice import kind_in
from ibkr_pipeline.pipelines.summary_records import DatasetSummary, RunFacts, SubjectSummary
from ibkr_pipeline.primitives.enums import Dataset, LoadStatus


def to_document(
    summaries: Sequence[DatasetSummary], run: RunFacts, *, is_all: bool
) -> dict[str, Any]:
    """Return the JSON document of a sync.

    Args:
        summaries: One per dataset.
        run: The run; why it failed is told where no dataset and no account carries the reason.
        is_all: Whether all datasets were asked for; the document then holds a list of them.
    """
    documents = [dataset_document(summary) for summary in summaries]
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


def dataset_document(summary: DatasetSummary) -> dict[str, Any]:
    """Return the JSON document of one dataset."""
    is_orders = summary.dataset is Dataset.ORDERS
    is_statements = summary.dataset is Dataset.FLEX and not summary.name
    to_json = _statement_document if is_statements else _subject_document
    document: dict[str, Any] = {
        "dataset": summary.title,
        "subjects": [
            to_json(subject) | ({"gone_orders": list(subject.gone_orders)} if is_orders else {})
            for subject in summary.subjects
        ],
    }
    if summary.notes:
        document["notes"] = list(summary.notes)
    if summary.error is not None:
        document["error"] = summary.error
    return document


def _statement_document(subject: SubjectSummary) -> dict[str, Any]:
    place = "/".join(part for part in (subject.account_id, subject.section) if part)
    return {
        **_subject_document(subject),
        "type": "statement",
        "id": place or subject.request_id,
        "account": subject.account_id or None,
        "section": subject.section or None,
        "from": subject.from_date,
        "to": subject.to_date,
    }


def _subject_document(subject: SubjectSummary) -> dict[str, Any]:
    return {
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


def _status(status: LoadStatus) -> str:
    """Return the verdict in the words of the document: complete, failed or unsupported."""
    if status in (LoadStatus.COMPLETE, LoadStatus.UNSUPPORTED):
        return status.value
    return LoadStatus.FAILED.value
