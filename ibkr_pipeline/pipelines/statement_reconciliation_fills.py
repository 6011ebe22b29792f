"""Do the gateway and the statements tell the same fills and the same commissions?

What lives here: both comparisons, as pure functions. What must not: SQL
(`statement_reconciliation_inputs.py`), or which telling of a fill is current (`warehouse/`).

Only days that both cover are compared. Bookings without an execution id (assignments,
expirations) have nothing to be compared with: the gateway need not tell them.
"""

from __future__ import annotations

from decimal import Decimal

import polars as pl

from ibkr_pipeline.pipelines.findings import SCHEMA, Verdict, amount_text, as_findings

#: Fills as one source tells them: the highest revision, or every row of a statement.
WIRE_FILLS: dict[str, pl.DataType] = {
    "account_id": pl.String(),
    "fill_id": pl.String(),
    "exec_id": pl.String(),
    "con_id": pl.Int64(),
    "symbol": pl.String(),
    "session_date": pl.Date(),
    "signed_quantity": pl.Decimal(38, 10),
    "price": pl.Decimal(38, 10),
    "commission": pl.Decimal(38, 10),
    "commission_currency": pl.String(),
    "commission_status": pl.String(),
}
STATEMENT_FILLS: dict[str, pl.DataType] = {
    "account_id": pl.String(),
    "fill_id": pl.String(),
    "revision": pl.Int64(),
    "exec_id": pl.String(),
    "con_id": pl.Int64(),
    "symbol": pl.String(),
    "session_date": pl.Date(),
    "signed_quantity": pl.Decimal(38, 10),
    "price": pl.Decimal(38, 10),
    "ib_commission": pl.Decimal(38, 10),
    "taxes": pl.Decimal(38, 10),
    "commission_currency": pl.String(),
    "is_cancel": pl.Boolean(),
    "trade_id": pl.String(),
    "orig_trade_id": pl.String(),
    "transaction_id": pl.String(),
    "orig_transaction_id": pl.String(),
}
#: Prices are compared as far as both tell them: the gateway sends floating point numbers.
PRICE_TOLERANCE = Decimal("0.000001")
COMMISSION_TOLERANCE = Decimal("0.01")
_FILL = ["account_id", "fill_id"]
_NOTHING = "no fill"


def reconcile_fills(
    wire: pl.DataFrame, statement: pl.DataFrame, coverage: pl.DataFrame, aliases: pl.DataFrame
) -> pl.DataFrame:
    """Compare the gateway's fills with those of the statements, fill by fill.

    Args:
        wire: `WIRE_FILLS`, combos and advisor master orders left out: statements tell their legs.
        statement: `STATEMENT_FILLS`, the newest telling of every row, cancellations included.
        coverage: account_id, session_date, by_wire, by_flex.
        aliases: account_id, alias, fill_id: gateway fills a statement books without an id.

    Returns:
        One finding per fill of a day both cover.
    """
    pairs = _paired(wire, statement, coverage)
    if pairs.is_empty():
        return pl.DataFrame(schema=SCHEMA)
    named = aliases.select("account_id", pl.col("alias").alias("fill_id")).unique()
    pairs = pairs.join(named, on=_FILL, how="anti").with_columns(
        _text("wire_quantity", "wire_price").alias("found"),
        _text("told_quantity", "told_price").alias("expected"),
    )
    is_told, is_heard = pl.col("told_quantity").is_not_null(), pl.col("wire_quantity").is_not_null()
    same = (pl.col("wire_quantity") == pl.col("told_quantity")) & (
        (pl.col("wire_price") - pl.col("told_price")).abs() <= PRICE_TOLERANCE
    )
    is_cancelled = pl.col("is_cancelled").fill_null(value=False)
    reasons = [
        (is_heard & is_cancelled, Verdict.OK, "a statement cancelled it since"),
        (~is_heard & is_cancelled, Verdict.OK, "a statement told and cancelled it"),
        (
            ~is_heard,
            Verdict.BREAK,
            "the statement has it and the gateway never told it; another program or session may "
            "have traded, or an executions read was incomplete",
        ),
        (
            ~is_told,
            Verdict.BREAK,
            "the gateway told it and the statement of its day lacks it; ask for a statement made "
            "later, else ask the broker",
        ),
        (same, Verdict.OK, None),
    ]
    differs = "gateway and statement tell it differently; the statement is taken for right"
    return _verdicts(pairs, reasons, otherwise=differs)


