"""What a sync did, as tables for a person.

What lives here: the wording. What must not: how it came about (`pipelines/summary.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

from ibkr_pipeline.cli.output import cell_text, sentence, write_line, write_table
from ibkr_pipeline.pipelines.account_choice import kind_in, name_of
from ibkr_pipeline.pipelines.summary import DatasetSummary, SubjectSummary
from ibkr_pipeline.primitives.enums import Dataset, LoadStatus
from ibkr_pipeline.settings import Settings

HEADERS = ("account", "kind", "verdict", "read", "new", "changed", "unchanged", "gone")
STATEMENT_HEADERS = ("account", "section", *HEADERS[1:])
#: Accounts shown one by one; beyond, the well ones are counted.
MOST_ACCOUNTS = 40
#: Accounts named in front of a reason they share.
MOST_NAMED = 5


def write_summary(
    settings: Settings,
    summaries: Sequence[DatasetSummary],
    *,
    run_id: str,
    is_well: bool,
) -> None:
    """Write one table per dataset, then what failed and why, then what was left out."""
    for summary in summaries:
        _write_table(summary)
    for summary in summaries:
        _write_reasons(summary)
        _write_gone_orders(summary)
        _write_notes(summary)
    _write_errors(summaries)
    left_out = {item: why for summary in summaries for item, why in summary.left_out.items()}
    for account, why in left_out.items():
        write_line(f"left out: {account} ({kind_in(account, settings.mode)}): {why}")
    is_well = is_well and not any(summary.is_failed for summary in summaries)
    write_line(
        f"{settings.mode.value.upper()} run {run_id[:8]}: {_verdict(summaries, is_well=is_well)}",
        style="green" if is_well else "red",
    )
    write_line(f"Warehouse: {settings.warehouse_path}")


def write_dataset(summary: DatasetSummary) -> None:
    """Write the table of one dataset, then what failed and why."""
    _write_table(summary)
    _write_reasons(summary)
    _write_notes(summary)
    _write_errors((summary,))


def _write_gone_orders(summary: DatasetSummary) -> None:
    """Name the orders that were open at the last read and whose end nobody read."""
    for subject in summary.subjects:
        if subject.gone_orders:
            n_hidden = len(subject.gone_orders) - MOST_NAMED
            hidden = f" and {n_hidden} more" if n_hidden > 0 else ""
            named = ", ".join(subject.gone_orders[:MOST_NAMED]) + hidden
            write_line(
                f"{summary.title} of {_name(subject)}: {named} were open before and are not told "
                f"of now; how they ended was not read."
            )


def _write_notes(summary: DatasetSummary) -> None:
    for note in summary.notes:
        write_line(f"note: {note}")


def _write_reasons(summary: DatasetSummary) -> None:
    """Write why accounts are not complete; one line for all that share a reason."""
    by_reason: dict[str, list[str]] = {}
    for subject in summary.subjects:
        if subject.error is not None:
            by_reason.setdefault(_why(summary, subject), []).append(_name(subject))
    for reason, accounts in by_reason.items():
        n_hidden = len(accounts) - MOST_NAMED
        hidden = f" and {n_hidden} more" if n_hidden > 0 else ""
        named = ", ".join(accounts[:MOST_NAMED]) + hidden
        write_line(f"{summary.title} of {named}: {reason}")


def _write_errors(summaries: Sequence[DatasetSummary]) -> None:
    """Write each reason once, with the datasets it was the reason of."""
    by_error: dict[str, list[str]] = {}
    for summary in summaries:
        if summary.error is not None:
            by_error.setdefault(summary.error, []).append(summary.title)
    for error, datasets in by_error.items():
        write_line(f"{', '.join(datasets)}: {sentence(error)}")


def _verdict(summaries: Sequence[DatasetSummary], *, is_well: bool) -> str:
    if is_well:
        return "complete."
    subjects = [subject for summary in summaries for subject in summary.subjects]
    if any(subject.status is LoadStatus.COMPLETE for subject in subjects):
        return "FAILED; the accounts shown as complete are in."
    return "FAILED; nothing new is in."


def _write_table(summary: DatasetSummary) -> None:
    shown = _shown(summary.subjects)
    if any(subject.section for subject in summary.subjects):
        rows = [
            (name, subject.section, *row) for subject in shown for name, *row in [_row(subject)]
        ]
        write_table(summary.title, STATEMENT_HEADERS, rows)
    else:
        write_table(summary.title, HEADERS, [_row(subject) for subject in shown])
    n_hidden = len(summary.subjects) - len(shown)
    if n_hidden:
        is_statement = any(subject.section for subject in summary.subjects)
        what = "sections without rows" if is_statement else "accounts"
        write_line(f"and {n_hidden} more {what}, all complete (--json lists them)")


def _shown(subjects: Sequence[SubjectSummary]) -> Sequence[SubjectSummary]:
    """Return the subjects worth a row.

    Of sections those that failed or have rows; of accounts all if they are few, else the failed
    ones and some.
    """
    if any(item.section for item in subjects):
        return [item for item in subjects if item.error is not None or item.n_read]
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
    return (_name(subject, with_section=False), subject.kind, subject.status.value, *counts)


def _name(subject: SubjectSummary, *, with_section: bool = True) -> str:
    if not subject.account_id and subject.request_id is not None:
        return f"request {subject.request_id}"
    section = f"/{subject.section}" if with_section and subject.section else ""
    return f"{name_of(subject.account_id)}{section}"


def _why(summary: DatasetSummary, subject: SubjectSummary) -> str:
    reason = sentence(subject.error or "no reason was given")
    if subject.status is LoadStatus.UNSUPPORTED:
        return f"not supported by this gateway: {reason}"
    if subject.kept_as_of is None:
        return f"failed: {reason}"
    kept = f"of {cell_text(subject.kept_as_of)} stays current"
    if summary.dataset in (Dataset.ACCOUNTS, Dataset.POSITIONS):
        return f"failed: {reason} Its last complete snapshot {kept}."
    return f"failed: {reason} What is known from its last complete read {kept}."
