"""Two warehouses, table by table and column by column.

What lives here: the comparison. What must not: what either was made from. The caller holds the
locks of both.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb

from ibkr_pipeline.schemas import core, statements
from ibkr_pipeline.schemas.table import Table
from ibkr_pipeline.warehouse import opening

#: Tables a rebuild makes again; `ops` is carried over.
COMPARED = (*core.TABLES, *statements.TABLES)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableComparison:
    """One table in both warehouses.

    Attributes:
        n_existing, n_rebuilt: Rows in each.
        n_only_existing, n_only_rebuilt: Rows of one that the other lacks, duplicates counted.
    """

    table: str
    n_existing: int
    n_rebuilt: int
    n_only_existing: int
    n_only_rebuilt: int

    @property
    def is_equal(self) -> bool:
        """Whether both hold the same rows in every column, in whatever order."""
        return self.n_only_existing == 0 and self.n_only_rebuilt == 0


def compare_warehouses(existing: Path, rebuilt: Path) -> tuple[TableComparison, ...]:
    """Compare every core table of two warehouse files, every column of it.

    Args:
        existing: The warehouse as it is.
        rebuilt: The one made again.
    """
    connection = opening.connect(existing, read_only=True)
    try:
        location = str(rebuilt).replace("'", "''")
        connection.execute(f"ATTACH '{location}' AS rebuilt (READ_ONLY)")
        return tuple(_compare(connection, table) for table in COMPARED)
    finally:
        connection.close()


def _compare(connection: duckdb.DuckDBPyConnection, table: Table) -> TableComparison:
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    ours = f"SELECT {names} FROM {table.name}"  # noqa: S608  # constants of this package
    theirs = f"SELECT {names} FROM rebuilt.{table.name}"  # noqa: S608  # constants
    return TableComparison(
        table=table.name,
        n_existing=_count(connection, ours),
        n_rebuilt=_count(connection, theirs),
        n_only_existing=_count(connection, f"{ours} EXCEPT ALL {theirs}"),
        n_only_rebuilt=_count(connection, f"{theirs} EXCEPT ALL {ours}"),
    )


def _count(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM ({query})").fetchone()  # noqa: S608  # constants
    return int(row[0]) if row else 0
