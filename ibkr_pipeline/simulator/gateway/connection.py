"""One TCP connection: handshake, reading requests, sending answers in order.

What lives here: the life of a connection from greeting to end, and faults that answer a request.
What must not: what requests mean (`dispatch.py`), or how bytes leave (`outbox.py`).
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Protocol

from ibkr_pipeline.simulator.gateway import damage
from ibkr_pipeline.simulator.gateway.dispatch import answer
from ibkr_pipeline.simulator.gateway.faults import Fault
from ibkr_pipeline.simulator.gateway.options import MINIMUM_VERSION
from ibkr_pipeline.simulator.gateway.outbox import Outbox
from ibkr_pipeline.simulator.gateway.session import Session
from ibkr_pipeline.simulator.gateway.simulator import Simulator
from ibkr_pipeline.simulator.records import Event
from ibkr_pipeline.simulator.wire import session_messages
from ibkr_pipeline.simulator.wire.fields import FieldReader, RequestError
from ibkr_pipeline.simulator.wire.framing import FrameError, FrameReader, frame, split_fields
from ibkr_pipeline.simulator.wire.message import Layout, Message

_READ_SIZE = 64 * 1024
_RATE_STRIKES = 3
_LINGER_SECONDS = 5
_ADMIT_TRIES = 10
_ADMIT_PAUSE = 0.01

_log = logging.getLogger(__name__)


class Gateway(Protocol):
    """What a connection needs from the server around it."""

    simulator: Simulator

    def publish(self, events: Iterable[Event], /) -> None:
        """Tell every started session what happened in the book."""
        ...

    def admit(self, connection: Connection) -> bool:
        """Take the connection's client id; False when another connection has it."""
        ...

    def schedule_reset(self) -> None:
        """Soon send 1100 everywhere, close every connection and the port."""
        ...


