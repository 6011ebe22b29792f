"""Looking at a control store without touching it: version, owner, how many loads.

What lives here: the read-only look of the doctor. What must not: making or migrating anything.
An absent SQLite file stays absent, and no journal appears beside one that is there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, create_engine, func, inspect, make_url, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from ibkr_pipeline.control.database import Database
from ibkr_pipeline.control.errors import ControlStoreError, ControlUnavailableError
from ibkr_pipeline.control.migrations import CURRENT
from ibkr_pipeline.control.tables import FACTS, LOADS, VERSION
from ibkr_pipeline.primitives.enums import LoadStatus
from ibkr_pipeline.primitives.secrets_registry import register_secret, scrub

#: How long an address may take to answer, seconds.
PATIENCE_SECONDS = 5
_LOCK_SECONDS = 2.0
_CONNECT_TIMEOUT = "connect_timeout"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreLook:
    """What a control store is.

    Attributes:
        version: Version of its tables; None where it has none yet.
        known_version: The newest version this program knows.
        environment: World it belongs to; None where none has claimed it.
        n_loads: Loads it knows.
        n_failed: Those of them that failed.
        n_applied: Those of them that were brought into core.
    """

    version: int | None
    known_version: int = CURRENT
    environment: str | None = None
    n_loads: int = 0
    n_failed: int = 0
    n_applied: int = 0


def look_at_store(url: str | Path) -> StoreLook | None:
    """Return what a store is, None where there is no file.

    Args:
        url: Path of the SQLite file, or a `postgresql://` address.

    Raises:
        ConfigError: If the address cannot be used.
        ControlStoreError: If the file is no control store.
        ControlUnavailableError: If Postgres does not answer in time.
    """
    if isinstance(url, Path):
        return _look_at_file(url) if url.exists() else None
    return _look_at_server(url)


def _look_at_file(path: Path) -> StoreLook:
    try:
        with _read_only(path) as connection:
            return _look(connection)
    except SQLAlchemyError as error:
        raise ControlStoreError(_reason(error)) from error


def _look_at_server(url: str) -> StoreLook:
    database = Database(_with_patience(url))
    try:
        with database.read() as connection:
            return _look(connection)
    except (SQLAlchemyError, ControlUnavailableError) as error:
        raise ControlUnavailableError(_reason(error)) from error
    finally:
        database.close()


def _look(connection: Connection) -> StoreLook:
    if not inspect(connection).has_table(VERSION.name):
        return StoreLook(version=None)
    version = connection.execute(select(func.max(VERSION.c.version))).scalar()
    if version != CURRENT:
        return StoreLook(version=version)
    owner = select(FACTS.c.value).where(FACTS.c.name == "environment")
    counts = select(LOADS.c.status, func.count()).group_by(LOADS.c.status)
    applied = select(func.count()).where(LOADS.c.applied_at.is_not(None))
    by_status: dict[str, int] = {row[0]: row[1] for row in connection.execute(counts)}
    return StoreLook(
        version=version,
        environment=connection.execute(owner).scalar(),
        n_loads=sum(by_status.values()),
        n_failed=by_status.get(LoadStatus.FAILED.value, 0),
        n_applied=connection.execute(applied).scalar() or 0,
    )


@contextmanager
def _read_only(path: Path) -> Iterator[Connection]:
    """Open a SQLite file so that nothing is written beside it.

    A store whose write-ahead log is there is in use, and its index is there too; without one the
    file is whole, and `immutable` keeps SQLite from making a log.
    """
    in_use = path.with_name(f"{path.name}-wal").exists()
    uri = f"{path.absolute().as_uri()}?mode=ro{'' if in_use else '&immutable=1'}"
    engine = create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(uri, uri=True, timeout=_LOCK_SECONDS),
        poolclass=NullPool,
    )
    with engine.connect() as connection:
        yield connection


def _with_patience(url: str) -> str:
    try:
        parsed = make_url(url)
    except (SQLAlchemyError, ValueError):
        return url
    if parsed.password:
        register_secret(str(parsed.password))
    patient = parsed.update_query_dict({_CONNECT_TIMEOUT: str(PATIENCE_SECONDS)})
    return patient.render_as_string(hide_password=False)


def _reason(error: Exception) -> str:
    """Return what the driver said, without the address in front of it."""
    driver_error = error if isinstance(error, SQLAlchemyError) else error.__cause__
    return scrub(str(getattr(driver_error, "orig", None) or error).strip())
