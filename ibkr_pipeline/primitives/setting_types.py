"""What a field of a model may hold, in words, read from its annotation.

What lives here: walking a model to a field, and saying what fits there. What must not: values.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

_WORDS: Mapping[object, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    Path: "a path",
    SecretStr: "text",
}
#: Constraint -> words before its bound.
_BOUNDS: Mapping[str, str] = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "below"}


def keys_of(model: type[BaseModel]) -> dict[str, object]:
    """Return field name -> annotation, constraints included, of the fields that are settings."""
    return {
        name: _with_metadata(field)
        for name, field in model.model_fields.items()
        if not field.exclude
    }


def field_at(model: type[BaseModel], location: Sequence[int | str]) -> object:
    """Return the annotation of the field at a location, None where there is none."""
    annotation: object = model
    for part in location:
        annotation = _step(annotation, part)
    return annotation


def model_of(annotation: object) -> type[BaseModel] | None:
    """Return the model an annotation stands for, if it stands for one."""
    plain = _plain(annotation)
    return plain if isinstance(plain, type) and issubclass(plain, BaseModel) else None


def is_secret(annotation: object) -> bool:
    """Say whether a field holds a secret."""
    return _plain(annotation) is SecretStr


def expected_text(annotation: object) -> str:
    """Return in words what fits a field."""
    plain, origin = _plain(annotation), typing.get_origin(_plain(annotation))
    if origin is typing.Literal:
        return _one_of(str(value) for value in typing.get_args(plain))
    if isinstance(plain, type) and issubclass(plain, StrEnum):
        return _one_of(member.value for member in plain)
    if origin is tuple:
        inside = typing.get_args(plain)[0]
        return "a list of entries" if model_of(inside) else f"a list of {expected_text(inside)}"
    if model_of(plain) is not None or origin is not None:
        return "keys below it (`key: value`, with a space after the colon)"
    example = next((item for item in _constraints(annotation, "examples") if item), None)
    if example:
        return f"{_WORDS.get(plain, 'a value')} such as {example[0]}"
    return f"{_WORDS.get(plain, 'a value')}{_bounds(annotation)}"


def _step(annotation: object, part: int | str) -> object:
    model = model_of(annotation)
    if model is not None:
        return keys_of(model).get(str(part))
    inside = typing.get_args(_plain(annotation))
    if not inside:
        return None
    return inside[0] if isinstance(part, int) else inside[-1]


def _with_metadata(field: FieldInfo) -> object:
    return typing.Annotated[field.annotation, field]


def _plain(annotation: object) -> object:
    """Return an annotation without its constraints and without the option of being unset."""
    inside = typing.get_args(annotation)
    if typing.get_origin(annotation) is typing.Annotated:
        return _plain(inside[0])
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return _plain(next(item for item in inside if item is not type(None)))
    return annotation


def _bounds(annotation: object) -> str:
    found = {
        name: value
        for name in _BOUNDS
        for value in _constraints(annotation, name)
        if value is not None
    }
    if {"ge", "le"} == found.keys():
        return f" from {_number(found['ge'])} to {_number(found['le'])}"
    told = [f"{_BOUNDS[name]} {_number(value)}" for name, value in found.items()]
    return f", {' and '.join(told)}" if told else ""


def _constraints(annotation: object, name: str) -> Iterator[typing.Any]:
    """Yield the values of a constraint, from the outermost annotation to the innermost."""
    inside = typing.get_args(annotation)
    if typing.get_origin(annotation) is typing.Annotated:
        for item in inside[1:]:
            yield getattr(item, name, None)
            for nested in getattr(item, "metadata", ()):
                yield getattr(nested, name, None)
        yield from _constraints(inside[0], name)
    elif typing.get_origin(annotation) in (typing.Union, types.UnionType):
        for item in inside:
            yield from _constraints(item, name)


def _number(value: float) -> str:
    return f"{value:g}" if value < 1e6 else f"{int(value)}"


def _one_of(values: Iterator[str]) -> str:
    *others, last = values
    return f"{', '.join(others)} or {last}" if others else last
