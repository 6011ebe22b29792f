"""A clock, a broker in memory and a workspace, one of each per test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ibkr_pipeline.brokers.testing import FakeBrokerAPI
from ibkr_pipeline.pipelines.workspace import Workspace
from ibkr_pipeline_tests.pipeline_runs import TickingClock, fake_workspace, make_broker


@pytest.fixture
def clock() -> TickingClock:
    """A clock that only moves when it is asked."""
    return TickingClock()


@pytest.fixture
def broker(clock: TickingClock) -> FakeBrokerAPI:
    """A broker with two accounts."""
    return make_broker(clock)


@pytest.fixture
def workspace(tmp_path: Path, broker: FakeBrokerAPI, clock: TickingClock) -> Iterator[Workspace]:
    """A workspace on that broker."""
    with fake_workspace(tmp_path / "data", broker, clock) as opened:
        yield opened
