"""ib_async's socket client, cut down to reading and made fast on long answers.

What lives here: the subclass that frames the byte stream without copying its tail for every
message, notices frames that cannot be, and has no way to send an order. What must not: threads
and waiting (`connection.py`).
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Any, NoReturn

from ib_async.client import Client

from ibkr_pipeline.brokers.exceptions import UnsupportedOperationError
from ibkr_pipeline.brokers.ibkr.transport.receiver import Receiver

#: No message of TWS comes near this; a longer one is a torn or foreign stream.
MAX_MESSAGE_BYTES = 64 * 1024 * 1024
#: The answer to the handshake is a version and a time; another program's first words are longer.
MAX_HANDSHAKE_BYTES = 1024
#: As much of a stranger's first words as a message can quote.
MOST_HEARD_BYTES = 60
_LENGTH = Struct(">I")


if TYPE_CHECKING:
    _Client = Any  # ib_async annotates too little to check
else:
    _Client = Client


class ReadingClient(_Client):  # type: ignore[misc]  # Any while checking
    """ib_async's client with our framing and receiver.

    Attributes:
        gateway_time: The gateway's own clock at the handshake, as text with its zone.
        heard: First bytes that came before the handshake was answered.
        has_handshake: Whether it was answered as a TWS does, whatever the version.
    """

    def __init__(
        self, wrapper: object, receiver: Receiver, *, max_messages_per_second: int
    ) -> None:
        super().__init__(wrapper)
        self.decoder = receiver
        self.MaxRequests = max_messages_per_second
        self.gateway_time = ""
        self.heard = b""
        self.has_handshake = False
        self._data: bytes
        self._apiReady: bool

    def _onSocketHasData(self, data: bytes) -> None:  # noqa: N802  # ib_async's own name
        """Cut the stream into messages and hand each to the receiver."""
        self._numBytesRecv += len(data)
        if not self._serverVersion:
            self.heard = (self.heard + data)[:MOST_HEARD_BYTES]
        stream = self._data + data if self._data else data
        size, start = len(stream), 0
        receive, length_at = self._receive, _LENGTH.unpack_from
        while size - start >= 4:
            end = start + 4 + length_at(stream, start)[0]
            if end > size:
                if end - start > (
                    MAX_MESSAGE_BYTES if self._serverVersion else MAX_HANDSHAKE_BYTES
                ):
                    self._data = b""
                    self._refuse_stream(end - start)
                    return
                break
            receive(stream[start + 4 : end].decode(errors="backslashreplace"))
            start = end
            if self._apiReady:
                receive = self.decoder.receive
        self._data = stream[start:]

    def _receive(self, text: str) -> None:
        """Take a message before the connection is ready."""
        if not self._serverVersion:
            self._handshake(text)
            return
        ident = text[: text.find("\0")]
        fields = text.split("\0")
        self.decoder.receive(text)
        if ident == "9" and len(fields) > 3 and fields[2].isdigit():
            self.updateReqId(int(fields[2]))
            self._hasReqId = True
        elif ident == "15":
            self._accounts = list(self.decoder.managed_accounts)
        if self._hasReqId and self._accounts and not self._apiReady:
            self._apiReady = True
            self.apiStart.emit()

    def _handshake(self, text: str) -> None:
        fields = text.split("\0")[:-1]
        if len(fields) != 2 or not fields[0].isdigit():
            self._onSocketDisconnected(f"the answer to the handshake was {text[:40]!r}")
            return
        self.has_handshake = True
        self._serverVersion = int(fields[0])
        self.gateway_time = fields[1]
        if self._serverVersion < self.MinClientVersion:
            self._onSocketDisconnected(
                f"the gateway speaks API version {self._serverVersion}; at least "
                f"{self.MinClientVersion} is needed: update TWS or Gateway"
            )
            return
        self.decoder.serverVersion = self._serverVersion
        self.connState = Client.CONNECTED
        self.startApi()
        self.wrapper.connectAck()

    def _refuse_stream(self, length: int) -> None:
        reason = f"a message of {length} bytes was announced: the stream is torn or not TWS's"
        self.decoder.garbage(reason)
        self._onSocketDisconnected(reason)


#: Requests that would change something at the broker.
CHANGING_REQUESTS = (
    "placeOrder",
    "cancelOrder",
    "reqGlobalCancel",
    "exerciseOptions",
    "reqAutoOpenOrders",
    "replaceFA",
)


def _refuse(*_: object, **__: object) -> NoReturn:
    raise UnsupportedOperationError(
        "The reading connection cannot send, change or cancel an order; orders leave through "
        "the order gateway alone."
    )


for _name in CHANGING_REQUESTS:
    setattr(ReadingClient, _name, _refuse)