class Connection:
    """One client on one socket.

    Args:
        gateway: The server this connection belongs to.
        reader: Where the client's bytes come from.
        writer: Where the gateway's bytes go.
    """

    def __init__(
        self, gateway: Gateway, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._gateway = gateway
        self._simulator = gateway.simulator
        self._reader = reader
        self._frames = FrameReader()
        self._outbox = Outbox(writer, self._simulator.faults, gateway.schedule_reset)
        self._recent: deque[float] = deque()
        self._strikes = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.session: Session | None = None
        self.client_id = -1
        self.has_left = False

    @property
    def layout(self) -> Layout | None:
        """Layout of the messages; None until the client has named its version."""
        return self._outbox.layout

    async def serve(self) -> None:
        """Serve the client until either side ends the connection."""
        sender = asyncio.create_task(self._outbox.send_all())
        receiver = asyncio.create_task(self._receive_all())
        self._tasks |= {sender, receiver}
        try:
            await asyncio.wait({sender, receiver}, return_when=asyncio.FIRST_COMPLETED)
            self._outbox.thaw()
            if receiver.done() and not sender.done():
                self._outbox.put(damage.Close("fin"))
                await asyncio.wait({sender}, timeout=_LINGER_SECONDS)
        finally:
            for task in self._tasks:
                task.cancel()
            outcomes = await asyncio.gather(*self._tasks, return_exceptions=True)
            self._outbox.close("fin")
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                _log.error("connection_failed client_id=%s", self.client_id, exc_info=outcome)

    def push(self, messages: Sequence[Message]) -> None:
        """Queue messages for the client; a client that never reads is cut off."""
        if messages:
            self._outbox.put(messages)

    def abort(self) -> None:
        """End the connection at once, a frozen one too."""
        self._outbox.thaw()
        self._outbox.put(damage.Close("fin"))

    async def _receive_all(self) -> None:
        try:
            if not await self._greet():
                return
            while (fields := await self._next_request()) is not None:
                if not await self._handle(fields):
                    return
        except (FrameError, ConnectionError):
            return
        finally:
            self.has_left = True

    async def _greet(self) -> bool:
        while (offered := self._frames.next_greeting()) is None:
            if not await self._read():
                return False
        match = re.match(r"v(\d{1,5})(?:\.\.(\d{1,5}))?", offered)
        maximum = int(match[2] or match[1]) if match else 0
        if maximum < MINIMUM_VERSION:
            return False
        layout = self._outbox.layout = self._simulator.layout(maximum)
        now = self._simulator.book.market.clock.now()
        self._outbox.put(damage.Write(frame(session_messages.greeting(layout, now))))
        return True

    async def _next_request(self) -> list[str] | None:
        while (body := self._frames.next_body()) is None:
            if not await self._read():
                return None
        return split_fields(body)

    async def _read(self) -> bool:
        data = await self._reader.read(_READ_SIZE)
        self._frames.feed(data)
        return bool(data)

    async def _handle(self, fields: list[str]) -> bool:
        """Record and answer one request; False ends the connection."""
        version = self.layout.version if self.layout else 0
        request = self._simulator.recorder.add(self.client_id, version, fields)
        if self.session is None:
            return await self._start(fields)
        if not self._within_rate():
            return self._strike()
        faults = self._simulator.faults.on_request(request.message_id, fields)
        for fault in faults:
            if fault.name == "half_open":
                self._outbox.put(damage.Close("freeze"))
                await self._ignore_until_closed()
                return False
            if not self._interrupt(fault, fields):
                return fault.name not in ("drop", "reset")
        self._answer(request.message_id, fields, faults)
        await self._outbox.has_room()
        return True

    async def _ignore_until_closed(self) -> None:
        """Answer nothing any more; only the client's own end of the connection is noticed."""
        while await self._reader.read(_READ_SIZE):
            continue

    async def _start(self, fields: list[str]) -> bool:
        """Answer startApi (71): accounts, next id, notices; or what a start-up fault demands."""
        if fields[:1] != ["71"] or self.layout is None:
            return False
        reader = FieldReader(fields[1:])
        try:
            reader.skip(1)
            self.client_id = reader.integer("Client Id")
        except RequestError:
            return False
        faults = {f.name: f for f in self._simulator.faults.on_start()}
        if "drop_in_startup" in faults:
            return False
        if "client_id_in_use" in faults or not await self._admitted():
            text = "Unable to connect as the client id is already in use. "
            text += "Retry with a unique client id."
            self.push([session_messages.error(self.layout, -1, 326, text)])
            return False
        if "reuse_order_ids" in faults:
            self._simulator.book.register.reissue_order_ids(faults["reuse_order_ids"].order_id)
        self.session = Session(self._simulator, self.layout, self.client_id, self._gateway.publish)
        self._welcome(self.layout, faults)
        return True

    async def _admitted(self) -> bool:
        """Take the client id; a connection that has just closed gets a moment to give it back."""
        for _ in range(_ADMIT_TRIES):
            if self._gateway.admit(self):
                return True
            await asyncio.sleep(_ADMIT_PAUSE)
        return self._gateway.admit(self)

    def _welcome(self, layout: Layout, faults: dict[str, Fault]) -> None:
        accounts = [] if "no_accounts" in faults else self._simulator.account_names()
        next_id = session_messages.next_valid_id(self._simulator.book.register.next_order_id)
        notices = [
            session_messages.error(layout, -1, code, text)
            for code, text in session_messages.FARM_NOTICES
        ]
        opening = [session_messages.managed_accounts(accounts)]
        late = faults.get("late_next_valid_id")
        if late is None:
            self.push([*opening, next_id, *notices])
            return
        self.push([*opening, *notices])
        self._later(late.seconds, [next_id])

    def _interrupt(self, fault: Fault, fields: list[str]) -> bool:
        """Do what a fault at a request demands; False when the request is not answered."""
        layout = self.layout
        if layout is None or fault.name == "mute":
            return False
        if fault.name == "error":
            request_id = _request_id(fields)
            code = fault.code or 321
            text = fault.text or damage.NOTICE_TEXTS.get(code, "Error processing request.")
            self.push([session_messages.error(layout, request_id, code, text)])
            return False
        if fault.name == "rate_limit":
            self._strike()
            return False
        if fault.name in ("drop", "reset"):
            self._outbox.put(damage.Close("fin" if fault.name == "drop" else "rst"))
            return False
        if fault.name == "nightly_reset":
            self._outbox.put(damage.ResetGateway())
            return False
        if fault.name == "notice":
            self.push([damage.notice(fault, layout)])
        return True

    def _answer(self, message_id: int, fields: list[str], faults: Sequence[Fault]) -> None:
        if self.session is None or self.layout is None:
            return
        try:
            messages = answer(self.session, message_id, fields)
        except RequestError as refusal:
            messages = [
                session_messages.error(self.layout, refusal.request_id, refusal.code, refusal.text)
            ]
        delay = sum(f.seconds for f in faults if f.name == "delay")
        if delay:
            self._later(delay, messages)
        else:
            self.push(messages)

    def _within_rate(self) -> bool:
        limit = self._simulator.options.rate_limit
        if not limit:
            return True
        now = asyncio.get_running_loop().time()
        self._recent.append(now)
        while now - self._recent[0] > 1:
            self._recent.popleft()
        return len(self._recent) <= limit

    def _strike(self) -> bool:
        """Complain about the message rate; the third complaint ends the connection."""
        self._strikes += 1
        if self.layout is not None:
            limit = self._simulator.options.rate_limit or 50
            text = f"Max rate of messages per second has been exceeded:max={limit} "
            text += f"rec={limit + 1} ({self._strikes})"
            self.push([session_messages.error(self.layout, -1, 100, text)])
        if self._strikes >= _RATE_STRIKES:
            self._outbox.put(damage.Close("fin"))
            return False
        return True

    def _later(self, seconds: float, messages: Sequence[Message]) -> None:
        async def deliver() -> None:
            await asyncio.sleep(seconds)
            self.push(messages)

        task = asyncio.create_task(deliver())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _request_id(fields: list[str]) -> int:
    """Return the request id of a request that has one, else -1."""
    place = {3: 1, 4: 2, 20: 1, 7: 2, 9: 2, 62: 2, 74: 2, 76: 2}.get(int(fields[0]), 0)
    if not 0 < place < len(fields):
        return -1
    return int(fields[place]) if fields[place].lstrip("-").isdecimal() else -1
