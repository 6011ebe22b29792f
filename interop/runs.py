"""One client against one gateway: a fresh simulator, the client's program, the book around it.

What lives here: processes and their bounds. What must not: judging what came out.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ibkr_pipeline.simulator.process import ControlError, SimulatorProcess, SimulatorStartError
from interop.clients import Client
from interop.environments import ROOT, Environment
from interop.plan import PLAN

_SCENARIO = ROOT / "ibkr_pipeline/simulator/scenarios/default.yaml"
_RUN_SECONDS = 45.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What came out of one client against one gateway.

    Attributes:
        client: The client.
        gateway_version: Highest server version the gateway offered.
        version: Version of the package that ran, as it says itself.
        operations: Answers by operation: `rows`, or `failed` with a reason.
        before: State of the book when the client connected.
        after: State when it had gone.
        problem: Why there is no result at all; empty when there is one.
    """

    client: Client
    gateway_version: int
    version: str = ""
    operations: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""

    @property
    def server_version(self) -> int:
        """The version both sides know, which the connection must use."""
        return min(self.client.highest, self.gateway_version)


def run_client(
    environment: Environment, gateway_version: int, folder: Path, deadline: float
) -> Run:
    """Run a client's program against a fresh simulator.

    Args:
        environment: Where the client is installed.
        gateway_version: Server version the gateway offers.
        folder: For scenario files.
        deadline: Reading of `time.monotonic` by which it has to be over.
    """
    client = environment.client
    left = min(_RUN_SECONDS, deadline - time.monotonic())
    if left <= 0:
        return Run(client=client, gateway_version=gateway_version, problem="no time was left")
    try:
        with SimulatorProcess(scenario=_scenario(gateway_version, folder)) as simulator:
            before = simulator.control.call("state")
            problem, document = _document(_command(environment, simulator), left)
            after = simulator.control.call("state")
    except (SimulatorStartError, ControlError, OSError) as error:
        problem = f"the simulator was gone: {error}"
        return Run(client=client, gateway_version=gateway_version, problem=problem)
    return Run(
        client=client,
        gateway_version=gateway_version,
        version=str(document.get("version", "")),
        operations=document.get("operations", {}),
        before=before,
        after=after,
        problem=problem,
    )


def _command(environment: Environment, simulator: SimulatorProcess) -> list[str]:
    return [*environment.command, simulator.host, str(simulator.port), json.dumps(PLAN)]


def _document(command: list[str], seconds: float) -> tuple[str, dict[str, Any]]:
    """Return the document a program printed, or why there is none."""
    try:
        done = subprocess.run(  # noqa: S603 - our own program in an environment made for it
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "its program did not end in time", {}
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        said = done.stderr.strip().splitlines()
        return f"its program ended with {done.returncode}: {said[-1] if said else ''}", {}
    # Numbers stay text, so that none is rounded on the way.
    document = json.loads(lines[-1], parse_float=str)
    return "", dict(document)


def _scenario(gateway_version: int, folder: Path) -> Path:
    """Write the default scenario with the server version its gateway offers."""
    path = folder / f"gateway-{gateway_version}.yaml"
    if not path.exists():
        scenario = yaml.safe_load(_SCENARIO.read_text(encoding="utf-8"))
        scenario["gateway"] = {"server_version": gateway_version}
        path.write_text(yaml.safe_dump(scenario, allow_unicode=True), encoding="utf-8")
    return path
