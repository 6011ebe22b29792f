"""What a text of a statement means, and which texts are refused."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import polars as pl
import pytest

from ibkr_pipeline.brokers.ibkr import flex_values as values
from ibkr_pipeline.brokers.ibkr.flex_columns import ColumnError, read_column

MONEY, RATE = 10, 15


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12.5", Decimal("12.5")),
        ("-0.0000000001", Decimal("-1E-10")),
        ("21,792.73", Decimal("21792.73")),
        ("1,234,567", Decimal(1234567)),
        (".5", Decimal("0.5")),
        ("+3", Decimal(3)),
        ("3.", Decimal(3)),
        ("0.12345678900000", Decimal("0.123456789")),
        ("", None),
        ("-", None),
        ("--", None),
        ("N/A", None),
    ],
)
def test_a_number_is_exact_and_nothing_is_null(text: str, expected: Decimal | None) -> None:
    """Money that went through a float no longer adds up to the statement's totals."""
    assert expected == values.number(text, places=MONEY)


@pytest.mark.parametrize(
    "text",
    [
        "1e5", "1E10", "NaN", "nan", "Infinity", "-inf", "12.5%", "12,34", "1,2345", "1.2.3",
        " 1", "1 ", "0x10", "1_000", ".", "+", "٣", "(12.5)", "12.5 USD",
        "0.12345678901", "9" * 29,
    ],
)  # fmt: skip
def test_what_is_no_plain_number_is_refused(text: str) -> None:
    """Guessing at a number, or rounding it, is worse than a section that waits."""
    with pytest.raises(ValueError, match=r"a .*number"):
        values.number(text, places=MONEY)
    with pytest.raises(ColumnError):
        read_column(pl.Series(["1", text]), "money")


def test_the_largest_number_a_column_holds_is_read() -> None:
    """28 digits before the point and 10 after it fit; a digit more does not."""
    text = "9" * 28 + "." + "9" * 10

    assert Decimal(text) == values.number(text, places=MONEY)
    assert [Decimal(text)] == read_column(pl.Series([text]), "money").to_list()


@pytest.mark.parametrize(("text", "expected"), [("12.5", "12.5"), ("12.5%", "12.5"), ("8 %", "8")])
def test_a_percentage_may_carry_its_sign(text: str, expected: str) -> None:
    """Both spellings occur; the column is in percent either way."""
    assert Decimal(expected) == values.percentage(text, places=RATE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20261118", date(2026, 11, 18)),
        ("2026-11-18", date(2026, 11, 18)),
        ("18-Nov-26", date(2026, 11, 18)),
        ("1-JAN-99", date(1999, 1, 1)),
        ("20261118;162000", date(2026, 11, 18)),
        ("2026-11-18, 16:20:00", date(2026, 11, 18)),
        ("", None),
        ("MULTI", None),
        ("--", None),
    ],
)
def test_a_date_is_read_in_every_unambiguous_form(text: str, expected: date | None) -> None:
    """A query may be set to any of these."""
    assert expected == values.day(text)


@pytest.mark.parametrize("text", ["31/12/2026", "05/04/2026", "05/04/26"])
def test_a_date_with_slashes_is_refused_with_what_to_set(text: str) -> None:
    """5 April and 4 May look the same; only the query's owner can tell."""
    with pytest.raises(ValueError, match="yyyyMMdd"):
        values.day(text)
    with pytest.raises(ColumnError, match="yyyyMMdd"):
        read_column(pl.Series([text]), "date")


@pytest.mark.parametrize(
    "text", ["2026113", "20261318", "2026-1-18", "18-Foo-26", "20260230", "hello", "2026-1118"]
)
def test_what_is_no_date_is_refused(text: str) -> None:
    """A library would read 2026113 as 13 January."""
    with pytest.raises(ValueError, match="a date such as"):
        values.day(text)
    with pytest.raises(ColumnError):
        read_column(pl.Series(["20261118", text]), "date")


#: 18 November is winter time, five hours behind UTC; 24 July is summer time, four behind.
WINTER, SUMMER = (
    datetime(2026, 11, 18, 21, 20, tzinfo=UTC),
    datetime(2026, 7, 24, 20, 20, tzinfo=UTC),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20261118;162000", WINTER),
        ("20260724;162000", SUMMER),
        ("2026-11-18;16:20:00", WINTER),
        ("2026-01-25;120320", datetime(2026, 1, 25, 17, 3, 20, tzinfo=UTC)),
        ("20261118 162000", WINTER),
        ("20261118,162000", WINTER),
        ("2026-11-18, 16:20:00", WINTER),
        ("2026-11-18T16:20:00", WINTER),
        ("20261118162000", WINTER),
        ("2026-11-18T16:20:00+00:00", datetime(2026, 11, 18, 16, 20, tzinfo=UTC)),
        ("2026-11-18;16:20:00 EST", WINTER),
        ("18-Nov-26;162000", WINTER),
        ("20261118;1620", WINTER),
        ("20261118", datetime(2026, 11, 18, 5, tzinfo=UTC)),
        ("", None),
        ("MULTI", None),
    ],
)
def test_a_time_is_new_york_time_in_every_form(text: str, expected: datetime | None) -> None:
    """The text carries no zone; assignments are stamped 16:20 New York time."""
    assert expected == values.instant(text)
    assert [expected] == read_column(pl.Series([text], dtype=pl.String), "instant").to_list()


