"""Scripted faults: what can go wrong, when, how often.

A fault waits for a request of the client (`request`: inbound message id) or for a frame of the
gateway (`message`: outbound message id), lets `after` matching ones pass and then happens `times`
times (0: every time). `account` narrows it to frames and requests about one account. What lives
here: the records and their counting. What must not: which faults there are (`fault_kinds.py`), how
bytes are damaged (`damage.py`) and sockets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation

from ibkr_pipeline.simulator.fault_kinds import KINDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One scripted fault.

    Attributes:
        name: A key of `FAULTS`.
        message: Outbound message id waited for; 0 means any frame.
        request: Inbound message id waited for; 0 means none.
        account: Only frames or requests about this account.
        after: Matching frames, requests or connections that pass first.
        times: How often it happens; 0 means always.
        code: Error or notice code.
        text: Error or notice text.
        seconds: Delay, or pause between pieces.
        size: Bytes per piece (0: 50), or bytes sent before a truncated end (0: half).
        field: Index of the damaged field, counted from the message id at 0.
        position: Which fill of an executions answer, from 1; 0 means all of them.
        price: Corrected price.
        order_id: First order id given out again.
        step: `send` or `get`, the Flex request waited for; empty means either.
        status: HTTP status of a Flex answer.
    """

    name: str
    message: int = 0
    request: int = 0
    account: str = ""
    after: int = 0
    times: int = 1
    code: int = 0
    text: str = ""
    seconds: float = 0.0
    size: int = 0
    field: int = -1
    position: int = 1
    price: Decimal | None = None
    order_id: int = 0
    step: str = ""
    status: int = 0


FAULTS: Mapping[str, str] = {name: kind.description for name, kind in KINDS.items()}

FLEX_STEPS = ("", "send", "get")
_COUNTING = frozenset({"name", "account", "after", "times"})


class FaultError(ValueError):
    """A scripted fault is not one of the known ones or has a wrong parameter."""


def parse_fault(document: Mapping[str, object]) -> Fault:
    """Read a fault from a scenario or a control command.

    Raises:
        FaultError: If the name or a parameter is unknown, or a value has the wrong type.
    """
    name = document.get("name")
    if not isinstance(name, str) or name not in KINDS:
        raise FaultError(f"Fault was {name!r}; expected one of: {', '.join(sorted(KINDS))}.")
    kind = KINDS[name]
    legal = _COUNTING | kind.parameters
    legal |= {"message"} if kind.points & {"frame"} else set()
    legal |= {"request"} if kind.points & {"request"} else set()
    legal |= {"step"} if kind.points & {"flex"} else set()
    unknown = sorted(set(document) - legal)
    if unknown:
        raise FaultError(
            f"Fault {name} has unknown parameter {unknown[0]!r}; expected: "
            f"{', '.join(sorted(legal))}."
        )
    values = {key: _value(name, key, value) for key, value in document.items()}
    fault = Fault(**values)  # type: ignore[arg-type]
    if "request" in kind.points and "frame" not in kind.points and not fault.request:
        raise FaultError(f"Fault {name} needs `request`, the inbound message id it waits for.")
    if fault.step not in FLEX_STEPS:
        raise FaultError(f"Fault {name}: step was {fault.step!r}, expected send or get.")
    if name == "account_vanishes" and not fault.account:
        raise FaultError("Fault account_vanishes needs `account`.")
    return fault


def _value(name: str, key: str, value: object) -> object:
    kinds = {f.name: str(f.type) for f in fields(Fault)}
    wanted = kinds[key]
    if wanted == "str" and isinstance(value, str):
        return value
    if wanted == "int" and isinstance(value, int) and not isinstance(value, bool) and value >= -1:
        return value
    if wanted == "float" and isinstance(value, int | float) and 0 <= value <= 3600:
        return float(value)
    if wanted.startswith("Decimal") and isinstance(value, str | int):
        try:
            return Decimal(str(value))
        except InvalidOperation as error:
            raise FaultError(f"Fault {name}: {key} was {value!r}, expected a number.") from error
    raise FaultError(f"Fault {name}: {key} was {value!r}, expected {wanted.split(' ')[0]}.")


@dataclass(slots=True)
class _Armed:
    fault: Fault
    seen: int = 0
    fired: int = 0

    def fires(self) -> bool:
        """Count one matching occasion and tell whether the fault happens on it."""
        if self.is_spent:
            return False
        self.seen += 1
        if self.seen <= self.fault.after:
            return False
        self.fired += 1
        return True

    @property
    def is_spent(self) -> bool:
        return bool(self.fault.times) and self.fired >= self.fault.times


class FaultPlan:
    """The armed faults of one simulator and how often each has happened."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._armed: list[_Armed] = [_Armed(f) for f in faults]

    def arm(self, fault: Fault) -> None:
        """Add a fault."""
        self._armed.append(_Armed(fault))

    def clear(self) -> None:
        """Remove every fault."""
        self._armed.clear()

    def state(self) -> list[dict[str, object]]:
        """Return each armed fault with how often it happened."""
        return [{"name": a.fault.name, "fired": a.fired, "spent": a.is_spent} for a in self._armed]

    def waits_for_frames(self) -> bool:
        """Tell whether any live fault could touch an outbound frame."""
        return any(not a.is_spent and _waits_for_frames(a.fault) for a in self._armed)

    def on_frame(self, msg_id: int, account: str, body: bytes) -> Fault | None:
        """Return the fault that happens at an outbound frame, if one does."""
        for armed in self._armed:
            if _frame_matches(armed.fault, msg_id, account, body) and armed.fires():
                return armed.fault
        return None

    def on_request(self, message_id: int, fields_: list[str]) -> list[Fault]:
        """Return the faults that happen at an inbound request, in the order they were armed."""
        return [
            a.fault
            for a in self._armed
            if a.fault.request == message_id
            and message_id
            and (not a.fault.account or a.fault.account in fields_)
            and a.fires()
        ]

    def on_start(self) -> list[Fault]:
        """Return the faults that happen when a client starts the API."""
        return self._at("start")

    def on_executions(self) -> list[Fault]:
        """Return the faults that happen to one answer to reqExecutions."""
        return self._at("executions")

    def on_flex(self, step: str) -> list[Fault]:
        """Return the faults that happen at a Flex request, `send` or `get`."""
        return [
            a.fault
            for a in self._armed
            if "flex" in KINDS[a.fault.name].points and a.fault.step in ("", step) and a.fires()
        ]

    def vanished_accounts(self) -> set[str]:
        """Return the accounts left out while `account_vanishes` is armed."""
        return {a.fault.account for a in self._armed if a.fault.name == "account_vanishes"}

    def _at(self, point: str) -> list[Fault]:
        return [a.fault for a in self._armed if point in KINDS[a.fault.name].points and a.fires()]


def _waits_for_frames(fault: Fault) -> bool:
    points = KINDS[fault.name].points
    return bool(points & {"filled", "order"}) or ("frame" in points and not fault.request)


def _frame_matches(fault: Fault, msg_id: int, account: str, body: bytes) -> bool:
    if not _waits_for_frames(fault) or (fault.account and fault.account != account):
        return False
    points = KINDS[fault.name].points
    if "filled" in points:
        return msg_id == 3 and b"\0Filled\0" in body
    if "order" in points:
        return msg_id == 5
    return fault.message in (0, msg_id)
