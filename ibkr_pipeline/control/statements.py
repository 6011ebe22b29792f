"""Insert statements that both databases understand in their own dialect.

What lives here: insert-if-missing and insert-or-update. What must not: particular tables.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_missing(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Return an insert that leaves an existing row as it is."""
    return _insert(connection, table).on_conflict_do_nothing()


def insert_or_update(
    connection: Connection, table: Table, *, columns: Sequence[str]
) -> sqlite.Insert | postgresql.Insert:
    """Return an insert that, where the key exists, sets `columns` alone."""
    statement = _insert(connection, table)
    return statement.on_conflict_do_update(
        index_elements=list(table.primary_key.columns),
        set_={name: statement.excluded[name] for name in columns},
    )


def _insert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)
