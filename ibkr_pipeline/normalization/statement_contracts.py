"""What a statement says of the contract a row is about, in the words core uses.

What lives here: the difference between a statement's symbols and terms and the gateway's. What
must not: versions of contracts.

A statement names an option by its exchange symbol (`CLF   260724C00011500`); core, as the
gateway does, by its underlying, with the exchange symbol beside it. A stock has no multiplier in
core; statements write 1.
"""

from __future__ import annotations

from functools import cache

import polars as pl

from ibkr_pipeline.schemas.columns import COLUMNS

#: Security types that are their own underlying.
_PLAIN = ("STK", "CASH", "BOND", "FUND", "CMDTY", "CRYPTO", "CFD", "IND", "BILL")
_TERMS = ("multiplier", "strike", "expiry", "right", "underlying_con_id", "underlying_symbol")
_UNTOLD = ("trading_class", "primary_exchange", "expiry_code", "venue", "model_code")


def with_contract_terms(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with `symbol`, `local_symbol` and the terms of contracts as core has them.

    Columns of a contract that the section does not tell are added as null. Where an option's
    underlying is not told its symbol stays as the statement has it.
    """
    rows = frame.lazy().with_columns(_untold(tuple(frame.columns)))
    return rows.with_columns(_in_words_of_core()).collect()


@cache
def _untold(told: tuple[str, ...]) -> list[pl.Expr]:
    return [
        pl.lit(None, dtype=COLUMNS[name].dtype).alias(name)
        for name in (*_TERMS, *_UNTOLD)
        if name not in told
    ]


@cache
def _in_words_of_core() -> list[pl.Expr]:
    is_plain = pl.col("security_type").is_in(_PLAIN).fill_null(value=False)
    return [
        pl.when(is_plain)
        .then(pl.col("symbol"))
        .otherwise(pl.coalesce("underlying_symbol", "symbol"))
        .alias("symbol"),
        pl.col("symbol").alias("local_symbol"),
        pl.when(~is_plain).then(pl.col("multiplier")).alias("multiplier"),
        pl.when(~is_plain & (pl.col("strike") != 0)).then(pl.col("strike")).alias("strike"),
    ]
