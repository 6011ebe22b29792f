"""The warehouse's schema, version by version.

What lives here: the list of migrations and how they are applied. What must not: the tables
themselves (`schemas/`), from which the DDL is derived, or the views (`views.py`).

A migration is added at the end and never changed once released. One that creates a table may
derive its DDL from the schema only as long as later migrations do not alter that table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import duckdb

from ibkr_pipeline.schemas import core, meta, ops, statements
from ibkr_pipeline.schemas.table import Table
from ibkr_pipeline.warehouse.errors import MigrationError, WarehouseVersionError
from ibkr_pipeline.warehouse.views import create_views


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One step of the schema.

    Attributes:
        version: 1, 2, 3, … without a gap.
        name: What it does, in a few words.
        apply: Runs the statements; the caller owns the transaction.
    """

    version: int
    name: str
    apply: Callable[[duckdb.DuckDBPyConnection], None]


def migrate(
    connection: duckdb.DuckDBPyConnection,
    *,
    now: datetime,
    migrations: Sequence[Migration] | None = None,
) -> bool:
    """Bring the warehouse to the newest version; return whether anything was done.

    All migrations that are due run in one transaction, so that a failure leaves the warehouse as
    it was. A checkpoint follows: a write-ahead log that holds DDL is slow to replay.

    Raises:
        WarehouseVersionError: If the warehouse is newer than this program.
        MigrationError: If a migration failed.
    """
    migrations = MIGRATIONS if migrations is None else migrations
    found = _known_version(connection, newest=migrations[-1].version)
    due = [migration for migration in migrations if migration.version > found]
    if due:
        _apply(connection, due, now=now)
    return bool(due)


def is_current(connection: duckdb.DuckDBPyConnection) -> bool:
    """Return whether the warehouse has had every migration.

    Raises:
        WarehouseVersionError: If the warehouse is newer than this program.
    """
    newest = MIGRATIONS[-1].version
    return _known_version(connection, newest=newest) == newest


def version_of(connection: duckdb.DuckDBPyConnection) -> int:
    """Return the version of an open warehouse; 0 for an empty file."""
    try:
        # Fetched to the end: an unfinished result keeps the connection from the next query.
        rows = connection.execute(
            f"SELECT max(version) FROM {meta.SCHEMA_MIGRATIONS.name}"
        ).fetchall()
    except duckdb.CatalogException:
        return 0
    newest = rows[0][0]
    return 0 if newest is None else int(newest)


def _known_version(connection: duckdb.DuckDBPyConnection, *, newest: int) -> int:
    found = version_of(connection)
    if found > newest:
        raise WarehouseVersionError(
            f"The warehouse was version {found}; this program knows versions up to {newest}. "
            f"Update the program, or point it at another data directory.",
            found=found,
            known=newest,
        )
    return found


def _apply(
    connection: duckdb.DuckDBPyConnection, due: Sequence[Migration], *, now: datetime
) -> None:
    current = due[0]
    connection.begin()
    try:
        for current in due:
            current.apply(connection)
            connection.execute(
                f"INSERT INTO {meta.SCHEMA_MIGRATIONS.name} VALUES (?, ?, ?)",
                [current.version, current.name, now],
            )
        create_views(connection)
        connection.commit()
    except duckdb.Error as error:
        connection.rollback()
        raise MigrationError(
            f"Migration {current.version} ({current.name}) failed: {error}. The warehouse is as "
            f"it was before; keep a copy of its directory and report the message."
        ) from error
    connection.execute("CHECKPOINT")


def _first(connection: duckdb.DuckDBPyConnection) -> None:
    for schema in ("core", "meta"):
        connection.execute(f"CREATE SCHEMA {schema}")
    for table in (*core.TABLES, *meta.TABLES):
        if table is core.EXECUTIONS:
            connection.execute(_without_statements(table).ddl)
        elif table not in _LATER_TABLES:
            connection.execute(table.ddl)


def _open_orders(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the table; which orders earlier reads listed is only in the raw files (`rebuild`)."""
    connection.execute(core.OPEN_ORDERS.ddl)


def _without_statements(table: Table) -> Table:
    """Return the table of fills as it was before statements told of them."""
    columns = tuple(column for column in table.columns if column.name not in core.STATEMENT_FILL)
    key = tuple(name for name in table.key if name not in core.STATEMENT_FILL)
    return replace(table, key=key, columns=columns)


def _statements(connection: duckdb.DuckDBPyConnection) -> None:
    """Make room for statements: their tables, and what they tell of a fill."""
    for name in core.STATEMENT_FILL:
        column = next(item for item in core.EXECUTIONS.columns if item.name == name)
        connection.execute(
            f'ALTER TABLE {core.EXECUTIONS.name} ADD COLUMN "{column.name}" {column.sql_type}'
        )
    connection.execute("CREATE SCHEMA ops")
    for table in (*statements.TABLES, *ops.TABLES):
        connection.execute(table.ddl)


#: Tables that a migration after the first one makes.
_LATER_TABLES = (core.OPEN_ORDERS,)

MIGRATIONS: tuple[Migration, ...] = (
    Migration(version=1, name="core and meta tables", apply=_first),
    Migration(version=2, name="open orders of each read", apply=_open_orders),
    Migration(version=3, name="statements, option events, coverage, breaks", apply=_statements),
)
