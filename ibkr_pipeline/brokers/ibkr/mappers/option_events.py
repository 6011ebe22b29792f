"""Exercises, assignments, expirations and cash settlements.

Source: Flex statements, sections OptionEAE and Trades. OptionEAE names the event in words and
dates it; Trades have a code (A assignment; Ex, AEx, MEx, GEA exercise; Ep expiration) and the
time of the booking. Both tell the same events, so Trades count only where an account has no
OptionEAE row.
"""

from __future__ import annotations

import polars as pl

from ibkr_pipeline.brokers.exceptions import OptionEventDataError
from ibkr_pipeline.brokers.ibkr.mappers.values import Texts, texts_of, typed
from ibkr_pipeline.brokers.read import Frames
from ibkr_pipeline.models.requests import Payload, RequestProof
from ibkr_pipeline.primitives.enums import OptionEventType
from ibkr_pipeline.schemas.broker import OPTION_EVENTS

_COMMON = (
    "con_id", "symbol", "security_type", "currency", "underlying_con_id", "underlying_symbol",
    "multiplier", "strike", "expiry", "right", "signed_quantity", "price", "proceeds",
    "realized_pnl", "trade_id",
)  # fmt: skip
_EXERCISES = (*_COMMON, "transaction_type", "event_date")
_TRADES = (*_COMMON, "code", "trade_date", "event_ts", "transaction_id")
_WORDS = {
    "assignment": OptionEventType.ASSIGNMENT.value,
    "exercise": OptionEventType.EXERCISE.value,
    "expiration": OptionEventType.EXPIRATION.value,
    "cash settlement": OptionEventType.CASH_SETTLEMENT.value,
}
_CODES = {
    "A": OptionEventType.ASSIGNMENT.value,
    "Ex": OptionEventType.EXERCISE.value,
    "AEx": OptionEventType.EXERCISE.value,
    "MEx": OptionEventType.EXERCISE.value,
    "GEA": OptionEventType.EXERCISE.value,
    "Ep": OptionEventType.EXPIRATION.value,
}
_OPTIONS = ("OPT", "FOP", "FSOPT", "FSFOP", "IOPT", "WAR")
_RATE = pl.Decimal(38, 15)


def map_option_events(payload: Payload, proof: RequestProof) -> Frames:
    """Return `broker.option_events`, one row per option leg; delivered legs are left out.

    Raises:
        OptionEventDataError: If a field holds what cannot be right.
    """
    del proof
    exercises = texts_of(payload, "optionEAE", _EXERCISES).with_columns(
        event_type=pl.col("transaction_type")
        .str.strip_chars()
        .str.to_lowercase()
        .replace_strict(_WORDS, default=None, return_dtype=pl.String),
        event_ts=pl.lit(None, pl.String),
        transaction_id=pl.lit(None, pl.String),
    )
    trades = texts_of(payload, "trade", _TRADES).with_columns(
        event_type=pl.col("code")
        .str.split(";")
        .list.eval(
            pl.element()
            .str.strip_chars()
            .replace_strict(_CODES, default=None, return_dtype=pl.String)
        )
        .list.drop_nulls()
        .list.first(),
        event_date=pl.col("trade_date"),
    )
    told = exercises.get_column("account").unique().implode()
    names = ["seq", "account", "event_type", "event_date", "event_ts", "transaction_id", *_COMMON]
    rows = pl.concat(
        [exercises.select(names), trades.filter(~pl.col("account").is_in(told)).select(names)]
    ).filter(pl.col("event_type").is_not_null() & pl.col("security_type").is_in(_OPTIONS))
    return {OPTION_EVENTS.name: _typed(rows.with_columns(seq=pl.int_range(pl.len())))}


def _typed(rows: pl.DataFrame) -> pl.DataFrame:
    texts = Texts(record="optionEvent", frame=rows, error=OptionEventDataError, identity="trade_id")
    columns = {
        "account_id": rows["account"],
        "event_seq": rows["seq"],
        "event_type": rows["event_type"],
        "event_date": rows["event_date"].str.to_date("%Y-%m-%d"),
        "event_ts": rows["event_ts"].str.to_datetime(
            "%Y-%m-%dT%H:%M:%S%.fZ", time_unit="us", time_zone="UTC"
        ),
        **{name: texts.integer(name) for name in ("con_id", "underlying_con_id")},
        **{
            name: texts.text(name)
            for name in (
                "symbol",
                "security_type",
                "currency",
                "underlying_symbol",
                "right",
                "trade_id",
                "transaction_id",
            )
        },
        "multiplier": texts.decimal("multiplier", dtype=_RATE),
        "strike": texts.decimal("strike"),
        "expiry": rows["expiry"].str.to_date("%Y-%m-%d"),
        "signed_quantity": texts.decimal("signed_quantity", required=True),
        "price": texts.decimal("price"),
        "proceeds": texts.decimal("proceeds"),
        "realized_pnl": texts.decimal("realized_pnl"),
    }
    return typed(columns, OPTION_EVENTS.schema)