def reconcile_commissions(
    wire: pl.DataFrame, statement: pl.DataFrame, coverage: pl.DataFrame
) -> pl.DataFrame:
    """Compare commissions fill by fill and in total, each within 0.01.

    A statement signs a paid commission negative, the gateway positive; amounts here are what was
    paid. A trade that was cancelled and booked again costs what all its bookings cost together:
    -1.3666, cancelled at 0, booked again at +0.3333 is 1.0333. Totals are of the fills that were
    compared, by account, session and currency.

    Worked example: the gateway says 1.05, the statement -1.0513: 0.0013 apart, which is well.
    A hundred fills each 0.004 apart are well one by one and 0.40 apart in total, which is not.

    Args:
        wire: `WIRE_FILLS`.
        statement: `STATEMENT_FILLS`.
        coverage: account_id, session_date, by_wire, by_flex.
    """
    pairs = _paired(wire, statement, coverage).filter(
        pl.col("wire_quantity").is_not_null()
        & pl.col("told_quantity").is_not_null()
        & ~pl.col("is_cancelled").fill_null(value=False)
    )
    if pairs.is_empty():
        return pl.DataFrame(schema=SCHEMA)
    told = pairs.with_columns((-pl.coalesce("net_commission", "ib_commission")).alias("paid"))
    single = told.with_columns(
        (pl.col("commission") - pl.col("paid")).alias("apart"),
        amount_text("commission").alias("found"),
        amount_text("paid").alias("expected"),
    ).with_columns(amount_text("apart").alias("difference"))
    reasons = [
        (pl.col("commission").is_null(), Verdict.NOT_COMPARABLE, "the gateway has not told it yet"),
        (pl.col("paid").is_null(), Verdict.NOT_COMPARABLE, "the statement tells no commission"),
        (
            pl.col("exec_id") != pl.col("told_exec_id"),
            Verdict.NOT_COMPARABLE,
            "the statement tells another revision of the fill",
        ),
        (
            pl.col("commission_currency") != pl.col("told_currency"),
            Verdict.NOT_COMPARABLE,
            "gateway and statement tell it in different currencies",
        ),
        (pl.col("apart").abs() <= COMMISSION_TOLERANCE, Verdict.OK, None),
        (
            pl.col("apart") == -pl.col("taxes"),
            Verdict.OK,
            "the gateway counts the taxes the statement tells apart",
        ),
        (
            (pl.col("commission") + pl.col("ib_commission")).abs() <= COMMISSION_TOLERANCE,
            Verdict.OK,
            "the gateway tells what the last booking of the trade cost, without the ones before",
        ),
    ]
    findings = _verdicts(single, reasons, otherwise="the statement charges another commission")
    return pl.concat([findings, _totals(single, findings)])


def uncancelled(statement: pl.DataFrame) -> pl.DataFrame:
    """Return the fills of statements with `is_cancelled`: each cancellation takes out one row.

    A cancellation names what it cancels by its transactionID, else by its tradeID, which the
    booking that follows bears as well; it has the quantity with the other sign and the price. Of
    several such rows the one booked first is taken. The cancellations themselves are left out.
    """
    booked_at = pl.col("transaction_id").cast(pl.Int64, strict=False).fill_null(0)
    fills = statement.filter(~pl.col("is_cancel")).with_columns(booked_at.alias("booked_at"))
    cancels = statement.filter(pl.col("is_cancel")).with_columns(
        (-pl.col("signed_quantity")).alias("signed_quantity"),
        pl.coalesce("orig_trade_id", "trade_id").alias("trade_id"),
        pl.col("orig_transaction_id").alias("transaction_id"),
    )
    by_transaction = pl.col("transaction_id").is_not_null()
    kinds = {
        "transaction_id": cancels.filter(by_transaction),
        "trade_id": cancels.filter(~by_transaction),
    }
    for name, of_kind in kinds.items():
        key = ["account_id", "con_id", "signed_quantity", "price", name]
        counted = of_kind.group_by(key).agg(pl.len().alias("n_cancels"))
        place = pl.int_range(pl.len()).over(key, order_by=["booked_at", "revision"])
        fills = fills.join(
            counted, on=key, how="left", validate="m:1", maintain_order="left"
        ).with_columns((place < pl.col("n_cancels").fill_null(0)).alias(f"by_{name}"))
        fills = fills.drop("n_cancels")
    is_cancelled = pl.col("by_transaction_id") | pl.col("by_trade_id")
    return fills.with_columns(is_cancelled.alias("is_cancelled")).drop(
        "by_transaction_id", "by_trade_id", "booked_at"
    )


