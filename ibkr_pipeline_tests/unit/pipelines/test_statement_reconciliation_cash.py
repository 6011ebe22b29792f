"""Cash over a statement, and from one statement to the next."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest

from ibkr_pipeline.pipelines.statement_reconciliation_cash import FLOWS, reconcile_cash
from ibkr_pipeline_tests.statement_frames import FRI, MON, TUE, WED, told, typed

_MONEY = pl.Decimal(38, 10)
REPORTS = {
    "account_id": pl.String(),
    "from_date": pl.Date(),
    "to_date": pl.Date(),
    "currency": pl.String(),
    "starting_cash": _MONEY,
    **dict.fromkeys(FLOWS, _MONEY),
    "other_flows": pl.String(),
    "ending_cash": _MONEY,
}
NEXT_MONDAY = date(2026, 11, 23)


def report(day: date, start: str, end: str, **changes: Any) -> dict[str, Any]:
    """Return the report of one currency and day; lines are zero where nothing is said."""
    return {
        "from_date": day,
        "to_date": day,
        "currency": "USD",
        "starting_cash": start,
        **dict.fromkeys(FLOWS, 0),
        "ending_cash": end,
        **changes,
    }


def compare(*rows: dict[str, Any], since: date = MON) -> pl.DataFrame:
    """Compare some reports."""
    return reconcile_cash(typed(REPORTS, *rows), since=since)


def over(findings: pl.DataFrame) -> pl.DataFrame:
    """Return the findings on single statements."""
    return findings.filter(~pl.col("subject").str.contains("at the start"))


def between(findings: pl.DataFrame) -> pl.DataFrame:
    """Return the findings on two statements."""
    return findings.filter(pl.col("subject").str.contains("at the start"))


def test_the_end_is_the_start_plus_every_flow() -> None:
    """1000 - 250.10 - 1.00 + 12.40 - 1.86 + 3.00 (other: 5 - 2) = 762.44."""
    found = compare(
        report(
            MON,
            "1000",
            "762.44",
            net_trades_purchases="-250.10",
            commissions="-1.00",
            dividends="12.40",
            withholding_tax="-1.86",
            other_flows='{"advisorFees": "-2", "paymentInLieu": "5"}',
        )
    )

    assert [("762.44", "762.44", "0", "ok", MON)] == told(
        found, "expected", "found", "difference", "verdict", "session_date"
    )


@pytest.mark.parametrize(
    ("end", "verdict"), [("999.99", "break"), ("1000.0049", "ok"), ("1000.01", "break")]
)
def test_cash_agrees_to_the_cent(end: str, verdict: str) -> None:
    """A cent is a difference; a part of one is rounding of the statement."""
    assert [verdict] == compare(report(MON, "1000", end))["verdict"].to_list()


def test_a_query_without_some_lines_is_not_comparable() -> None:
    """The difference may stand in the line that was left out; the reason names it."""
    found = compare(report(MON, "1000", "990", commissions=None))

    assert ["not_comparable"] == found["verdict"].to_list()
    assert "(commissions)" in found.item(0, "why")


def test_a_report_without_its_start_is_not_comparable() -> None:
    """There is nothing to roll forward."""
    found = compare(report(MON, "0", "990", starting_cash=None))

    assert ["not_comparable"] == found["verdict"].to_list()


def test_a_statement_starts_with_what_the_one_before_ended_with() -> None:
    """Friday's end is Monday's start: no session lies between."""
    found = compare(report(FRI, "100", "100"), report(NEXT_MONDAY, "100", "100"))

    assert [("100", "100", "ok", NEXT_MONDAY)] == told(
        between(found), "expected", "found", "verdict", "session_date"
    )


def test_a_start_that_differs_from_the_end_before_is_a_break() -> None:
    """The broker booked into a day it had closed."""
    found = compare(report(MON, "100", "100"), report(TUE, "95", "95"))

    assert [("100", "95", "-5", "break")] == told(
        between(found), "expected", "found", "difference", "verdict"
    )
    assert ["ok", "ok"] == over(found)["verdict"].to_list()


def test_a_currency_one_statement_does_not_name_had_no_cash() -> None:
    """EUR appears on Tuesday with 50 at the start: it should have ended Monday with 50."""
    found = compare(
        report(MON, "100", "100"),
        report(TUE, "100", "100"),
        report(TUE, "50", "50", currency="EUR"),
    )

    assert [("0", "50", "break"), ("100", "100", "ok")] == told(
        between(found), "expected", "found", "verdict"
    )


def test_statements_that_do_not_meet_are_not_compared() -> None:
    """Tuesday is missing: Monday's end says nothing of Wednesday's start."""
    found = compare(report(MON, "100", "100"), report(WED, "70", "70"))

    assert between(found).is_empty()


def test_of_two_statements_that_end_on_one_day_both_are_compared() -> None:
    """A weekly one and a daily one; the next day follows from either, once."""
    found = compare(
        report(MON, "80", "100", to_date=TUE, deposits=20),
        report(TUE, "100", "100"),
        report(WED, "100", "100"),
    )

    assert 3 == over(found).height
    assert ["ok"] == between(found)["verdict"].to_list()
    assert 4 == found["subject"].n_unique()


def test_reports_before_since_are_only_what_others_start_from() -> None:
    """Monday's own report is not compared again, its end still is."""
    found = compare(report(MON, "1", "100"), report(TUE, "100", "100"), since=TUE)

    assert [(TUE, "ok"), (TUE, "ok")] == told(found, "session_date", "verdict")
    assert compare().is_empty()
