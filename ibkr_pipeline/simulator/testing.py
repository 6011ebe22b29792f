"""A simulator inside the test process: an event loop in a thread, its state within reach."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from ibkr_pipeline.simulator.gateway.faults import parse_fault
from ibkr_pipeline.simulator.gateway.server import LOOPBACK
from ibkr_pipeline.simulator.gateway.simulator import Simulator
from ibkr_pipeline.simulator.records import Event
from ibkr_pipeline.simulator.scenario import build_simulator, load_simulator
from ibkr_pipeline.simulator.serving import Ports, RunningSimulator

T = TypeVar("T")

_PATIENCE = 10.0


class SimulatorThread:
    """Serves a simulator from a thread; a context manager.

    Args:
        scenario: Bundled name, YAML file, a parsed scenario document, or a ready simulator.
        seed: Replaces the seed of the scenario.
    """

    def __init__(
        self,
        scenario: str | Path | dict[str, object] | Simulator | None = None,
        *,
        seed: int | None = None,
    ) -> None:
        self.simulator = _simulator(scenario, seed)
        self.host = LOOPBACK
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.running = RunningSimulator(self.simulator, Ports())

    @property
    def port(self) -> int:
        """TWS port."""
        return self.running.gateway.port

    @property
    def flex_url(self) -> str:
        """Base address of the Flex service."""
        return self.running.flex.url

    @property
    def control_port(self) -> int:
        """Control port."""
        return self.running.control.port

    def call(self, change: Callable[[Simulator], T]) -> T:
        """Run a function on the simulator's own loop and return its result."""

        async def run() -> T:
            return change(self.simulator)

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(_PATIENCE)

    def publish(self, change: Callable[[Simulator], list[Event]]) -> list[Event]:
        """Change the book on its loop and tell the connected clients what happened."""

        async def run() -> list[Event]:
            events = change(self.simulator)
            self.running.gateway.publish(events)
            return events

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(_PATIENCE)

    def command(self, name: str, **arguments: object) -> dict[str, object]:
        """Run a control command without a socket and return its answer."""
        document = {"command": name, **arguments}
        return self._run(self.running.control.execute(document))

    def arm(self, name: str, **parameters: object) -> None:
        """Arm a scripted fault; raises FaultError when it is not one."""
        fault = parse_fault({"name": name, **parameters})
        self.call(lambda simulator: simulator.faults.arm(fault))

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self.running.start())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._run(self.running.stop())
        self._run(_cancel_tasks())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_PATIENCE)
        self._loop.close()

    def _run(self, coroutine: Coroutine[object, object, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_PATIENCE)


async def _cancel_tasks() -> None:
    others = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def _simulator(
    scenario: str | Path | dict[str, object] | Simulator | None, seed: int | None
) -> Simulator:
    if isinstance(scenario, Simulator):
        return scenario
    if isinstance(scenario, dict):
        return build_simulator(scenario, seed=seed)
    return load_simulator(scenario, seed=seed)
