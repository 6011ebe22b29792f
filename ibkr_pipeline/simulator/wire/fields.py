"""Reads the fields of an inbound frame one after the other, with the gateway's own complaints."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

from ibkr_pipeline.simulator.wire.text import UNSET_DOUBLE, UNSET_INTEGER

_LARGEST_INTEGER = 2**31 - 1
_LARGEST = Decimal(10) ** 12
_DIGITS = 12


class RequestError(Exception):
    """A request cannot be read or is refused.

    Attributes:
        code: Error code the gateway answers with.
        text: Text of the answer.
        request_id: Request or order id the answer names; -1 when it names none.
    """

    def __init__(self, code: int, text: str, request_id: int = -1) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text
        self.request_id = request_id


class FieldReader:
    """The fields of one frame, taken in order."""

    def __init__(self, fields: Sequence[str]) -> None:
        self._fields = fields
        self._next = 0

    def text(self, name: str) -> str:
        """Take a field as text.

        Raises:
            RequestError: If the frame has no more fields.
        """
        if self._next >= len(self._fields):
            raise RequestError(320, f"Error reading request. Missing field: '{name}'")
        value = self._fields[self._next]
        self._next += 1
        return value

    def integer(self, name: str, default: int = 0) -> int:
        """Take a field as an integer; empty is the default."""
        value = self.text(name)
        if not value:
            return default
        try:
            parsed = int(value)
        except ValueError as error:
            raise _unparsable(name, value) from error
        if abs(parsed) > _LARGEST_INTEGER:
            raise _unparsable(name, value)
        return parsed

    def decimal(self, name: str) -> Decimal | None:
        """Take a field as a number; empty and the unset sentinel are None."""
        value = self.text(name)
        if value in ("", UNSET_DOUBLE, "1.7976931348623157e+308", UNSET_INTEGER):
            return None
        try:
            parsed = Decimal(value)
        except InvalidOperation as error:
            raise _unparsable(name, value) from error
        if not parsed.is_finite() or abs(parsed) > _LARGEST or abs(parsed.adjusted()) > _DIGITS:
            raise _unparsable(name, value)
        return parsed

    def flag(self, name: str) -> bool:
        """Take a field as a flag: 1 or true."""
        return self.text(name) in ("1", "true")

    def skip(self, count: int) -> None:
        """Pass over fields nobody needs; it is an error if the frame has fewer."""
        for _ in range(count):
            self.text("")

    @property
    def remaining(self) -> int:
        """How many fields are left."""
        return len(self._fields) - self._next


def _unparsable(name: str, value: str) -> RequestError:
    return RequestError(
        320,
        f"Error reading request. Unable to parse field: '{name}' for input string: '{value}'",
    )
