"""The completeness proof of a read, as a person wants to see it on an asset.

What lives here: `LandedRead` -> metadata. What must not: metadata of tables
(`table_metadata.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg

from ibkr_pipeline.models.requests import RequestProof
from ibkr_pipeline.pipelines.landed import LandedRead, LandedRequest

Metadata = dict[str, Any]

#: Longest list that is written out; longer ones end with how many were left off.
LONGEST_LIST = 50
#: Accounts named in front of a reason they share.
MOST_NAMED = 5


def read_metadata(landed: LandedRead, *, directory: Path) -> Metadata:
    """Return the verdicts, the proof and the files of a read.

    What is counted is messages, prices and commissions included: how many positions, orders or
    executions they make, core says, and `dagster/row_count` is a count of those.

    Args:
        landed: What the read left behind.
        directory: Data directory the files' paths are relative to.
    """
    return {
        "messages": landed.n_rows,
        "verdict": verdict_of(landed),
        "accounts": _verdict_table(landed),
        "complete": len(landed.complete),
        "failed": len(landed.failed),
        "unsupported": len(landed.unsupported),
        "attempts": len(landed.requests),
        "requests": [request.request_id for request in landed.requests],
        **_file_metadata(landed, directory),
        **(proof_metadata(landed.proof) if landed.proof is not None else {}),
    }


def verdict_of(landed: LandedRead) -> str:
    """Return the verdict on a read in one line."""
    if landed.error is not None:
        return f"nothing was read: {landed.error}"
    parts = [f"{len(landed.complete)} of {len(landed.outcomes)} accounts complete"]
    parts += _by_reason("failed", landed.failed)
    parts += _by_reason("unsupported", landed.unsupported)
    return "; ".join(shortened(tuple(parts)))


def _by_reason(verdict: str, reasons: Mapping[str, str]) -> list[str]:
    """Return one text per reason, with the first accounts that share it."""
    accounts: dict[str, list[str]] = {}
    for account, reason in reasons.items():
        accounts.setdefault(reason, []).append(account)
    return [f"{_named(codes)} {verdict}: {reason}" for reason, codes in accounts.items()]


def _named(codes: list[str]) -> str:
    n_hidden = len(codes) - MOST_NAMED
    return ", ".join(codes[:MOST_NAMED]) + (f" and {n_hidden} more" if n_hidden > 0 else "")


def proof_metadata(proof: RequestProof) -> Metadata:
    """Return what makes the read believable, or not."""
    return {
        "proof/started_at": _instant(proof.started_at),
        "proof/ended_at": _instant(proof.ended_at),
        "proof/window": _window(proof),
        "proof/end_marker_seen": dg.MetadataValue.bool(proof.end_marker_seen),
        "proof/decode_errors": shortened(proof.decode_errors),
        "proof/notices": shortened(
            tuple(f"{notice.severity} {notice.code}: {notice.message}" for notice in proof.notices)
        ),
        "proof/server_version": str(proof.server_version or "not told"),
        "proof/managed_accounts": shortened(proof.managed_accounts),
        "proof/environment": proof.environment.value,
        "proof/connection": dict(proof.details),
    }


def shortened(items: tuple[str, ...]) -> list[str]:
    """Return a list that is not too long for an event; the last item says how many are left off."""
    rest = len(items) - LONGEST_LIST
    return [*items[:LONGEST_LIST], *([f"and {rest} more"] if rest > 0 else [])]


def _file_metadata(landed: LandedRead, directory: Path) -> Metadata:
    if not landed.raw_files:
        return {}
    last = landed.raw_files[-1]
    return {
        "path": dg.MetadataValue.path(str(directory / last.path)),
        "bytes": sum(raw.n_bytes for raw in landed.raw_files),
        "sha256": last.sha256,
        "messages/by_name": _message_counts(landed.requests),
    }


def _message_counts(requests: tuple[LandedRequest, ...]) -> Mapping[str, int]:
    counts: dict[str, int] = {}
    for request in requests:
        for name, frame in request.payload.items():
            counts[name] = counts.get(name, 0) + frame.height
    return counts


def _verdict_table(landed: LandedRead) -> dg.TableMetadataValue | str:
    rows_by_account: dict[str, int] = {}
    for raw in landed.raw_files:
        for account, rows in raw.rows_by_account.items():
            rows_by_account[account] = rows_by_account.get(account, 0) + rows
    records = [
        dg.TableRecord(
            {
                "account": account,
                "verdict": outcome.status.value,
                "messages": rows_by_account.get(account, 0),
                "reason": outcome.reason or "",
            }
        )
        for account, outcome in landed.outcomes.items()
    ]
    return dg.MetadataValue.table(records=records[:LONGEST_LIST]) if records else "none"


def _window(proof: RequestProof) -> str:
    if proof.window_start is None and proof.window_end is None:
        return "the instant of the read"
    begin = proof.window_start.isoformat() if proof.window_start else "the beginning"
    end = proof.window_end.isoformat() if proof.window_end else "the end of the read"
    return f"{begin} to {end}"


def _instant(moment: datetime) -> dg.TimestampMetadataValue:
    return dg.MetadataValue.timestamp(moment)
