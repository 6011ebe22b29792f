"""Short options that expire next, by the last price of their underlying."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import duckdb
import polars as pl
import pytest

from ibkr_pipeline.pipelines.expirations import PRICES, expirations, expiring_days, expiring_in
from ibkr_pipeline.schemas import ops
from ibkr_pipeline.warehouse.migrations import migrate
from ibkr_pipeline_tests.statement_frames import (
    ACCOUNT,
    FRI,
    NOW,
    THU,
    insert_row,
    told,
    typed,
)

#: Thursday, half past four in New York.
EVENING = datetime(2026, 11, 19, 21, 30, tzinfo=UTC)
CALL, MSTR, SPX = 1001, 272110, 416904
SHORT = {
    "broker": pl.String(),
    "environment": pl.String(),
    "account_id": pl.String(),
    "con_id": pl.Int64(),
    "symbol": pl.String(),
    "security_type": pl.String(),
    "currency": pl.String(),
    "underlying_symbol": pl.String(),
    "expiry": pl.Date(),
    "strike": pl.Decimal(38, 10),
    "right": pl.String(),
    "multiplier": pl.Decimal(38, 10),
    "quantity": pl.Decimal(38, 10),
    "underlying_con_id": pl.Int64(),
}


def short(**changes: Any) -> pl.DataFrame:
    """Return 2 short calls on MSTR, strike 290, that expire on Friday."""
    values = {
        "broker": "ibkr",
        "environment": "paper",
        "con_id": CALL,
        "symbol": "MSTR",
        "security_type": "OPT",
        "currency": "USD",
        "underlying_symbol": "MSTR",
        "expiry": FRI,
        "strike": 290,
        "right": "C",
        "multiplier": 100,
        "quantity": -2,
    }
    return typed(SHORT, {**values, **changes})


def price(value: str, **changes: Any) -> dict[str, Any]:
    """Return a price of MSTR, a quarter of an hour old."""
    return {
        "con_id": MSTR,
        "symbol": "MSTR",
        "security_type": "STK",
        "currency": "USD",
        "price": value,
        "price_source": "position",
        "price_at": EVENING - timedelta(minutes=15),
        **changes,
    }


def report(held: pl.DataFrame, *prices: dict[str, Any]) -> pl.DataFrame:
    """Return the report of Thursday evening, checked against its schema."""
    found = expirations(held, typed(PRICES, *prices), now=EVENING, days=[THU, FRI])
    ops.EXPIRATIONS.pandera.validate(found)
    return found


def test_a_short_call_in_the_money_takes_shares_at_the_strike() -> None:
    """295.50 is 5.50 above 290; 2 x 100 shares go at 290 and bring 58,000."""
    found = report(short(), price("295.5"))

    assert [("in", Decimal("5.5"), MSTR, Decimal(-200), Decimal(290), Decimal(58000), 1)] == told(
        found,
        "moneyness",
        "intrinsic_value",
        "delivered_con_id",
        "delivered_quantity",
        "delivered_price",
        "cash_amount",
        "sessions_left",
    )
    assert [("position", 15, "unknown")] == told(
        found, "price_source", "price_age_minutes", "ex_dividend"
    )


def test_a_short_put_brings_shares_and_costs_the_strike() -> None:
    """280 is 10 below 290: 200 shares for 58,000."""
    found = report(short(right="P"), price("280"))

    assert [("in", Decimal(10), Decimal(200), Decimal(-58000))] == told(
        found, "moneyness", "intrinsic_value", "delivered_quantity", "cash_amount"
    )


@pytest.mark.parametrize(
    ("right", "value", "moneyness"),
    [("C", "289.99", "out"), ("C", "290", "at"), ("P", "290.01", "out"), ("P", "290", "at")],
)
def test_at_and_out_of_the_money_have_no_intrinsic_value(
    right: str, value: str, moneyness: str
) -> None:
    """A call is worth what the price is above the strike, a put what it is below."""
    found = report(short(right=right), price(value))

    assert [(moneyness, Decimal(0))] == told(found, "moneyness", "intrinsic_value")


def test_without_a_price_moneyness_is_unknown() -> None:
    """Nothing is guessed; what an assignment would bring is known all the same."""
    found = report(short())

    assert [("unknown", None, None, Decimal(-200))] == told(
        found, "moneyness", "underlying_price", "price_source", "delivered_quantity"
    )
    assert "unless it is settled in cash" in found.item(0, "delivery")


def test_the_newest_price_of_the_underlying_counts() -> None:
    """A statement's mark is of the close: 16:00 in New York, half an hour before the report."""
    close = price("291", price_source="statement", price_at=None, report_date=THU)
    older = price("289", price_source="fill", price_at=EVENING - timedelta(hours=3))

    found = report(short(), close, older)

    assert [(Decimal(291), "statement", 30)] == told(
        found, "underlying_price", "price_source", "price_age_minutes"
    )


