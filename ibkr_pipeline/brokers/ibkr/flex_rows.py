"""The rows of one section as lines of text, gathered until there are enough to convert.

What lives here: the only code that runs once per row. What must not: values (`flex_columns.py`) or
what is kept and counted (`flex_frames.py`).

A row becomes one text, its wanted values in a fixed order between separators no XML can hold: that
is the cheapest thing Python can do with it, and Polars splits a block of them at once.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from operator import itemgetter
from typing import Final

import polars as pl

from ibkr_pipeline.brokers.ibkr import flex_vocabulary as words
from ibkr_pipeline.brokers.ibkr.flex_fields import Section
from ibkr_pipeline.brokers.ibkr.flex_xml import Row

#: Columns of a block before those of the section: where a row comes from, and its level.
ORIGIN, LEVEL, ACCOUNT = "@origin", "@level", "@account"
#: Rows from which on a block is handed over.
BLOCK_ROWS: Final = 5_000

_MOST_ORIGINS: Final = 256
#: Separators of values and rows: control characters, which well-formed XML 1.0 cannot contain.
_VALUE_END: Final = "\x1f"
_ROW_END: Final = "\x1e"
_ACCOUNT_ATTRIBUTE: Final = "accountId"
_LEVEL_ATTRIBUTE: Final = "levelOfDetail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What rows of a block have in common.

    Attributes:
        statement: Index of the statement they stand in.
        tag: Element.
        attributes: Names of its attributes.
    """

    statement: int
    tag: str
    attributes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Rows of one section.

    Attributes:
        section: The section.
        lines: One text per row.
        runs: (index of a line, place of its row in the section); the rows after it follow on.
        origins: What `@origin` counts.
        passed: (statement, account or empty, level) -> elements that are no rows of the table.
    """

    section: Section
    lines: list[str]
    runs: list[tuple[int, int]]
    origins: list[Origin]
    passed: Counter[tuple[int, str, str]]

    def frame(self) -> pl.DataFrame:
        """Return the rows as columns of text: origin, level, account, the slots; "" is null."""
        names = (ORIGIN, LEVEL, ACCOUNT, *map(slot_name, self.section.slots))
        if self.section.gathers:
            names = (*names, slot_name(()))
        return pl.read_csv(
            _ROW_END.join(self.lines).encode(),
            has_header=False,
            separator=_VALUE_END,
            eol_char=_ROW_END,
            quote_char=None,
            schema={**dict.fromkeys(names, pl.String()), ORIGIN: pl.Int32()},
            infer_schema=False,
        )

    def numbers(self) -> pl.Series:
        """Return the place of every row in the section, 1 for the first of the file."""
        ends = [*(index for index, _ in self.runs[1:]), len(self.lines)]
        return pl.concat(
            pl.int_range(number, number + end - index, dtype=pl.Int64, eager=True)
            for (index, number), end in zip(self.runs, ends, strict=True)
        )


def slot_name(spellings: tuple[str, ...]) -> str:
    """Return the name of a slot's column of text; that without spellings gathers amounts."""
    return spellings[0] if len(spellings) == 1 else " or ".join(spellings)


