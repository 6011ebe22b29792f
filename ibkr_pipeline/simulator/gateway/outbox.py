"""The way out of one connection: messages in their order, and the steps faults demand.

What lives here: the queue, its bounds, and the writing of bytes. What must not: what is sent and
why (`connection.py`), or what a fault does to a message (`damage.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable, Sequence

from ibkr_pipeline.simulator.gateway import damage
from ibkr_pipeline.simulator.gateway.faults import FaultPlan
from ibkr_pipeline.simulator.wire.message import Layout, Message

_CHUNK = 256 * 1024
_LIMIT = 4096
_LIMIT_BYTES = 64 * 1024 * 1024


class Outbox:
    """What waits to be sent to one client.

    Args:
        writer: Where the bytes go.
        faults: Faults that may change what is sent.
        reset_gateway: What a fault calls that ends every connection.

    Attributes:
        layout: Layout of the messages; None until the client has named its version.
    """

    def __init__(
        self,
        writer: asyncio.StreamWriter,
        faults: FaultPlan,
        reset_gateway: Callable[[], None],
    ) -> None:
        self._writer = writer
        self._faults = faults
        self._reset_gateway = reset_gateway
        self._queue: asyncio.Queue[Sequence[Message] | damage.Step] = asyncio.Queue(_LIMIT)
        self._n_bytes = 0
        self._room = asyncio.Event()
        self._room.set()
        self._thawed = asyncio.Event()
        self._drip: damage.Drip | None = None
        self.layout: Layout | None = None

    def put(self, item: Sequence[Message] | damage.Step) -> None:
        """Queue messages or a step; a client that never reads is cut off."""
        if not isinstance(item, damage.Step):
            self._n_bytes += _size(item)
            if self._n_bytes > _LIMIT_BYTES:
                self._room.clear()
        try:
            self._queue.put_nowait(item)
        except asyncio.QueueFull:
            self.close("rst")

    async def has_room(self) -> None:
        """Wait until the client has taken enough of what it asked for."""
        await self._room.wait()

    def thaw(self) -> None:
        """End a connection that a fault has frozen, now or when it gets to that."""
        self._thawed.set()

    async def send_all(self) -> None:
        """Send what is queued, in order, until a step ends the connection."""
        try:
            while True:
                item = await self._queue.get()
                if isinstance(item, damage.Step):
                    is_open = await self._take(item)
                else:
                    is_open = await self._send(item)
                if not is_open:
                    return
        except ConnectionError:
            return

    def close(self, how: str) -> None:
        """Close the socket: `fin` after what was written, `rst` at once."""
        if how != "rst":
            self._writer.close()
            return
        raw = self._writer.get_extra_info("socket")
        if raw is not None:
            with contextlib.suppress(OSError):
                linger = struct.pack("ii", 1, 0)
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._writer.transport.abort()

    async def _send(self, messages: Sequence[Message]) -> bool:
        if self.layout is None:
            return False
        for step in damage.steps(self._faults, self.layout, messages):
            if not await self._take(step):
                return False
        self._n_bytes -= _size(messages)
        if self._n_bytes <= _LIMIT_BYTES:
            self._room.set()
        return True

    async def _take(self, step: damage.Step) -> bool:
        """Take one step; False ends sending."""
        if isinstance(step, damage.Write):
            await self._write(step.data)
        elif isinstance(step, damage.Pause):
            await asyncio.sleep(step.seconds)
        elif isinstance(step, damage.Drip):
            self._drip = step
        elif isinstance(step, damage.ResetGateway):
            self._reset_gateway()
        elif step.how == "freeze":
            await self._thawed.wait()
            return False
        else:
            self.close(step.how)
            return False
        return True

    async def _write(self, data: bytes) -> None:
        size = self._drip.size if self._drip else _CHUNK
        for start in range(0, len(data), size):
            self._writer.write(data[start : start + size])
            await self._writer.drain()
            if self._drip:
                await asyncio.sleep(self._drip.seconds)


def _size(messages: Sequence[Message]) -> int:
    return sum(len(message.body) for message in messages)
