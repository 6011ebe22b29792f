"""A control store on each of its databases: SQLite in a file, Postgres from a wheel."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from ibkr_pipeline.control.store import ControlStore
from ibkr_pipeline.primitives.clock import FixedClock
from ibkr_pipeline_tests.postgres import running_postgres
from ibkr_pipeline_tests.raw_requests import NOON

OpenStore = Callable[[], ControlStore]


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A real Postgres server on a socket, for the length of the session."""
    with (
        tempfile.TemporaryDirectory(prefix="pg") as folder,
        running_postgres(Path(folder)) as server,
    ):
        yield server.get_uri()


@pytest.fixture
def clock() -> FixedClock:
    """A clock that stands at noon."""
    return FixedClock(NOON)


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    """The address of a store that does not exist yet."""
    if request.param == "sqlite":
        return tmp_path / "data" / "control.sqlite"
    url: str = request.getfixturevalue("postgres_url")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    return url


@pytest.fixture
def open_store(store_url: str | Path, clock: FixedClock) -> Iterator[OpenStore]:
    """Open the same store again and again, as several processes would."""
    opened: list[ControlStore] = []

    def open_it() -> ControlStore:
        opened.append(ControlStore.open(store_url, clock=clock))
        return opened[-1]

    yield open_it
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: OpenStore) -> ControlStore:
    """An open store."""
    return open_store()
