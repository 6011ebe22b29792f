"""The tables of the `meta` schema: what the warehouse knows about itself.

What lives here: migrations, commits, contradictions, and the fingerprints that make "is this
fill known?" cheap. What must not: anything the broker told that a reader wants (`core.py`).
"""

from __future__ import annotations

from ibkr_pipeline.schemas.columns import COLUMNS, columns
from ibkr_pipeline.schemas.core import OWNER
from ibkr_pipeline.schemas.table import Column, Table

_FINGERPRINT = Column(
    name="fingerprint",
    kind="integer",
    description="40 bits of the SHA-1 of the row's key; a hint, confirmed against the key itself.",
    nullable=False,
)

SCHEMA_MIGRATIONS = Table(
    name="meta.schema_migrations",
    description="Migrations this warehouse has had.",
    grain="one row per migration",
    key=("version",),
    columns=(
        COLUMNS["version"].required(),
        Column(name="name", kind="text", description="What it did.", nullable=False),
        COLUMNS["recorded_at"].required(),
    ),
)

COMMITS = Table(
    name="meta.commits",
    description="Commits that wrote rows; the last one is what the next must come after.",
    grain="one row per commit",
    key=("recorded_at",),
    columns=(
        COLUMNS["recorded_at"].required(),
        Column(name="purpose", kind="text", description="What it was for.", nullable=False),
    ),
)

CONFLICTS = Table(
    name="meta.conflicts",
    description="Rows that contradicted what core holds, or could not be identified; not applied.",
    grain="one row per contradicting content",
    key=("table_name", "record", "found"),
    columns=(
        Column(name="table_name", kind="code", description="Table meant.", nullable=False),
        *columns(*OWNER, required=OWNER),
        Column(name="record", kind="text", description="Key of the row.", nullable=False),
        Column(name="reason", kind="text", description="Why it was not applied.", nullable=False),
        Column(name="kept", kind="json", description="What core holds, if anything."),
        Column(name="found", kind="json", description="What the load held.", nullable=False),
        *columns(
            "load_id",
            "available_at",
            "recorded_at",
            required=("load_id", "available_at", "recorded_at"),
        ),
    ),
)

EXECUTION_KEYS = Table(
    name="meta.execution_keys",
    description="Fingerprints of the keys in core.executions.",
    grain="one row per row of core.executions",
    key=("fingerprint",),
    columns=(_FINGERPRINT, COLUMNS["event_ts"]),
)

COMMISSION_KEYS = Table(
    name="meta.commission_keys",
    description="Fingerprints of the exec ids in core.commissions.",
    grain="one row per version of a commission",
    key=("fingerprint",),
    columns=(_FINGERPRINT, COLUMNS["event_ts"]),
)

TABLES = (SCHEMA_MIGRATIONS, COMMITS, CONFLICTS, EXECUTION_KEYS, COMMISSION_KEYS)
