"""Requests, verdicts and payloads as tests of landing and control need them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import polars as pl

from ibkr_pipeline.models.requests import (
    BrokerNotice,
    RawFile,
    RequestProof,
    SubjectOutcome,
)
from ibkr_pipeline.primitives.enums import Dataset, Environment, LoadStatus

NOON = datetime(2026, 11, 18, 12, 0, tzinfo=UTC)
FIRST, SECOND = "DU0000001", "DU0000002"


def make_proof(request_id: str = "r1", **changes: object) -> RequestProof:
    """Return a proof with every field set, so that a lost field shows."""
    fields: dict[str, object] = {
        "request_id": request_id,
        "broker": "ibkr",
        "environment": Environment.PAPER,
        "dataset": Dataset.POSITIONS,
        "started_at": NOON,
        "ended_at": NOON + timedelta(seconds=2),
        "window_start": NOON - timedelta(hours=12),
        "window_end": NOON,
        "end_marker_seen": True,
        "server_version": 178,
        "connection_epoch": "epoch-1",
        "managed_accounts": (FIRST, SECOND),
        "notices": (BrokerNotice(at=NOON, code=2104, message="farm is OK", severity="info"),),
        "decode_errors": ("position 3: short message",),
        "details": {"tws_build": "10.37"},
    }
    return RequestProof(**{**fields, **changes})  # type: ignore[arg-type]  # test convenience


def make_complete(*accounts: str) -> tuple[SubjectOutcome, ...]:
    """Return a complete verdict for each account."""
    return tuple(SubjectOutcome(account_id=a, status=LoadStatus.COMPLETE) for a in accounts)


def make_failed(account: str, reason: str = "no end marker") -> SubjectOutcome:
    """Return a failed verdict."""
    return SubjectOutcome(
        account_id=account, status=LoadStatus.FAILED, reason=reason, retryable=True
    )


def make_frame(
    accounts: Sequence[str], *, first_seq: int = 0, **fields: Sequence[str | None]
) -> pl.DataFrame:
    """Return a payload frame with one message per account given."""
    columns: Mapping[str, pl.Series] = {
        "seq": pl.Series(range(first_seq, first_seq + len(accounts)), dtype=pl.Int64),
        "account": pl.Series(accounts, dtype=pl.String),
        **{name: pl.Series(values, dtype=pl.String) for name, values in fields.items()},
    }
    return pl.DataFrame(columns)


def make_raw(rows_by_account: Mapping[str, int] | None = None, path: str = "raw/x") -> RawFile:
    """Return the description of a raw file that need not exist."""
    rows = dict(rows_by_account or {})
    return RawFile(
        path=path, n_rows=sum(rows.values()), n_bytes=10, sha256="0" * 64, rows_by_account=rows
    )
