"""A warehouse for Interactive Brokers accounts that can be trusted.

What lives here: the few names a notebook needs. What must not: imports with a cost; every room
is imported from where it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from duckdb import DuckDBPyConnection

__all__ = ["__version__", "open_warehouse"]

__version__ = "0.1.0"


def open_warehouse(path: str | Path | None = None) -> DuckDBPyConnection:
    """Open the published read copy of the warehouse, read-only.

    The copy is replaced whole after every run, so a notebook never blocks the nightly run and
    never sees half of one. Instants come back in UTC.

    Args:
        path: The read copy or the data directory; by default the configured data directory.

    Raises:
        WarehouseMissingError: If nothing has been published yet; it says what to run.
    """
    from ibkr_pipeline.pipelines.reading import open_read_copy

    return open_read_copy(path)
