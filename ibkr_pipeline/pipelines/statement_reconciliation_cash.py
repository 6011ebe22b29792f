"""Does the cash of a statement follow from its flows, and from the statement before?

What lives here: both roll-forwards of cash by currency, as a pure function. What must not: SQL
(`statement_reconciliation_inputs.py`), or NAV (`statement_reconciliation_nav.py`).
"""

from __future__ import annotations

import json
from datetime import date, timedelta
from decimal import Decimal

import polars as pl

from ibkr_pipeline.pipelines.findings import SCHEMA, Verdict, amount_text, as_findings
from ibkr_pipeline.pipelines.statement_reconciliation_coverage import next_session

#: Lines of the cash report that are flows; the others are in `other_flows`.
FLOWS = (
    "commissions",
    "deposits",
    "withdrawals",
    "dividends",
    "withholding_tax",
    "interest",
    "net_trades_sales",
    "net_trades_purchases",
    "other_fees",
)
#: Amounts agree to the cent when they are less than one apart.
CENT = Decimal("0.01")
_MONEY = pl.Decimal(38, 10)
_WINDOW = ["account_id", "from_date", "to_date"]


def reconcile_cash(reports: pl.DataFrame, *, since: date) -> pl.DataFrame:
    """Compare the cash at the end of each statement with its start and flows, by currency.

    And the cash at its start with that at the end of the statement that ends the session before.
    A currency a statement does not name had no cash in it.

    Worked example: 1,000.00 at the start, -250.10 for purchases, -1.00 commission: 748.90.

    Args:
        reports: account_id, from_date, to_date, currency, starting_cash, `FLOWS`, other_flows,
            ending_cash.
        since: First session; reports that end before it are not compared.

    Returns:
        Two findings per report and currency: `cash in USD` and `cash in USD at the start`; the
        first report of an account has nothing to start from.
    """
    if reports.is_empty():
        return pl.DataFrame(schema=SCHEMA)
    rows = reports.with_columns(_others(reports)).sort("account_id", "to_date", "from_date")
    return pl.concat(
        [
            _over_the_statement(rows.filter(pl.col("to_date") >= since)),
            _from_one_to_the_next(rows, since=since),
        ]
    )


def _others(reports: pl.DataFrame) -> pl.Series:
    """Return the sum of the flows a report tells beside those that have a column."""
    sums = [
        sum((Decimal(amount) for amount in json.loads(text or "{}").values()), Decimal(0))
        for text in reports.get_column("other_flows")
    ]
    return pl.Series("others", sums, dtype=_MONEY)


def _over_the_statement(rows: pl.DataFrame) -> pl.DataFrame:
    flows = pl.sum_horizontal(*(pl.col(name).fill_null(0) for name in FLOWS), "others")
    untold = pl.concat_str(
        *(pl.when(pl.col(name).is_null()).then(pl.lit(name)) for name in FLOWS),
        separator=", ",
        ignore_nulls=True,
    )
    told = rows.with_columns(
        (pl.col("starting_cash") + flows.cast(_MONEY)).alias("expected_cash"),
        untold.alias("untold"),
        _subject("cash in {}"),
    ).with_columns((pl.col("ending_cash") - pl.col("expected_cash")).alias("apart"))
    not_told = pl.col("starting_cash").is_null()
    differs = pl.col("apart").abs() >= CENT
    verdict = (
        pl.when(not_told | (differs & (pl.col("untold") != "")))
        .then(pl.lit(Verdict.NOT_COMPARABLE.value))
        .when(differs)
        .then(pl.lit(Verdict.BREAK.value))
        .otherwise(pl.lit(Verdict.OK.value))
    )
    why = (
        pl.when(not_told)
        .then(pl.lit("the report does not tell the cash at the start; tick Starting Cash"))
        .when(differs & (pl.col("untold") != ""))
        .then(pl.format("the query leaves out lines of the report ({})", "untold"))
        .when(differs)
        .then(
            pl.format(
                "the start ({}) and the flows of {} to {} do not add up to it",
                amount_text("starting_cash"),
                "from_date",
                "to_date",
            )
        )
    )
    return _told(told.with_columns(verdict.alias("verdict"), why.alias("why")), "ending_cash")


def _from_one_to_the_next(rows: pl.DataFrame, *, since: date) -> pl.DataFrame:
    """Compare with the statement that ends the session before, where there is one."""
    windows = rows.select(_WINDOW).unique()
    starting = windows.filter(pl.col("to_date") >= since)
    pairs = starting.with_columns(_first_session(starting, "from_date")).join(
        _ending(windows), on=["account_id", "first_session"], how="inner", validate="m:1"
    )
    ends = rows.select(
        "account_id",
        "currency",
        pl.col("from_date").alias("end_from"),
        pl.col("to_date").alias("ended"),
        pl.col("ending_cash").alias("expected_cash"),
    )
    before = pairs.join(ends, on=["account_id", "end_from", "ended"], how="inner")
    after = pairs.join(rows.select(*_WINDOW, "currency", "starting_cash"), on=_WINDOW, how="inner")
    told = (
        before.join(
            after.select(*_WINDOW, "currency", "starting_cash", pl.col("ended").alias("ended_too")),
            on=[*_WINDOW, "currency"],
            how="full",
            coalesce=True,
            validate="1:1",
        )
        .with_columns(
            pl.coalesce("ended", "ended_too").alias("ended"),
            pl.col("starting_cash", "expected_cash").fill_null(0).cast(_MONEY),
        )
        .with_columns(
            (pl.col("starting_cash") - pl.col("expected_cash")).alias("apart"),
            _subject("cash in {} at the start"),
        )
        .sort(*_WINDOW, "currency")
    )
    differs = pl.col("apart").abs() >= CENT
    verdict = pl.when(differs).then(pl.lit(Verdict.BREAK.value)).otherwise(pl.lit(Verdict.OK.value))
    why = pl.when(differs).then(
        pl.format(
            "the statement up to {} ended with the amount expected; the broker has booked into "
            "days it had closed, ask for both statements again",
            "ended",
        )
    )
    return _told(told.with_columns(verdict.alias("verdict"), why.alias("why")), "starting_cash")


def _ending(windows: pl.DataFrame) -> pl.DataFrame:
    """Return the statement that ends before each session.

    Of several that end on one day the one with the latest start: they tell the same end.
    """
    return (
        windows.with_columns(_first_session(windows, "to_date", after=True))
        .sort("to_date", "from_date")
        .group_by("account_id", "first_session", maintain_order=True)
        .last()
        .select(
            "account_id",
            "first_session",
            pl.col("from_date").alias("end_from"),
            pl.col("to_date").alias("ended"),
        )
    )


def _first_session(windows: pl.DataFrame, name: str, *, after: bool = False) -> pl.Series:
    """Return the first session on (or after) each date of a column."""
    days = windows.get_column(name)
    found = [next_session(day if after else day - timedelta(days=1)) for day in days]
    return pl.Series("first_session", found, dtype=pl.Date)


def _subject(text: str) -> pl.Expr:
    """Return the subject; a window of its own is part of it, since several may end on one day."""
    return pl.format(text + ", {} to {}", "currency", "from_date", "to_date").alias("subject")


def _told(rows: pl.DataFrame, found: str) -> pl.DataFrame:
    return as_findings(
        rows.with_columns(
            amount_text("expected_cash").alias("expected"),
            amount_text(found).alias("found"),
            amount_text("apart").alias("difference"),
            pl.col("to_date").alias("session_date"),
        )
    )
