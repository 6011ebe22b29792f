"""A bare TWS client over a blocking socket: sends fields, returns fields, nothing more."""

from __future__ import annotations

import socket
import struct
from types import TracebackType
from typing import Self

PATIENCE = 5.0


class ConnectionEndedError(Exception):
    """The gateway ended the connection; `how` is fin or rst."""

    def __init__(self, how: str) -> None:
        super().__init__(how)
        self.how = how


class RawClient:
    """One connection to a simulated gateway.

    Args:
        port: TWS port on loopback.
        client_id: Id sent with startApi; None stops after the handshake.
        version: Highest version offered.
    """

    def __init__(self, port: int, client_id: int | None = 1, version: int = 178) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self._buffer = b""
        offer = f"v100..{version}".encode()
        self._socket.sendall(b"API\0" + struct.pack(">I", len(offer)) + offer)
        self.server_version = 0
        self.start: list[list[str]] = []
        if client_id is not None:
            self.server_version = int(self.read()[0])
            self.send(71, 2, client_id, "")

    def started(self) -> Self:
        """Read up to the last notice of the start-up."""
        self.start = self.read_until("4", "2158")
        return self

    def send(self, *fields: object) -> None:
        """Send one frame."""
        body = "".join(f"{field}\0" for field in fields).encode()
        self.send_bytes(struct.pack(">I", len(body)) + body)

    def send_bytes(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._socket.sendall(data)

    def read(self) -> list[str]:
        """Return the fields of the next frame; raises ConnectionEndedError when there is none."""
        size = struct.unpack(">I", self.read_bytes(4))[0]
        return self.read_bytes(size).decode("ascii").split("\0")[:-1]

    def read_bytes(self, count: int) -> bytes:
        """Return exactly `count` bytes."""
        while len(self._buffer) < count:
            try:
                data = self._socket.recv(65536)
            except ConnectionResetError as error:
                raise ConnectionEndedError("rst") from error
            if not data:
                raise ConnectionEndedError("fin")
            self._buffer += data
        data, self._buffer = self._buffer[:count], self._buffer[count:]
        return data

    def read_until(self, message_id: str, code: str = "") -> list[list[str]]:
        """Return frames up to and with one of a message id (and a field equal to `code`)."""
        frames: list[list[str]] = []
        while True:
            frame = self.read()
            frames.append(frame)
            if frame[0] == message_id and (not code or code in frame):
                return frames

    def ask(self, *fields: object, end: str, code: str = "") -> list[list[str]]:
        """Send a request and return its answer up to the end marker."""
        self.send(*fields)
        return self.read_until(end, code)

    def now_follows(self) -> list[list[str]]:
        """Return what was still coming before the answer to a request for the current time."""
        return self.ask(49, 1, end="49")[:-1]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._socket.close()
