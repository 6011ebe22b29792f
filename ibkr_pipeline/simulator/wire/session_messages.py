"""Messages about the connection itself: start-up, notices, errors, the current time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ibkr_pipeline.simulator.wire.framing import encode_body
from ibkr_pipeline.simulator.wire.message import Layout, Message, message

FARM_NOTICES = (
    (2104, "Market data farm connection is OK:usfarm"),
    (2106, "HMDS data farm connection is OK:ushmds"),
    (2158, "Sec-def data farm connection is OK:secdefnj"),
)


def greeting(layout: Layout, at: datetime) -> bytes:
    """Return the body that ends the handshake: server version and connection time."""
    return encode_body((str(layout.version), layout.times.zoned(at)))


def managed_accounts(accounts: Sequence[str]) -> Message:
    """Message 15: the account list; several accounts end with a comma."""
    text = ",".join(accounts)
    return message(15, "1", f"{text}," if len(accounts) > 1 else text)


def next_valid_id(order_id: int) -> Message:
    """Message 9: the next order id the client may use."""
    return message(9, "1", str(order_id))


def error(layout: Layout, request_id: int, code: int, text: str, reject: str = "") -> Message:
    """Message 4: an error or a notice; from version 166 with the advanced rejection."""
    fields = ["2", str(request_id), str(code), text]
    if layout.version >= 166:
        fields.append(reject)
    return message(4, *fields, key=str(code))


def current_time(at: datetime) -> Message:
    """Message 49: seconds since the epoch."""
    return message(49, "1", str(int(at.timestamp())))


def order_bound(perm_id: int, client_id: int, order_id: int) -> Message:
    """Message 100: a manual order got an id by which this client may change it."""
    return message(100, str(perm_id), str(client_id), str(order_id), key=str(perm_id))
