"""Is NAV what positions and cash are worth, does it change as told, and can it be converted?

What lives here: NAV against positions and cash, change in NAV, and conversion rates, as pure
functions. What must not: SQL (`statement_reconciliation_inputs.py`), or cash itself
(`statement_reconciliation_cash.py`).
"""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal

import polars as pl

from ibkr_pipeline.pipelines.findings import SCHEMA, Verdict, amount_text, as_findings
from ibkr_pipeline.pipelines.statement_reconciliation_coverage import previous_session
from ibkr_pipeline.primitives.decimals import multiply_columns

#: NAV agrees within one unit of base currency, or one basis point of itself if that is more.
UNIT, BASIS_POINTS = Decimal(1), 10_000
#: Settled in cash every day: their value is in cash already, and what is told is a notional.
SETTLED_DAILY = ("FUT", "CFD")
BASE_SUMMARY = "BASE_SUMMARY"
#: Lines of the change in NAV beside the profit and loss itself.
CHANGES = (
    "deposits_withdrawals",
    "asset_transfers",
    "dividends",
    "withholding_tax",
    "interest",
    "commissions",
    "other_fees",
)
_MONEY = pl.Decimal(38, 10)
_DAY = ["account_id", "report_date"]


def reconcile_nav(
    nav: pl.DataFrame,
    positions: pl.DataFrame,
    cash: pl.DataFrame,
    position_days: pl.DataFrame,
    *,
    since: date,
) -> pl.DataFrame:
    """Compare NAV of each session with positions at their value plus cash, in base currency.

    Cash is that of the cash report that ends the session; where there is none, the cash line of
    NAV itself. Accruals are part of NAV and of neither, so they are added as told. Futures are
    settled in cash every day and add nothing.

    Worked example: 10 shares at 25.00 EUR, rate 1.08: 270.00; cash 1,000.00, accruals 5.00; NAV
    of 1,275.90 is 0.90 apart, which is within one unit.

    Args:
        nav: account_id, report_date, nav_total, nav_cash, nav_dividend_accruals,
            nav_interest_accruals.
        positions: account_id, report_date, con_id, security_type, currency, value, rate_to_base.
        cash: account_id, to_date, currency, ending_cash: cash reports.
        position_days: account_id, report_date: account-days whose positions are known.
        since: First session to compare.
    """
    days = nav.filter(pl.col("report_date") >= since).sort(_DAY)
    if days.is_empty():
        return pl.DataFrame(schema=SCHEMA)
    in_base = (
        cash.filter(pl.col("currency") == BASE_SUMMARY)
        .group_by("account_id", pl.col("to_date").alias("report_date"))
        .agg(pl.col("ending_cash").last().alias("reported_cash"))
    )
    accruals = pl.sum_horizontal(
        pl.col("nav_dividend_accruals").fill_null(0), pl.col("nav_interest_accruals").fill_null(0)
    )
    told = (
        days.join(_worth(positions), on=_DAY, how="left", validate="1:1")
        .join(in_base, on=_DAY, how="left", validate="1:1")
        .join(
            position_days.select(_DAY).unique().with_columns(pl.lit(True).alias("is_known")),
            on=_DAY,
            how="left",
            validate="1:1",
        )
        .with_columns(
            pl.coalesce("reported_cash", "nav_cash").alias("cash"),
            pl.col("worth").fill_null(0),
            accruals.cast(_MONEY).alias("accruals"),
        )
        .with_columns((pl.col("worth") + pl.col("cash") + pl.col("accruals")).alias("sum"))
        .with_columns((pl.col("nav_total") - pl.col("sum")).alias("apart"))
    )
    return _nav_findings(told)