@pytest.mark.parametrize("text", ["20261118;250000", "20261118;126100", "162000", "20261118;16"])
def test_what_is_no_time_is_refused(text: str) -> None:
    """An hour that does not exist is not the next day."""
    with pytest.raises(ValueError, match="a date and time such as"):
        values.instant(text)
    with pytest.raises(ColumnError):
        read_column(pl.Series([text]), "instant")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # The clocks went back on 1 November 2026 at 2:00: 1:30 came twice, first as 5:30 UTC.
        ("20261101;003000", datetime(2026, 11, 1, 4, 30, tzinfo=UTC)),
        ("20261101;013000", datetime(2026, 11, 1, 5, 30, tzinfo=UTC)),
        ("20261101;020000", datetime(2026, 11, 1, 7, 0, tzinfo=UTC)),
        # They went forward on 8 March 2026 at 2:00: 2:30 never was; it is read as 3:30.
        ("20260308;013000", datetime(2026, 3, 8, 6, 30, tzinfo=UTC)),
        ("20260308;023000", datetime(2026, 3, 8, 7, 30, tzinfo=UTC)),
        ("20260308;033000", datetime(2026, 3, 8, 7, 30, tzinfo=UTC)),
        # The UTC date is another than the session's.
        ("20260331;230000", datetime(2026, 4, 1, 3, 0, tzinfo=UTC)),
    ],
)
def test_fault_54_an_hour_that_comes_twice_or_never_has_one_reading(
    text: str, expected: datetime
) -> None:
    """One text is one instant on every path, or the same trade would be two."""
    assert expected == values.instant(text)
    assert [expected] * 2 == read_column(pl.Series([text, text]), "instant").to_list()


def test_forms_may_be_mixed_in_one_column() -> None:
    """Sums have a date alone where details have a time."""
    texts = pl.Series([None, "MULTI", "20261118;162000", "2026-11-18;16:20:00", "20261118"])

    midnight = datetime(2026, 11, 18, 5, tzinfo=UTC)
    assert [None, None, WINTER, WINTER, midnight] == read_column(texts, "instant").to_list()


@pytest.mark.parametrize(
    ("text", "expected"), [("Y", True), ("Yes", True), ("N", False), ("NO", False), ("", None)]
)
def test_a_flag_is_yes_or_no(text: str, expected: bool | None) -> None:
    """Both spellings occur."""
    assert expected == values.flag(text)


def test_a_flag_that_is_neither_is_refused() -> None:
    """Anything else would silently become False."""
    with pytest.raises(ColumnError, match="Yes or No"):
        read_column(pl.Series(["Y", "maybe"]), "flag")


def test_ids_and_symbols_stay_text() -> None:
    """Libraries read the symbol NAN as not a number and an ISIN as a large one."""
    assert ["NAN", "--x", None] == read_column(pl.Series(["NAN", "--x", "--"]), "text").to_list()
    assert ["1E10", "00123"] == read_column(pl.Series(["1E10", "00123"]), "id").to_list()


def test_an_id_of_zero_is_none() -> None:
    """Origin ids of rows that correct nothing are written as 0; they would match each other."""
    assert [None, None, "7"] == read_column(pl.Series(["0", "-", "7"]), "id").to_list()


def test_a_contract_id_of_zero_is_none() -> None:
    """Cash has no contract."""
    assert [None, 265598] == read_column(pl.Series(["0", "265598"]), "integer").to_list()


def test_a_right_that_is_none_is_null() -> None:
    """Anything but a call or a put is no option."""
    assert ["C", "P", None] == read_column(pl.Series(["CALL", "P", "?"]), "right").to_list()


def test_the_first_bad_text_is_named_and_shortened() -> None:
    """The message has to lead to the row, and must not repeat a novel."""
    with pytest.raises(ColumnError) as caught:
        read_column(pl.Series(["1", "x" * 100, "y"]), "money")

    assert (1, "'" + "x" * 24 + "...'") == (caught.value.row, caught.value.text)
