"""Do the positions of a statement follow from those of the statement before and what it booked?

What lives here: the roll-forward of statement positions by session, as a pure function. What must
not: SQL (`statement_reconciliation_inputs.py`), or the gateway's positions
(`position_reconciliation.py`).
"""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl

from ibkr_pipeline.pipelines.findings import SCHEMA, Verdict, amount_text, as_findings
from ibkr_pipeline.pipelines.position_reconciliation import NO_POSITION
from ibkr_pipeline.pipelines.statement_reconciliation_coverage import SectionCoverage

#: What changes positions: rows of Trades, CorporateActions and Transfers.
MOVEMENTS: dict[str, pl.DataType] = {
    "account_id": pl.String(),
    "con_id": pl.Int64(),
    "symbol": pl.String(),
    "security_type": pl.String(),
    "report_date": pl.Date(),
    "signed_quantity": pl.Decimal(38, 10),
    "kind": pl.String(),
}
NEEDED_SECTIONS = ("Trades", "CorporateActions", "Transfers")
_OPEN_POSITIONS = "OpenPositions"
_KEY = ("account_id", "report_date", "con_id")


def reconcile_statement_positions(
    sections: pl.DataFrame, positions: pl.DataFrame, movements: pl.DataFrame, *, since: date
) -> pl.DataFrame:
    """Compare each session's positions with the ones before plus what was booked between.

    A day is compared with the last one before it that a complete OpenPositions section tells.
    Every booking counts by its report date: cancellations, corrections and the legs of option
    events too. Currency trades move no position.

    Worked example: 100 on Monday; Tuesday booked +20, -20 (cancelled) and +25, so 125 expected.

    Args:
        sections: Complete sections in core (`SECTIONS`).
        positions: account_id, report_date, con_id, symbol, signed_quantity; a position that was
            told and is gone has quantity 0.
        movements: `MOVEMENTS`.
        since: First session to compare.

    Returns:
        One finding per account, session and contract held or moved.
    """
    held = positions.group_by(_KEY).agg(
        pl.col("symbol").first(), pl.col("signed_quantity").sum().alias("held")
    )
    spans = _spans(_days(sections, held), sections, since=since)
    if spans.is_empty():
        return pl.DataFrame(schema=SCHEMA)
    nothing = pl.lit(0, dtype=pl.Decimal(38, 10))
    parts = [
        _on(held, spans, "day").with_columns(nothing.alias("before"), nothing.alias("moved")),
        _on(held, spans, "previous")
        .rename({"held": "before"})
        .with_columns(nothing.alias("held"), nothing.alias("moved")),
        _moved(movements, spans).with_columns(nothing.alias("held"), nothing.alias("before")),
    ]
    columns = ["account_id", "day", "con_id", "symbol", "before", "moved", "held"]
    summed = (
        pl.concat([part.select(columns) for part in parts])
        .group_by("account_id", "day", "con_id")
        .agg(
            pl.col("symbol").drop_nulls().first(),
            pl.col("before", "moved", "held").sum(),
        )
        .filter((pl.col("before") != 0) | (pl.col("moved") != 0) | (pl.col("held") != 0))
    )
    return _findings(summed.join(spans, on=["account_id", "day"], how="inner", validate="m:1"))


def _days(sections: pl.DataFrame, held: pl.DataFrame) -> pl.DataFrame:
    """Return the account-days whose positions are known, empty ones included.

    A section tells the positions of the last day of its statement, and of those its rows name.
    One with rows for other days alone (a statement that ends on a Sunday) says nothing of its
    last day; one without any row says that nothing is held.
    """
    of_rows = held.select("account_id", pl.col("report_date").alias("day")).unique()
    empty = (
        sections.filter((pl.col("section") == _OPEN_POSITIONS) & (pl.col("n_rows") == 0))
        .select("account_id", pl.col("to_date").alias("day"))
        .unique()
    )
    return pl.concat([of_rows, empty]).unique().sort("account_id", "day")


def _spans(days: pl.DataFrame, sections: pl.DataFrame, *, since: date) -> pl.DataFrame:
    """Return account_id, previous, day and why the two cannot be compared, if so."""
    pairs = days.with_columns(
        pl.col("day").shift(1).over("account_id", order_by="day").alias("previous")
    ).filter(pl.col("previous").is_not_null() & (pl.col("day") >= since))
    coverage = SectionCoverage(sections)
    why_not = [
        coverage.why_uncovered(
            account, NEEDED_SECTIONS, first=previous + timedelta(days=1), last=day
        )
        for account, previous, day in pairs.select("account_id", "previous", "day").iter_rows()
    ]
    return pairs.with_columns(pl.Series("why_not", why_not, dtype=pl.String))


def _on(held: pl.DataFrame, spans: pl.DataFrame, end: str) -> pl.DataFrame:
    """Return what was held at one end of each span, by the span's day."""
    of_span = spans.select("account_id", "day", pl.col(end).alias("report_date"))
    return held.join(of_span, on=["account_id", "report_date"], how="inner", validate="m:1")


def _moved(movements: pl.DataFrame, spans: pl.DataFrame) -> pl.DataFrame:
    """Return what was booked in each span, by the span's day."""
    moves = movements.filter(
        ~pl.col("security_type").is_in(NO_POSITION).fill_null(value=False)
        & pl.col("con_id").is_not_null()
        & pl.col("signed_quantity").is_not_null()
    )
    return (
        moves.sort("report_date")
        .join_asof(
            spans.select("account_id", "previous", "day").sort("day"),
            left_on="report_date",
            right_on="day",
            by="account_id",
            strategy="forward",
            coalesce=False,
            check_sortedness=False,
        )
        .filter(pl.col("report_date") > pl.col("previous"))
        .with_columns(pl.col("signed_quantity").alias("moved"))
    )


def _findings(rows: pl.DataFrame) -> pl.DataFrame:
    difference = pl.col("held") - pl.col("expected_quantity")
    is_moved = pl.col("moved") != 0
    told = (
        rows.with_columns((pl.col("before") + pl.col("moved")).alias("expected_quantity"))
        .with_columns(difference.alias("apart"))
        .with_columns(
            pl.when(pl.col("why_not").is_not_null())
            .then(pl.lit(Verdict.NOT_COMPARABLE.value))
            .when(pl.col("apart") == 0)
            .then(pl.lit(Verdict.OK.value))
            .otherwise(pl.lit(Verdict.BREAK.value))
            .alias("verdict"),
            amount_text("expected_quantity").alias("expected"),
            amount_text("held").alias("found"),
            amount_text("apart").alias("difference"),
            pl.lit("statement position").alias("subject"),
            pl.col("day").alias("session_date"),
        )
    )
    agrees = pl.format("{} were booked since {}", amount_text("moved"), "previous")
    disagrees = pl.format(
        "{} on {} and {} booked since do not add up to it; a booking is missing from the "
        "statements, or was told under another date",
        amount_text("before"),
        "previous",
        amount_text("moved"),
    )
    why = (
        pl.when(pl.col("verdict") == Verdict.BREAK.value)
        .then(disagrees)
        .when((pl.col("verdict") == Verdict.OK.value) & is_moved)
        .then(agrees)
        .otherwise(pl.col("why_not"))
    )
    return as_findings(told.with_columns(why.alias("why")).sort("account_id", "day", "con_id"))
