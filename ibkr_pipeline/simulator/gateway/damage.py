"""How a scripted fault changes what goes over the wire: steps the connection then takes.

What lives here: pure functions from messages to steps. What must not: counting (`faults.py`) and
sockets (`connection.py`).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ibkr_pipeline.simulator.gateway.faults import Fault, FaultPlan
from ibkr_pipeline.simulator.wire.framing import frame, frames
from ibkr_pipeline.simulator.wire.message import Layout, Message
from ibkr_pipeline.simulator.wire.session_messages import error

_DRIP_SIZE = 50

# Texts of the codes faults send most; a fault may bring its own.
NOTICE_TEXTS = {
    1100: "Connectivity between IB and Trader Workstation has been lost.",
    1101: "Connectivity between IB and Trader Workstation has been restored - data lost. "
    "All data requests must be resubmitted.",
    1102: "Connectivity between IB and Trader Workstation has been restored - data maintained.",
    1300: "TWS socket port has been reset and this connection is being dropped. "
    "Please reconnect on the new port - 4002",
    2103: "Market data farm connection is broken:usfarm",
    2105: "HMDS data farm connection is broken:ushmds",
    2110: "Connectivity between Trader Workstation and server is broken. It will be restored "
    "automatically.",
    162: "Historical Market Data Service error message:API historical data query cancelled",
    200: "No security definition has been found for the request",
    321: "Error validating request.-'bW' : cause - Invalid account code",
    322: "Error processing request.-'cp' : cause - Maximum number of account summary requests "
    "exceeded; desubscribe to previous request first",
    354: "Requested market data is not subscribed.",
    10197: "No market data during competing live session",
    10349: "Order TIF was set to DAY based on order preset.",
}


@dataclass(frozen=True, slots=True)
class Write:
    """Send bytes."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Drip:
    """From now on send a few bytes at a time."""

    size: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Close:
    """End the connection: `fin`, `rst`, or `freeze` (keep it open, stop reading and writing)."""

    how: str


@dataclass(frozen=True, slots=True)
class ResetGateway:
    """Close every connection and refuse new ones."""


Step = Write | Pause | Drip | Close | ResetGateway


def steps(plan: FaultPlan, layout: Layout, messages: Sequence[Message]) -> Iterator[Step]:
    """Yield what the connection does to send messages under the armed faults."""
    if not plan.waits_for_frames():
        yield Write(frames(m.body for m in messages))
        return
    for message in messages:
        fault = plan.on_frame(message.msg_id, message.account, message.body)
        if fault is None:
            yield Write(frame(message.body))
        else:
            yield from _FRAME_FAULTS[fault.name](fault, layout, message)


def notice(fault: Fault, layout: Layout) -> Message:
    """Return the notice a fault sends with id -1."""
    return error(layout, -1, fault.code, fault.text or NOTICE_TEXTS.get(fault.code, "Notice"))


def _closing(how: str) -> Callable[[Fault, Layout, Message], Iterable[Step]]:
    return lambda _fault, _layout, _message: [Close(how)]


def _rewrite(change: Callable[[Fault, bytes], bytes]) -> Callable[..., Iterable[Step]]:
    return lambda fault, _layout, message: [Write(frame(change(fault, message.body)))]


def _without_last_field(_fault: Fault, body: bytes) -> bytes:
    return body[:-1].rpartition(b"\0")[0] + b"\0"


def _not_a_number(fault: Fault, body: bytes) -> bytes:
    parts = body.split(b"\0")[:-1]
    index = fault.field
    if not 0 < index < len(parts):
        numeric = [i for i, p in enumerate(parts) if i and p.replace(b".", b"").isdigit()]
        index = numeric[-1] if numeric else len(parts) - 1
    parts[index] = b"not-a-number"
    return b"\0".join(parts) + b"\0"


def _truncate(fault: Fault, _layout: Layout, message: Message) -> Iterable[Step]:
    whole = frame(message.body)
    return [Write(whole[: fault.size or max(5, len(whole) // 2)]), Close("fin")]


def _bad_length(_fault: Fault, _layout: Layout, message: Message) -> Iterable[Step]:
    return [Write(struct.pack(">I", 0x7FFFFFFF) + message.body)]


def _garbage(_fault: Fault, _layout: Layout, message: Message) -> Iterable[Step]:
    broken = b"%d\0x\0not-a-number\0" % message.msg_id
    return [Write(frame(broken)), Write(frame(message.body))]


def _duplicate(_fault: Fault, _layout: Layout, message: Message) -> Iterable[Step]:
    return [Write(frame(message.body)), Write(frame(message.body))]


def _drip(fault: Fault, _layout: Layout, message: Message) -> Iterable[Step]:
    return [Drip(fault.size or _DRIP_SIZE, fault.seconds), Write(frame(message.body))]


def _delay(fault: Fault, _layout: Layout, message: Message) -> Iterable[Step]:
    return [Pause(fault.seconds), Write(frame(message.body))]


def _notice(fault: Fault, layout: Layout, message: Message) -> Iterable[Step]:
    return [Write(frame(notice(fault, layout).body)), Write(frame(message.body))]


def _stale_status(_fault: Fault, _layout: Layout, message: Message) -> Iterable[Step]:
    stale = message.body.replace(b"\0Filled\0", b"\0Submitted\0", 1)
    return [Write(frame(message.body)), Write(frame(stale))]


def _preset_warning(_fault: Fault, layout: Layout, message: Message) -> Iterable[Step]:
    order_id = int(message.body.split(b"\0", 2)[1])
    warning = error(layout, order_id, 10349, NOTICE_TEXTS[10349])
    return [Write(frame(warning.body)), Write(frame(message.body))]


_FRAME_FAULTS: dict[str, Callable[[Fault, Layout, Message], Iterable[Step]]] = {
    "omit": lambda _fault, _layout, _message: [],
    "drop": _closing("fin"),
    "drop_after": lambda _fault, _layout, message: [Write(frame(message.body)), Close("fin")],
    "reset": _closing("rst"),
    "half_open": _closing("freeze"),
    "truncate": _truncate,
    "bad_length": _bad_length,
    "garbage": _garbage,
    "missing_field": _rewrite(_without_last_field),
    "extra_field": _rewrite(lambda _fault, body: body + b"unexpected\0"),
    "not_a_number": _rewrite(_not_a_number),
    "duplicate": _duplicate,
    "slow_drip": _drip,
    "delay": _delay,
    "notice": _notice,
    "nightly_reset": lambda _fault, _layout, _message: [ResetGateway()],
    "status_out_of_order": _stale_status,
    "preset_warning": _preset_warning,
}
