"""Properties of the reader of statements over files generated from its own column table."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from io import BytesIO

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from ibkr_pipeline.brokers.ibkr import flex_values as values
from ibkr_pipeline.brokers.ibkr.flex_fields import Field, Reading, Section
from ibkr_pipeline.brokers.ibkr.flex_reader import read_statement
from ibkr_pipeline.brokers.ibkr.flex_sections import SECTIONS
from ibkr_pipeline.brokers.statements import SectionResult
from ibkr_pipeline.primitives.enums import LoadStatus
from ibkr_pipeline_tests.unit.brokers.flex_reader.documents import (
    Kept,
    document,
    element,
    statement,
)

_ACCOUNTS = ("DU0000001", "DU0000002")
_PLAIN = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), max_size=8
)
_MONEY = st.one_of(
    st.decimals(min_value=-(10**12), max_value=10**12, places=9).map(lambda amount: f"{amount:f}"),
    st.sampled_from(["", "--", "-", "N/A", "21,792.73", "0", ".5"]),
)
_SOME_DAY = st.dates(date(1990, 1, 1), date(2036, 12, 31))
_DAYS = _SOME_DAY.map(lambda day: f"{day:%Y%m%d}")
_DATES = st.one_of(_DAYS, _SOME_DAY.map(str), st.sampled_from(["", "MULTI", "18-Nov-26"]))
_TIMES = st.times().map(lambda time: f"{time:%H%M%S}")
_INSTANTS = st.one_of(
    st.tuples(_DAYS, st.sampled_from([";", ",", " ", "T", ""]), _TIMES).map("".join),
    st.tuples(_SOME_DAY.map(str), st.sampled_from([";", ", "]), _TIMES).map("".join),
    _DAYS,
    st.just(""),
)
_TEXTS: dict[Reading, st.SearchStrategy[str]] = {
    "text": _PLAIN,
    "raw": _INSTANTS,
    "code": _PLAIN,
    "id": st.one_of(st.integers(0, 10**12).map(str), st.just("")),
    "model": _PLAIN,
    "instant": _INSTANTS,
    "date": _DATES,
    "money": _MONEY,
    "rate": _MONEY,
    "percent": st.one_of(_MONEY, st.just("12.5%")),
    "integer": st.one_of(st.integers(0, 10**9).map(str), st.just("")),
    "flag": st.sampled_from(["Y", "N", "Yes", "No", ""]),
    "right": st.sampled_from(["C", "P", "CALL", "", "?"]),
}
_FILLED: dict[Reading, st.SearchStrategy[str]] = {
    "code": st.sampled_from(["USD", "EUR", "XYZ"]),
    "text": st.sampled_from(["Dividends", "Other"]),
    "instant": st.tuples(_DAYS, st.sampled_from([";", " "]), _TIMES).map("".join),
    "date": st.one_of(_DAYS, _SOME_DAY.map(str)),
    "money": st.integers(-(10**30), 10**30).map(lambda mills: f"{mills / 10**20:.9f}"),
    "rate": st.sampled_from(["1.5", "-1", "0.937150000000001"]),
    "integer": st.integers(1, 10**9).map(str),
}
#: What is read most strictly of one attribute comes first.
_STRICTEST: Sequence[Reading] = (
    "instant", "date", "integer", "money", "rate", "percent", "flag", "right", "code", "id",
    "model", "text", "raw",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A section of a generated statement, and the rows of it that are to come out."""

    section: Section
    xml: str
    wanted: list[dict[str, str]]


@cache
def _row(section: Section) -> st.SearchStrategy[dict[str, str]]:
    """Return rows with every attribute that is needed, any other or not, in any order."""
    needed = {field.attributes[0] for field in section.fields if field.selected}
    filled = {name for field in section.filled for name in field.attributes}
    readings: dict[str, set[Reading]] = {}
    for field in section.fields:
        if field.column != "level_of_detail":
            for name in field.attributes:
                readings.setdefault(name, set()).add(field.reading)
    texts = {
        name: (_FILLED if name in filled else _TEXTS)[min(told, key=_STRICTEST.index)]
        for name, told in readings.items()
    }
    told = {name: texts[name] for name in texts if name in needed}
    extra = {name: texts[name] for name in texts if name not in needed} | {"brandNew": _PLAIN}
    return st.tuples(
        st.fixed_dictionaries(told, optional=extra), st.randoms(use_true_random=False)
    ).map(_shuffled)


def _shuffled(drawn: tuple[dict[str, str], object]) -> dict[str, str]:
    row, random = drawn
    names = list(row)
    random.shuffle(names)  # type: ignore[attr-defined]
    return {name: row[name] for name in names}


@st.composite
def _part(draw: st.DrawFn, account: str) -> Part:
    section = draw(st.sampled_from(SECTIONS))
    rows = draw(st.lists(_row(section), max_size=3))
    if section.once:
        rows = rows[:1]
    if section.is_row:
        return Part(
            section=section,
            xml="".join(element(section.tags[0], {"accountId": account} | row) for row in rows)
            or element(section.tags[0], {}),
            wanted=[{"accountId": account} | row for row in rows],
        )
    tag = section.rows[0] if section.rows else "AnyElement"
    levels = sorted(section.levels - {"BASECURRENCY"})
    body, wanted = [], []
    for row in rows:
        owner = draw(st.sampled_from([{}, {"accountId": account}]))
        level = {"levelOfDetail": draw(st.sampled_from(levels))} if levels else {}
        whole = owner | row | level
        wanted.append(whole)
        body.append(element(tag, whole))
        others = sorted(section.passed_over)[: draw(st.integers(0, 2))]
        body.extend(
            element(tag, {"accountId": account, "levelOfDetail": other, "junk": "x"})
            for other in others
        )
    container = draw(st.sampled_from(section.tags))
    return Part(section=section, xml=f"<{container}>{''.join(body)}</{container}>", wanted=wanted)


