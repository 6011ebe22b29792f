"""Tables of the control store, for SQLite and Postgres alike.

What lives here: columns and indexes. What must not: statements (the neighbours), versions
(`migrations.py`). Names start with `control_`, because a Postgres database may be shared.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Dialect,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.types import TypeEngine

from ibkr_pipeline.models.request_json import instant_from_text, instant_to_text


class Instant(TypeDecorator[datetime]):
    """An instant in UTC: timestamptz on Postgres, fixed-width ISO text on SQLite."""

    impl = String(27)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[datetime] | TypeEngine[str]:
        """Return the column type of a dialect."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(TIMESTAMP(timezone=True))
        return dialect.type_descriptor(String(27))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> object:
        """Return what the database stores."""
        if value is None or dialect.name == "postgresql":
            return value
        return instant_to_text(value)

    def process_result_value(
        self, value: datetime | str | None, dialect: Dialect
    ) -> datetime | None:
        """Return the instant that was stored."""
        del dialect
        if isinstance(value, str):
            return instant_from_text(value)
        return None if value is None else value.astimezone(UTC)


metadata = MetaData()

VERSION = Table("control_version", metadata, Column("version", Integer, primary_key=True))

FACTS = Table(
    "control_facts",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)

REQUESTS = Table(
    "control_requests",
    metadata,
    Column("request_id", String(128), primary_key=True),
    Column("broker", String(32), nullable=False),
    Column("environment", String(16), nullable=False),
    Column("dataset", String(32), nullable=False),
    Column("status", String(16), nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("run_id", String(128)),
    Column("pid", Integer),
    Column("host", String(255)),
    Column("process_started", String(128)),
    Column("reason", Text),
    Column("retryable", Boolean, nullable=False, default=False),
    Column("proof", Text),
    Column("raw_path", Text),
    Column("raw_sha256", String(64)),
    Column("raw_bytes", BigInteger),
    Column("raw_rows", BigInteger),
    Column("content_sha256", String(64)),
    Index("control_requests_by_status", "status"),
    Index("control_requests_by_start", "started_at"),
    Index("control_requests_by_content", "content_sha256"),
)

LOADS = Table(
    "control_loads",
    metadata,
    Column("load_id", String(255), primary_key=True),
    Column("request_id", String(128), nullable=False),
    Column("broker", String(32), nullable=False),
    Column("environment", String(16), nullable=False),
    Column("dataset", String(32), nullable=False),
    Column("account_id", String(128), nullable=False),
    Column("section", String(64), nullable=False, default="", server_default=""),
    Column("from_date", Date),
    Column("to_date", Date),
    Column("status", String(16), nullable=False),
    Column("reason", Text),
    Column("retryable", Boolean, nullable=False, default=False),
    Column("started_at", Instant, nullable=False),
    Column("available_at", Instant),
    Column("n_rows", BigInteger),
    Column("raw_path", Text),
    Column("run_id", String(128)),
    Column("applied_at", Instant),
    Column("n_read", BigInteger),
    Column("n_new", BigInteger),
    Column("n_changed", BigInteger),
    Column("n_unchanged", BigInteger),
    Column("n_gone", BigInteger),
    Index("control_loads_by_request", "request_id"),
    Index("control_loads_by_run", "run_id"),
    Index("control_loads_by_start", "started_at"),
    Index("control_loads_by_applied", "status", "applied_at"),
    Index("control_loads_by_account", "environment", "dataset", "account_id", "started_at"),
    Index("control_loads_by_section", "environment", "dataset", "section", "to_date"),
)

BUCKETS = Table("control_buckets", metadata, Column("bucket", String(255), primary_key=True))

GRANTS = Table(
    "control_grants",
    metadata,
    Column("grant_id", Integer, primary_key=True, autoincrement=True),
    Column("bucket", String(255), nullable=False),
    Column("granted_at", Instant, nullable=False),
    Column("cost", Integer, nullable=False),
    Index("control_grants_by_bucket", "bucket", "granted_at"),
)

LEASES = Table(
    "control_leases",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("holder", String(255)),
    Column("token", BigInteger, nullable=False),
    Column("granted_at", Instant),
    Column("expires_at", Instant),
)
