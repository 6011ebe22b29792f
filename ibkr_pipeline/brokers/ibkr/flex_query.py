"""What a Flex query lacks, read off a statement it made.

What lives here: the comparison of a statement's elements and attributes with the sections we read.
What must not: the sections themselves (`flex_sections.py`). Only names are looked at, no values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import BinaryIO

from ibkr_pipeline.brokers.ibkr.flex_fields import Section
from ibkr_pipeline.brokers.ibkr.flex_sections import SECTION_OF_TAG, SECTIONS
from ibkr_pipeline.brokers.ibkr.flex_xml import SECTION_DEPTH, FlexLimits, GuardedParser
from ibkr_pipeline.brokers.statement_source import QueryGap

#: Kind of the statements that hold trade confirmations and nothing else.
_CONFIRMATION, _CONFIRMATIONS = "TCF", "TradeConfirms"


def query_gaps(source: BinaryIO) -> tuple[QueryGap, ...]:
    """Return what the query that made a statement lacks, section by section.

    A section without rows shows none of its columns; nothing can be said of them.

    Raises:
        StatementError: If the file is no statement.
    """
    seen = _Seen()
    seen.read(source)
    is_confirmation = seen.kind == _CONFIRMATION
    return tuple(
        gap
        for section in SECTIONS
        if (section.name == _CONFIRMATIONS) is is_confirmation
        for gap in _gaps(section, seen.attributes)
    )


class _Seen:
    """Sections of a statement and the attributes of their rows."""

    def __init__(self) -> None:
        self.kind = ""
        self.attributes: dict[str, set[str]] = {}
        self._section: Section | None = None
        self._guard = GuardedParser(
            limits=FlexLimits(), opened=self._open, closed=lambda _depth: None, went_on=_nothing
        )

    def read(self, source: BinaryIO) -> None:
        self._guard.read(source)

    def _open(self, depth: int, tag: str, attributes: list[str]) -> None:
        if depth == 1:
            told = dict(zip(attributes[::2], attributes[1::2], strict=True))
            self.kind = told.get("type", "")
        if depth != SECTION_DEPTH:
            return
        self._section = SECTION_OF_TAG.get(tag)
        if self._section is not None:
            self.attributes.setdefault(self._section.name, set())
            if self._section.is_row:
                self._row(tag, attributes)
        self._guard.give_rows_to(self._row)

    def _row(self, tag: str, attributes: list[str]) -> None:
        section = self._section
        if section is not None and (section.is_row or not section.rows or tag in section.rows):
            self.attributes[section.name].update(attributes[::2])


def _gaps(section: Section, seen: Mapping[str, set[str]]) -> Iterator[QueryGap]:
    if section.name not in seen:
        yield QueryGap(section=section.box, boxes=(), is_needed=False)
        return
    names = seen[section.name]
    if not names:
        return
    needed = section.missing(names)
    absent = tuple(
        dict.fromkeys(
            field.attributes[0]
            for field in section.fields
            if field.attributes and not names.intersection(field.attributes)
        )
    )
    useful = tuple(name for name in absent if name not in needed)
    for attributes, is_needed in ((needed, True), (useful, False)):
        if attributes:
            yield QueryGap(
                section=section.box, boxes=section.boxes(attributes), is_needed=is_needed
            )


def _nothing() -> None:
    pass
