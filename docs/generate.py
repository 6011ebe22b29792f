"""Write the reference pages that are derived from the code.

What lives here: how a schema, a setting, a field of a statement, a scripted fault or an error
class becomes a row of a page. What must not: facts about any of them; those stand in the code once.

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
from ibkr_pipeline.brokers.ibkr.flex_cash_sections import CONVERSION_RATES
from ibkr_pipeline.brokers.ibkr.flex_fields import Field, Section
from ibkr_pipeline.brokers.ibkr.flex_sections import ACCOUNT_INFORMATION, SECTIONS
from ibkr_pipeline.brokers.ibkr.flex_trade_sections import TRADE_CONFIRMS
from ibkr_pipeline.primitives.enums import OrderStatus
from ibkr_pipeline.primitives.errors import PipelineError, Retryable, Terminal
from ibkr_pipeline.schemas import core, flex, meta, ops, statements
from ibkr_pipeline.schemas.table import Column, Table
from ibkr_pipeline.settings import CONFIG_VARIABLE, ENVIRONMENT, Settings
from ibkr_pipeline.simulator.fault_kinds import KINDS
from ibkr_pipeline.warehouse.views import OWN_NAMES, SELECTIONS

REFERENCE = Path(__file__).resolve().parent / "reference"

NOTE = "<!-- Written by docs/generate.py from the code; edit the code, then run `make docs`. -->\n"

#: Columns a table's view has beside its own: table -> view and columns.
VIEW_COLUMNS = {core.ORDERS.name: ("core.current_orders", core.ORDERS_VIEW_COLUMNS)}

#: Everything a reader can look at, in the order of the page.
TABLES = (
    *core.TABLES,
    *statements.TABLES,
    *statements.VIEWS,
    *ops.TABLES,
    *ops.FRAMES,
    *meta.TABLES,
)
#: Where rows of a section go that do not become one table's, row by row.
ROWS_GO_TO = {
    flex.TRADES.name: core.EXECUTIONS,
    flex.OPTION_EAE.name: statements.OPTION_EVENT_EVIDENCE,
    flex.SECURITIES.name: core.IBKR_CONTRACTS,
    **statements.TABLE_OF_SECTION,
}
#: Where a scripted fault can wait, in words.
POINTS = {
    "frame": "an outbound message",
    "request": "a request",
    "start": "the start of a client",
    "standing": "until cleared",
    "executions": "an answer with executions",
    "filled": "an order being filled",
    "order": "an open order being told",
    "flex": "a Flex request",
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
        REFERENCE / "tables.md": tables_page(TABLES),
        REFERENCE / "flex_query.md": flex_query_page(),
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
        "`ops` what the pipeline knows of its own gaps, "
        "`meta` what the warehouse knows about itself.\n"
        "Rows of `core` are appended and never changed: a correction is a new row, "
        "and a view picks the one that counts.\n"
        f"These views are {', '.join(f'`core.{name}`' for name in _views())}.\n"
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


def flex_query_page() -> str:
    """Return the page of the boxes to tick in a Flex query, section by section."""
    activity = [section for section in SECTIONS if section is not TRADE_CONFIRMS]
    parts = [
        NOTE,
        "# The Flex query\n",
        "Sections and fields that are read, under their names in the Client Portal; "
        "*needed* fields are those without which a section is refused.\n"
        "*In the file* is the name of the attribute, where there are several the spellings "
        "that are known.\n"
        "The account of a row is its Account ID, or the statement's where that is not ticked.\n"
        "Further sections and fields do no harm; "
        "those that nobody has heard of are counted, and told after each sync.\n"
        "Setting up the query: [Set up Flex statements](../how_to/set_up_flex.md).\n",
        *(_section_part(section) for section in activity),
        "# The trade confirmation query\n",
        "A query of its own kind (Trade Confirmation Flex Query), and an addition: "
        "it tells the fills of the running day, and no option events.\n",
        _section_part(TRADE_CONFIRMS),
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
            "one that waits for a request takes `request`; "
            "one that waits for a Flex request takes `step` (`send` or `get`; empty is both).\n",
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


def _section_part(section: Section) -> str:
    told = [field for field in section.fields if field.attributes]
    boxes = dict.fromkeys(field.box for field in told)
    rows = [_field_row([field for field in told if field.box == box]) for box in boxes]
    table = ROWS_GO_TO[section.table.name].name
    lines = [f"In the file `{section.name}`; its rows go to [{table}](tables.md#{_anchor(table)})."]
    if section is CONVERSION_RATES:
        lines.append("A switch of the query, not a section with fields.")
    if section is ACCOUNT_INFORMATION:
        lines.append("Names, addresses and other personal data reach no table, ticked or not.")
    if section.level_box:
        lines.append(f"Option to tick: **{section.level_box}**.")
    if section.passed_over:
        lines.append("Rows of other levels of detail repeat the same and are passed over.")
    if section.gathers:
        lines.append("Tick every field: all other amounts are gathered in `other_flows`.")
    table_text = _markdown(("field", "needed", "in the file", "column"), rows)
    return "\n".join([f"## {section.box}\n", "\n".join(lines) + "\n", table_text])


def _field_row(fields: Sequence[Field]) -> tuple[str, ...]:
    spellings = dict.fromkeys(name for field in fields for name in field.attributes)
    return (
        fields[0].box,
        "yes" if any(field.selected for field in fields) else "",
        ", ".join(f"`{name}`" for name in spellings),
        ", ".join(f"`{field.column}`" for field in fields),
    )


def _views() -> Iterator[str]:
    yield from (name if name in OWN_NAMES else f"current_{name}" for name in SELECTIONS)


def _table_section(table: Table) -> str:
    key = ", ".join(f"`{name}`" for name in table.key)
    parts = [
        f"## {table.name}\n",
        f"{table.description}\nGrain: {table.grain}.\nKey: {key}.\n",
        _column_table(table.columns),
    ]
    if table.name in VIEW_COLUMNS:
        view, columns = VIEW_COLUMNS[table.name]
        gone = OrderStatus.GONE.value
        parts += [
            f"`{view}` can also have the status `{gone}`, and has beside these columns:\n",
            _column_table(columns),
        ]
    return "\n".join(parts)


def _column_table(columns: Sequence[Column]) -> str:
    rows = [
        (
            f"`{column.name}`",
            column.sql_type,
            "yes" if column.nullable else "no",
            column.unit,
            _column_text(column),
        )
        for column in columns
    ]
    return _markdown(("column", "type", "null", "unit", "meaning"), rows)


def _column_text(column: Column) -> str:
    if not column.allowed:
        return column.description
    return f"{column.description} One of {', '.join(f'`{value}`' for value in column.allowed)}."


def _settings_sections(model: type[BaseModel], prefix: str) -> Iterator[str]:
    """Yield one section for the plain fields of a model, then one for each model nested in it."""
    variables = {key: variable for variable, key in ENVIRONMENT.items()}
    rows, nested = [], []
    for name, field in model.model_fields.items():
        if field.exclude:
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
        package, room = kind.__module__.split(".")[:2]
        # Errors of others, such as a test's own, are no part of the package.
        if package == ibkr_pipeline.__name__ and room not in WITHOUT_REFERENCE:
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
