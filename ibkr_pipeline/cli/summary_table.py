"""What a sync did, as tables for a person.

What lives here: the wording. What must not: how it came about (`pipelines/summary.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

from ibkr_pipeline.cli.output import write_line, write_table
from ibkr_pipeline.pipelines.account_choice import kind_of
from ibkr_pipeline.pipelines.summary import DatasetSummary, SubjectSummary
from ibkr_pipeline.primitives.enums import LoadStatus
from ibkr_pipeline.settings import Settings

HEADERS = ("account", "kind", "verdict", "read", "new", "changed", "unchanged", "gone")
#: Accounts shown one by one; beyond, the well ones are counted.
MOST_ACCOUNTS = 40


def write_summary(
    settings: Settings,
    summaries: Sequence[DatasetSummary],
    *,
    run_id: str,
    is_well: bool,
) -> None:
    """Write one table per dataset, then what failed and why, then what was left out."""
    for summary in summaries:
        _write_dataset(summary)
    for summary in summaries:
        for subject in summary.subjects:
            if subject.error is not None:
                write_line(f"{summary.dataset.value} of {subject.account_id}: {_why(subject)}")
        if summary.error is not None:
            write_line(f"{summary.dataset.value}: {summary.error}")
    left_out = {item: why for summary in summaries for item, why in summary.left_out.items()}
    for account, why in left_out.items():
        write_line(f"left out: {account} ({kind_of(account)}): {why}")
    is_well = is_well and not any(summary.is_failed for summary in summaries)
    write_line(
        f"{settings.mode.value.upper()} run {run_id[:8]}: "
        + ("complete." if is_well else "FAILED; the accounts shown as complete are in."),
        style="green" if is_well else "red",
    )
    write_line(f"Warehouse: {settings.warehouse_path}")


def _write_dataset(summary: DatasetSummary) -> None:
    shown = _shown(summary.subjects)
    write_table(summary.dataset.value, HEADERS, [_row(subject) for subject in shown])
    n_hidden = len(summary.subjects) - len(shown)
    if n_hidden:
        write_line(f"and {n_hidden} more accounts, all complete (--json lists them)")


def _shown(subjects: Sequence[SubjectSummary]) -> Sequence[SubjectSummary]:
    """Return the accounts worth a row: all if they are few, else the failed ones and some."""
    if len(subjects) <= MOST_ACCOUNTS:
        return subjects
    not_well = [item for item in subjects if item.error is not None]
    well = [item for item in subjects if item.error is None]
    return [*not_well, *well[: max(MOST_ACCOUNTS - len(not_well), 0)]]


def _row(subject: SubjectSummary) -> tuple[object, ...]:
    counts: tuple[object, ...] = (
        subject.n_read,
        subject.n_new,
        subject.n_changed,
        subject.n_unchanged,
        subject.n_gone,
    )
    if subject.status is not LoadStatus.COMPLETE:
        counts = (None,) * len(counts)
    return (subject.account_id, kind_of(subject.account_id), subject.status.value, *counts)


def _why(subject: SubjectSummary) -> str:
    if subject.status is LoadStatus.UNSUPPORTED:
        return f"not supported by this gateway: {subject.error}"
    return f"failed: {subject.error}. Its last complete snapshot stays current."
