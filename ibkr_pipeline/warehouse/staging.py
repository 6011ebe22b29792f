"""Rows of a statement on their way into core: checked, then kept beside it as Parquet parts.

What lives here: the parts of each table and load, until the statement is read to its end. What
must not: what enters core of them (`statements.py`).

A statement may be far larger than memory and is only worth something once its last byte was
read. Appending chunks inside one transaction holds all of them in memory; parts do not.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import polars as pl

from ibkr_pipeline.primitives.errors import SchemaError
from ibkr_pipeline.schemas import core, statements
from ibkr_pipeline.schemas.columns import COLUMNS
from ibkr_pipeline.schemas.table import Table
from ibkr_pipeline.warehouse.checking import problem_of

#: Given to a row when it enters core.
_LATER = ("version", "recorded_at")
_SHARED = (core.IBKR_CONTRACTS, core.INSTRUMENTS)
_STAGED = (core.EXECUTIONS, *statements.TABLE_OF_SECTION.values(), *_SHARED)
_TABLES: Mapping[str, Table] = {table.name: table for table in _STAGED}


class StagedRows:
    """The parts of one statement.

    Args:
        folder: An empty folder of the caller's; what is put into it is removed by `close`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parts: dict[tuple[str, str], list[Path]] = {}
        self._few: dict[tuple[str, str], pl.DataFrame] = {}
        self._count = 0

    def add(self, table: str, load_id: str, frame: pl.DataFrame) -> None:
        """Keep rows of a core table, as normalization gives them.

        Args:
            table: Name of a core table that statements fill.
            load_id: Load of the rows.
            frame: Its columns without version and recorded_at; rows of statements with
                `row_number`.

        Raises:
            SchemaError: If the rows do not fit the table. Nothing of them is kept.
        """
        if frame.is_empty():
            return
        rows = _checked(_TABLES[table], load_id, frame)
        if _TABLES[table] in _SHARED:
            self._keep_few((table, load_id), rows)
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        self._count += 1
        path = self._folder / f"{self._count:06d}.parquet"
        rows.write_parquet(path, compression="lz4", statistics=False)
        self._parts.setdefault((table, load_id), []).append(path)

    def drop(self, load_id: str) -> None:
        """Forget the rows of a load: its section failed after some of them were handed over."""
        for key in [key for key in self._parts if key[1] == load_id]:
            for path in self._parts.pop(key):
                path.unlink()
        for key in [key for key in self._few if key[1] == load_id]:
            del self._few[key]

    def paths(self, table: str, load_ids: Sequence[str]) -> list[Path]:
        """Return the parts of a table and loads, in the order they were added."""
        return sorted(
            path for load_id in load_ids for path in self._parts.get((table, load_id), ())
        )

    def frames(self, table: str, load_ids: Sequence[str]) -> list[pl.DataFrame]:
        """Return the rows; for tables whose rows are few. Of contracts, each telling once."""
        few = [rows for key, rows in self._few.items() if key[0] == table and key[1] in load_ids]
        return [*few, *(pl.read_parquet(path) for path in self.paths(table, load_ids))]

    def close(self) -> None:
        """Remove every part."""
        self._parts.clear()
        self._few.clear()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _keep_few(self, key: tuple[str, str], rows: pl.DataFrame) -> None:
        """Keep what chunk after chunk tells again: as many rows as there are contracts."""
        told = [self._few[key], rows] if key in self._few else [rows]
        self._few[key] = pl.concat(told).unique(keep="first", maintain_order=True)


@cache
def _staged(name: str) -> Table:
    """Return the table of the rows as they are staged."""
    table = _TABLES[name]
    columns = tuple(column for column in table.columns if column.name not in _LATER)
    if table in _SHARED:
        key = tuple(name for name in table.key if name not in _LATER)
        return Table(
            name=f"staged {table.name}",
            description=table.description,
            grain="one row per key of a chunk",
            key=key,
            columns=columns,
        )
    return Table(
        name=f"staged {table.name}",
        description=table.description,
        grain="one row per row of a section",
        key=("row_number",),
        columns=(COLUMNS["row_number"].required(), *columns),
    )


def _checked(table: Table, load_id: str, frame: pl.DataFrame) -> pl.DataFrame:
    staged = _staged(table.name)
    missing = [name for name in staged.schema if name not in frame.columns]
    if missing:
        raise SchemaError(f"Rows for {table.name} lacked the columns {', '.join(missing)}.")
    if frame.get_column("load_id").n_unique() != 1 or frame.item(0, "load_id") != load_id:
        raise SchemaError(f"Rows for {table.name} were of other loads than {load_id}.")
    names = list(staged.schema)
    rows = frame if frame.columns == names else frame.select(names)
    problem = problem_of(staged, rows)
    if problem is not None:
        raise SchemaError(
            f"{rows.height} rows for {table.name} do not fit its schema and were not kept: "
            f"{problem}. Look at the raw file of the statement; its bytes are kept."
        )
    return rows
