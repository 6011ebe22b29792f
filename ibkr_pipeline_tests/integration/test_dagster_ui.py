"""The UI on the history of the command line: what was run is listed, and runs start from it."""

import json
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ibkr_pipeline.defs.web_ui import ui_command
from ibkr_pipeline.settings import Settings, load_settings
from ibkr_pipeline.simulator.testing import SimulatorThread
from ibkr_pipeline_tests.dagster_runs import instance_of, make_broker, run

pytestmark = pytest.mark.usefixtures("unmeasured_children")

REPOSITORY = {
    "repositoryName": "__repository__",
    "repositoryLocationName": "ibkr_pipeline.definitions",
}
OVERVIEW = """
query {
  repositoriesOrError { ... on RepositoryConnection { nodes {
    jobs { name runs(limit: 5) { runId } }
    schedules { name scheduleState { status } }
    sensors { name sensorState { status } }
  } } }
}
"""
LAUNCH = """
mutation($parameters: ExecutionParams!) {
  launchRun(executionParams: $parameters) { ... on LaunchRunSuccess { run { runId } } }
}
"""
STATUS = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"


@pytest.fixture(name="settings", scope="module")
def _settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    data = tmp_path_factory.mktemp("ui") / "data"
    with SimulatorThread() as simulator:
        yield load_settings(
            environ={},
            overrides={"mode": "simulated", "data_dir": data, "ibkr.port": simulator.port},
        )


@pytest.fixture(name="address", scope="module")
def _address(settings: Settings) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ui_command(settings, port=port)
    log = settings.environment_dir / "ui.log"
    with log.open("w") as output:
        child = subprocess.Popen(
            command.arguments,
            env=command.environment,
            cwd=command.directory,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_for(address, child, log)
            yield address
        finally:
            child.send_signal(signal.SIGTERM)
            child.wait(60)


def _wait_for(address: str, child: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and child.poll() is None:
        try:
            urllib.request.urlopen(f"{address}/server_info", timeout=5)
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.2)
        else:
            return
    pytest.fail(f"The UI did not come up:\n{log.read_text()}")


def _ask(address: str, query: str, **variables: object) -> Any:
    request = urllib.request.Request(
        f"{address}/graphql",
        json.dumps({"query": query, "variables": variables}).encode(),
        {"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)["data"]


def test_the_ui_shows_the_command_lines_runs_and_starts_nothing(
    settings: Settings, address: str
) -> None:
    """Demo, command line and UI show one history; schedules and sensors start stopped."""
    broker = make_broker(environment=settings.mode)
    result = run(settings, broker)

    [node] = _ask(address, OVERVIEW)["repositoriesOrError"]["nodes"]

    runs = {job["name"]: [item["runId"] for item in job["runs"]] for job in node["jobs"]}
    assert [result.run_id] == runs["nightly"]
    assert [("nightly_schedule", "STOPPED")] == [
        (item["name"], item["scheduleState"]["status"]) for item in node["schedules"]
    ]
    assert {
        ("failed_run_sensor", "STOPPED"),
        ("missing_statements", "STOPPED"),
        ("order_status_sensor", "STOPPED"),
    } == {(item["name"], item["sensorState"]["status"]) for item in node["sensors"]}


def test_assets_materialize_from_the_ui_against_the_same_gateway(
    settings: Settings, address: str
) -> None:
    """What is picked in the graph runs with the settings the UI was opened with, and says so."""
    picked = [["raw", "accounts"], ["core", "accounts"], ["core", "account_ledger"]]
    launched = _ask(
        address,
        LAUNCH,
        parameters={
            "selector": {
                **REPOSITORY,
                "jobName": "__ASSET_JOB",
                "assetSelection": [{"path": path} for path in picked],
            },
            "runConfigData": {},
            "mode": "default",
        },
    )
    run_id = launched["launchRun"]["run"]["runId"]
    deadline = time.monotonic() + 90
    status = ""
    while status not in ("SUCCESS", "FAILURE") and time.monotonic() < deadline:
        status = _ask(address, STATUS, id=run_id)["runOrError"]["status"]
        time.sleep(0.2)

    with instance_of(settings) as instance:
        stored = instance.get_run_by_id(run_id)
    assert stored is not None
    assert ("SUCCESS", "simulated") == (status, stored.tags["ibkr/environment"])
