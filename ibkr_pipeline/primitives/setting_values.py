"""Values on their way into a model: nested by dotted key, merged, checked.

What lives here: what is done with values before and while a model takes them, whatever the model.
What must not: which settings there are, or where their values come from (`settings.py`).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from ibkr_pipeline.primitives.setting_problems import (
    SettingProblem,
    SettingsError,
    origin_of,
    problems_of,
)
from ibkr_pipeline.primitives.setting_types import is_secret, keys_of, model_of

M = TypeVar("M", bound=BaseModel)


def leaf_keys(values: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return the dotted key of every value that has no keys of its own."""
    found: list[str] = []
    for key, value in values.items():
        name = f"{prefix}{key}"
        is_nested = isinstance(value, Mapping) and value
        found += leaf_keys(value, f"{name}.") if is_nested else [name]
    return found


def put_value(values: dict[str, Any], dotted: str, value: object) -> None:
    """Put a value at a dotted key, over the one that is there; `values` is changed."""
    *parents, last = dotted.split(".")
    for parent in parents:
        values = values.setdefault(parent, {})
    values[last] = value


def without_empty_headings(
    values: Mapping[str, Any], model: type[BaseModel], *, lists: Collection[str]
) -> dict[str, Any]:
    """Leave out headings with nothing below them, as when every line is commented out.

    Args:
        values: Values of the file.
        model: The model they are for.
        lists: Keys whose values are lists of entries with keys of their own.
    """
    kinds = keys_of(model)
    headings = {name for name, kind in kinds.items() if model_of(kind) or name in lists}
    return {
        key: value
        for key, value in values.items()
        if key not in headings or (value is not None and value != {})
    }


def refuse_sections_without_keys(
    values: Mapping[str, Any], model: type[BaseModel], *, origins: Mapping[str, str]
) -> None:
    """Raise if a section of the file is a bare value: nothing could be merged into it.

    Raises:
        SettingsError: If one is.
    """
    flat = {key: value for key, value in values.items() if not isinstance(value, dict)}
    sections = [key for key, kind in keys_of(model).items() if model_of(kind) and key in flat]
    checked({key: flat[key] for key in sections}, model, origins=origins)


def checked(
    values: Mapping[str, Any],
    model: type[M],
    *,
    origins: Mapping[str, str],
    known: Mapping[str, Any] | None = None,
) -> M:
    """Return the model made of the values.

    Args:
        values: Nested values from file, environment and command line.
        model: What to make of them.
        origins: Dotted setting -> where its value came from.
        known: Fields that are no settings, and may not be set as if they were.

    Raises:
        SettingsError: If a key is unknown or a value is illegal; it names every such setting.
    """
    own = [name for name in known or {} if name in values]
    if own:
        raise SettingsError([_no_setting(name, model, origins) for name in own])
    try:
        return model.model_validate({**values, **(known or {})})
    except ValidationError as error:
        problems = problems_of(error, model, origins=origins, secrets=_secrets(values, model))
    raise SettingsError(problems)


def _no_setting(name: str, model: type[BaseModel], origins: Mapping[str, str]) -> SettingProblem:
    return SettingProblem(
        key=name,
        found="is no setting",
        origin=origin_of((name,), origins),
        expected=f"one of {', '.join(keys_of(model))}",
    )


def _secrets(values: object, kind: object) -> tuple[str, ...]:
    """Return every secret among the values, and the password of one that is an address."""
    model = model_of(kind)
    if model is not None and isinstance(values, Mapping):
        keys = keys_of(model)
        below = (_secrets(values[name], keys[name]) for name in keys if name in values)
        return tuple(itertools.chain.from_iterable(below))
    if not is_secret(kind) or not values:
        return ()
    text = str(values)
    password = re.search(r":([^:@/]+)@", text)
    return (text, password[1]) if password else (text,)