def reconcile_nav_changes(changes: pl.DataFrame, *, since: date) -> pl.DataFrame:
    """Compare NAV at the start of each statement plus its changes with NAV at its end.

    Profit and loss is told as mark-to-market, or as realized plus change in unrealized; a
    statement may tell both, and either may close the gap.

    Worked example: 10,000.00 at the start, 120.00 mark-to-market, -1.05 commissions, 500.00
    deposited: 10,618.95.

    Args:
        changes: account_id, from_date, to_date, starting_value, mtm, realized,
            change_in_unrealized, `CHANGES`, ending_value; other_flows, the lines that have no
            column, where they are kept.
        since: First session; statements that end before it are not compared.
    """
    rows = changes.filter(pl.col("to_date") >= since).sort("account_id", "to_date", "from_date")
    if rows.is_empty():
        return pl.DataFrame(schema=SCHEMA)
    rows = rows.with_columns(_others(rows))
    moved = pl.sum_horizontal(*(pl.col(name).fill_null(0) for name in CHANGES), "others")
    base = (pl.col("starting_value") + moved.cast(_MONEY)).alias("without")
    by_parts = pl.col("realized").fill_null(0) + pl.col("change_in_unrealized").fill_null(0)
    told = rows.with_columns(base).with_columns(
        (pl.col("without") + pl.col("mtm").fill_null(0)).alias("by_mtm"),
        (pl.col("without") + by_parts).alias("by_parts"),
    )
    apart = {name: (pl.col("ending_value") - pl.col(name)).abs() for name in ("by_mtm", "by_parts")}
    nearer = pl.when(apart["by_parts"] < apart["by_mtm"]).then("by_parts").otherwise("by_mtm")
    told = told.with_columns(nearer.alias("sum")).with_columns(
        (pl.col("ending_value") - pl.col("sum")).alias("apart"),
        pl.format("change in NAV, {} to {}", "from_date", "to_date").alias("subject"),
    )
    keeps_all = "other_flows" in changes.columns
    reasons = [
        (pl.col("starting_value").is_null(), "the statement does not tell NAV at the start"),
        (
            _differs("ending_value") & pl.lit(not keeps_all),
            "lines of the section that have no column are not kept",
        ),
    ]
    return _finished(
        told,
        reasons,
        otherwise="the start and the changes told do not add up to it",
        found="ending_value",
        session="to_date",
    )


def reconcile_conversion_rates(
    currencies: pl.DataFrame, rates: pl.DataFrame, bases: pl.DataFrame, *, since: date
) -> pl.DataFrame:
    """Find currencies of positions and cash without a rate to base currency.

    A rate is that of the session, or of the one before. A rate that is not above zero is the
    broker's word for none. Nothing stands in for a missing rate, least of all 1.

    Args:
        currencies: account_id, report_date, currency: what is held in a session.
        rates: account_id, report_date, from_currency, to_currency, rate.
        bases: account_id, base_currency.
        since: First session to compare.
    """
    held = (
        currencies.filter((pl.col("report_date") >= since) & (pl.col("currency") != BASE_SUMMARY))
        .select(*_DAY, "currency")
        .unique()
        .sort(*_DAY, "currency")
    )
    if held.is_empty():
        return pl.DataFrame(schema=SCHEMA)
    before = pl.Series(
        "oldest", [previous_session(day) for day in held.get_column("report_date")], dtype=pl.Date
    )
    told = (
        held.with_columns(before)
        .join(bases, on="account_id", how="left", validate="m:1")
        .join_asof(
            rates.select(
                "account_id",
                pl.col("report_date").alias("rate_date"),
                pl.col("from_currency").alias("currency"),
                pl.col("to_currency").alias("base_currency"),
                "rate",
            ).sort("rate_date"),
            left_on="report_date",
            right_on="rate_date",
            by=["account_id", "currency", "base_currency"],
            strategy="backward",
            check_sortedness=False,
        )
        .with_columns(pl.format("rate of {}", "currency").alias("subject"))
    )
    is_there = (pl.col("rate") > 0) & (pl.col("rate_date") >= pl.col("oldest"))
    return as_findings(_with_rate_verdicts(told, is_there.fill_null(value=False)))


