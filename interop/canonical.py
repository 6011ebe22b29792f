"""One spelling for what clients report in different ones.

What lives here: numbers, instants, rights and absent values as every client could have meant them.
What must not: which columns an operation has (`operations.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

#: Wire sentinels and what the clients turn them into.
_UNSET_ABOVE = Decimal("1e300")
_EXACT_TO = Decimal("0.00000001")
_WIRE_TIME = re.compile(r"(\d{8}) +(\d{2}:\d{2}:\d{2}) (\S+)")


class UnreadableValueError(ValueError):
    """A client reported a value that is not of its column's kind."""


def canonical(kind: str, value: object) -> str | None:
    """Return a value in the common spelling; None when nothing was told.

    Args:
        kind: One of `KINDS`.
        value: What the client's program printed.

    Raises:
        UnreadableValueError: If the value is not of that kind.
    """
    return KINDS[kind](value)


def _text(value: object) -> str | None:
    return None if value in (None, "") else str(value)


def _value(value: object) -> str | None:
    """An account value: a number or a word, as text on the wire."""
    try:
        return _number(value)
    except UnreadableValueError:
        return _text(value)


def _number(value: object) -> str | None:
    if value in (None, ""):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation as error:
        raise UnreadableValueError(f"Value was {value!r}, expected a number.") from error
    if number.is_finite() and abs(number) < _UNSET_ABOVE:
        return f"{number.quantize(_EXACT_TO).normalize():f}"
    return None


def _number_or_none(value: object) -> str | None:
    """A number for which 0 says that there is none: strike, multiplier, limit."""
    number = _number(value)
    return None if number == "0" else number


def _flag(value: object) -> str | None:
    return {True: "yes", False: "no"}.get(bool(value))


def _right(value: object) -> str | None:
    """The right of an option; `?`, `0` and nothing say that there is none."""
    return str(value)[:1] if str(value)[:1] in ("C", "P") else None


def _set(value: object) -> str | None:
    """A list in one text whose order means nothing."""
    return ",".join(sorted(str(value).split(",")))


def _instant(value: object) -> str | None:
    """An instant as UTC, from ISO text or from the gateway's own; it must tell its zone."""
    text = str(value)
    match = _WIRE_TIME.fullmatch(text)
    try:
        if match is None:
            at = datetime.fromisoformat(text)
        else:
            local = datetime.strptime(f"{match[1]} {match[2]}", "%Y%m%d %H:%M:%S")  # noqa: DTZ007
            at = local.replace(tzinfo=ZoneInfo(match[3]))
    except (ValueError, ZoneInfoNotFoundError) as error:
        raise UnreadableValueError(f"Time was {text!r}, expected an instant.") from error
    if at.tzinfo is None:
        raise UnreadableValueError(f"Time was {text!r}, expected one with its zone.")
    return at.astimezone(UTC).isoformat()


KINDS: Mapping[str, Callable[[object], str | None]] = {
    "text": _text,
    "value": _value,
    "number": _number,
    "number_or_none": _number_or_none,
    "flag": _flag,
    "right": _right,
    "set": _set,
    "instant": _instant,
}
