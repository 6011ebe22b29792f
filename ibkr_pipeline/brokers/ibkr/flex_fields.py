"""What a section of a Flex statement is, as data: its elements, levels of detail and fields.

What lives here: `Field`, `Section` and what follows from them. What must not: any particular
section (`flex_sections.py`), or the reading of one (`flex_reader.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from ibkr_pipeline.schemas.table import Table

#: How the text of an attribute becomes a value; see `flex_values.py`.
Reading = Literal[
    "text", "raw", "code", "id", "instant", "date", "money", "rate", "percent", "integer", "flag",
    "right", "flows", "model",
]  # fmt: skip

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One column of a section and where the statement tells it.

    Attributes:
        column: Column of the section's table.
        attributes: Spellings of the attribute; the first one a row has is read.
        reading: How its text is read.
        box: Name of the field in the portal, where a query is put together.
        selected: Whether the query has to have it: identity or meaning need it.
        known: Values it is known to have; others are kept and counted. Empty: anything goes.
        several: Whether it holds several values, separated by semicolons or commas.
    """

    column: str
    attributes: tuple[str, ...]
    reading: Reading
    box: str
    selected: bool = False
    known: frozenset[str] = frozenset()
    several: bool = False


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Section:
    """One section of a statement.

    Attributes:
        name: The vendor's name; that of its element unless `tags` says otherwise.
        box: Name of the section in the portal.
        table: Table its rows are read into.
        fields: Its columns.
        tags: Elements that hold it.
        rows: Elements that are its rows; empty where any element in it is one.
        is_row: Whether the element of the section is itself the row.
        levels: Levels of detail that are kept; empty where every level is. Rows without a level
            are kept, whatever stands here.
        passed_over: Levels, or elements, that repeat what the kept levels say, and are counted.
        tag_levels: Level of rows that tell none, by their element.
        second_choice: Levels, or elements, kept only where nothing better is in the section.
        level_box: Option of the portal that yields the kept level.
        consolidated: Whether rows of the account `-` are sums over accounts, never kept.
        once: Columns that name a row: where rows tell no level and one of these comes twice,
            they are of several levels, and nobody can tell which.
        fallbacks: Column -> column that stands in where it is null.
        window: Whether rows without dates of their own speak of the statement's.
        gathers: Whether all other amounts of a row are gathered in `other_flows`.
        left_out: Attributes known and deliberately not read.
    """

    name: str
    box: str
    table: Table
    fields: tuple[Field, ...]
    tags: tuple[str, ...]
    rows: tuple[str, ...] = ()
    is_row: bool = False
    levels: frozenset[str] = frozenset()
    passed_over: frozenset[str] = frozenset()
    tag_levels: Mapping[str, str] = field(default_factory=dict)
    second_choice: frozenset[str] = frozenset()
    level_box: str = ""
    consolidated: bool = False
    once: tuple[str, ...] = ()
    fallbacks: Mapping[str, str] = field(default_factory=dict)
    window: bool = False
    gathers: bool = False
    left_out: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        """Return its name; the whole is too long to be read."""
        return f"Section({self.name!r})"

    @cached_property
    def slots(self) -> tuple[tuple[str, ...], ...]:
        """Spellings of everything that is read, each once; two columns may share one."""
        return tuple(dict.fromkeys(field.attributes for field in self.fields if field.attributes))

    @cached_property
    def attributes(self) -> frozenset[str]:
        """Every attribute that is read, in every spelling."""
        return frozenset(name for spellings in self.slots for name in spellings)

    @cached_property
    def filled(self) -> tuple[Field, ...]:
        """Fields whose value every row needs."""
        columns = {column.name for column in self.table.columns if not column.nullable}
        return tuple(field for field in self.fields if field.column in columns)

    @cached_property
    def kept_levels(self) -> frozenset[str]:
        """Levels whose rows are kept, if only for want of better, in capitals."""
        return frozenset(level.upper() for level in self.levels | self.second_choice)

    def missing(self, attributes: Iterable[str]) -> tuple[str, ...]:
        """Return what a row with these attributes lacks and needs, in the vendor's spelling."""
        names = set(attributes)
        lacked = (
            field.attributes[0]
            for field in self.fields
            if field.selected and not names.intersection(field.attributes)
        )
        return tuple(dict.fromkeys(lacked))

    def boxes(self, attributes: Iterable[str]) -> tuple[str, ...]:
        """Return the portal's names of these attributes."""
        named = {name: field.box for field in reversed(self.fields) for name in field.attributes}
        return tuple(named.get(name, spell_out(name)) for name in attributes)


def spell_out(attribute: str) -> str:
    """Return an attribute as the portal spells most of them: tradePrice is Trade Price."""
    return " ".join(word[:1].upper() + word[1:] for word in _WORD.findall(attribute))
