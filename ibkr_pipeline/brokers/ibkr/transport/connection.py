"""One connection to a TWS or Gateway, on a private event-loop thread.

What lives here: `IBKRConnection`: open, close, send a named request, hand out order ids, and every
change of state in the log. What must not: what to ask and when an answer is complete
(`session.py`), or what may be read (`transport.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import random
import secrets
import threading
import time
from collections.abc import Callable

from ibkr_pipeline.brokers.exceptions import BrokerConnectionError
from ibkr_pipeline.brokers.ibkr.error_codes import CLIENT_ID_IN_USE
from ibkr_pipeline.brokers.ibkr.transport.connect_errors import Attempt, explain
from ibkr_pipeline.brokers.ibkr.transport.loop_thread import LoopThread
from ibkr_pipeline.brokers.ibkr.transport.receiver import Inbox, Receiver
from ibkr_pipeline.brokers.ibkr.transport.socket_client import ReadingClient
from ibkr_pipeline.models.requests import BrokerNotice
from ibkr_pipeline.ports.clock import Clock
from ibkr_pipeline.primitives.clock import SystemClock
from ibkr_pipeline.primitives.errors import BrokerError, Retryable

logger = logging.getLogger(__name__)
# Its errors reach us as exceptions and notices; its own log lines would say them twice.
logging.getLogger("ib_async").setLevel(logging.CRITICAL)

#: What the reading side may send; nothing else leaves through `send`.
READING_REQUESTS = frozenset(
    {
        "reqAccountUpdates",
        "reqAccountUpdatesMulti",
        "cancelAccountUpdatesMulti",
        "reqPositions",
        "cancelPositions",
        "reqPositionsMulti",
        "cancelPositionsMulti",
        "reqAllOpenOrders",
        "reqCompletedOrders",
        "reqExecutions",
    }
)
#: Far above any order id, so that a remark about an order is never taken for one about a request.
FIRST_REQUEST_ID = 900_000_001
MAX_BACKOFF_SECONDS = 30.0


class IBKRConnection:
    """A connection to one gateway under one client id.

    Args:
        host, port, client_id: Where to connect and as whom.
        connect_timeout_seconds: From opening the socket to account list and next order id.
        max_messages_per_second: The library's own throttle; 0 for none (tests alone).
        clock: Stamps notices.
    """

    def __init__(
        self,
        host: str,
        port: int,
        client_id: int,
        *,
        connect_timeout_seconds: float = 15.0,
        max_messages_per_second: int = 45,
        clock: Clock | None = None,
    ) -> None:
        self._host, self._port, self._client_id = host, port, client_id
        self._timeout = connect_timeout_seconds
        self._max_messages_per_second = max_messages_per_second
        self._receiver = Receiver(clock or SystemClock())
        self._client: ReadingClient | None = None
        self._thread: LoopThread | None = None
        self._lost: asyncio.Event | None = None
        self._lost_reason = ""
        self._closing = False
        self._ids = itertools.count(FIRST_REQUEST_ID)
        self._order_id_lock = threading.Lock()
        self._next_order_id = 0
        self.epoch = ""

    @property
    def address(self) -> str:
        """`host:port`."""
        return f"{self._host}:{self._port}"

    def connect(self) -> None:
        """Connect, and return once accounts and the next order id were told.

        Raises:
            BrokerConnectionError: If nothing answers there, or it speaks too old a version.
            NotAGatewayError: If what answers there does not answer as a TWS would.
            ClientIdInUseError: If another client holds the client id.
            GatewayNotReadyError: If accounts or next order id were not told in time.
        """
        if self.is_connected():
            return
        self.disconnect()
        self._log("connecting")
        self._thread = LoopThread(f"ibkr-{self._port}-{self._client_id}")
        try:
            self._thread.call(self._open())
        except BaseException as error:
            self._log("connect_failed", reason=str(error) or type(error).__name__)
            self.disconnect()
            raise
        self.epoch = secrets.token_hex(8)
        self._log(
            "connected",
            server_version=self.server_version,
            accounts=len(self.managed_accounts),
            epoch=self.epoch,
        )

    def connect_with_backoff(
        self,
        *,
        attempts: int,
        first_delay_seconds: float = 1.0,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Connect, trying again after retryable errors with doubling, jittered waits.

        Raises:
            BrokerError: The last error, when every attempt failed or one cannot be mended.
        """
        for attempt in range(1, attempts + 1):
            try:
                self.connect()
            except BrokerError as error:
                if not isinstance(error, Retryable) or attempt == attempts:
                    raise
            else:
                return
            delay = backoff_seconds(attempt, first=first_delay_seconds, jitter=jitter)
            self._log("reconnect_waits", attempt=attempt, seconds=round(delay, 2))
            sleep(delay)

    def disconnect(self) -> None:
        """Close the connection and its thread; safe to call at any time, any number of times."""
        thread = self._thread
        if thread is None:
            return
        was_connected = self.is_connected()
        self._closing = True
        thread.stop(self._shut())
        self._thread = self._client = None
        if was_connected:
            self._log("disconnected")

    def is_connected(self) -> bool:
        """Say whether requests can be sent."""
        client = self._client
        return client is not None and bool(client.isReady())

    def get_client(self) -> ReadingClient:
        """Return the library's client, which must be used on the connection's own thread.

        Raises:
            BrokerConnectionError: If not connected.
        """
        if self._client is None:
            raise BrokerConnectionError(f"Not connected to {self.address}; call connect() first.")
        if not self.is_connected():
            raise BrokerConnectionError(
                f"The connection to {self.address} was lost during the read: the gateway closed "
                f"it or ended. Start it and log in, then read again."
            )
        return self._client

    @property
    def next_order_id(self) -> int:
        """Get and increment the next order id; thread-safe. Reading never uses one."""
        self.get_client()
        with self._order_id_lock:
            taken = self._next_order_id
            self._next_order_id += 1
        return taken

    def new_request_id(self) -> int:
        """Return an id for a request, unique within this object."""
        return next(self._ids)

    @property
    def server_version(self) -> int:
        """TWS API version negotiated; 0 before."""
        return self._receiver.serverVersion

    @property
    def managed_accounts(self) -> tuple[str, ...]:
        """Accounts the gateway said it manages, in its order."""
        return self._receiver.managed_accounts

    @property
    def server_outage(self) -> str | None:
        """Why the gateway has lost IBKR at present; None while it has not."""
        return self._receiver.server_outage

    @property
    def gateway_time(self) -> str:
        """The gateway's clock at the handshake, as it wrote it."""
        return self._client.gateway_time if self._client is not None else ""

    @property
    def peer_host(self) -> str:
        """Address of the machine we are really connected to."""
        transport = self.get_client().conn.transport
        peer = transport.get_extra_info("peername") if transport is not None else None
        return str(peer[0]) if peer else ""

    def send(self, request: str, *arguments: object) -> None:
        """Send a reading request; an answer arrives in the open inbox.

        Raises:
            BrokerConnectionError: If not connected.
            ValueError: If it is no reading request.
        """
        if request not in READING_REQUESTS:
            raise ValueError(f"{request} is not among the requests the reading side may send.")
        client, thread = self.get_client(), self._thread
        if thread is None:
            raise BrokerConnectionError(f"Not connected to {self.address}; call connect() first.")

        def _send() -> None:
            try:
                getattr(client, request)(*arguments)
            except ConnectionError as error:
                self._receiver.lost(f"{request} could not be sent: {error}")

        thread.soon(_send)

    def open_inbox(self) -> Inbox:
        """Start collecting messages for one read."""
        return self._receiver.open()

    def close_inbox(self) -> None:
        """Stop collecting messages."""
        self._receiver.close()

    def take_notices(self) -> tuple[BrokerNotice, ...]:
        """Return what the gateway said since the last call."""
        return self._receiver.take_notices()

    # What ib_async's client calls on its wrapper.

    def connectAck(self) -> None:  # noqa: N802  # ib_async's own name
        """Note that the handshake is done."""
        self._log("handshake_done", server_version=self.server_version)

    def setEventsDone(self) -> None:  # noqa: N802  # ib_async's own name
        """Note that the socket is gone."""
        if not self._closing:
            reason = self._lost_reason or "the gateway closed the connection"
            self._log("connection_lost", reason=reason)
            self._receiver.lost(reason)
        if self._lost is not None:
            self._lost.set()

    def connectionClosed(self) -> None:  # noqa: N802  # ib_async's own name
        """Nothing more: `setEventsDone` said it."""

    # On the connection's thread.

    async def _open(self) -> None:
        self._lost, self._lost_reason, self._closing = asyncio.Event(), "", False
        self._receiver.managed_accounts = ()
        self._receiver.serverVersion = 0
        self._receiver.server_outage = None
        self._receiver.take_notices()
        client = ReadingClient(
            self, self._receiver, max_messages_per_second=self._max_messages_per_second
        )
        client.apiError += self._note_reason
        self._client = client
        opening = asyncio.ensure_future(
            client.connectAsync(self._host, self._port, self._client_id, 0)
        )
        gone = asyncio.ensure_future(self._lost.wait())
        await asyncio.wait(
            {opening, gone}, timeout=self._timeout, return_when=asyncio.FIRST_COMPLETED
        )
        error = None if opening.done() and not opening.exception() else self._why_not(opening)
        gone.cancel()
        if error is not None:
            cause = opening.exception() if opening.done() else None
            opening.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await opening
            raise error from cause
        self._next_order_id = client._reqIdSeq  # nextValidId; has no accessor

    def _why_not(self, opening: asyncio.Future[None]) -> BrokerError:
        client = self._client
        return explain(
            Attempt(
                address=self.address,
                client_id=self._client_id,
                timeout_seconds=self._timeout,
                server_version=self.server_version,
                is_accepted=client is not None and client.conn.isConnected(),
                has_handshake=client is not None and client.has_handshake,
                heard=b"" if client is None else client.heard,
                has_accounts=bool(self.managed_accounts),
                is_id_in_use=any(
                    notice.code == CLIENT_ID_IN_USE for notice in self._receiver.peek_notices()
                ),
                is_closed=self._lost is not None and self._lost.is_set(),
                reason=self._lost_reason,
                cause=opening.exception() if opening.done() else None,
            )
        )

    def _note_reason(self, message: str) -> None:
        self._lost_reason = message

    async def _shut(self) -> None:
        client = self._client
        if client is None:
            return
        client.disconnect()
        while client.conn.transport is not None:
            await asyncio.sleep(0)

    def _log(self, event: str, **details: object) -> None:
        words = " ".join(f"{name}={value}" for name, value in details.items())
        logger.info(
            "connection_state event=%s gateway=%s client_id=%d %s",
            event,
            self.address,
            self._client_id,
            words,
        )


def backoff_seconds(attempt: int, *, first: float, jitter: Callable[[], float]) -> float:
    """Return the wait after attempt number `attempt`: doubling, capped, 50-100 % of it."""
    full: float = min(first * 2.0 ** (attempt - 1), MAX_BACKOFF_SECONDS)
    return full * (0.5 + 0.5 * jitter())