@st.composite
def _statements(draw: st.DrawFn) -> list[tuple[str, list[Part]]]:
    accounts = draw(st.lists(st.sampled_from(_ACCOUNTS), min_size=1, max_size=2, unique=True))
    return [(account, draw(st.lists(_part(account), max_size=3))) for account in accounts]


@given(_statements())
@settings(max_examples=500, deadline=None)
def test_every_row_comes_out_once_as_the_column_table_says(
    statements: Sequence[tuple[str, Sequence[Part]]],
) -> None:
    """Whatever is selected, in whatever order: each value is what its text alone means."""
    data = document(
        *(
            statement(*(part.xml for part in parts), account=account)
            for account, parts in statements
        )
    )
    kept = Kept()
    kept.document = read_statement(BytesIO(data), kept)

    assert [] == [result for result in kept.read.sections if result.status is LoadStatus.FAILED]
    for account, parts in statements:
        for section in {part.section.name: part.section for part in parts}.values():
            wanted = [row for part in parts if part.section is section for row in part.wanted]
            result = kept.result(section.name, account)
            assert len(wanted) == result.n_kept
            _check_unknown(result, section, wanted)
            if wanted:
                _check_rows(kept.rows(section.name, account), section, wanted)


def _check_unknown(
    result: SectionResult, section: Section, wanted: Sequence[dict[str, str]]
) -> None:
    if not section.gathers:
        told = sum("brandNew" in row for row in wanted)
        assert told == result.unknown_attributes.get("brandNew", 0)


def _check_rows(frame: pl.DataFrame, section: Section, wanted: Sequence[dict[str, str]]) -> None:
    assert section.table.schema == dict(frame.schema)
    assert not any(frame[field.column].has_nulls() for field in section.filled)
    for field in section.fields:
        if field.column in section.fallbacks or not field.attributes:
            continue
        if section.window and field.column in {"from_date", "to_date"}:
            continue
        expected = [_MEANING[field.reading](_text(field, row)) for row in wanted]
        assert expected == frame[field.column].to_list(), field.column


def _text(field: Field, row: dict[str, str]) -> str:
    """Return the text of the first spelling the row has."""
    return next((row[name] for name in field.attributes if name in row), "")


#: What one text means, by the functions for one value.
_MEANING: dict[Reading, Callable[[str], object]] = {
    "money": lambda text: values.number(text, places=10),
    "rate": lambda text: values.number(text, places=15),
    "percent": lambda text: values.percentage(text, places=15),
    "integer": values.integer,
    "date": values.day,
    "instant": values.instant,
    "flag": values.flag,
    "right": values.right,
    "model": lambda text: text,
    "raw": lambda text: text or None,
    "code": lambda text: None if text in values.NOTHING else text,
    "id": lambda text: None if text in values.NOTHING | {"0"} else text,
    "text": lambda text: None if text in {"", "--"} else text,
}


@given(st.lists(st.tuples(st.sampled_from(SECTIONS), st.integers(0, 30)), min_size=1, max_size=4))
@settings(max_examples=100, deadline=None)
def test_a_section_lacks_exactly_what_it_says(picks: Sequence[tuple[Section, int]]) -> None:
    """Without one needed attribute a section fails and names it, and no other section does."""
    sections = {section.name: (section, pick) for section, pick in picks}
    bodies, lacking = [], {}
    for section, pick in sections.values():
        needed = list(dict.fromkeys(f.attributes[0] for f in section.fields if f.selected))
        if not needed:
            continue
        gone = needed[pick % len(needed)]
        row = {name: "1" for name in needed if name != gone} | {"accountId": _ACCOUNTS[0]}
        lacking[section.name] = (gone,)
        rows = element(section.rows[0] if section.rows else "AnyElement", row)
        bodies.append(
            element(section.tags[0], row)
            if section.is_row
            else element(section.tags[0], {}, inside=rows)
        )

    kept = Kept()
    kept.document = read_statement(BytesIO(document(statement(*bodies))), kept)

    assert lacking == {result.section: result.missing_columns for result in kept.read.sections}
    assert [] == kept.chunks


@given(st.dictionaries(st.sampled_from(["advisorFees", "bondInterest", "other"]), _MONEY))
def test_gathered_flows_are_numbers_and_never_zero(told: dict[str, str]) -> None:
    """The roll-forward adds them up as they stand."""
    row = {"accountId": _ACCOUNTS[0], "currency": "USD", "endingCash": "0"} | told
    data = document(statement(f"<CashReport>{element('CashReportCurrency', row)}</CashReport>"))

    kept = Kept()
    kept.document = read_statement(BytesIO(data), kept)

    (flows,) = kept.rows("CashReport")["other_flows"].to_list()
    meant = {name: values.number(text, places=10) for name, text in told.items()}
    assert {name: f"{amount:f}" for name, amount in meant.items() if amount} == (
        json.loads(flows) if flows else {}
    )
