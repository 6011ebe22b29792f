"""How statements write numbers, dates and contracts."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from ibkr_pipeline.simulator.flex.texts import DateStyle, contract_values, describe, number
from ibkr_pipeline.simulator.instruments import Instrument, built_in_instruments

CATALOGUE = {i.local_symbol: i for i in built_in_instruments()}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("0"), "0"),
        (Decimal("-0.00"), "0"),
        (Decimal("100"), "100"),
        (Decimal("1E+3"), "1000"),
        (Decimal("-1.30"), "-1.3"),
        (Decimal("216.7310810810"), "216.731081081"),
        (7, "7"),
        (None, ""),
    ],
)
def test_numbers_are_plain_with_at_most_nine_decimals(value: Decimal | None, text: str) -> None:
    """No exponents, no trailing zeros, nothing for nothing."""
    assert text == number(value)


@pytest.mark.parametrize(
    ("style", "day", "moment"),
    [
        (DateStyle(), "20261118", "20261118;094504"),
        (
            DateStyle(date_format="yyyy-MM-dd", time_format="HH:mm:ss", separator=" "),
            "2026-11-18",
            "2026-11-18 09:45:04",
        ),
        (DateStyle(date_format="dd/MM/yyyy", separator=","), "18/11/2026", "18/11/2026,094504"),
        (DateStyle(date_format="MM/dd/yy", separator=""), "11/18/26", "11/18/26094504"),
        (DateStyle(date_format="dd-MMM-yy"), "18-Nov-26", "18-Nov-26;094504"),
    ],
)
def test_dates_follow_the_query_and_times_are_of_new_york(
    style: DateStyle, day: str, moment: str
) -> None:
    """14:45:04 UTC in November is 09:45:04 in New York."""
    at = datetime(2026, 11, 18, 14, 45, 4, tzinfo=UTC)

    assert (day, moment) == (style.day(date(2026, 11, 18)), style.moment(at))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("AAPL", "APPLE INC"),
        ("SPY   261218C00600000", "SPY 18DEC26 600 C"),
        ("SPXW  261120P05900000", "SPXW 20NOV26 5900 P"),
        ("ESZ6", "ES 18DEC26"),
        ("EUR.USD", "EUR.USD"),
    ],
)
def test_descriptions_are_those_of_statements(name: str, text: str) -> None:
    """The root of an option is its trading class."""
    assert text == describe(CATALOGUE[name])


def test_an_option_names_its_terms_and_its_underlying() -> None:
    """The symbol is the full 21 characters, inner blanks included."""
    option: Instrument = CATALOGUE["SPY   261218C00600000"]

    values = contract_values(option, DateStyle())

    assert {
        "symbol": "SPY   261218C00600000",
        "subCategory": "C",
        "putCall": "C",
        "strike": "600",
        "expiry": "20261218",
        "multiplier": "100",
        "conid": "728937835",
        "underlyingConid": "756733",
        "underlyingSymbol": "SPY",
    }.items() <= values.items()
    assert {} == contract_values(None, DateStyle())
