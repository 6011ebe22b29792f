"""What was received of statements, as a person wants to see it on an asset.

What lives here: `ReceivedStatement` -> verdict, metadata and check. What must not: metadata of
tables (`table_metadata.py`), or receiving (`pipelines/statements/`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from ibkr_pipeline.brokers.exceptions import StatementNotPublishedError
from ibkr_pipeline.defs.asset_checks import READ_COMPLETE
from ibkr_pipeline.defs.read_metadata import LONGEST_LIST, proof_metadata, shortened
from ibkr_pipeline.models.requests import SubjectOutcome
from ibkr_pipeline.pipelines.statements.receiving import ReceivedStatement
from ibkr_pipeline.primitives.enums import LoadStatus

Metadata = dict[str, Any]

SWITCHED_OFF = (
    "skipped: statements are switched off; IBKR_FLEX_TOKEN and IBKR_FLEX_QUERY_ID switch them on"
)


def statements_metadata(received: Sequence[ReceivedStatement], *, directory: Path) -> Metadata:
    """Return verdict, sections, files and the last proof of what was received.

    Args:
        received: The statements of one step, in the order they were asked for.
        directory: Data directory the files' paths are relative to.
    """
    outcomes = _outcomes(received)
    failed = _failed(outcomes)
    proofs = [item.proof for item in received if item.proof is not None]
    return {
        "verdict": statements_verdict(received),
        "sections": _section_table(outcomes),
        "rows heard": sum(outcome.n_rows or 0 for outcome in outcomes),
        "complete": len(outcomes) - len(failed),
        "failed": len(failed),
        "requests": [item.request_id for item in received],
        **_files(received, directory),
        **(proof_metadata(proofs[-1]) if proofs else {}),
    }


def statements_verdict(received: Sequence[ReceivedStatement]) -> str:
    """Return what became of the statements in one line."""
    return "; ".join(_verdict(item) for item in received) or "no statement was asked for"


def statements_complete_result(
    key: dg.AssetKey, received: Sequence[ReceivedStatement]
) -> dg.AssetCheckResult:
    """Return the verdict on every section received.

    A statement the broker has not made yet is a warning: it comes by itself.
    """
    is_failed = bool(_failed(_outcomes(received))) or any(
        item.error is not None and not is_early(item) for item in received
    )
    return dg.AssetCheckResult(
        check_name=READ_COMPLETE,
        asset_key=key,
        passed=not is_failed and not any(is_early(item) for item in received),
        severity=dg.AssetCheckSeverity.ERROR if is_failed else dg.AssetCheckSeverity.WARN,
        description=statements_verdict(received),
    )


def is_early(received: ReceivedStatement) -> bool:
    """Return whether the broker has not made the statement yet."""
    return isinstance(received.error, StatementNotPublishedError)


def _verdict(received: ReceivedStatement) -> str:
    if is_early(received):
        return f"not published yet: {received.error}"
    if received.error is not None:
        return f"no statement was received: {received.error}"
    if received.known_as is not None:
        return f"the same bytes came with {received.known_as} and are in core"
    failed = _failed(received.outcomes)
    n_complete = len(received.outcomes) - len(failed)
    parts = [f"{n_complete} of {len(received.outcomes)} sections complete"]
    parts += [f"{o.account_id}/{o.section} failed: {o.reason}" for o in failed]
    return "; ".join(shortened(tuple(parts)))


def _outcomes(received: Sequence[ReceivedStatement]) -> tuple[SubjectOutcome, ...]:
    return tuple(outcome for item in received for outcome in item.outcomes)


def _failed(outcomes: Sequence[SubjectOutcome]) -> tuple[SubjectOutcome, ...]:
    return tuple(outcome for outcome in outcomes if outcome.status is not LoadStatus.COMPLETE)


def _section_table(outcomes: Sequence[SubjectOutcome]) -> dg.TableMetadataValue | str:
    """Return one line per section, the failed ones first."""
    ordered = sorted(outcomes, key=lambda outcome: outcome.status is LoadStatus.COMPLETE)
    records = [
        dg.TableRecord(
            {
                "account": outcome.account_id,
                "section": outcome.section,
                "verdict": outcome.status.value,
                "rows": outcome.n_rows or 0,
                "from": str(outcome.from_date or ""),
                "to": str(outcome.to_date or ""),
                "reason": outcome.reason or "",
            }
        )
        for outcome in ordered[:LONGEST_LIST]
    ]
    return dg.MetadataValue.table(records=records) if records else "none"


def _files(received: Sequence[ReceivedStatement], directory: Path) -> Mapping[str, Any]:
    kept = [item.raw for item in received if item.raw is not None]
    refused = [str(item.quarantined) for item in received if item.quarantined is not None]
    files: Metadata = {"quarantined": refused} if refused else {}
    if kept:
        files |= {
            "path": dg.MetadataValue.path(str(directory / kept[-1].path)),
            "bytes": sum(raw.content_bytes or 0 for raw in kept),
            "bytes kept": sum(raw.n_bytes for raw in kept),
            "sha256": kept[-1].content_sha256 or kept[-1].sha256,
        }
    return files
