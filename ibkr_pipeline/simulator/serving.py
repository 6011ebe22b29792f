"""Runs a simulator with its ports until it is told to stop."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ibkr_pipeline.simulator.control import ControlServer
from ibkr_pipeline.simulator.flex.server import FlexServer
from ibkr_pipeline.simulator.gateway.server import LOOPBACK, GatewayServer
from ibkr_pipeline.simulator.gateway.simulator import Simulator

LARGEST_PORT = 65535


class PortError(RuntimeError):
    """A port cannot be listened on.

    Attributes:
        exit_code: 2 where the port can never be had, 1 where another program has it now.
    """

    def __init__(self, message: str, *, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Ports to listen on; 0 picks a free one."""

    tws: int = 0
    flex: int = 0
    control: int = 0


class RunningSimulator:
    """A simulator whose ports are open; everything runs on one event loop.

    Args:
        simulator: The state served.
        ports: Where to listen.
    """

    def __init__(self, simulator: Simulator, ports: Ports) -> None:
        self._ports = ports
        self.simulator = simulator
        self.stopping = asyncio.Event()
        self.gateway = GatewayServer(simulator, ports.tws)
        self.flex = FlexServer(simulator, ports.flex)
        self.control = ControlServer(
            self.gateway, self.flex.service, self.stopping.set, ports.control
        )

    async def start(self) -> None:
        """Encode what is known and open the ports.

        Raises:
            PortError: If one of them cannot be opened; none is open then.
        """
        servers = (
            ("--port", self._ports.tws, self.gateway.start),
            ("--flex-port", self._ports.flex, self.flex.start),
            ("--control-port", self._ports.control, self.control.start),
        )
        for option, port, _ in servers:
            _require_legal(option, port)
        self.simulator.warm_up()
        try:
            for option, port, start in servers:
                await _opened(option, port, start)
        except PortError:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Close the ports and every connection."""
        await self.control.stop()
        await self.flex.stop()
        await self.gateway.stop()

    def ready_line(self) -> str:
        """Return the line that tells the addresses."""
        return (
            f"READY tws={LOOPBACK}:{self.gateway.port} flex={self.flex.url} "
            f"control={LOOPBACK}:{self.control.port}"
        )


def _require_legal(option: str, port: int) -> None:
    if not 0 <= port <= LARGEST_PORT:
        raise PortError(
            f"{option} was {port}; expected a port from 1 to {LARGEST_PORT}, or 0 for a free one.",
            exit_code=2,
        )


async def _opened(option: str, port: int, start: Callable[[], Awaitable[None]]) -> None:
    try:
        await start()
    except PermissionError as error:
        raise PortError(
            f"{option} was {port}, a port this user may not listen on; expected one from 1024 on, "
            f"or 0 for a free one.",
            exit_code=2,
        ) from error
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise PortError(
            f"{option} was {port}, which another program listens on; end that program, or choose "
            f"another port (0 for a free one).",
            exit_code=1,
        ) from error
