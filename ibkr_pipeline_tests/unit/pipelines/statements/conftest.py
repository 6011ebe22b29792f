"""A workspace on a statement service in memory, and files as a person would download them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ibkr_pipeline.pipelines.workspace import Workspace, open_workspace
from ibkr_pipeline.primitives import crashpoints
from ibkr_pipeline_tests.pipeline_runs import TickingClock, make_settings
from ibkr_pipeline_tests.statement_service import FakeStatementService

#: The evening after the session of 19 November 2026, a Thursday.
EVENING = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)

WriteFile = Callable[..., Path]


@pytest.fixture
def clock() -> TickingClock:
    """A clock that only moves when it is asked."""
    return TickingClock(EVENING)


@pytest.fixture
def service() -> FakeStatementService:
    """A statement service that has every statement."""
    return FakeStatementService(at=EVENING)


@pytest.fixture
def workspace(
    tmp_path: Path, clock: TickingClock, service: FakeStatementService
) -> Iterator[Workspace]:
    """A workspace whose statements come from that service."""
    with open_workspace(
        make_settings(tmp_path / "data"), clock=clock, statement_source=lambda: service
    ) as opened:
        yield opened


@pytest.fixture
def write(tmp_path: Path) -> WriteFile:
    """Return a function that writes bytes into a file and returns its path."""

    def into(data: bytes, name: str = "statement.xml") -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return into


@pytest.fixture(autouse=True)
def _disarm() -> Iterator[None]:
    yield
    crashpoints.disarm()
