"""A request's proof and verdicts as JSON-ready mappings, and back.

What lives here: the one spelling that raw sidecars and the control store share. What must not:
where it is kept. Instants are ISO 8601 with Z.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from ibkr_pipeline.models.requests import BrokerNotice, RawFile, RequestProof, SubjectOutcome
from ibkr_pipeline.primitives.enums import Dataset, Environment, LoadStatus


def instant_to_text(instant: datetime) -> str:
    """Return an instant as fixed-width ISO 8601 in UTC, so that text order is time order."""
    if instant.tzinfo is None:
        raise ValueError(f"An instant was {instant!r}; expected a timezone-aware one.")
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def instant_from_text(text: str) -> datetime:
    """Return the instant written by `instant_to_text`."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


def proof_to_mapping(proof: RequestProof) -> dict[str, Any]:
    """Return a proof as a JSON-ready mapping."""
    return {
        "request_id": proof.request_id,
        "broker": proof.broker,
        "environment": proof.environment.value,
        "dataset": proof.dataset.value,
        "started_at": instant_to_text(proof.started_at),
        "ended_at": instant_to_text(proof.ended_at),
        "window_start": _text_or_none(proof.window_start),
        "window_end": _text_or_none(proof.window_end),
        "end_marker_seen": proof.end_marker_seen,
        "server_version": proof.server_version,
        "connection_epoch": proof.connection_epoch,
        "managed_accounts": list(proof.managed_accounts),
        "notices": [_notice_to_mapping(notice) for notice in proof.notices],
        "decode_errors": list(proof.decode_errors),
        "details": dict(proof.details),
    }


def proof_from_mapping(mapping: Mapping[str, Any]) -> RequestProof:
    """Return the proof of a mapping made by `proof_to_mapping`.

    Raises:
        KeyError, TypeError, ValueError: If the mapping is not one.
    """
    return RequestProof(
        request_id=mapping["request_id"],
        broker=mapping["broker"],
        environment=Environment(mapping["environment"]),
        dataset=Dataset(mapping["dataset"]),
        started_at=instant_from_text(mapping["started_at"]),
        ended_at=instant_from_text(mapping["ended_at"]),
        window_start=_instant_or_none(mapping["window_start"]),
        window_end=_instant_or_none(mapping["window_end"]),
        end_marker_seen=mapping["end_marker_seen"],
        server_version=mapping["server_version"],
        connection_epoch=mapping["connection_epoch"],
        managed_accounts=tuple(mapping["managed_accounts"]),
        notices=tuple(_notice_from_mapping(notice) for notice in mapping["notices"]),
        decode_errors=tuple(mapping["decode_errors"]),
        details=dict(mapping["details"]),
    )


def outcome_to_mapping(outcome: SubjectOutcome) -> dict[str, Any]:
    """Return a verdict as a JSON-ready mapping; what a section alone has is left out elsewhere."""
    mapping: dict[str, Any] = {
        "account_id": outcome.account_id,
        "status": outcome.status.value,
        "reason": outcome.reason,
        "retryable": outcome.retryable,
    }
    if outcome.section:
        mapping |= {
            "section": outcome.section,
            "from_date": None if outcome.from_date is None else outcome.from_date.isoformat(),
            "to_date": None if outcome.to_date is None else outcome.to_date.isoformat(),
            "n_rows": outcome.n_rows,
        }
    return mapping


def outcome_from_mapping(mapping: Mapping[str, Any]) -> SubjectOutcome:
    """Return the verdict of a mapping made by `outcome_to_mapping`."""
    return SubjectOutcome(
        account_id=mapping["account_id"],
        status=LoadStatus(mapping["status"]),
        reason=mapping["reason"],
        retryable=mapping["retryable"],
        section=mapping.get("section", ""),
        from_date=_date_or_none(mapping.get("from_date")),
        to_date=_date_or_none(mapping.get("to_date")),
        n_rows=mapping.get("n_rows"),
    )


def raw_file_to_mapping(raw: RawFile) -> dict[str, Any]:
    """Return a raw file's description as a JSON-ready mapping."""
    mapping: dict[str, Any] = {
        "path": raw.path,
        "n_rows": raw.n_rows,
        "n_bytes": raw.n_bytes,
        "sha256": raw.sha256,
        "rows_by_account": dict(raw.rows_by_account),
    }
    if raw.content_sha256 is not None:
        mapping |= {"content_sha256": raw.content_sha256, "content_bytes": raw.content_bytes}
    return mapping


def raw_file_from_mapping(mapping: Mapping[str, Any]) -> RawFile:
    """Return the raw file's description of a mapping made by `raw_file_to_mapping`."""
    return RawFile(
        path=mapping["path"],
        n_rows=mapping["n_rows"],
        n_bytes=mapping["n_bytes"],
        sha256=mapping["sha256"],
        rows_by_account=dict(mapping["rows_by_account"]),
        content_sha256=mapping.get("content_sha256"),
        content_bytes=mapping.get("content_bytes"),
    )


def _notice_to_mapping(notice: BrokerNotice) -> dict[str, Any]:
    return {
        "at": instant_to_text(notice.at),
        "code": notice.code,
        "message": notice.message,
        "request": notice.request,
        "severity": notice.severity,
    }


def _notice_from_mapping(mapping: Mapping[str, Any]) -> BrokerNotice:
    return BrokerNotice(
        at=instant_from_text(mapping["at"]),
        code=mapping["code"],
        message=mapping["message"],
        request=mapping["request"],
        severity=mapping["severity"],
    )


def _date_or_none(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def _text_or_none(instant: datetime | None) -> str | None:
    return None if instant is None else instant_to_text(instant)


def _instant_or_none(text: str | None) -> datetime | None:
    return None if text is None else instant_from_text(text)
