"""What can be wrong with a warehouse file, and what to do about each."""

from __future__ import annotations

from ibkr_pipeline.primitives.errors import PipelineError, Retryable, Terminal


class WarehouseError(PipelineError):
    """Something is wrong with the warehouse itself."""


class WarehouseVersionError(WarehouseError, Terminal):
    """The warehouse, or its read copy, is of a version this program cannot read.

    Attributes:
        found: Version of the warehouse.
        known: Newest version this program knows.
    """

    def __init__(self, message: str, *, found: int, known: int) -> None:
        super().__init__(message)
        self.found = found
        self.known = known


class MigrationError(WarehouseError, Terminal):
    """A migration failed; the warehouse is as it was before."""


class WarehouseDamagedError(WarehouseError, Terminal):
    """The warehouse file or its write-ahead log cannot be read. Nothing was changed."""


class WarehouseFullError(WarehouseError, Retryable):
    """The disk, a quota or a file size limit left no room; what was committed is safe."""


class CommitOrderError(WarehouseError, Terminal):
    """A commit was asked for at an instant that is not after the last commit."""
