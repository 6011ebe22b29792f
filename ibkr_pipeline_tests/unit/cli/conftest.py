"""The program in process, on a data directory of the test's own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ibkr_pipeline.cli.app import app
from ibkr_pipeline_tests.pipeline_runs import SYNCS, TickingClock, fake_workspace, make_broker


@dataclass(frozen=True)
class Outcome:
    """How a call of the program ended."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.stdout)


Call = Callable[..., Outcome]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Return a function that runs the program with arguments."""
    monkeypatch.setenv("IBKR_PIPELINE_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Outcome:
        result = CliRunner().invoke(app, list(arguments))
        return Outcome(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture(name="recorded", scope="session")
def _recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data directory with one night in it; tests work on copies."""
    data, clock = tmp_path_factory.mktemp("night") / "data", TickingClock()
    with fake_workspace(data, make_broker(clock), clock) as workspace:
        for sync in SYNCS.values():
            sync(workspace)
    return data


@pytest.fixture
def filled(recorded: Path, tmp_path: Path) -> Path:
    """Return the test's own copy of that directory, where the program looks for it."""
    return Path(shutil.copytree(recorded, tmp_path / "data"))