class RowCollector:
    """Gathers the rows of one section over a whole file."""

    def __init__(
        self,
        section: Section,
        *,
        give: Callable[[Block], None],
        give_rows_to: Callable[[Row], None],
    ) -> None:
        """Gather rows of `section`.

        Args:
            section: The section.
            give: Takes a block of rows.
            give_rows_to: Told, again and again, where elements are to be brought.
        """
        self._section = section
        self._give = give
        self._give_rows_to = give_rows_to
        self._statement = 0
        self._n_before = 0
        self._lines: list[str] = []
        self._passed: Counter[tuple[int, str, str]] = Counter()
        self._runs = [(0, 1)]
        self._origins: list[Origin] = []
        self._known: dict[Origin, Row] = {}

    @property
    def n_gathered(self) -> int:
        """Rows gathered and not handed over."""
        return len(self._lines)

    def begin(self, statement: int) -> None:
        """Take the rows that follow, as those of this statement."""
        self._statement = statement
        self._give_rows_to(self.turn_to)

    def turn_to(self, tag: str, attributes: list[str]) -> None:
        """Take an element unlike the last, and get ready for more like it."""
        if self._section.rows and tag not in self._section.rows:
            self._pass_over(tag, attributes)
            return
        if not attributes:
            return
        if len(self._origins) >= _MOST_ORIGINS:
            self.flush()
            self._origins.clear()
            self._known.clear()
        origin = Origin(statement=self._statement, tag=tag, attributes=tuple(attributes[::2]))
        if origin not in self._known:
            self._known[origin] = self._row_of(origin, len(self._origins))
            self._origins.append(origin)
        row = self._known[origin]
        self._give_rows_to(row)
        row(tag, attributes)

    def flush(self) -> None:
        """Hand over what was gathered."""
        if not self._lines and not self._passed:
            return
        block = Block(
            section=self._section,
            lines=self._lines.copy(),
            runs=self._runs,
            origins=self._origins.copy(),
            passed=self._passed,
        )
        # Cleared, not replaced: what takes rows holds on to it.
        self._n_before += len(self._lines)
        self._lines.clear()
        self._runs = [(0, self._n_before + 1)]
        self._passed = Counter()
        self._give(block)

    def _row_of(self, origin: Origin, index: int) -> Row:
        """Return what takes rows of an origin, and nothing else, as fast as can be."""
        tag, names = origin.tag, list(origin.attributes)
        pick, tail = _values_of(self._section, origin, index)
        append, join, turn_to = self._lines.append, _VALUE_END.join, self.turn_to

        def row(its_tag: str, attributes: list[str]) -> None:
            if attributes[::2] != names or its_tag != tag:
                turn_to(its_tag, attributes)
                return
            attributes += tail
            append(join(pick(attributes)))

        if not self._section.gathers:
            return row
        flows_of = _flows_of(self._section, origin)

        def row_with_flows(its_tag: str, attributes: list[str]) -> None:
            if attributes[::2] != names or its_tag != tag:
                turn_to(its_tag, attributes)
                return
            flows = flows_of(attributes)
            attributes += tail
            append(join((*pick(attributes), flows)))

        return row_with_flows

    def _pass_over(self, tag: str, attributes: list[str]) -> None:
        """Count an element that is no row of the table, but one of another level."""
        level = self._section.tag_levels.get(tag)
        if level is None and not attributes:
            return
        told = dict(zip(attributes[::2], attributes[1::2], strict=True))
        key = (
            self._statement,
            told.get(_ACCOUNT_ATTRIBUTE, ""),
            told.get(_LEVEL_ATTRIBUTE) or level or tag,
        )
        self._passed[key] += 1
        self._n_before += 1
        here = (len(self._lines), self._n_before + len(self._lines) + 1)
        if self._runs[-1][0] == here[0]:
            self._runs[-1] = here
        else:
            self._runs.append(here)
        if len(self._passed) >= BLOCK_ROWS:
            self.flush()


def _values_of(
    section: Section, origin: Origin, index: int
) -> tuple[Callable[[list[str]], tuple[str, ...]], list[str]]:
    """Return what picks the values of a row of this origin, and what its list needs at its end.

    The end holds the index of the origin, nothing for what is missing, and the level its element
    stands for, so that these are picked like the rest.
    """
    place = {name: 2 * at + 1 for at, name in enumerate(origin.attributes)}
    mark, nothing, level = -3, -2, -1
    wanted = [
        mark,
        place.get(_LEVEL_ATTRIBUTE, level),
        place.get(_ACCOUNT_ATTRIBUTE, nothing),
        *(
            next((place[name] for name in spellings if name in place), nothing)
            for spellings in section.slots
        ),
    ]
    stands_for = origin.tag if origin.tag in section.second_choice else ""
    return itemgetter(*wanted), [str(index), "", stands_for]


def _flows_of(section: Section, origin: Origin) -> Callable[[list[str]], str]:
    """Return what gathers the amounts of a row that have no column, as one text."""
    selected = set(origin.attributes)
    flows = [
        (name, 2 * at + 1)
        for at, name in enumerate(origin.attributes)
        if _is_flow(name, section, selected)
    ]

    def gather(attributes: list[str]) -> str:
        told = {name: attributes[at] for name, at in flows if attributes[at]}
        return json.dumps(told) if told else ""

    return gather


def _is_flow(name: str, section: Section, selected: set[str]) -> bool:
    """Return whether an attribute is an amount that moved cash and has no column of its own."""
    if name in section.attributes | words.LEFT_OUT | words.PERSONAL | words.NO_FLOWS:
        return False
    if name == "depositWithdrawals":
        return not {"deposits", "withdrawals"} & selected
    return not name.startswith(words.NO_FLOW_PREFIXES) and not name.endswith(words.NO_FLOW_SUFFIXES)
