"""The program with statements, against the simulated broker's Flex side."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ibkr_pipeline.simulator.testing import SimulatorThread
from ibkr_pipeline_tests.integration.test_sync_commands import Ended
from ibkr_pipeline_tests.repository import ROOT

#: A token found nowhere else; the service accepts it, and no file may hold it.
CANARY = "canary-4f1c9e77b2a84d06"
EXPIRED = "canary-expired-0b6d"
DEFAULT_TOKEN = "SIMULATED-FLEX-TOKEN"  # opens nothing but the simulator
SCENARIOS = ROOT / "ibkr_pipeline" / "simulator" / "scenarios"


@pytest.fixture
def broker() -> Iterator[SimulatorThread]:
    """Three sessions, and a token of our own."""
    with SimulatorThread("three_sessions") as simulator:
        yield simulator


def run(folder: Path, broker: SimulatorThread, *arguments: str, **extra: str) -> Ended:
    """Run the program in a process of its own."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "IBKR_PIPELINE_DATA": str(folder / "data"),
        "IBKR_PIPELINE_MODE": "simulated",
        "IBKR_HOST": broker.host,
        "IBKR_PORT": str(broker.port),
        "IBKR_FLEX_URL": broker.flex_url,
        "IBKR_FLEX_QUERY_ID": "1",
        **extra,
    }
    ended = subprocess.run(
        [sys.executable, "-m", "ibkr_pipeline", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


@pytest.fixture
def canary_broker() -> Iterator[SimulatorThread]:
    """The same, with tokens of our own."""
    with SimulatorThread(with_tokens()) as simulator:
        yield simulator


def with_tokens() -> dict[str, object]:
    """Return the scenario with one token that is accepted and one that has expired."""
    scenario = yaml.safe_load((SCENARIOS / "three_sessions.yaml").read_text(encoding="utf-8"))
    flex = {**scenario.get("flex", {}), "tokens": {CANARY: "valid", EXPIRED: "expired"}}
    return {**scenario, "flex": flex}


def files_with(folder: Path, secret: str) -> list[Path]:
    """Return the files below a folder that hold a text, in plain or as an address spells it."""
    wanted = [secret.encode(), secret.encode("utf-16-le"), secret.replace("-", "%2D").encode()]
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and any(text in path.read_bytes() for text in wanted)
    ]


def test_the_token_is_in_nothing_a_run_leaves_behind(
    tmp_path: Path, canary_broker: SimulatorThread
) -> None:
    """Files, run history, logs, stdout and stderr of the whole job, when it works and when not."""
    works = run(tmp_path, canary_broker, "--verbose", "sync", "all", IBKR_FLEX_TOKEN=CANARY)
    refused = run(tmp_path, canary_broker, "-v", "sync", "flex", "--json", IBKR_FLEX_TOKEN=EXPIRED)
    looked = run(tmp_path, canary_broker, "doctor", IBKR_FLEX_TOKEN=CANARY)

    assert (0, 1, 0) == (works.code, refused.code, looked.code)
    assert "expired" in refused.stdout
    assert "is accepted" in looked.stdout
    for ended in (works, refused, looked):
        assert not any(secret in ended.stdout + ended.stderr for secret in (CANARY, EXPIRED))
    assert [] == [*files_with(tmp_path, CANARY), *files_with(tmp_path, EXPIRED)]
    assert files_with(tmp_path, "FlexQueryResponse") == []
    assert list((tmp_path / "data" / "dagster").rglob("*.db"))


def test_a_statement_lands_and_lands_unchanged_the_second_time(
    tmp_path: Path, broker: SimulatorThread
) -> None:
    """Made anew by the service, every row is the same row."""
    token = {"IBKR_FLEX_TOKEN": DEFAULT_TOKEN}
    first = run(tmp_path, broker, "sync", "flex", "--json", **token)
    second = run(tmp_path, broker, "sync", "flex", "--json", **token)

    assert (0, 0) == (first.code, second.code)
    assert "backfill executions" in first.stderr
    assert "backfill executions" not in second.stderr
    subjects = {item["id"]: item for item in second.document["subjects"]}
    assert "DU0000001/OpenPositions" in subjects
    assert {(0, 0)} == {(item["new"], item["changed"]) for item in subjects.values()}
    assert {"statement"} == {item["type"] for item in subjects.values()}


def test_an_assignment_is_one_event_with_its_delivery(
    tmp_path: Path, broker: SimulatorThread
) -> None:
    """The short SPY put is assigned in the night after the second session."""
    for _ in range(2):
        broker.command("advance_session")
    token = {"IBKR_FLEX_TOKEN": DEFAULT_TOKEN}
    synced = run(tmp_path, broker, "sync", "option-events", "--json", **token)
    shown = run(tmp_path, broker, "show", "option-events", "--json")

    (event,) = [item for item in shown.document if item["event_type"] == "assignment"]
    assert 0 == synced.code
    assert "option-events" == synced.document["dataset"]
    assert ("confirmed", "1", "100", "590") == (
        event["state"],
        event["signed_quantity"],
        event["delivered_quantity"],
        event["delivered_price"],
    )
