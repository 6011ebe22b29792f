"""The listening Flex service: HTTP on loopback, one request per connection."""

from __future__ import annotations

import asyncio
import contextlib
import time

from ibkr_pipeline.simulator.flex import damage
from ibkr_pipeline.simulator.flex.http import HttpError, html_page, read_request
from ibkr_pipeline.simulator.flex.service import PATH, STEPS, FlexService
from ibkr_pipeline.simulator.gateway.simulator import Simulator

LOOPBACK = "127.0.0.1"


class FlexServer:
    """Serves the Flex web service of a simulator.

    Args:
        simulator: The state it serves.
        port: TCP port; 0 picks a free one.
    """

    def __init__(self, simulator: Simulator, port: int = 0) -> None:
        self.simulator = simulator
        self.port = port
        self.service = FlexService(simulator.book, simulator.flex_options, time.monotonic)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Base address of the service, without a trailing slash."""
        return f"http://{LOOPBACK}:{self.port}{PATH}"

    async def start(self) -> None:
        """Listen on loopback; the port is known afterwards."""
        self._server = await asyncio.start_server(self._accept, LOOPBACK, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        self.service.url = self.url

    async def stop(self) -> None:
        """Stop listening and end every connection, also one that is never answered."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)
        try:
            await task
        except asyncio.CancelledError:
            return
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            try:
                request = await read_request(reader)
            except HttpError:
                await damage.send(writer, html_page(400), [])
                return
            answer = self.service.answer(request)
            step = STEPS.get(request.path)
            faults = self.simulator.faults.on_flex(step) if step else []
            now = self.simulator.book.now()
            await damage.send(writer, damage.replaced(answer, faults, now), faults)
