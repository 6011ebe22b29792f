"""NAV against positions and cash, its change over a statement, and conversion rates."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest

from ibkr_pipeline.pipelines.statement_reconciliation_nav import (
    CHANGES,
    reconcile_conversion_rates,
    reconcile_nav,
    reconcile_nav_changes,
)
from ibkr_pipeline_tests.statement_frames import MON, TUE, WED, told, typed

_MONEY = pl.Decimal(38, 10)
NAV = {
    "account_id": pl.String(),
    "report_date": pl.Date(),
    "nav_total": _MONEY,
    "nav_cash": _MONEY,
    "nav_dividend_accruals": _MONEY,
    "nav_interest_accruals": _MONEY,
}
POSITIONS = {
    "account_id": pl.String(),
    "report_date": pl.Date(),
    "con_id": pl.Int64(),
    "security_type": pl.String(),
    "currency": pl.String(),
    "value": _MONEY,
    "rate_to_base": pl.Decimal(38, 15),
}
CASH = {
    "account_id": pl.String(),
    "to_date": pl.Date(),
    "currency": pl.String(),
    "ending_cash": _MONEY,
}
DAYS = {"account_id": pl.String(), "report_date": pl.Date()}
CHANGE_COLUMNS = {
    "account_id": pl.String(),
    "from_date": pl.Date(),
    "to_date": pl.Date(),
    "starting_value": _MONEY,
    "mtm": _MONEY,
    "realized": _MONEY,
    "change_in_unrealized": _MONEY,
    **dict.fromkeys(CHANGES, _MONEY),
    "ending_value": _MONEY,
}
CURRENCIES = {**DAYS, "currency": pl.String()}
RATES = {
    "account_id": pl.String(),
    "report_date": pl.Date(),
    "from_currency": pl.String(),
    "to_currency": pl.String(),
    "rate": pl.Decimal(38, 15),
}
BASES = {"account_id": pl.String(), "base_currency": pl.String()}


def position(value: str, rate: str | None = "1", kind: str = "STK") -> dict[str, Any]:
    """Return one position of Monday."""
    return {
        "report_date": MON,
        "con_id": 1,
        "security_type": kind,
        "currency": "EUR",
        "value": value,
        "rate_to_base": rate,
    }


def nav(
    total: str, *positions: dict[str, Any], cash: str | None = "1000", **changes: Any
) -> pl.DataFrame:
    """Compare NAV of Monday with positions and the cash report."""
    reports = [{"to_date": MON, "currency": "BASE_SUMMARY", "ending_cash": cash}] if cash else []
    return reconcile_nav(
        typed(NAV, {"report_date": MON, "nav_total": total, **changes}),
        typed(POSITIONS, *positions),
        typed(CASH, *reports),
        typed(DAYS, {"report_date": MON}),
        since=MON,
    )


def test_nav_is_positions_at_their_value_plus_cash_and_accruals() -> None:
    """250.00 EUR at 1.08 = 270.00; 1000.00 cash; 5.00 accrued: 1275.00; 0.90 more is within 1."""
    found = nav("1275.90", position("250", "1.08"), nav_dividend_accruals="5")

    assert [("1275", "1275.9", "0.9", "ok", MON)] == told(
        found, "expected", "found", "difference", "verdict", "session_date"
    )


@pytest.mark.parametrize(
    ("total", "cash", "verdict"),
    [
        ("1001", "1000", "ok"),
        ("1001.01", "1000", "break"),
        ("100010", "100000", "ok"),
        ("100010.02", "100000", "break"),
    ],
    ids=["one unit", "over one unit", "one basis point", "over one basis point"],
)
def test_nav_may_differ_by_a_unit_or_a_basis_point(total: str, cash: str, verdict: str) -> None:
    """A basis point of 100,010.02 is 10.001; 10.02 is more."""
    assert [verdict] == nav(total, cash=cash)["verdict"].to_list()


def test_cash_of_nav_itself_stands_in_for_a_missing_cash_report() -> None:
    """500 in NAV's own line and 250 of stock."""
    assert ["ok"] == nav("750", position("250"), cash=None, nav_cash="500")["verdict"].to_list()
    assert ["not_comparable"] == nav("750", position("250"), cash=None)["verdict"].to_list()


def test_futures_add_nothing() -> None:
    """Their result is in cash every day; what is told is a notional of 287,000."""
    assert ["ok"] == nav("1000", position("287000", kind="FUT"))["verdict"].to_list()


def test_a_position_without_rate_is_not_taken_at_one() -> None:
    """250 EUR at no rate may be anything."""
    found = nav("1250", position("250", None))

    assert ["not_comparable"] == found["verdict"].to_list()


