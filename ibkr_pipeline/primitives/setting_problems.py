"""What is wrong with a setting, in plain words: key, value found, origin, what was expected.

What lives here: the record of a problem, its error, and the translation of a model's validation
errors. What must not: any setting. The value of a secret, of an unknown key and of anything that
has keys or items of its own is never told: a secret may stand in it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from ibkr_pipeline.primitives.errors import ConfigError
from ibkr_pipeline.primitives.setting_types import (
    expected_text,
    field_at,
    is_secret,
    keys_of,
    model_of,
)

#: A longer value is described, not quoted.
LONGEST_QUOTED = 60
#: In a value that has one of these, another line of the file may have been swallowed.
_TELLTALE = re.compile(r"[\n:=@]|token|url|password|secret", re.IGNORECASE)
_UNKNOWN_KEY = ("extra_forbidden", "invalid_key")

Location = tuple[int | str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingProblem:
    """One setting that cannot be used.

    Attributes:
        key: The setting, dotted as in the reference.
        found: What it was, such as "was 'abc'"; hidden where a secret may stand in it.
        origin: Where the value came from, such as "environment IBKR_PORT".
        expected: What it should have been.
    """

    key: str
    found: str
    origin: str
    expected: str

    @property
    def mend(self) -> str:
        """What to do about it."""
        source, _, name = self.origin.partition(" ")
        if source == "environment":
            return f"correct {name}, or unset it"
        if source == "file":
            return f"correct {self.key} in {name}"
        return f"set {self.key}" if source == "default" else "correct the option"

    @property
    def statement(self) -> str:
        """What was found, and where it came from."""
        return f"{self.key} {self.found} (from {self.origin})"

    def __str__(self) -> str:
        """Return all of it as one sentence without its full stop."""
        return f"{self.statement}; expected {self.expected}"


class SettingsError(ConfigError):
    """One or more settings cannot be used, or contradict each other.

    Attributes:
        problems: Each of them.
    """

    def __init__(self, problems: Sequence[SettingProblem]) -> None:
        self.problems = tuple(problems)
        told = [f"{problem}. To mend it, {problem.mend}." for problem in self.problems]
        many = "\n- " if len(told) > 1 else " "
        super().__init__(f"The settings cannot be used:{many}{many.join(told)}")


def problems_of(
    error: ValidationError,
    model: type[BaseModel],
    *,
    origins: Mapping[str, str],
    secrets: Collection[str],
) -> tuple[SettingProblem, ...]:
    """Return the problems a model found with the values it was given.

    Args:
        error: What validation raised.
        model: The model that was to be made.
        origins: Dotted setting -> where its value came from; a prefix stands for all below it.
        secrets: Secret values; a found value that holds one of them is not told.
    """
    return tuple(_translated(error, model, origins, secrets))


def nearest(name: str, legal: Collection[str]) -> str | None:
    """Return the legal name that is most like this one, if one is like it at all."""
    folded = {item.casefold(): item for item in legal}
    found = difflib.get_close_matches(name.casefold(), list(folded), n=1)
    return folded[found[0]] if found else None


def origin_of(location: Location, origins: Mapping[str, str]) -> str:
    """Return where the value at a location came from: itself, a part of it, or what it is in."""
    names = [str(part) for part in location]
    below = f"{'.'.join(names)}."
    parts = (origin for known, origin in origins.items() if known.startswith(below))
    part = next(parts, None)
    if part is not None:
        return part
    above = (origins.get(".".join(names[:n])) for n in range(len(names), 0, -1))
    return next((known for known in above if known), "default")


def dotted(location: Location) -> str:
    """Return a location as the reference writes it: `strategies[0].name`."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def _translated(
    error: ValidationError,
    model: type[BaseModel],
    origins: Mapping[str, str],
    secrets: Collection[str],
) -> Iterator[SettingProblem]:
    for item in error.errors(include_url=False):
        location: Location = tuple(part for part in item["loc"] if part != "[key]")
        origin = origin_of(location, origins)
        if item["type"] in _UNKNOWN_KEY:
            yield _unknown(location, model, origin)
            continue
        annotation = field_at(model, location)
        own_words = str(item["ctx"]["error"]) if item["type"] == "value_error" else ""
        yield SettingProblem(
            key=dotted(location),
            found=_told(item, annotation, secrets),
            origin=origin,
            expected=own_words or expected_text(annotation),
        )


def _told(item: Mapping[str, Any], annotation: object, secrets: Collection[str]) -> str:
    if item["type"] == "missing":
        return "was missing"
    if is_secret(annotation):
        return "was a value that is not shown"
    return _found(item["input"], secrets)


def _unknown(location: Location, model: type[BaseModel], origin: str) -> SettingProblem:
    *parents, last = location
    name = str(last)
    section = model_of(field_at(model, tuple(parents))) if parents else model
    legal = keys_of(section) if section is not None else {}
    near = nearest(name, legal) or _elsewhere(name, model)
    if near is None:
        expected = f"one of {', '.join(legal)}"
    else:
        legal_key = near if "." in near else dotted((*parents, near))
        expected = f"{legal_key}, the nearest there is"
    return SettingProblem(
        key=dotted((*parents, name)), found="is no setting", origin=origin, expected=expected
    )


def _elsewhere(name: str, model: type[BaseModel]) -> str | None:
    """Return the dotted key of a setting of this name in another section."""
    for section, annotation in keys_of(model).items():
        inner = model_of(annotation)
        if inner is not None and name in keys_of(inner):
            return f"{section}.{name}"
    return None


def _found(value: object, secrets: Collection[str]) -> str:
    if value is None:
        return "was empty"
    if isinstance(value, Mapping):
        return "had keys of its own"
    if isinstance(value, list | tuple):
        return "was a list"
    text = str(value)
    is_long = len(text) > LONGEST_QUOTED
    if is_long or _TELLTALE.search(text) or any(secret in text for secret in secrets):
        return "was a text that is not shown"
    return f"was {value!r}" if isinstance(value, str | int | float) else f"was {text}"
