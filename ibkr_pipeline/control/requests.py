"""Life of a request and its loads: begun, finished, failed, abandoned.

What lives here: the statements that change a request's or a load's status. What must not:
what core did with a load (`loads.py`). Each function may be repeated after a crash.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, RowMapping, select, update

from ibkr_pipeline.control.statements import insert_missing, insert_or_update
from ibkr_pipeline.control.tables import LOADS, REQUESTS
from ibkr_pipeline.models.request_json import proof_from_mapping, proof_to_mapping
from ibkr_pipeline.models.requests import RawFile, RequestProof, RequestRow, SubjectOutcome
from ibkr_pipeline.primitives.enums import Dataset, Environment, LoadStatus
from ibkr_pipeline.primitives.identifiers import load_id_of
from ibkr_pipeline.primitives.processes import ProcessIdentity

STARTED, FINISHED, FAILED, ABANDONED = "started", "finished", "failed", "abandoned"
NO_VERDICT = "the read ended without a verdict on this account"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRequest:
    """A request about to be sent."""

    request_id: str
    broker: str
    environment: Environment
    dataset: Dataset
    accounts: Sequence[str]
    started_at: datetime
    run_id: str | None
    process: ProcessIdentity


def begin(connection: Connection, request: NewRequest) -> None:
    """Write down a request and a `started` load for each account, if they are not there yet."""
    connection.execute(
        insert_missing(connection, REQUESTS),
        {
            "request_id": request.request_id,
            "broker": request.broker,
            "environment": request.environment.value,
            "dataset": request.dataset.value,
            "status": STARTED,
            "started_at": request.started_at,
            "run_id": request.run_id,
            "pid": request.process.pid,
            "host": request.process.host,
            "process_started": request.process.started,
            "retryable": False,
        },
    )
    rows = [
        {
            "load_id": load_id_of(request.request_id, account),
            "request_id": request.request_id,
            "broker": request.broker,
            "environment": request.environment.value,
            "dataset": request.dataset.value,
            "account_id": account,
            "status": LoadStatus.STARTED.value,
            "retryable": False,
            "started_at": request.started_at,
            "run_id": request.run_id,
        }
        for account in dict.fromkeys(request.accounts)
    ]
    if rows:
        connection.execute(insert_missing(connection, LOADS), rows)


def finish(
    connection: Connection,
    proof: RequestProof,
    outcomes: Sequence[SubjectOutcome],
    raw: RawFile | None,
) -> None:
    """Write down proof, raw file and verdicts, whatever was known of the request before.

    Loads of accounts that were not named at the beginning are added; a load that still has no
    verdict becomes `failed`. What core has applied stays applied.
    """
    _put_request(connection, proof, raw)
    run_id = connection.execute(
        select(REQUESTS.c.run_id).where(REQUESTS.c.request_id == proof.request_id)
    ).scalar()
    rows = [_load_row(proof, outcome, raw, run_id) for outcome in outcomes]
    if rows:
        statement = insert_or_update(
            connection,
            LOADS,
            columns=(
                "status",
                "reason",
                "retryable",
                "available_at",
                "n_rows",
                "raw_path",
                "from_date",
                "to_date",
            ),
        )
        connection.execute(statement, rows)
    _fail_started(connection, proof.request_id, reason=NO_VERDICT, retryable=True)


def fail(
    connection: Connection, request_id: str, *, reason: str, retryable: bool, at: datetime
) -> None:
    """Mark a started request and its started loads `failed`; leave a finished one as it is."""
    connection.execute(
        update(REQUESTS)
        .where(REQUESTS.c.request_id == request_id, REQUESTS.c.status == STARTED)
        .values(status=FAILED, reason=reason, retryable=retryable, ended_at=at)
    )
    _fail_started(connection, request_id, reason=reason, retryable=retryable)


def abandon(connection: Connection, request_id: str, *, reason: str, at: datetime) -> None:
    """Mark a started request of a process that is gone, and its started loads, `abandoned`."""
    connection.execute(
        update(REQUESTS)
        .where(REQUESTS.c.request_id == request_id, REQUESTS.c.status == STARTED)
        .values(status=ABANDONED, reason=reason, retryable=True, ended_at=at)
    )
    connection.execute(
        update(LOADS)
        .where(LOADS.c.request_id == request_id, LOADS.c.status == LoadStatus.STARTED.value)
        .values(status=LoadStatus.ABANDONED.value, reason=reason, retryable=True)
    )


def started(connection: Connection) -> list[RowMapping]:
    """Return the rows of every request that has no end yet."""
    return list(connection.execute(select(REQUESTS).where(REQUESTS.c.status == STARTED)).mappings())


def listed(
    connection: Connection, *, run_id: str | None, dataset: Dataset | None, limit: int | None
) -> list[RequestRow]:
    """Return requests, newest first."""
    query = select(REQUESTS).order_by(REQUESTS.c.started_at.desc(), REQUESTS.c.request_id.desc())
    if run_id is not None:
        query = query.where(REQUESTS.c.run_id == run_id)
    if dataset is not None:
        query = query.where(REQUESTS.c.dataset == dataset.value)
    if limit is not None:
        query = query.limit(limit)
    return [_request_row(row) for row in connection.execute(query).mappings()]


def with_document(connection: Connection, content_sha256: str) -> list[RequestRow]:
    """Return the requests that brought a document with these bytes, newest first."""
    query = (
        select(REQUESTS)
        .where(REQUESTS.c.content_sha256 == content_sha256)
        .order_by(REQUESTS.c.started_at.desc(), REQUESTS.c.request_id.desc())
    )
    return [_request_row(row) for row in connection.execute(query).mappings()]


def proof_of(connection: Connection, request_id: str) -> RequestProof | None:
    """Return the proof of a finished request."""
    text = connection.execute(
        select(REQUESTS.c.proof).where(REQUESTS.c.request_id == request_id)
    ).scalar()
    return None if text is None else proof_from_mapping(orjson.loads(text))


def _put_request(connection: Connection, proof: RequestProof, raw: RawFile | None) -> None:
    values = {
        "request_id": proof.request_id,
        "broker": proof.broker,
        "environment": proof.environment.value,
        "dataset": proof.dataset.value,
        "status": FINISHED,
        "started_at": proof.started_at,
        "ended_at": proof.ended_at,
        "reason": None,
        "retryable": False,
        "proof": orjson.dumps(proof_to_mapping(proof)).decode(),
        "raw_path": raw.path if raw else None,
        "raw_sha256": raw.sha256 if raw else None,
        "raw_bytes": raw.n_bytes if raw else None,
        "raw_rows": raw.n_rows if raw else None,
        "content_sha256": raw.content_sha256 if raw else None,
    }
    kept = ("request_id", "broker", "environment", "dataset", "started_at")
    changed = tuple(name for name in values if name not in kept)
    connection.execute(insert_or_update(connection, REQUESTS, columns=changed), values)


def _load_row(
    proof: RequestProof, outcome: SubjectOutcome, raw: RawFile | None, run_id: str | None
) -> dict[str, Any]:
    return {
        "load_id": load_id_of(proof.request_id, outcome.account_id, outcome.section),
        "request_id": proof.request_id,
        "broker": proof.broker,
        "environment": proof.environment.value,
        "dataset": proof.dataset.value,
        "account_id": outcome.account_id,
        "section": outcome.section,
        "from_date": outcome.from_date,
        "to_date": outcome.to_date,
        "status": outcome.status.value,
        "reason": outcome.reason,
        "retryable": outcome.retryable,
        "started_at": proof.started_at,
        "available_at": proof.ended_at,
        "n_rows": _n_rows(outcome, raw),
        "raw_path": raw.path if raw else None,
        "run_id": run_id,
    }


def _n_rows(outcome: SubjectOutcome, raw: RawFile | None) -> int | None:
    if outcome.n_rows is not None or raw is None:
        return outcome.n_rows
    return raw.rows_by_account.get(outcome.account_id, 0)


def _fail_started(connection: Connection, request_id: str, *, reason: str, retryable: bool) -> None:
    connection.execute(
        update(LOADS)
        .where(LOADS.c.request_id == request_id, LOADS.c.status == LoadStatus.STARTED.value)
        .values(status=LoadStatus.FAILED.value, reason=reason, retryable=retryable)
    )


def _request_row(row: RowMapping) -> RequestRow:
    return RequestRow(
        request_id=row["request_id"],
        broker=row["broker"],
        environment=Environment(row["environment"]),
        dataset=Dataset(row["dataset"]),
        status=row["status"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        run_id=row["run_id"],
        pid=row["pid"],
        host=row["host"],
        reason=row["reason"],
        retryable=row["retryable"],
        raw_path=row["raw_path"],
    )
