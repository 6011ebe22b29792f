"""One outbound message: its body and what scripted faults and tests need to know about it.

What lives here: the record and the layout context. What must not: the layouts themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ibkr_pipeline.simulator.wire.framing import encode_body
from ibkr_pipeline.simulator.wire.text import TimeText


@dataclass(frozen=True, slots=True)
class Message:
    """An encoded message.

    Attributes:
        msg_id: The message's number on the wire; 0 for raw bytes that are no message.
        body: Frame body without the length.
        account: Account the message is about, empty when it is about none.
        key: What the message is about within its kind: execution id, permanent id.
    """

    msg_id: int
    body: bytes
    account: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """What decides the layout of a message: the negotiated version and the time format."""

    version: int
    times: TimeText


def message(msg_id: int, *fields: str, account: str = "", key: str = "") -> Message:
    """Encode a message from its fields after the message number."""
    return Message(msg_id, encode_body((str(msg_id), *fields)), account, key)


def joined(msg_id: int, fields: Sequence[str], *, account: str = "", key: str = "") -> Message:
    """Encode a message from one sequence of fields after the message number."""
    return Message(msg_id, encode_body((str(msg_id), *fields)), account, key)
