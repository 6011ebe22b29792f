"""Trades of statements and trade confirmations -> fills.

What lives here: `flex.trades` -> `core.executions` and the contracts it speaks of, and which rows
speak of option events. What must not: which of several tellings of a fill wins, and what a cancel
takes out; that needs what core knows (`warehouse/`).
"""

from __future__ import annotations

from functools import cache

import polars as pl

from ibkr_pipeline.normalization.contracts import contracts_of
from ibkr_pipeline.normalization.statement_contracts import with_contract_terms
from ibkr_pipeline.normalization.statement_provenance import StatementProvenance
from ibkr_pipeline.primitives.sessions import DEFAULT_CALENDAR, session_dates
from ibkr_pipeline.schemas import core

#: Security types that can be assigned, exercised or expire.
OPTIONS = ("OPT", "FOP", "FSOPT", "FSFOP", "IOPT", "WAR")
#: A code of an option event among the codes of a row, which semicolons separate (once commas).
EVENT_CODES = r"(?:^|[;,])\s*(?:A|Ex|AEx|MEx|GEA|Ep)\s*(?:$|[;,])"
_EXEC_ID = r"^(.+)\.(\d{1,9})$"
#: Ids that mean there is none.
_NO_ID = ("", "0")


def normalize_trades(
    frame: pl.DataFrame, provenance: StatementProvenance, *, calendar: str = DEFAULT_CALENDAR
) -> dict[str, pl.DataFrame]:
    """Return `core.executions` (with `row_number`, without recorded_at), contracts, instruments.

    A fill is named by its execution id, a booking without one by its transactionID, else by its
    tradeID. `ib_commission` keeps the statement's sign. The order is not named: that `ibOrderID`
    is the permanent id of an order is told nowhere.

    Args:
        frame: `flex.trades` rows of one account and section.
        provenance: Of that section.
        calendar: Exchange calendar of `session_date`.
    """
    sessions = session_dates(frame.get_column("event_ts"), calendar=calendar)
    named = (
        with_contract_terms(frame)
        .lazy()
        .with_columns(*provenance.columns(), sessions.alias("session_date"))
    )
    for step in _naming():
        named = named.with_columns(step)
    fills = named.collect()
    return {
        core.EXECUTIONS.name: fills.select(_columns(tuple(fills.columns))),
        **contracts_of(fills),
    }


def event_rows(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that speak of assignments, exercises and expirations, in their order.

    Those with a code of an event, and options booked at no price: some queries leave the codes
    out. Their cancellations are among them; they take the quantity back.
    """
    booked = (
        pl.col("security_type").is_in(OPTIONS)
        & (pl.col("price") == 0)
        & pl.col("transaction_type").is_in(["BookTrade", "TradeCancel"])
    )
    coded = pl.col("code").str.contains(EVENT_CODES)
    return frame.filter(booked.fill_null(value=False) | coded.fill_null(value=False))


@cache
def _naming() -> tuple[list[pl.Expr], ...]:
    """Return how a fill is named, a step after the other: made once, there are many chunks."""
    parts = pl.col("exec_id").str.extract_groups(_EXEC_ID)
    return (
        [_id(name) for name in (*core.STATEMENT_FILL[:6], "exec_id")],
        [parts.struct[0].alias("_root"), parts.struct[1].cast(pl.Int64).alias("revision")],
        [
            pl.coalesce(
                "exec:" + pl.coalesce("_root", "exec_id"),
                "flex:" + pl.col("transaction_id"),
                "flex:trade:" + pl.col("trade_id"),
                pl.format("flex:row:{}:{}", "trade_date", "row_number"),
            ).alias("fill_id"),
            pl.col("revision").fill_null(0),
            _side().alias("side"),
            pl.col("signed_quantity").abs().alias("fill_quantity"),
        ],
        [pl.coalesce("exec_id", "fill_id").alias("exec_id")],
    )


def _id(name: str) -> pl.Expr:
    return pl.when(~pl.col(name).is_in(_NO_ID)).then(pl.col(name)).alias(name)


def _side() -> pl.Expr:
    """Direction as told; a cancelled purchase stays one, though its quantity is negative."""
    told = pl.col("buy_sell").str.slice(0, 4).str.strip_chars().str.to_uppercase()
    signed = pl.when(pl.col("signed_quantity") < 0).then(pl.lit("SELL")).otherwise(pl.lit("BUY"))
    return pl.when(told.is_in(["BUY", "SELL"])).then(told).otherwise(signed)


@cache
def _columns(known: tuple[str, ...]) -> list[pl.Expr]:
    """Return the columns of `core.executions`; what only the gateway tells is null."""
    return [
        pl.col("row_number"),
        *(
            pl.col(name) if name in known else pl.lit(None, dtype=dtype).alias(name)
            for name, dtype in core.EXECUTIONS.schema.items()
            if name != "recorded_at"
        ),
    ]
