"""The warehouse file: who may open it, and how it is opened, committed and closed.

What lives here: the lock, the connection, the transaction's frame. What must not: what is
written (`apply.py`) or read (`reads.py`).

DuckDB is opened only inside `write()` or `read()`, for one transaction, behind a lock file. The
file must not be opened, copied or hashed in any other way meanwhile: DuckDB's own lock is a
POSIX one and is lost when the process closes any other handle on the file.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import duckdb

from ibkr_pipeline.ports.clock import Clock
from ibkr_pipeline.primitives import crashpoints
from ibkr_pipeline.primitives.errors import BusyError, WarehouseMissingError
from ibkr_pipeline.primitives.locks import hold
from ibkr_pipeline.warehouse import acknowledged, opening, read_copy
from ibkr_pipeline.warehouse.migrations import is_current, migrate
from ibkr_pipeline.warehouse.transaction import WriteTransaction, next_recorded_at

FILE_NAME = "warehouse.duckdb"
LOCK_NAME = "warehouse.lock"
#: Seconds between two looks at a file that another program has open.
_RETRY_SECONDS = 0.05


class Warehouse:
    """The warehouse of one data directory.

    Args:
        directory: Data directory; made if it does not exist, readable by the owner alone.
        clock: Where `recorded_at` comes from.
        lock_timeout_seconds: How long to wait for another writer before `BusyError`.
    """

    def __init__(self, directory: Path, *, clock: Clock, lock_timeout_seconds: float) -> None:
        self._directory = directory
        self._clock = clock
        self._timeout = lock_timeout_seconds

    @property
    def path(self) -> Path:
        """The live file."""
        return self._directory / FILE_NAME

    @property
    def read_copy_path(self) -> Path:
        """The published read copy."""
        return self._directory / read_copy.FILE_NAME

    @contextlib.contextmanager
    def write(
        self, purpose: str, *, recorded_at: datetime | None = None
    ) -> Iterator[WriteTransaction]:
        """Hold the lock and one transaction; commit at the end, roll back on any exception.

        The file is created and migrated if needed.

        Args:
            purpose: What it is for; told to whoever has to wait.
            recorded_at: Instant of the commit, for a rebuild; by default the clock's.

        Raises:
            BusyError: If another process held the lock or the file for the whole wait.
            WarehouseVersionError: If the file is newer than this program.
            WarehouseDamagedError: If the file or its log cannot be read.
            WarehouseFullError: If there was no room. What was committed before is safe.
            CommitOrderError: If `recorded_at` is not after the last commit.
        """
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._locked(purpose), self._opened(read_only=False) as connection:
            with opening.explained(self.path):
                migrate(connection, now=self._clock.now())
                instant = next_recorded_at(connection, now=self._clock.now(), wanted=recorded_at)
                connection.begin()
            transaction = WriteTransaction(connection, recorded_at=instant, purpose=purpose)
            try:
                with opening.explained(self.path):
                    yield transaction
                    crashpoints.reach(crashpoints.IN_TRANSACTION)
                    connection.commit()
            except BaseException:
                opening.roll_back(connection)
                raise
            crashpoints.reach(crashpoints.AFTER_COMMIT)
            if transaction.wrote:
                acknowledged.acknowledge(self.path, instant)

    @contextlib.contextmanager
    def read(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Hold the lock and a read-only connection to the live file.

        For what must see the last commit; everybody else reads the published copy.

        Raises:
            WarehouseMissingError: If there is no warehouse yet.
            BusyError, WarehouseVersionError, WarehouseDamagedError: As for `write`.
        """
        if not self.path.exists():
            raise WarehouseMissingError(
                f"There is no warehouse at {self.path}. Run `ibkr-pipeline sync all` first."
            )
        with self._locked("reading the warehouse"), contextlib.ExitStack() as stack:
            connection = stack.enter_context(self._opened(read_only=True))
            if not is_current(connection):
                stack.close()
                self._migrate()
                connection = stack.enter_context(self._opened(read_only=True))
            stack.enter_context(opening.explained(self.path))
            yield connection

    def publish_read_copy(self, raw_files: Mapping[str, Sequence[Path]] | None = None) -> Path:
        """Publish the read copy if anything changed since the last one; return its path.

        Readers of the old copy keep it. Nobody waits for them.

        Args:
            raw_files: Dataset -> raw files that the view `raw.<dataset>` reads.

        Raises:
            WarehouseMissingError: If there is no warehouse yet.
            RawDataError: If a listed raw file does not exist.
            BusyError, WarehouseDamagedError, WarehouseFullError: As for `write`.
        """
        if not self.path.exists():
            raise WarehouseMissingError(
                f"There is no warehouse at {self.path} to copy. Run `ibkr-pipeline sync all` first."
            )
        with (
            self._locked("publishing the read copy"),
            read_copy.source_of(self.path) as source,
            self._opened(read_only=False) as connection,
            opening.explained(self.path),
        ):
            migrate(connection, now=self._clock.now())
            return read_copy.publish(
                connection, self.read_copy_path, source=source, raw_files=raw_files or {}
            )

    @contextlib.contextmanager
    def _locked(self, purpose: str) -> Iterator[None]:
        with hold(
            self._directory / LOCK_NAME,
            timeout_seconds=self._timeout,
            purpose=purpose,
            clock=self._clock,
        ):
            yield

    @contextlib.contextmanager
    def _opened(self, *, read_only: bool) -> Iterator[duckdb.DuckDBPyConnection]:
        if not self.path.exists():
            acknowledged.forget(self.path)
        connection = self._connect(read_only=read_only)
        try:
            acknowledged.check(self.path, connection)
            yield connection
        finally:
            connection.close()

    def _connect(self, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                acknowledged.check_log(self.path)
                return opening.connect(self.path, read_only=read_only)
            except BusyError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(_RETRY_SECONDS)

    def _migrate(self) -> None:
        with self._opened(read_only=False) as connection, opening.explained(self.path):
            migrate(connection, now=self._clock.now())
