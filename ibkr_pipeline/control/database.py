"""The control store's database: SQLite file or Postgres, one way to open a transaction.

What lives here: engines, pragmas, transactions, the translation of driver errors. What must not:
tables and statements. A transaction is short; nothing is awaited inside one.
"""

from __future__ import annotations

import importlib.util
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError

from ibkr_pipeline.control.errors import ControlStoreError, ControlUnavailableError
from ibkr_pipeline.primitives.errors import BusyError, ConfigError, DiskFullError, PipelineError
from ibkr_pipeline.primitives.secrets_registry import register_secret, scrub

#: How long a statement waits for another process's transaction.
BUSY_TIMEOUT_SECONDS = 30
#: Between two tries to switch to the write-ahead log.
_WAL_RETRY_SECONDS = 0.01
_IMMEDIATE = "begin_immediate"
#: Options of an address that are secrets.
_SECRET_OPTIONS = ("password", "sslpassword")
_POSTGRES_DRIVERS = ("psycopg2", "psycopg")


class Database:
    """Opens transactions on the control store's database. Safe to share between threads."""

    def __init__(self, url: str | Path) -> None:
        parsed = _parsed(url)
        self.label = parsed.difference_update_query(_SECRET_OPTIONS).render_as_string(
            hide_password=True
        )
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        if self.is_sqlite:
            _prepare_file(parsed)
            self._engine = _sqlite_engine(parsed, synchronous="FULL")
            self._quick_engine = _sqlite_engine(parsed, synchronous="NORMAL")
        else:
            self._engine = _postgres_engine(parsed)
            self._quick_engine = self._engine

    def __repr__(self) -> str:
        """Return where the database is, without its password."""
        return f"Database({self.label!r})"

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a transaction that may write; it is durable once the block is left."""
        with self._transaction(self._engine, immediate=True) as connection:
            yield connection

    @contextmanager
    def write_quickly(self) -> Iterator[Connection]:
        """Open a transaction that a killed process cannot lose but a power cut may.

        For pacing alone: grants are worthless after the minute a power cut takes.
        """
        with self._transaction(self._quick_engine, immediate=True) as connection:
            if not self.is_sqlite:
                connection.execute(text("SET LOCAL synchronous_commit TO OFF"))
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a transaction that only reads; it never waits for a writer on SQLite."""
        with self._transaction(self._engine, immediate=False) as connection:
            yield connection

    def close(self) -> None:
        """Close every pooled connection."""
        self._engine.dispose()
        self._quick_engine.dispose()

    @contextmanager
    def _transaction(self, engine: Engine, *, immediate: bool) -> Iterator[Connection]:
        try:
            with (
                engine.connect().execution_options(**{_IMMEDIATE: immediate}) as connection,
                connection.begin(),
            ):
                yield connection
        except DBAPIError as error:
            raise self._explained(error) from error

    def _explained(self, error: DBAPIError) -> Exception:
        found = scrub(str(error.orig).strip())
        if not self.is_sqlite:
            return self._explained_postgres(error, found)
        if "locked" in found or "busy" in found:
            return BusyError(
                f"The control store {self.label} was still locked by another process after "
                f"{BUSY_TIMEOUT_SECONDS} s ({found}). Wait for the other run to end, then run "
                "again.",
                holder="another process",
            )
        if "full" in found:
            return DiskFullError(
                f"There was no room to write the control store {self.label} ({found}). What was "
                "committed before is intact. Free some space, then run again."
            )
        if "malformed" in found or "not a database" in found or "disk I/O" in found:
            return self._damaged(found)
        return error

    def _explained_postgres(self, error: DBAPIError, found: str) -> Exception:
        if isinstance(error, OperationalError | InterfaceError):
            return ControlUnavailableError(
                f"The control store {self.label} does not answer: {found}. Check that Postgres "
                "runs and that the user may log in, then run again."
            )
        return error

    def _damaged(self, found: str) -> PipelineError:
        return ControlStoreError(
            f"The control store {self.label} cannot be read or written ({found}). Do not delete "
            "its -wal file. Move the store and its -wal and -shm files aside and run "
            "`ibkr-pipeline rebuild`, which makes it again from the raw files."
        )


def _parsed(url: str | Path) -> URL:
    if isinstance(url, Path) or "://" not in url:
        return URL.create("sqlite", database=str(Path(url).expanduser().absolute()))
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise ConfigError(
            "The control store's URL cannot be understood; expected "
            "postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with special characters of the "
            "password percent-encoded."
        ) from None
    for secret in (parsed.password, *(parsed.query.get(name) for name in _SECRET_OPTIONS)):
        if secret:
            register_secret(str(secret))
    backend = parsed.get_backend_name()
    if backend == "sqlite" and parsed.database:
        return parsed
    if backend in {"postgresql", "postgres"}:
        return parsed.set(drivername=_postgres_driver(parsed.drivername))
    raise ConfigError(
        f"The control store's URL was for {backend!r}; expected postgresql:// or a SQLite file."
    )


def _postgres_driver(drivername: str) -> str:
    if "+" in drivername:
        return drivername
    for module in _POSTGRES_DRIVERS:
        if importlib.util.find_spec(module) is not None:
            return f"postgresql+{module}"
    raise ConfigError(
        "A Postgres URL is set, but no Postgres driver is installed; expected psycopg2 or "
        "psycopg. Run: pip install psycopg2-binary"
    )


def _prepare_file(url: URL) -> None:
    path = Path(str(url.database))
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise ConfigError(
            f"The control store {path} cannot be opened: {error.strerror or error}. Check the "
            "data directory (IBKR_PIPELINE_DATA) and its permissions."
        ) from error


def _postgres_engine(url: URL) -> Engine:
    try:
        return create_engine(url, pool_pre_ping=True, hide_parameters=True)
    except (ArgumentError, ImportError) as error:
        raise ConfigError(
            f"The control store's URL names the driver {url.drivername!r}, which is not "
            f"installed; expected postgresql+psycopg2:// or postgresql+psycopg://."
        ) from error


def _sqlite_engine(url: URL, *, synchronous: str) -> Engine:
    engine = create_engine(
        url, connect_args={"timeout": BUSY_TIMEOUT_SECONDS}, hide_parameters=True
    )

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, record: Any) -> None:  # noqa: ANN401 - driver's own types
        del record
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_SECONDS * 1000}")
        _use_wal(cursor)
        cursor.execute(f"PRAGMA synchronous = {synchronous}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        immediate = connection.get_execution_options().get(_IMMEDIATE, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


def _use_wal(cursor: sqlite3.Cursor) -> None:
    """Switch a store to its write-ahead log, once for good.

    SQLite refuses the switch at once, whatever the busy timeout, while another connection is just
    making it; that lasts milliseconds.
    """
    deadline = time.monotonic() + BUSY_TIMEOUT_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(_WAL_RETRY_SECONDS)
        else:
            return