def test_a_price_of_something_else_does_not_count() -> None:
    """Another currency, another contract of the symbol, or another id than a statement told."""
    others = (price("300", currency="EUR"), price("300", security_type="OPT"))

    by_symbol = report(short(), *others)
    by_id = report(short(underlying_con_id=5), price("300"))

    assert ["unknown"] == by_symbol["moneyness"].to_list()
    assert [("unknown", 5)] == told(by_id, "moneyness", "delivered_con_id")


def test_an_index_option_is_settled_in_cash() -> None:
    """1 put at 5900, index at 5871.15: 28.85 x 100 = 2885 are paid."""
    held = short(symbol="SPX", underlying_symbol="SPX", right="P", strike=5900, quantity=-1)

    found = report(held, price("5871.15", con_id=SPX, symbol="SPX", security_type="IND"))

    assert [("in", None, Decimal(-2885), "settled in cash")] == told(
        found, "moneyness", "delivered_quantity", "cash_amount", "delivery"
    )


def test_an_option_on_a_future_delivers_one_future_each() -> None:
    """Whatever the multiplier; the future is known by its id, not by its symbol."""
    held = short(security_type="FOP", multiplier=50, underlying_con_id=77)

    found = report(held, price("300", con_id=77, security_type="FUT"))

    assert [("in", 77, Decimal(-2), None)] == told(
        found, "moneyness", "delivered_con_id", "delivered_quantity", "cash_amount"
    )


def test_in_the_money_comes_first() -> None:
    """It is what a person has to act on."""
    held = pl.concat([short(strike=300, con_id=1), short(strike=280, con_id=2)])

    assert [(2, "in"), (1, "out")] == told(report(held, price("290")), "con_id", "moneyness")


def test_the_days_ahead_are_sessions() -> None:
    """On Friday evening the next one is Monday; 0 ahead is today alone."""
    assert [FRI, date(2026, 11, 23)] == expiring_days(NOW, sessions=1)
    assert [FRI] == expiring_days(NOW, sessions=0)
    with pytest.raises(ValueError, match="Sessions ahead were -1"):
        expiring_days(NOW, sessions=-1)


def test_the_report_reads_the_warehouse() -> None:
    """Last snapshot, terms of the contracts, the fill as a price; a later expiry is left out."""
    connection = duckdb.connect()
    migrate(connection, now=EVENING)
    insert = partial(insert_row, connection)
    insert("core.snapshots", snapshot_id="s", dataset="positions", n_rows=3, as_of=EVENING)
    for con_id, quantity in ((CALL, -2), (1002, -1), (1003, 1)):
        insert(
            "core.positions", snapshot_id="s", con_id=con_id, symbol="MSTR",
            security_type="OPT", currency="USD", quantity=quantity, portfolio_id=ACCOUNT,
            model_code="", as_of=EVENING,
        )  # fmt: skip
    for con_id, expiry in ((CALL, FRI), (1002, date(2026, 12, 18)), (1003, FRI)):
        insert(
            "core.ibkr_contracts", con_id=con_id, symbol="MSTR", security_type="OPT",
            currency="USD", expiry=expiry, strike=290, right="C", multiplier=100, version=1,
            instrument_key=f"ibkr:{con_id}",
        )  # fmt: skip
    insert(
        "core.executions", fill_id="exec:1", revision=1, exec_id="1.01", con_id=MSTR,
        symbol="MSTR", security_type="STK", currency="USD", event_ts=EVENING, session_date=THU,
        side="BUY", fill_quantity=1, signed_quantity=1, price="295.5",
    )  # fmt: skip

    found = expiring_in(connection, environment="paper", now=EVENING)

    assert [(CALL, "in", "fill", MSTR)] == told(
        found, "con_id", "moneyness", "price_source", "delivered_con_id"
    )
    assert expiring_in(connection, environment="live", now=EVENING).is_empty()
