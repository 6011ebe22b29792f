"""Frames of the TWS socket: a big-endian length and NUL-terminated text fields.

What lives here: encoding and the incremental reader with its size cap. What must not: what the
fields of any message mean.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

MAX_INBOUND_FRAME = 1 << 20

_LENGTH = struct.Struct(">I")


class FrameError(ValueError):
    """The byte stream of a client is not a sequence of frames."""


def encode_body(fields: Sequence[str]) -> bytes:
    """Join fields into the body of one frame; non-ASCII text becomes Java escapes."""
    text = "\0".join(fields) + "\0"
    try:
        return text.encode("ascii")
    except UnicodeEncodeError:
        return escape_ascii7(text).encode("ascii")


def frame(body: bytes) -> bytes:
    """Put the length before a body."""
    return _LENGTH.pack(len(body)) + body


def frames(bodies: Iterable[bytes]) -> bytes:
    """Put the length before each body and join them."""
    pack = _LENGTH.pack
    return b"".join([part for body in bodies for part in (pack(len(body)), body)])


def escape_ascii7(text: str) -> str:
    """Escape every non-ASCII character as Java does: backslash, u, UTF-16 code unit."""
    pieces: list[str] = []
    for character in text:
        if character < "\x80":
            pieces.append(character)
            continue
        units = character.encode("utf-16-be")
        pieces += [f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2)]
    return "".join(pieces)


def split_fields(body: bytes) -> list[str]:
    """Split a frame body into its fields; the terminator of the last field is optional."""
    text = body.decode("utf-8", errors="replace")
    return text.removesuffix("\0").split("\0") if text else []


class FrameReader:
    """Collects bytes of one client and hands back complete frame bodies."""

    def __init__(self, limit: int = MAX_INBOUND_FRAME) -> None:
        self._limit = limit
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Add received bytes."""
        self._buffer += data

    def next_greeting(self) -> str | None:
        """Return the version range of the `API` greeting, or None while it is incomplete.

        Raises:
            FrameError: If the client does not start with the greeting.
        """
        if not b"API\0".startswith(bytes(self._buffer[:4])):
            raise FrameError(
                f"A client began with {bytes(self._buffer[:4])!r}, expected b'API\\0'."
            )
        if len(self._buffer) < 8:
            return None
        size = _LENGTH.unpack_from(self._buffer, 4)[0]
        if size > 256:
            raise FrameError(f"The greeting announced {size} bytes, expected at most 256.")
        if len(self._buffer) < 8 + size:
            return None
        text = self._buffer[8 : 8 + size].decode("ascii", errors="replace")
        del self._buffer[: 8 + size]
        return text

    def next_body(self) -> bytes | None:
        """Return the next complete frame body, or None while it is incomplete.

        Raises:
            FrameError: If a frame announces more bytes than the cap.
        """
        if len(self._buffer) < 4:
            return None
        size = _LENGTH.unpack_from(self._buffer)[0]
        if size > self._limit:
            raise FrameError(f"A frame announced {size} bytes, expected at most {self._limit}.")
        if len(self._buffer) < 4 + size:
            return None
        body = bytes(self._buffer[4 : 4 + size])
        del self._buffer[: 4 + size]
        return body