def _paired(wire: pl.DataFrame, statement: pl.DataFrame, coverage: pl.DataFrame) -> pl.DataFrame:
    """Return the fills of the days both cover, with what each says of them."""
    both = coverage.filter(pl.col("by_wire") & pl.col("by_flex")).select(
        "account_id", "session_date"
    )
    fills = uncancelled(statement)
    told = (
        fills.join(_net_commissions(statement, fills), on=["account_id", "trade_id"], how="left")
        .filter(pl.col("fill_id").str.starts_with("exec:"))
        .sort("is_cancelled", "revision", descending=[True, False])
        .group_by(_FILL, maintain_order=True)
        .last()
        .select(
            *_FILL,
            "is_cancelled",
            "taxes",
            "ib_commission",
            "net_commission",
            pl.col("exec_id").alias("told_exec_id"),
            pl.col("con_id").alias("told_con_id"),
            pl.col("symbol").alias("told_symbol"),
            pl.col("session_date").alias("told_session"),
            pl.col("signed_quantity").alias("told_quantity"),
            pl.col("price").alias("told_price"),
            pl.col("commission_currency").alias("told_currency"),
        )
    )
    heard = wire.rename({"signed_quantity": "wire_quantity", "price": "wire_price"})
    return (
        heard.join(told, on=_FILL, how="full", coalesce=True, validate="1:1")
        .with_columns(
            pl.coalesce("told_session", "session_date").alias("session_date"),
            pl.coalesce("con_id", "told_con_id").alias("con_id"),
            pl.coalesce("symbol", "told_symbol").alias("symbol"),
            pl.col("fill_id").alias("subject"),
        )
        .join(both, on=["account_id", "session_date"], how="semi")
        .sort("account_id", "session_date", "fill_id")
    )


def _net_commissions(statement: pl.DataFrame, fills: pl.DataFrame) -> pl.DataFrame:
    """Return what the bookings of each trade that has a cancellation cost together.

    Only of trades that one booking is left of: of others nobody can say which bears it.
    """
    trade = (
        pl.when("is_cancel").then(pl.coalesce("orig_trade_id", "trade_id")).otherwise("trade_id")
    )
    left = (
        fills.filter(~pl.col("is_cancelled"))
        .group_by("account_id", "trade_id")
        .agg(pl.len().alias("n_left"))
    )
    return (
        statement.with_columns(trade.alias("trade_id"))
        .filter(pl.col("trade_id").is_not_null())
        .group_by("account_id", "trade_id")
        .agg(
            pl.col("ib_commission").sum().alias("net_commission"),
            pl.col("is_cancel").any().alias("has_cancel"),
        )
        .join(left, on=["account_id", "trade_id"], how="inner", validate="1:1")
        .filter(pl.col("has_cancel") & (pl.col("n_left") == 1))
        .select("account_id", "trade_id", "net_commission")
    )


def _totals(single: pl.DataFrame, findings: pl.DataFrame) -> pl.DataFrame:
    """Return the totals; a fill that is well for a reason of its own counts as it is."""
    is_comparable = findings.get_column("verdict") != Verdict.NOT_COMPARABLE.value
    is_well = findings.get_column("verdict") == Verdict.OK.value
    as_compared = pl.when(is_well).then(pl.col("commission")).otherwise(pl.col("paid"))
    within = pl.col("apart").abs() <= COMMISSION_TOLERANCE
    paid = single.with_columns(
        pl.when(within).then(pl.col("paid")).otherwise(as_compared).alias("paid")
    )
    summed = (
        paid.filter(is_comparable)
        .group_by("account_id", "session_date", "commission_currency")
        .agg(pl.col("commission", "paid").sum(), pl.len().alias("n"))
        .with_columns((pl.col("commission") - pl.col("paid")).alias("apart"))
        .with_columns(
            amount_text("commission").alias("found"),
            amount_text("paid").alias("expected"),
            amount_text("apart").alias("difference"),
            pl.format("total in {}", pl.col("commission_currency").fill_null("?")).alias("subject"),
            pl.lit(None, dtype=pl.Int64).alias("con_id"),
        )
        .sort("account_id", "session_date", "subject")
    )
    return _verdicts(
        summed, [(within, Verdict.OK, None)], otherwise="the differences of single fills add up"
    )


def _verdicts(
    rows: pl.DataFrame, reasons: list[tuple[pl.Expr, Verdict, str | None]], *, otherwise: str
) -> pl.DataFrame:
    """Return findings: the first reason that holds decides; else it is a break."""
    verdict, why = pl.lit(Verdict.BREAK.value), pl.lit(otherwise, dtype=pl.String)
    for holds, decided, text in reversed(reasons):
        is_so = holds.fill_null(value=False)
        verdict = pl.when(is_so).then(pl.lit(decided.value)).otherwise(verdict)
        why = pl.when(is_so).then(pl.lit(text, dtype=pl.String)).otherwise(why)
    return as_findings(rows.with_columns(verdict.alias("verdict"), why.alias("why")))


def _text(quantity: str, price: str) -> pl.Expr:
    told = pl.format("{} at {}", amount_text(quantity), amount_text(price))
    return pl.when(pl.col(quantity).is_null()).then(pl.lit(_NOTHING)).otherwise(told)
