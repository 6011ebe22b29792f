"""A request to a broker, its proof, its verdicts, its raw file and its loads, as messages.

What lives here: what brokers, landing, control and the warehouse tell one another about a
request. What must not: how any of them stores it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

import polars as pl

from ibkr_pipeline.primitives.enums import Dataset, Environment, LoadStatus

#: Message name -> one String column per field, in the vendor's spelling, one row per message.
#: Every frame also has `seq` (Int64), the order of arrival within the request, and `account`.
Payload = Mapping[str, pl.DataFrame]


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerNotice:
    """Something the gateway said beside the rows: an error, a warning or information."""

    at: datetime
    code: int
    message: str
    request: int | None = None
    severity: str = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestProof:
    """Why a read may be believed, or not.

    Attributes:
        started_at, ended_at: When the request was sent, when its last answer came. UTC.
        window_start, window_end: The time the answer speaks of, where it speaks of a window
            (executions: since local midnight, or since the filter).
        end_marker_seen: Whether every end marker that was due was seen.
        server_version: TWS API version negotiated.
        connection_epoch: Id of the connection; an order id means one order within it.
        managed_accounts: Accounts the gateway said it manages.
        notices: Everything the gateway said beside the rows while the read ran.
        decode_errors: Messages that could not be understood.
        details: What else a reader of a failed load wants (TWS build, host, port, client id).
    """

    request_id: str
    broker: str
    environment: Environment
    dataset: Dataset
    started_at: datetime
    ended_at: datetime
    window_start: datetime | None = None
    window_end: datetime | None = None
    end_marker_seen: bool
    server_version: int | None = None
    connection_epoch: str | None = None
    managed_accounts: tuple[str, ...] = ()
    notices: tuple[BrokerNotice, ...] = ()
    decode_errors: tuple[str, ...] = ()
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectOutcome:
    """Verdict on one account of a read, for a statement on one of its sections.

    `reason` is set unless it is complete.

    Attributes:
        section: Section of a statement; empty for what the gateway tells.
        from_date, to_date: Session dates a statement speaks of, both included.
        n_rows: Rows heard of a section; for the gateway the raw file knows.
    """

    account_id: str
    status: LoadStatus
    reason: str | None = None
    retryable: bool = False
    section: str = ""
    from_date: date | None = None
    to_date: date | None = None
    n_rows: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RawFile:
    """A published raw file, as the manifest describes it.

    Attributes:
        path: Relative to the data directory, with forward slashes.
        n_rows: Messages in the file.
        n_bytes: Size of the file.
        sha256: Hash of its bytes, hexadecimal.
        rows_by_account: Messages per account; an account without any is absent.
        content_sha256, content_bytes: Hash and size of the original bytes, where the file holds a
            document as it came, compressed.
    """

    path: str
    n_rows: int
    n_bytes: int
    sha256: str
    rows_by_account: Mapping[str, int]
    content_sha256: str | None = None
    content_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One subject of one request: what core may read, or why it may not.

    Attributes:
        section: Section of a statement; empty for what the gateway tells.
        from_date, to_date: Session dates a statement speaks of, both included.
        available_at: When the answer was received; what core's rows carry. None while started.
        applied_at: `recorded_at` of the commit that brought it into core, once mirrored.
    """

    load_id: str
    request_id: str
    broker: str
    environment: Environment
    dataset: Dataset
    account_id: str
    section: str = ""
    from_date: date | None = None
    to_date: date | None = None
    status: LoadStatus
    reason: str | None = None
    started_at: datetime
    available_at: datetime | None = None
    n_rows: int | None = None
    raw_path: str | None = None
    applied_at: datetime | None = None

    @property
    def source(self) -> str:
        """Route the load came by; what core's rows carry."""
        route = "flex" if self.dataset is Dataset.FLEX else "wire"
        return f"{self.broker}.{route}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedLoad:
    """What one load did to core. For snapshots the counts compare with the previous snapshot.

    Attributes:
        recorded_at: The commit's instant.
        n_read: Rows of the load after normalization.
        n_new, n_changed, n_unchanged: How they compare with what core had.
        n_gone: Rows of the previous snapshot that this one no longer has; for orders, those it
            listed as open and this one does not tell of.
    """

    load_id: str
    recorded_at: datetime
    n_read: int
    n_new: int
    n_changed: int
    n_unchanged: int
    n_gone: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadRow(Load):
    """A load with what it did to core, for people and summaries.

    Attributes:
        run_id: The run that asked, if it said so.
        retryable: Whether another try may help, where the load failed.
        n_read, n_new, n_changed, n_unchanged, n_gone: As in `AppliedLoad`; None until applied.
    """

    run_id: str | None = None
    retryable: bool = False
    n_read: int | None = None
    n_new: int | None = None
    n_changed: int | None = None
    n_unchanged: int | None = None
    n_gone: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRow:
    """A request as control remembers it.

    Attributes:
        status: `started | finished | failed | abandoned`; the verdicts are on its loads.
        pid, host: The process that sent it.
    """

    request_id: str
    broker: str
    environment: Environment
    dataset: Dataset
    status: str
    started_at: datetime
    ended_at: datetime | None = None
    run_id: str | None = None
    pid: int | None = None
    host: str | None = None
    reason: str | None = None
    retryable: bool = False
    raw_path: str | None = None
