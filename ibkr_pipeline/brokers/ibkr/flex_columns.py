"""Columns of text as columns of values: fast where the text is as usual, one by one where not.

What lives here: `read_column`, the formats it knows at sight, and `Usual`, the same for many
columns at once. What must not: what a single text means (`flex_values.py`), or which column is
which (`flex_sections.py`).

The usual forms are converted whole by Polars. Every distinct text that is in another form goes
through the function for one value, which also refuses what cannot be read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Final

import polars as pl

from ibkr_pipeline.brokers.ibkr import flex_values as values
from ibkr_pipeline.brokers.ibkr.flex_fields import Reading

_MONEY: Final = 10
_RATE: Final = 15
_SHOWN = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """How columns of one reading are converted as long as every text is in the usual form.

    Attributes:
        holds: Whether a column of texts is in the usual form; null texts are.
        convert: Its values.
        may_fail: Whether a text in the usual form may yet have no value, and becomes null.
    """

    holds: Callable[[pl.Expr], pl.Expr]
    convert: Callable[[pl.Expr], pl.Expr]
    may_fail: bool = False


class ColumnError(Exception):
    """A text of a column could not be read.

    Attributes:
        row: Its place in the column, 0 for the first.
        text: The text, shortened.
        expected: What should have stood there.
    """

    def __init__(self, *, row: int, text: str, expected: str) -> None:
        super().__init__(f"Text {shortened(text)} was no value; {expected} was expected.")
        self.row = row
        self.text = shortened(text)
        self.expected = expected


def read_column(texts: pl.Series, reading: Reading) -> pl.Series:
    """Return the values of a column of texts; null where the broker says there is none.

    Raises:
        ColumnError: A text cannot be read; the first such row is named.
    """
    return _READERS[reading](texts)


def usual_form(reading: Reading) -> Usual | None:
    """Return the usual form of a reading, if it has one."""
    return _USUAL.get(reading)


def shortened(text: str) -> str:
    """Return a text as it may be shown in a message: quoted, unprintables spelled, cut."""
    return ascii(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")


def _as_it_is(texts: pl.Series) -> pl.Series:
    return texts


def _without(nothing: list[str], texts: pl.Series) -> pl.Series:
    """Return the texts with `nothing` as null."""
    said = texts.is_in(nothing)
    return texts.set(said, None) if said.any() else texts


def _model(texts: pl.Series) -> pl.Series:
    return texts.fill_null("")


def _number(places: int, texts: pl.Series) -> pl.Series:
    usual = texts.str.contains(_plain(places))
    dtype = pl.Decimal(values.DIGITS, places)
    if usual.all():
        return texts.cast(dtype)
    read = texts.zip_with(usual.fill_null(value=False), _nulls(texts)).cast(dtype)
    return _with_the_rest(texts, read, partial(values.number, places=places))


def _plain(places: int) -> str:
    """Return the pattern of numbers that Polars casts exactly."""
    return rf"^-?[0-9]{{1,{values.DIGITS - places}}}(?:\.[0-9]{{0,{places}}})?$"


def _percent(texts: pl.Series) -> pl.Series:
    nothing = _nulls(texts).cast(pl.Decimal(values.DIGITS, _RATE))
    return _with_the_rest(texts, nothing, partial(values.percentage, places=_RATE))


def _integer(texts: pl.Series) -> pl.Series:
    usual = texts.str.contains(_CON_ID)
    if usual.all():
        return texts.cast(pl.Int64)
    read = texts.zip_with(usual.fill_null(value=False), _nulls(texts)).cast(pl.Int64)
    return _with_the_rest(texts, read, values.integer)


def _date(texts: pl.Series) -> pl.Series:
    form = _form_of(texts, _DATE_FORMS)
    read = _nulls(texts).cast(pl.Date)
    if form is not None:
        pattern, spelled = form
        usual = texts.str.contains(pattern).fill_null(value=False)
        read = texts.zip_with(usual, _nulls(texts)).str.to_date(spelled, strict=False)
    return _with_the_rest(texts, read, values.day)


def _instant(texts: pl.Series) -> pl.Series:
    form = _form_of(texts, _INSTANT_FORMS)
    read = _nulls(texts).cast(pl.Datetime("us", "UTC"))
    if form is not None:
        pattern, spelled = form
        usual = texts.str.contains(pattern).fill_null(value=False)
        read = (
            texts.zip_with(usual, _nulls(texts))
            .str.to_datetime(spelled, time_unit="us", strict=False)
            .dt.replace_time_zone(values.STATEMENT_ZONE, ambiguous="earliest", non_existent="null")
            .dt.convert_time_zone("UTC")
        )
    return _with_the_rest(texts, read, values.instant)


def _flag(texts: pl.Series) -> pl.Series:
    return _with_the_rest(texts, _nulls(texts).cast(pl.Boolean), values.flag)


def _right(texts: pl.Series) -> pl.Series:
    return _with_the_rest(texts, _nulls(texts), values.right)


def _flows(texts: pl.Series) -> pl.Series:
    """Return objects of amounts without those that are zero or none; null for none left."""
    return _with_the_rest(texts, _nulls(texts), _flow_amounts)


def _flow_amounts(text: str) -> str | None:
    amounts, _ = flows_of(text)
    kept = {name: f"{amount:f}" for name, amount in amounts.items() if amount}
    return json.dumps(kept, sort_keys=True) if kept else None


def flows_of(text: str) -> tuple[dict[str, Decimal], list[str]]:
    """Return the amounts of an object of attributes, and the names of those that are none."""
    amounts: dict[str, Decimal] = {}
    others: list[str] = []
    for name, told in json.loads(text).items():
        try:
            amounts[name] = values.number(told, places=_MONEY) or Decimal(0)
        except ValueError:
            others.append(name)
    return amounts, others


def _nulls(texts: pl.Series) -> pl.Series:
    return pl.Series(texts.name, [None], dtype=pl.String).new_from_index(0, texts.len())


def _with_the_rest(texts: pl.Series, read: pl.Series, one: Callable[[str], object]) -> pl.Series:
    """Return `read`, with the texts it has no value for read one by one, each distinct one once."""
    if read.null_count() == texts.null_count():
        return read
    unread = texts.filter(read.is_null() & texts.is_not_null())
    distinct = unread.unique(maintain_order=True)
    found = []
    for text in distinct:
        try:
            found.append(one(text))
        except ValueError as e:
            place = texts.index_of(text)
            raise ColumnError(row=place or 0, text=text, expected=str(e)) from e
    meant = pl.Series(found, dtype=read.dtype)
    if not meant.null_count() < meant.len():
        return read
    rest = texts.replace_strict(distinct, meant, default=None, return_dtype=read.dtype)
    return read.zip_with(read.is_not_null(), rest)


def _form_of(texts: pl.Series, forms: tuple[tuple[str, str], ...]) -> tuple[str, str] | None:
    """Return the usual form of the first text that is in one, of the first few."""
    for text in texts.drop_nulls().head(_LOOKED_AT):
        for pattern, spelled in forms:
            if re.search(pattern, text):
                return pattern, spelled
    return None


_LOOKED_AT = 16
_CON_ID = "^[1-9][0-9]{0,17}$"
_NO_CODE = sorted(values.NOTHING - {""})
_NO_ID = [*_NO_CODE, "0"]
_NO_TEXT = ["--"]
_DATE_FORMS = (("^[0-9]{8}$", "%Y%m%d"), ("^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "%Y-%m-%d"))
_INSTANT_FORMS = tuple(
    (f"{date_pattern[:-1]}{separator}{time_pattern}$", f"{date_form}{separator}{time_form}")
    for date_pattern, date_form in _DATE_FORMS
    for separator in (";", ", ", ",", " ", "T", "")
    for time_pattern, time_form in (
        ("[0-9]{2}[0-5][0-9][0-5][0-9]", "%H%M%S"),
        ("[0-9]{2}:[0-5][0-9]:[0-5][0-9]", "%H:%M:%S"),
    )
)

_READERS: dict[Reading, Callable[[pl.Series], pl.Series]] = {
    "text": partial(_without, _NO_TEXT),
    "raw": _as_it_is,
    "code": partial(_without, _NO_CODE),
    "id": partial(_without, _NO_ID),
    "model": _model,
    "instant": _instant,
    "date": _date,
    "money": partial(_number, _MONEY),
    "rate": partial(_number, _RATE),
    "percent": _percent,
    "integer": _integer,
    "flag": _flag,
    "right": _right,
    "flows": _flows,
}


def _always(texts: pl.Expr) -> pl.Expr:
    return texts.len().is_not_null()


def _free_of(nothing: list[str]) -> Usual:
    return Usual(holds=lambda texts: texts.is_in(nothing).any().not_(), convert=lambda texts: texts)


def _numbers_of(places: int) -> Usual:
    return Usual(
        holds=lambda texts: texts.str.contains(_plain(places)).all(),
        convert=lambda texts: texts.cast(pl.Decimal(values.DIGITS, places)),
    )


_USUAL: dict[Reading, Usual] = {
    "text": _free_of(_NO_TEXT),
    "code": _free_of(_NO_CODE),
    "id": _free_of(_NO_ID),
    "raw": Usual(holds=_always, convert=lambda texts: texts),
    "model": Usual(holds=_always, convert=lambda texts: texts.fill_null("")),
    "money": _numbers_of(_MONEY),
    "rate": _numbers_of(_RATE),
    "integer": Usual(
        holds=lambda texts: texts.str.contains(_CON_ID).all(),
        convert=lambda texts: texts.cast(pl.Int64),
    ),
    "date": Usual(
        holds=lambda texts: texts.str.contains(_DATE_FORMS[0][0]).all(),
        convert=lambda texts: texts.str.to_date(_DATE_FORMS[0][1], strict=False),
        may_fail=True,
    ),
    "instant": Usual(
        holds=lambda texts: texts.str.contains(_INSTANT_FORMS[0][0]).all(),
        convert=lambda texts: (
            texts.str.to_datetime(_INSTANT_FORMS[0][1], time_unit="us", strict=False)
            .dt.replace_time_zone(values.STATEMENT_ZONE, ambiguous="earliest", non_existent="null")
            .dt.convert_time_zone("UTC")
        ),
        may_fail=True,
    ),
    "flag": Usual(
        holds=lambda texts: texts.is_in(["Y", "N"]).all(), convert=lambda texts: texts == "Y"
    ),
    "right": Usual(holds=lambda texts: texts.is_in(["C", "P"]).all(), convert=lambda texts: texts),
}
