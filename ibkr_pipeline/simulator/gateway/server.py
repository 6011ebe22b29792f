"""The listening gateway: accepts connections on loopback and carries events between them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from ibkr_pipeline.simulator.gateway.connection import Connection
from ibkr_pipeline.simulator.gateway.damage import NOTICE_TEXTS
from ibkr_pipeline.simulator.gateway.simulator import Simulator
from ibkr_pipeline.simulator.records import Event
from ibkr_pipeline.simulator.wire.session_messages import error

LOOPBACK = "127.0.0.1"


class GatewayServer:
    """A simulated gateway on one port.

    Args:
        simulator: The state it serves.
        port: TCP port; 0 picks a free one.
    """

    def __init__(self, simulator: Simulator, port: int = 0) -> None:
        self.simulator = simulator
        self.port = port
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()
        self._resetting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen on loopback; the port is known afterwards."""
        self._server = await asyncio.start_server(self._accept, LOOPBACK, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and end every connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.disconnect_clients()
        for _ in range(100):
            if not self._connections:
                return
            await asyncio.sleep(0.01)

    async def reset(self) -> None:
        """Act as in the nightly reset: notice 1100, connections end, the port is refused."""
        for connection in list(self._connections):
            if connection.layout is not None:
                text = NOTICE_TEXTS[1100]
                connection.push([error(connection.layout, -1, 1100, text)])
        await self.stop()

    def schedule_reset(self) -> None:
        """Reset in a task of its own, so that a connection can ask for it and end by it."""
        if self._resetting is None or self._resetting.done():
            self._resetting = asyncio.create_task(self.reset())

    async def recover(self) -> None:
        """Listen again on the same port after a reset."""
        if self._server is None:
            await self.start()

    @property
    def is_listening(self) -> bool:
        """Tell whether the port is open."""
        return self._server is not None

    def disconnect_clients(self) -> int:
        """End every connection and return how many there were."""
        for connection in list(self._connections):
            connection.abort()
        return len(self._connections)

    def connected_clients(self) -> list[int]:
        """Return the ids of the started clients."""
        return sorted(c.client_id for c in self._connections if c.session is not None)

    def admit(self, connection: Connection) -> bool:
        """Take a client id for a connection; False when a started connection has it."""
        others = (c for c in self._connections if c is not connection and not c.has_left)
        return all(c.session is None or c.client_id != connection.client_id for c in others)

    def publish(self, events: Iterable[Event]) -> None:
        """Tell every started session what happened in the book."""
        happened = list(events)
        for connection in list(self._connections):
            if connection.session is not None:
                connection.push(connection.session.hear(happened))

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(self, reader, writer)
        self._connections.add(connection)
        try:
            await connection.serve()
        finally:
            self._connections.discard(connection)
