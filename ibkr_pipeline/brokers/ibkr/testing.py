"""A connection that answers from canned frames, for tests of everything above the socket.

What lives here: `MockIBKRConnection` and `frame`. What must not: a simulation; nothing here knows
an account or an order, it says what the test wrote down.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence

from ibkr_pipeline.brokers.exceptions import BrokerConnectionError
from ibkr_pipeline.brokers.ibkr.transport.connection import FIRST_REQUEST_ID, READING_REQUESTS
from ibkr_pipeline.brokers.ibkr.transport.receiver import Inbox, Receiver
from ibkr_pipeline.models.requests import BrokerNotice
from ibkr_pipeline.ports.clock import Clock
from ibkr_pipeline.primitives.clock import SystemClock

#: Stands among frames for the moment the socket closes.
LOST = "<lost>"
#: What a request is answered with: frames, or a function of its arguments that returns them.
Script = Sequence[str] | Callable[[tuple[object, ...]], Sequence[str]]


def frame(*fields: object) -> str:
    r"""Return a message: its fields, each ended by NUL.

    >>> frame(62, 1)
    '62\x001\x00'
    """
    return "".join(f"{field}\0" for field in fields)


class MockIBKRConnection:
    """Stands where an `IBKRConnection` would.

    A request is answered at once with its canned frames; `{id}` in them is its first argument.
    Several scripts for one request answer its first, second, … call; the last one answers every
    further call. A request without a script is never answered.

    Args:
        answers: Request name -> script, or list of scripts.
        accounts: Accounts told at the handshake.
        server_version: API version told at the handshake.
        next_order_id: First order id.
        gateway_time: The gateway's clock at the handshake.
        peer_host: Machine it pretends to be.
        connect_errors: Raised by the first, second, … call of `connect`; None lets it through.
        clock: Stamps notices.

    Attributes:
        sent: Every request with its arguments, in order.
        connects: How often it was connected.
    """

    address = "127.0.0.1:7497"

    def __init__(
        self,
        answers: Mapping[str, Script | Sequence[Script]] | None = None,
        *,
        accounts: Sequence[str] = ("DU0000001",),
        server_version: int = 178,
        next_order_id: int = 1,
        gateway_time: str = "20260413 16:30:00 US/Eastern",
        peer_host: str = "127.0.0.1",
        connect_errors: Sequence[BaseException | None] = (),
        clock: Clock | None = None,
    ) -> None:
        self._answers = dict(answers or {})
        self._calls: dict[str, int] = {}
        self._receiver = Receiver(clock or SystemClock())
        self._receiver.serverVersion = server_version
        self._receiver.managed_accounts = tuple(accounts)
        self._accounts = tuple(accounts)
        self._ids = itertools.count(FIRST_REQUEST_ID)
        self._order_ids = itertools.count(next_order_id)
        self._connect_errors = list(connect_errors)
        self._is_connected = False
        self.gateway_time = gateway_time
        self.peer_host = peer_host
        self.epoch = ""
        self.sent: list[tuple[str, tuple[object, ...]]] = []
        self.connects = 0

    @property
    def server_version(self) -> int:
        """API version."""
        return self._receiver.serverVersion

    @property
    def managed_accounts(self) -> tuple[str, ...]:
        """Accounts told at the handshake."""
        return self._accounts

    @property
    def server_outage(self) -> str | None:
        """Why the gateway has lost IBKR at present."""
        return self._receiver.server_outage

    @property
    def next_order_id(self) -> int:
        """Get and increment the next order id."""
        return next(self._order_ids)

    def connect(self) -> None:
        """Connect, or raise the next canned error."""
        if self._is_connected:
            return
        error = self._connect_errors.pop(0) if self._connect_errors else None
        if error is not None:
            raise error
        self._is_connected = True
        self._receiver.server_outage = None
        self.connects += 1
        self.epoch = f"epoch-{self.connects}"

    def disconnect(self) -> None:
        """Disconnect."""
        self._is_connected = False

    def is_connected(self) -> bool:
        """Say whether it is connected."""
        return self._is_connected

    def new_request_id(self) -> int:
        """Return an id for a request."""
        return next(self._ids)

    def send(self, request: str, *arguments: object) -> None:
        """Note the request and answer it."""
        if request not in READING_REQUESTS:
            raise ValueError(f"{request} is not among the requests the reading side may send.")
        if not self._is_connected:
            raise BrokerConnectionError("Not connected; call connect() first.")
        self.sent.append((request, arguments))
        for text in self._script(request, arguments):
            self.say(text.replace("{id}", str(arguments[0]) if arguments else ""))

    def say(self, text: str) -> None:
        """Deliver a frame, or the loss of the connection, now."""
        if text == LOST:
            self._is_connected = False
            self._receiver.lost("the gateway closed the connection")
        else:
            self._receiver.receive(text)

    def open_inbox(self) -> Inbox:
        """Start collecting messages for one read."""
        return self._receiver.open()

    def close_inbox(self) -> None:
        """Stop collecting messages."""
        self._receiver.close()

    def take_notices(self) -> tuple[BrokerNotice, ...]:
        """Return what was said since the last call."""
        return self._receiver.take_notices()

    def _script(self, request: str, arguments: tuple[object, ...]) -> Sequence[str]:
        scripts = self._answers.get(request, ())
        if callable(scripts):
            return scripts(arguments)
        call = self._calls.get(request, 0)
        self._calls[request] = call + 1
        if scripts and not isinstance(scripts[0], str):
            script = scripts[min(call, len(scripts) - 1)]
            return script(arguments) if callable(script) else list(script)
        return [text for text in scripts if isinstance(text, str)]
