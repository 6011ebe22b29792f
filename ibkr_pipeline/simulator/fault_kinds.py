"""Every scripted fault: what it does, where it can happen and which parameters it takes.

What lives here: the table alone. What must not: counting (`gateway/faults.py`) and how a fault is
carried out (`gateway/damage.py`, `flex/damage.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FaultKind:
    """What a fault does, where it can happen and which parameters it takes besides counting."""

    description: str
    points: frozenset[str]
    parameters: frozenset[str] = frozenset()


def _kind(description: str, points: str, parameters: str = "") -> FaultKind:
    return FaultKind(description, frozenset(points.split()), frozenset(parameters.split()))


KINDS: Mapping[str, FaultKind] = {
    "omit": _kind("Leave a frame out, for instance an end marker (55, 62, 53, 54, 64).", "frame"),
    "drop": _kind("Close the connection (FIN) in place of a frame or an answer.", "frame request"),
    "drop_after": _kind("Send the frame, then close the connection (FIN).", "frame"),
    "reset": _kind("Reset the connection (RST) in place of a frame or answer.", "frame request"),
    "truncate": _kind(
        "Send `size` bytes of a frame (half by default), then close.", "frame", "size"
    ),
    "bad_length": _kind("Announce 0x7fffffff bytes before a frame.", "frame"),
    "garbage": _kind("Send a frame of unreadable fields before the frame.", "frame"),
    "missing_field": _kind("Leave out the last field of a frame.", "frame"),
    "extra_field": _kind("Append an unknown field to a frame.", "frame"),
    "not_a_number": _kind("Put text where a field should be a number.", "frame", "field"),
    "duplicate": _kind("Send a frame twice (execDetails, orderStatus, openOrder).", "frame"),
    "slow_drip": _kind(
        "From a frame on, send `size` bytes every `seconds`.", "frame", "size seconds"
    ),
    "half_open": _kind("Stop reading and writing, keep the connection open.", "frame request"),
    "delay": _kind("Wait `seconds` before the frame or the answer.", "frame request", "seconds"),
    "notice": _kind(
        "Send a notice with id -1 (1100, 1101, 1102, 1300, 2103, 2105, 2110, 10197) first.",
        "frame request",
        "code text",
    ),
    "nightly_reset": _kind(
        "Send 1100, close every connection and refuse the port until `recover`.", "frame request"
    ),
    "mute": _kind("Never answer a request.", "request"),
    "error": _kind(
        "Answer a request with an error only (321, 322, 162, 100...).", "request", "code text"
    ),
    "rate_limit": _kind(
        "Answer a request with 100, max rate exceeded; disconnect the third time.", "request"
    ),
    "client_id_in_use": _kind("Answer the start-up with 326 and close.", "start"),
    "drop_in_startup": _kind("Close the connection when the client starts the API.", "start"),
    "no_accounts": _kind("Send an empty account list.", "start"),
    "late_next_valid_id": _kind("Send nextValidId last, after `seconds`.", "start", "seconds"),
    "reuse_order_ids": _kind(
        "Give out order ids again from `order_id`, as after a gateway restart.",
        "start",
        "order_id",
    ),
    "account_vanishes": _kind("Leave `account` out of lists and reads until cleared.", "standing"),
    "late_commission": _kind(
        "Send the commission of fill `position` after the end marker.", "executions", "position"
    ),
    "early_commission": _kind(
        "Send the commission of fill `position` before its execution.", "executions", "position"
    ),
    "missing_commission": _kind(
        "Leave the commission of fill `position` out of a read.", "executions", "position"
    ),
    "duplicate_execution": _kind(
        "Send the execution of fill `position` twice.", "executions", "position"
    ),
    "correction": _kind(
        "Correct the price of fill `position` before a read: the next revision follows.",
        "executions",
        "position price",
    ),
    "status_out_of_order": _kind(
        "Send a stale Submitted status after the status Filled.", "filled"
    ),
    "preset_warning": _kind(
        "Send 10349 (time in force set by a preset) for an order that then lives on.", "order"
    ),
    "flex_error": _kind(
        "Answer a Flex request with an error `code` (1001, 1003 to 1021, or any other) and `text`.",
        "flex",
        "code text",
    ),
    "flex_html": _kind(
        "Answer a Flex request with an HTML page and HTTP `status` (503 by default).",
        "flex",
        "status",
    ),
    "flex_csv": _kind("Send the statement as comma-separated text.", "flex"),
    "flex_json": _kind("Answer a Flex request with a JSON document.", "flex"),
    "flex_redirect": _kind("Redirect a Flex request (302) to the address `text`.", "flex", "text"),
    "flex_empty": _kind("Answer a Flex request with an empty body.", "flex"),
    "flex_truncate": _kind(
        "Close after `size` bytes of a Flex answer (half by default).", "flex", "size"
    ),
    "flex_cut": _kind(
        "Send the first `size` bytes (half by default) as if they were all of a Flex answer.",
        "flex",
        "size",
    ),
    "flex_doctype": _kind("Put a DOCTYPE with an entity before the root of a Flex answer.", "flex"),
    "flex_huge": _kind(
        "Append `size` bytes (1 GiB by default) of blanks to a Flex answer.", "flex", "size"
    ),
    "flex_slow": _kind(
        "Send a Flex answer in pieces of `size` bytes (100 by default) every `seconds`.",
        "flex",
        "size seconds",
    ),
    "flex_delay": _kind("Wait `seconds` before a Flex answer.", "flex", "seconds"),
    "flex_mute": _kind("Never answer a Flex request.", "flex"),
    "flex_drop": _kind("Close the connection in place of a Flex answer.", "flex"),
}
