"""What the gateway's codes mean to a read, as named sets.

What lives here: the codes of TWS message 4 that a read can meet, and the pure functions that
judge them. What must not: routing of a notice to a request (`transport/session.py`). A code never
sets the status of an order: the library's habit of calling an order cancelled because of a code
it does not know is what this table replaces.
"""

from __future__ import annotations

from enum import StrEnum

CLIENT_ID_IN_USE = 326
RATE_EXCEEDED = 100
VALIDATION = 321

#: Connections are fine, or fine again with nothing lost.
INFORMATION = frozenset({1102, 2100, 2104, 2106, 2107, 2108, 2119, 2158})
#: A market or historical data farm is away: no account row comes from there.
FARMS = frozenset({2103, 2105, 2157})
#: The gateway has lost its server: what it tells may miss something.
SERVER_LOST = frozenset({1100, 2110})
#: The server is back. A read in flight across the gap may have missed rows even when IBKR says
#: that data was maintained (1102).
SERVER_BACK = frozenset({1101, 1102})
#: The gateway drops this socket.
SOCKET_RESET = frozenset({1300})
#: End a request although they carry no request id, when one without an id is running.
REFUSALS = frozenset({320, 321, 322, 323, 324, 325, 327, 328, 434, 504, 505, 506, 507})
#: About one order or one quote: with a request id of a read they end it, else they are remarks.
REMARKS = frozenset({105, 110, 165, 202, 329, 399, 404, 492, 10147, 10148, 10167, 10349})


class Verdict(StrEnum):
    """What a notice does to the reads that run."""

    REMARK = "remark"
    END_REQUEST = "end_request"
    OUTAGE = "outage"


def verdict_of(code: int, *, keyed: bool) -> Verdict:
    """Say what a notice does to running reads.

    Args:
        code: Code of the notice.
        keyed: Whether it carries the id of a running request.
    """
    if code in SERVER_LOST | SERVER_BACK | SOCKET_RESET or code == RATE_EXCEEDED:
        return Verdict.OUTAGE
    if code in INFORMATION | FARMS or 2100 <= code < 2200:
        return Verdict.REMARK
    if keyed:
        return Verdict.END_REQUEST
    return Verdict.END_REQUEST if code in REFUSALS else Verdict.REMARK


def severity_of(code: int) -> str:
    """Return `info`, `warning` or `error` for the log and the proof."""
    if code in INFORMATION:
        return "info"
    if code in REMARKS | FARMS or (2100 <= code < 2200 and code not in SERVER_LOST):
        return "warning"
    return "error"


def is_read_only_refusal(code: int, message: str) -> bool:
    """Say whether the gateway's Read-Only API setting refused a request.

    Source: error 321, "Error validating request ... The API interface is currently in Read-Only
    mode."
    """
    return code == VALIDATION and "read-only" in message.lower().replace("read only", "read-only")


def outage_reason(code: int, message: str) -> str:
    """Return in plain words why a notice makes a running read unusable."""
    if code in SERVER_LOST:
        meaning = "the gateway lost its connection to IBKR while the read ran; rows may be missing"
    elif code in SERVER_BACK:
        meaning = "the gateway's connection to IBKR was interrupted; rows may have been missed"
    elif code in SOCKET_RESET:
        meaning = "the gateway is dropping this connection"
    else:
        meaning = "the gateway says we sent too many messages per second"
    return f"{meaning} (code {code}: {message.strip()})"
