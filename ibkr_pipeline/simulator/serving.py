"""Runs a simulator with its ports until it is told to stop."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from ibkr_pipeline.simulator.control import ControlServer
from ibkr_pipeline.simulator.gateway.server import LOOPBACK, GatewayServer
from ibkr_pipeline.simulator.gateway.simulator import Simulator


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Ports to listen on; 0 picks a free one."""

    tws: int = 0
    control: int = 0


class RunningSimulator:
    """A simulator whose ports are open; everything runs on one event loop.

    Args:
        simulator: The state served.
        ports: Where to listen.
    """

    def __init__(self, simulator: Simulator, ports: Ports) -> None:
        self.simulator = simulator
        self.stopping = asyncio.Event()
        self.gateway = GatewayServer(simulator, ports.tws)
        self.control = ControlServer(self.gateway, self.stopping.set, ports.control)

    async def start(self) -> None:
        """Encode what is known and open the ports."""
        self.simulator.warm_up()
        await self.gateway.start()
        await self.control.start()

    async def stop(self) -> None:
        """Close the ports and every connection."""
        await self.control.stop()
        await self.gateway.stop()

    def ready_line(self) -> str:
        """Return the line that tells the addresses."""
        return (
            f"READY tws={LOOPBACK}:{self.gateway.port} flex=- "
            f"control={LOOPBACK}:{self.control.port}"
        )
