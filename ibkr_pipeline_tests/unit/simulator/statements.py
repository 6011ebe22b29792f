"""Statements of a simulator as parsed elements, without a socket."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from ibkr_pipeline.simulator.flex.options import FlexQuery
from ibkr_pipeline.simulator.flex.statement import write_statement
from ibkr_pipeline.simulator.flex.window import choose_window
from ibkr_pipeline.simulator.gateway.simulator import Simulator


def statement_bytes(
    simulator: Simulator, query: FlexQuery, first: str = "", last: str = ""
) -> bytes:
    """Return the statement a query gives, of the newest published session or of a window."""
    window = choose_window(simulator.book, query, (first, last, ""))
    return write_statement(simulator.book, query, window, simulator.book.now())


def statement(
    simulator: Simulator, first: str = "", last: str = "", **options: Any
) -> dict[str, ET.Element]:
    """Return the `FlexStatement` elements by account."""
    root = ET.fromstring(statement_bytes(simulator, FlexQuery(**options), first, last))  # our own
    return {s.attrib["accountId"]: s for s in root.iter("FlexStatement")}


def rows_of(element: ET.Element, section: str, *columns: str) -> list[tuple[str, ...]]:
    """Return chosen columns of every row of a section."""
    return [tuple(r.attrib[c] for c in columns) for r in element.find(section) or ()]


def total_of(elements: Iterable[ET.Element], column: str) -> Decimal:
    """Add a column up; an empty value counts nothing."""
    return sum((Decimal(e.attrib[column]) for e in elements if e.attrib[column]), Decimal(0))
