"""Write the reference pages that are derived from the code: tables, settings, faults, errors.

What lives here: how a schema, a setting, a scripted fault or an error class becomes a row of a
page. What must not: facts about any of them; those stand in the code once.

Usage: `python docs/generate.py` writes the pages, `--check` says which of them are stale.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo

import ibkr_pipeline
from ibkr_pipeline.primitives.errors import PipelineError, Retryable, Terminal
from ibkr_pipeline.schemas import core, meta
from ibkr_pipeline.schemas.table import Column, Table
from ibkr_pipeline.settings import CONFIG_VARIABLE, ENVIRONMENT, Settings
from ibkr_pipeline.simulator.gateway.faults import KINDS
from ibkr_pipeline.warehouse.views import SELECTIONS

REFERENCE = Path(__file__).resolve().parent / "reference"

NOTE = "<!-- Written by docs/generate.py from the code; edit the code, then run `make docs`. -->\n"

#: Where a scripted fault can wait, in words.
POINTS = {
    "frame": "an outbound message",
    "request": "a request",
    "start": "the start of a client",
    "standing": "until cleared",
    "executions": "an answer with executions",
    "filled": "an order being filled",
    "order": "an open order being told",
}
#: Rooms whose errors are not part of the reference: they need Dagster, or end with the simulator.
WITHOUT_REFERENCE = ("defs", "definitions", "cli", "simulator", "__main__")


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or with `--check` compare them; 1 when any is stale."""
    stale = [path for path, text in pages().items() if _read(path) != text]
    if "--check" in arguments:
        for path in stale:
            sys.stderr.write(f"docs/reference/{path.name} is stale; run `make docs`.\n")
        return 1 if stale else 0
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
    sys.stdout.write(f"{len(stale)} of {len(pages())} reference pages changed.\n")
    return 0


def pages() -> Mapping[Path, str]:
    """Return every generated page with the text it should have."""
    return {
        REFERENCE / "tables.md": tables_page((*core.TABLES, *meta.TABLES)),
        REFERENCE / "settings.md": settings_page(),
        REFERENCE / "faults.md": faults_page(),
        REFERENCE / "errors.md": errors_page(),
    }


def tables_page(tables: Sequence[Table]) -> str:
    """Return the page of the warehouse tables: grain, key and every column."""
    parts = [
        NOTE,
        "# Tables\n",
        "The tables of the warehouse: `core` is what the broker told, "
        "`meta` what the warehouse knows about itself.\n"
        "Rows of `core` are appended and never changed: a correction is a new row, "
        "and a view picks the one that counts.\n"
        f"These views are {', '.join(f'`core.current_{name}`' for name in SELECTIONS)}.\n"
        "Instants are UTC.\n"
        "What `event_ts`, `available_at` and `recorded_at` mean: "
        "[Point in time](../explanation/point_in_time.md).\n",
        "\n".join(
            f"- [{table.name}](#{_anchor(table.name)}): {table.description}" for table in tables
        )
        + "\n",
        *(_table_section(table) for table in tables),
    ]
    return "\n".join(parts)


def settings_page() -> str:
    """Return the page of the settings: key, type, default, environment variable."""
    parts = [
        NOTE,
        "# Settings\n",
        "A setting comes from the environment, else from a YAML file, else from its default.\n"
        f"The file is named by `--config FILE` or by the variable `{CONFIG_VARIABLE}`; "
        "keys below a heading are nested under it.\n"
        "`ibkr-pipeline doctor` shows every value in force and where it came from.\n",
        *_settings_sections(Settings, ""),
    ]
    return "\n".join(parts)


def faults_page() -> str:
    """Return the page of what the simulated broker can be told to do wrong."""
    rows = [
        (
            f"`{name}`",
            kind.description,
            ", ".join(POINTS[point] for point in sorted(kind.points)),
            ", ".join(f"`{parameter}`" for parameter in sorted(kind.parameters)),
        )
        for name, kind in sorted(KINDS.items())
    ]
    return "\n".join(
        [
            NOTE,
            "# Faults of the simulated broker\n",
            "A scenario file lists faults under `faults:`, "
            "and the control port arms them while the simulator runs.\n"
            "Every fault takes `name`, `after` (how many matching occasions pass first), "
            "`times` (how often it happens; 0 means always) and `account`.\n"
            "One that waits for an outbound message takes `message`, its number; "
            "one that waits for a request takes `request`.\n",
            _markdown(("fault", "what happens", "waits for", "further parameters"), rows),
        ]
    )