def test_nav_of_a_day_without_positions_known_is_not_comparable() -> None:
    """No OpenPositions section is not the same as no positions."""
    found = reconcile_nav(
        typed(NAV, {"report_date": MON, "nav_total": "1000", "nav_cash": "1000"}),
        typed(POSITIONS),
        typed(CASH),
        typed(DAYS),
        since=MON,
    )

    assert ["not_comparable"] == found["verdict"].to_list()


def changed(end: str, **lines: Any) -> dict[str, Any]:
    """Return the change of NAV over Monday to Tuesday from 10,000."""
    return {
        "from_date": MON,
        "to_date": TUE,
        "starting_value": "10000",
        "ending_value": end,
        **lines,
    }


@pytest.mark.parametrize(
    "gains",
    [
        {"mtm": "120"},
        {"realized": "150", "change_in_unrealized": "-30"},
        {"mtm": "120", "realized": "150", "change_in_unrealized": "-30"},
    ],
    ids=["mark to market", "realized and unrealized", "both"],
)
def test_nav_at_the_end_is_the_start_plus_its_changes(gains: dict[str, Any]) -> None:
    """10000 + 120 - 1.05 + 500 = 10618.95, however the gain is told."""
    row = changed("10618.95", commissions="-1.05", deposits_withdrawals="500", **gains)

    found = reconcile_nav_changes(typed(CHANGE_COLUMNS, row), since=MON)

    assert [("10618.95", "10618.95", "ok", TUE)] == told(
        found, "expected", "found", "verdict", "session_date"
    )


def test_a_change_that_no_line_tells_is_a_break_where_all_lines_are_kept() -> None:
    """80 too many: with every line kept it is a break, without it may stand in one of them."""
    columns = {**CHANGE_COLUMNS, "other_flows": pl.String()}
    row = changed("10200", mtm="120")

    kept = reconcile_nav_changes(typed(columns, row), since=MON)
    lacking = reconcile_nav_changes(typed(CHANGE_COLUMNS, row), since=MON)
    told_so = reconcile_nav_changes(
        typed(columns, {**row, "other_flows": '{"changeInDividendAccruals": "80"}'}), since=MON
    )

    assert [("80", "break")] == told(kept, "difference", "verdict")
    assert ["not_comparable"] == lacking["verdict"].to_list()
    assert ["ok"] == told_so["verdict"].to_list()


def rates(*told_rates: tuple[date, str, str], held: str = "EUR", base: str = "USD") -> pl.DataFrame:
    """Look for the rate of what is held on Tuesday: day, currency, rate to base currency."""
    return reconcile_conversion_rates(
        typed(CURRENCIES, {"report_date": TUE, "currency": held}),
        typed(
            RATES,
            *(
                {"report_date": day, "from_currency": name, "to_currency": "USD", "rate": rate}
                for day, name, rate in told_rates
            ),
        ),
        typed(BASES, *([{"base_currency": base}] if base else [])),
        since=MON,
    )


def test_fault_55_a_currency_without_rate_is_a_break_and_never_one() -> None:
    """Nothing stands in for a rate nobody told."""
    found = rates((TUE, "GBP", "1.27"))

    assert [("rate of EUR", "none", "break")] == told(found, "subject", "found", "verdict")


def test_fault_55_a_negative_rate_is_the_brokers_word_for_none() -> None:
    """-1 was seen in real statements."""
    found = rates((TUE, "EUR", "-1"))

    assert [("-1", "break", "the broker says it has no rate")] == told(
        found, "found", "verdict", "why"
    )


@pytest.mark.parametrize(
    ("day", "verdict"), [(TUE, "ok"), (MON, "ok"), (date(2026, 11, 13), "break")]
)
def test_a_rate_is_of_the_session_or_the_one_before(day: date, verdict: str) -> None:
    """Friday's is two sessions old on Tuesday."""
    assert [verdict] == rates((day, "EUR", "1.08"))["verdict"].to_list()


def test_a_rate_told_later_is_no_rate_of_the_day() -> None:
    """Wednesday's rate was not known on Tuesday."""
    assert ["break"] == rates((WED, "EUR", "1.08"))["verdict"].to_list()


def test_base_currency_needs_no_rate() -> None:
    """It is what everything is converted to."""
    assert [("base currency", "ok")] == told(rates(held="USD"), "found", "verdict")


def test_without_a_base_currency_nothing_is_comparable() -> None:
    """Nobody knows what a rate would have to convert to."""
    assert ["not_comparable"] == rates((TUE, "EUR", "1.08"), base="")["verdict"].to_list()
