"""Strict reading of scenario documents: every key is known, typed and in range, or it is an error.

What lives here: the reader that takes keys out of a mapping and complains about the rest. What must
not: which keys a scenario has (`scenario.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation


class ScenarioError(ValueError):
    """A scenario file says something that is not understood; the message names where."""


class Section:
    """One mapping of a scenario document, read key by key.

    Args:
        value: What the document holds at this place.
        where: How messages name the place.
    """

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, Mapping):
            raise ScenarioError(f"{where} was {type(value).__name__}, expected a mapping.")
        self._values: dict[str, object] = {str(k): v for k, v in value.items()}
        self._where = where
        self._known: list[str] = []

    def text(self, key: str, default: str | None = None) -> str:
        """Take a text; without a default the key is required."""
        value = self._take(key, default)
        if not isinstance(value, str):
            raise self._wrong(key, value, "text")
        return value

    def choice(self, key: str, default: str, allowed: Sequence[str]) -> str:
        """Take one of a few texts."""
        value = self.text(key, default)
        if value not in allowed:
            raise self._wrong(key, value, f"one of {', '.join(allowed)}")
        return value

    def integer(self, key: str, default: int | None = None, *, low: int, high: int) -> int:
        """Take an integer within limits (both included)."""
        value = self._take(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self._wrong(key, value, f"an integer from {low} to {high}")
        return value

    def flag(self, key: str, *, default: bool = False) -> bool:
        """Take true or false."""
        value = self._take(key, default)
        if not isinstance(value, bool):
            raise self._wrong(key, value, "true or false")
        return value

    def decimal(self, key: str, default: str | None = None) -> Decimal:
        """Take a number, written as a number or (exactly) as text."""
        return self._decimal(key, self._take(key, default))

    def positive(self, key: str) -> Decimal:
        """Take a number above 0."""
        number = self.decimal(key)
        if number <= 0:
            raise self._wrong(key, str(number), "a number above 0")
        return number

    def optional_decimal(self, key: str) -> Decimal | None:
        """Take a number that may be missing."""
        value = self._take(key, "")
        return None if value == "" else self._decimal(key, value)

    def section(self, key: str) -> Section:
        """Take a nested mapping; a missing one is empty."""
        return Section(self._take(key, {}), f"{self._where}.{key}")

    def sections(self, key: str) -> list[Section]:
        """Take a list of mappings; a missing one is empty."""
        value = self._take(key, [])
        if not isinstance(value, list):
            raise self._wrong(key, value, "a list")
        return [Section(v, f"{self._where}.{key}[{i}]") for i, v in enumerate(value)]

    def mapping(self, key: str) -> dict[str, object]:
        """Take a mapping with free keys; a missing one is empty."""
        value = self._take(key, {})
        if not isinstance(value, Mapping):
            raise self._wrong(key, value, "a mapping")
        return {str(k): v for k, v in value.items()}

    def rest(self) -> dict[str, object]:
        """Take whatever is left, for a reader with rules of its own."""
        left = {k: v for k, v in self._values.items() if k not in self._known}
        self._known += left
        return left

    def amounts(self, key: str) -> dict[str, Decimal]:
        """Take a mapping from names to numbers."""
        return {k: self._decimal(f"{key}.{k}", v) for k, v in self.mapping(key).items()}

    def value(self, key: str, default: object) -> object:
        """Take a value as it stands, for a type of its own."""
        return self._take(key, default)

    def names(self, key: str) -> list[str]:
        """Take a list of texts; a missing one is empty."""
        value = self._take(key, [])
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise self._wrong(key, value, "a list of texts")
        return list(value)

    def end(self) -> None:
        """Complain about keys nobody took.

        Raises:
            ScenarioError: Naming the first unknown key and the legal ones.
        """
        unknown = sorted(set(self._values) - set(self._known))
        if unknown:
            raise ScenarioError(
                f"{self._where} has unknown key {unknown[0]!r}; expected: "
                f"{', '.join(sorted(set(self._known)))}."
            )

    def error(self, text: str) -> ScenarioError:
        """Return an error that names this place."""
        return ScenarioError(f"{self._where}: {text}")

    def _take(self, key: str, default: object) -> object:
        self._known.append(key)
        value = self._values.get(key, default)
        if value is None:
            raise ScenarioError(f"{self._where} lacks {key!r}; give it a value.")
        return value

    def _decimal(self, key: str, value: object) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise self._wrong(key, value, "a number")
        try:
            number = Decimal(str(value))
        except InvalidOperation as error:
            raise self._wrong(key, value, "a number") from error
        if not number.is_finite():
            raise self._wrong(key, value, "a finite number")
        return number

    def _wrong(self, key: str, value: object, expected: str) -> ScenarioError:
        return ScenarioError(f"{self._where}.{key} was {value!r}, expected {expected}.")