def errors_page() -> str:
    """Return the page of the error classes: worth another try or not, and the exit code."""
    rows = [
        (f"`{kind.__name__}`", _summary(kind), _another_try(kind), f"{kind.exit_code}")
        for kind in sorted(_error_classes(), key=lambda kind: kind.__name__)
    ]
    return "\n".join(
        [
            NOTE,
            "# Errors\n",
            "Every error this package raises on purpose is a `PipelineError`.\n"
            "Its message says what was found, what was expected and what to do.\n"
            "Whether the same call may succeed later is part of the class: a retryable one is "
            "tried again, a terminal one waits for somebody to change something.\n"
            "Exit codes: [Exit codes and JSON](exit_codes_and_json.md).\n",
            _markdown(("error", "meaning", "another try", "exit code"), rows),
        ]
    )


def _table_section(table: Table) -> str:
    rows = [
        (
            f"`{column.name}`",
            column.sql_type,
            "yes" if column.nullable else "no",
            column.unit,
            _column_text(column),
        )
        for column in table.columns
    ]
    key = ", ".join(f"`{name}`" for name in table.key)
    return "\n".join(
        [
            f"## {table.name}\n",
            f"{table.description}\nGrain: {table.grain}.\nKey: {key}.\n",
            _markdown(("column", "type", "null", "unit", "meaning"), rows),
        ]
    )


def _column_text(column: Column) -> str:
    if not column.allowed:
        return column.description
    return f"{column.description} One of {', '.join(f'`{value}`' for value in column.allowed)}."


def _settings_sections(model: type[BaseModel], prefix: str) -> Iterator[str]:
    """Yield one section for the plain fields of a model, then one for each model nested in it."""
    variables = {key: variable for variable, key in ENVIRONMENT.items()}
    rows, nested = [], []
    for name, field in model.model_fields.items():
        if f"{prefix}{name}" in ("origins", "config_file"):
            continue
        inner = _nested_model(field.annotation)
        if inner is not None:
            many = _is_many(field.annotation)
            nested.append((inner, f"{prefix}{name}{'[]' if many else ''}."))
            continue
        variable = variables.get(f"{prefix}{name}")
        rows.append(
            (
                f"`{prefix}{name}`",
                _type_text(field.annotation),
                _default_text(field),
                f"`{variable}`" if variable else "",
                field.description or "",
            )
        )
    heading = prefix.rstrip(".") or "General"
    doc = "" if not prefix else f"{_summary(model)}\n"
    table = _markdown(("key", "type", "default", "environment", "meaning"), rows)
    yield "\n".join(part for part in (f"## {heading}\n", doc, table) if part)
    for inner, inner_prefix in nested:
        yield from _settings_sections(inner, inner_prefix)


def _nested_model(annotation: object) -> type[BaseModel] | None:
    for candidate in (annotation, *typing.get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def _is_many(annotation: object) -> bool:
    return typing.get_origin(annotation) is tuple


def _type_text(annotation: object) -> str:
    """Return a type the way a person writing YAML thinks of it."""
    origin, inside = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _type_text(inside[0])
    if origin is typing.Literal:
        return " or ".join(f"`{value}`" for value in inside)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_type_text(part) for part in inside if part is not type(None))
    if origin is tuple:
        return f"list of {_type_text(inside[0])}"
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return " or ".join(f"`{member.value}`" for member in annotation)
    words = {"str": "text", "int": "integer", "float": "number", "bool": "true or false"}
    words |= {"Path": "path", "SecretStr": "secret text"}
    name = getattr(annotation, "__name__", "mapping")
    return words.get(name, "mapping")


def _default_text(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True)
    if default is None or default in ((), {}, ""):
        return ""
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _error_classes() -> set[type[PipelineError]]:
    for module in pkgutil.walk_packages(ibkr_pipeline.__path__, "ibkr_pipeline."):
        if module.name.split(".")[1] not in WITHOUT_REFERENCE:
            importlib.import_module(module.name)
    found: set[type[PipelineError]] = set()
    waiting: list[type[PipelineError]] = [PipelineError]
    while waiting:
        kind = waiting.pop()
        if kind.__module__.split(".")[1] not in WITHOUT_REFERENCE:
            found.add(kind)
        waiting.extend(kind.__subclasses__())
    return found


def _another_try(kind: type[PipelineError]) -> str:
    if issubclass(kind, Retryable):
        return "retryable"
    return "terminal" if issubclass(kind, Terminal) else ""


def _summary(kind: type) -> str:
    """Return the first sentence of a class's docstring, on one line."""
    return " ".join((kind.__doc__ or "").split("\n\n")[0].split())


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _anchor(heading: str) -> str:
    """Return the anchor GitHub gives a heading."""
    return "".join(c for c in heading.lower().replace(" ", "-") if c.isalnum() or c in "-_")


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