def _with_rate_verdicts(told: pl.DataFrame, is_there: pl.Expr) -> pl.DataFrame:
    is_base = (pl.col("currency") == pl.col("base_currency")).fill_null(value=False)
    no_base = pl.col("base_currency").is_null()
    verdict = (
        pl.when(no_base)
        .then(pl.lit(Verdict.NOT_COMPARABLE.value))
        .when(is_base | is_there)
        .then(pl.lit(Verdict.OK.value))
        .otherwise(pl.lit(Verdict.BREAK.value))
    )
    why = (
        pl.when(no_base)
        .then(pl.lit("the account's base currency is not known; tick Account Information"))
        .when(is_base | is_there)
        .then(pl.lit(None, dtype=pl.String))
        .when(pl.col("rate") <= 0)
        .then(pl.lit("the broker says it has no rate"))
        .when(pl.col("rate").is_not_null())
        .then(pl.format("the last rate is of {}", "rate_date"))
        .otherwise(pl.lit("no statement tells it; tick Conversion Rates in the query"))
    )
    told_rate = (
        pl.when(is_base)
        .then(pl.lit("base currency"))
        .when(pl.col("rate").is_null())
        .then(pl.lit("none"))
        .otherwise(amount_text("rate"))
    )
    wanted = pl.format(
        "a rate to {} of {} or {}", pl.col("base_currency").fill_null("?"), "oldest", "report_date"
    )
    return told.with_columns(
        verdict.alias("verdict"),
        why.alias("why"),
        told_rate.alias("found"),
        wanted.alias("expected"),
        pl.col("report_date").alias("session_date"),
    )


def _worth(positions: pl.DataFrame) -> pl.DataFrame:
    """Return the value of all positions in base currency and how many cannot be valued."""
    valued = positions.filter(~pl.col("security_type").is_in(SETTLED_DAILY).fill_null(value=False))
    in_base = multiply_columns(valued.get_column("value"), valued.get_column("rate_to_base"))
    return (
        valued.with_columns(in_base.alias("worth"))
        .group_by(_DAY)
        .agg(pl.col("worth").sum(), pl.col("worth").is_null().sum().alias("n_unvalued"))
    )


def _nav_findings(told: pl.DataFrame) -> pl.DataFrame:
    unvalued = pl.col("n_unvalued").fill_null(0)
    reasons = [
        (
            pl.col("is_known").is_null(),
            "no statement tells the positions at the end of the session",
        ),
        (unvalued > 0, "some positions have no value or no rate to base currency"),
        (pl.col("cash").is_null(), "neither a cash report nor NAV tells the cash"),
    ]
    named = told.with_columns(pl.lit("NAV").alias("subject"))
    return _finished(
        named,
        reasons,
        otherwise="positions, cash and accruals do not add up to it; a position may lack its "
        "mark, or NAV has a part that is not read",
        found="nav_total",
        session="report_date",
    )


def _finished(
    told: pl.DataFrame,
    reasons: list[tuple[pl.Expr, str]],
    *,
    otherwise: str,
    found: str,
    session: str,
) -> pl.DataFrame:
    """Return findings of rows with `sum` and `apart`: not comparable for any of the reasons."""
    differs = _differs(found)
    verdict: pl.Expr = (
        pl.when(differs).then(pl.lit(Verdict.BREAK.value)).otherwise(pl.lit(Verdict.OK.value))
    )
    why = pl.when(differs).then(pl.lit(otherwise)).otherwise(pl.lit(None, dtype=pl.String))
    for holds, text in reversed(reasons):
        is_so = holds.fill_null(value=False)
        verdict = pl.when(is_so).then(pl.lit(Verdict.NOT_COMPARABLE.value)).otherwise(verdict)
        why = pl.when(is_so).then(pl.lit(text)).otherwise(why)
    return as_findings(
        told.with_columns(
            verdict.alias("verdict"),
            why.alias("why"),
            amount_text("sum").alias("expected"),
            amount_text(found).alias("found"),
            amount_text("apart").alias("difference"),
            pl.col(session).alias("session_date"),
        )
    )


def _differs(name: str) -> pl.Expr:
    """Return whether `apart` is more than a unit and more than a basis point of the amount."""
    apart = pl.col("apart").abs()
    return (apart > UNIT) & (apart * BASIS_POINTS > pl.col(name).abs())


def _others(rows: pl.DataFrame) -> pl.Series:
    """Return the sum of the lines that have no column of their own."""
    if "other_flows" not in rows.columns:
        return pl.Series("others", [Decimal(0)] * rows.height, dtype=_MONEY)
    sums = [
        sum((Decimal(amount) for amount in json.loads(text or "{}").values()), Decimal(0))
        for text in rows.get_column("other_flows")
    ]
    return pl.Series("others", sums, dtype=_MONEY)
