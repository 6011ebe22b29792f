"""Versions of the control store's tables, from the first day on.

What lives here: the current version and the steps that lead to it. What must not: statements of
daily use. A new store is created as it should be; an older one is brought there step by step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import Connection, func, insert, inspect, select, text, update

from ibkr_pipeline.control.database import Database
from ibkr_pipeline.control.errors import ControlStoreError
from ibkr_pipeline.control.tables import LOADS, REQUESTS, VERSION, metadata

CURRENT = 3


def _add_sections(connection: Connection) -> None:
    """Let a load be of one section of a statement."""
    for column in (
        "section VARCHAR(64) DEFAULT '' NOT NULL",
        "from_date DATE",
        "to_date DATE",
    ):
        connection.execute(text(f"ALTER TABLE {LOADS.name} ADD COLUMN {column}"))


def _add_documents(connection: Connection) -> None:
    """Let a request be found by the hash of the document it brought, a load by its section."""
    connection.execute(text(f"ALTER TABLE {REQUESTS.name} ADD COLUMN content_sha256 VARCHAR(64)"))
    for table, name in (
        (REQUESTS, "control_requests_by_content"),
        (LOADS, "control_loads_by_section"),
    ):
        next(index for index in table.indexes if index.name == name).create(connection)


#: Version -> step that makes it from the one before. Version 1 was the first.
STEPS: Mapping[int, Callable[[Connection], None]] = {2: _add_sections, 3: _add_documents}

_POSTGRES_LOCK = 4_921_870_113


def migrate(database: Database) -> None:
    """Bring the store to the current version; do nothing where it is there already.

    Raises:
        ControlStoreError: If the store was written by a newer version of this program.
    """
    with database.read() as connection:
        if _version(connection) == CURRENT:
            return
    with database.write() as connection:
        if not database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _POSTGRES_LOCK})
        _bring_up(connection, database.label)


def _bring_up(connection: Connection, label: str) -> None:
    found = _version(connection)
    if found is None:
        metadata.create_all(connection)
        connection.execute(insert(VERSION).values(version=CURRENT))
        return
    if found > CURRENT:
        raise ControlStoreError(
            f"The control store {label} has version {found}; this program knows versions up to "
            f"{CURRENT}. Upgrade ibkr-pipeline, or use another data directory "
            "(IBKR_PIPELINE_DATA)."
        )
    for version in range(found + 1, CURRENT + 1):
        STEPS[version](connection)
    connection.execute(update(VERSION).values(version=CURRENT))


def _version(connection: Connection) -> int | None:
    if not inspect(connection).has_table(VERSION.name):
        return None
    return connection.execute(select(func.max(VERSION.c.version))).scalar()
