"""What people and programs read: tables and lines for the one, one JSON document for the other.

What lives here: the writing. What must not: what is written. Decimals are text, instants
ISO 8601 with Z, unknown is null.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

#: Width where nobody watches: wide enough that no cell is cut.
PLAIN_WIDTH = 200


def write_document(document: Mapping[str, Any] | Sequence[Any]) -> None:
    """Write one JSON document to stdout."""
    sys.stdout.write(json.dumps(document, default=_plain, ensure_ascii=False, indent=2) + "\n")
    sys.stdout.flush()


def write_rows(rows: Iterable[Mapping[str, Any]]) -> None:
    """Write row objects as one JSON array to stdout, one row per line."""
    sys.stdout.write("[")
    for place, row in enumerate(rows):
        sys.stdout.write(",\n" if place else "\n")
        sys.stdout.write(json.dumps(dict(row), default=_plain, ensure_ascii=False))
    sys.stdout.write("\n]\n")
    sys.stdout.flush()


def write_table(title: str, headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table for a person to stdout; numbers stand to the right."""
    shown = [[cell_text(cell) for cell in row] for row in rows]
    table = Table(title=title, title_justify="left", title_style="bold")
    for place, header in enumerate(headers):
        column = [row[place] for row in shown if row[place]]
        is_number = bool(column) and all(_is_number(cell) for cell in column)
        table.add_column(header, justify="right" if is_number else "left", overflow="fold")
    for row in shown:
        table.add_row(*(cell.replace("[", r"\[") for cell in row))
    stdout().print(table)


def write_line(text: str = "", *, style: str | None = None) -> None:
    """Write a line for a person to stdout."""
    stdout().print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def write_error(message: str, hint: str = "") -> None:
    """Write what went wrong, and what to do, to stderr."""
    typer.secho(f"error: {message}", fg=typer.colors.RED, err=True)
    if hint:
        typer.echo(f"  {hint}", err=True)


def stdout() -> Console:
    """Return a console on stdout: as wide as the terminal, or wide enough for a file."""
    if sys.stdout.isatty():
        return Console()
    return Console(width=PLAIN_WIDTH, file=sys.stdout)


def sentence(text: str) -> str:
    """Return a text with the full stop it may lack, and never two."""
    return text if text.rstrip().endswith((".", "!", "?")) else f"{text.rstrip()}."


def cell_text(value: object) -> str:
    """Return a value as a person reads it; unknown is empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    return _plain(value) if isinstance(value, Decimal | date) else str(value)


def csv_text(value: object) -> str:
    """Return a value as CSV holds it: as in JSON, unknown is empty, flags are true and false."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else _plain(value)


def _plain(value: object) -> str:
    """Return the text of a value JSON has no type for."""
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON: {value!r}")


def _is_number(text: str) -> bool:
    return text.replace(",", "").replace(".", "", 1).lstrip("-").isdigit()
