"""Short options that expire next: whether they are in the money, and what they would deliver.

What lives here: the report of the evening before an expiration, and on its day. What must not:
any decision: nothing here closes or rolls a position.

The price of the underlying is the last one in the warehouse, with where it stands and how old it
is; without one, moneyness is unknown. Ex-dividend dates come from no source yet and are unknown.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import polars as pl

from ibkr_pipeline.pipelines.statement_reconciliation_coverage import next_session
from ibkr_pipeline.pipelines.workspace import Workspace
from ibkr_pipeline.primitives.decimals import multiply
from ibkr_pipeline.primitives.sessions import session_date
from ibkr_pipeline.schemas import ops

Row = dict[str, Any]
#: Prices of contracts as the warehouse has them: which, whose symbol, where from, when true.
PRICES: dict[str, pl.DataType] = {
    "con_id": pl.Int64(),
    "symbol": pl.String(),
    "security_type": pl.String(),
    "currency": pl.String(),
    "price": pl.Decimal(38, 10),
    "price_source": pl.String(),
    "price_at": pl.Datetime("us", "UTC"),
    "report_date": pl.Date(),
}
OPTIONS = ("OPT", "FOP", "FSOPT", "FSFOP")
_ON_FUTURES = ("FOP", "FSFOP")
_CASH_SETTLED = ("IND",)
#: A statement's marks are those of the close in New York.
_CLOSE, _ZONE = time(16), ZoneInfo("America/New_York")
_MINUTE = timedelta(minutes=1)

#: Short options of the last complete snapshot of each account; of an account the gateway was
#: never read for, those of its last statement.
_SHORT = f"""
    WITH wire AS (
        SELECT broker, environment, account_id, con_id, symbol, security_type, currency,
            sum(quantity) AS quantity
        FROM core.current_positions WHERE environment = $environment GROUP BY ALL
    ), told AS (
        SELECT broker, environment, account_id, con_id, symbol, security_type, currency,
            sum(signed_quantity) AS quantity
        FROM core.current_statement_positions
        WHERE environment = $environment AND (account_id, report_date) IN (
            SELECT (account_id, max(report_date)) FROM core.current_statement_positions
            WHERE environment = $environment GROUP BY account_id)
            AND account_id NOT IN (
                SELECT account_id FROM core.current_snapshots
                WHERE environment = $environment AND dataset = 'positions')
        GROUP BY ALL
    ), underlyings AS (
        SELECT con_id, any_value(underlying_con_id) AS underlying_con_id
        FROM core.statement_positions
        WHERE environment = $environment AND underlying_con_id IS NOT NULL GROUP BY con_id
    )
    SELECT held.broker, held.environment, held.account_id, held.con_id,
        coalesce(held.symbol, terms.symbol) AS symbol,
        coalesce(held.security_type, terms.security_type) AS security_type,
        coalesce(held.currency, terms.currency) AS currency,
        terms.symbol AS underlying_symbol, terms.expiry, terms.strike, terms."right",
        terms.multiplier, held.quantity, underlyings.underlying_con_id
    FROM (SELECT * FROM wire UNION ALL BY NAME SELECT * FROM told) AS held
    JOIN core.current_contracts AS terms USING (con_id)
    LEFT JOIN underlyings USING (con_id)
    WHERE held.quantity < 0 AND terms.expiry BETWEEN $first AND $last
        AND coalesce(held.security_type, terms.security_type) IN {OPTIONS}
"""  # noqa: S608  # constants of this module
_PRICES = """
    SELECT con_id, symbol, security_type, currency, market_price AS price,
        'position' AS price_source, as_of AS price_at, NULL::DATE AS report_date
    FROM core.current_positions WHERE environment = $environment AND market_price > 0
    UNION ALL
    SELECT con_id, symbol, security_type, currency, mark_price, 'statement', NULL, report_date
    FROM core.current_statement_positions WHERE environment = $environment AND mark_price > 0
    QUALIFY row_number() OVER (PARTITION BY con_id ORDER BY report_date DESC) = 1
    UNION ALL
    SELECT con_id, symbol, security_type, currency, price, 'fill', event_ts, NULL
    FROM core.current_executions
    WHERE environment = $environment AND price > 0 AND option_event_id IS NULL
        AND NOT coalesce(is_combo_parent, FALSE)
    QUALIFY row_number() OVER (PARTITION BY con_id ORDER BY event_ts DESC) = 1
"""


def expiring_options(workspace: Workspace, *, sessions: int = 1) -> pl.DataFrame:
    """Return the short options that expire within some sessions, today's included.

    Args:
        workspace: Whose warehouse.
        sessions: How many sessions ahead; 1 is the next one after that of now.

    Returns:
        `ops.expirations`, in the money first.

    Raises:
        WarehouseMissingError: If nothing was ever applied.
        BusyError: If the warehouse stayed locked.
    """
    with workspace.warehouse.read() as connection:
        return expiring_in(
            connection,
            environment=workspace.environment.value,
            now=workspace.clock.now(),
            sessions=sessions,
        )


def expiring_in(
    connection: duckdb.DuckDBPyConnection, *, environment: str, now: datetime, sessions: int = 1
) -> pl.DataFrame:
    """Return the same from an open warehouse or read copy.

    Raises:
        ValueError: If `sessions` is negative.
    """
    days = expiring_days(now, sessions=sessions)
    given = {"environment": environment, "first": days[0], "last": days[-1]}
    short = connection.sql(_SHORT, params=given).pl()
    prices = connection.sql(_PRICES, params={"environment": environment}).pl()
    return expirations(short, prices, now=now, days=days)


def expiring_days(now: datetime, *, sessions: int) -> list[date]:
    """Return the session of now and the ones after it.

    Raises:
        ValueError: If `sessions` is negative.
    """
    if sessions < 0:
        raise ValueError(f"Sessions ahead were {sessions}; expected 0 or more.")
    days = [session_date(now)]
    for _ in range(sessions):
        days.append(next_session(days[-1]))
    return days


def expirations(
    short: pl.DataFrame, prices: pl.DataFrame, *, now: datetime, days: list[date]
) -> pl.DataFrame:
    """Return what short options would deliver by the last price of their underlying.

    Worked example: -2 calls, strike 290, multiplier 100, underlying at 295.50: in the money by
    5.50; an assignment takes 200 shares at 290 and brings 58,000.00.

    Args:
        short: Short options with the terms of their contract.
        prices: `PRICES`.
        now: The clock's instant.
        days: The session of now and those ahead.

    Returns:
        `ops.expirations`, in the money first.
    """
    known = [_dated(row) for row in prices.iter_rows(named=True)]
    rows = [_expiration(row, _price_of(row, known), now, days) for row in short.to_dicts()]
    order = ["in", "at", "unknown", "out"]
    return pl.DataFrame(rows, schema=ops.EXPIRATIONS.schema, orient="row").sort(
        pl.col("moneyness").replace_strict(order, range(len(order)), return_dtype=pl.Int64),
        "expiry",
        "account_id",
        "con_id",
    )


def _dated(price: Row) -> Row:
    """Return a price with its instant; that of a statement is the close of its session."""
    if price["price_at"] is not None:
        return price
    close = datetime.combine(price["report_date"], _CLOSE, tzinfo=_ZONE)
    return {**price, "price_at": close.astimezone(UTC)}


def _price_of(option: Row, prices: list[Row]) -> Row | None:
    """Return the newest price of an option's underlying.

    By its contract id where a statement told it, else by symbol and currency; the symbol of a
    future is that of all its months, so options on futures need the id.
    """
    con_id = option["underlying_con_id"]
    if con_id is not None:
        fitting = [price for price in prices if price["con_id"] == con_id]
    elif option["security_type"] in _ON_FUTURES:
        fitting = []
    else:
        fitting = [
            price
            for price in prices
            if price["symbol"] == option["underlying_symbol"]
            and price["currency"] == option["currency"]
            and price["security_type"] in ("STK", "FUND", *_CASH_SETTLED)
        ]
    return max(fitting, key=lambda price: price["price_at"], default=None)


def _expiration(option: Row, price: Row | None, now: datetime, days: list[date]) -> Row:
    intrinsic = _intrinsic(option, price)
    return {
        **{name: option[name] for name in ops.EXPIRATIONS.schema if name in option},
        "sessions_left": sum(day < option["expiry"] for day in days),
        "underlying_con_id": option["underlying_con_id"] or (price["con_id"] if price else None),
        "underlying_price": price["price"] if price else None,
        "price_source": price["price_source"] if price else None,
        "price_at": price["price_at"] if price else None,
        "price_age_minutes": (now - price["price_at"]) // _MINUTE if price else None,
        "moneyness": _moneyness(intrinsic),
        "intrinsic_value": None if intrinsic is None else max(intrinsic, Decimal(0)),
        **_delivery(option, price, intrinsic),
        "ex_dividend": "unknown",
        "as_of": now,
    }


def _intrinsic(option: Row, price: Row | None) -> Decimal | None:
    """Return how far an option is in the money, negative if it is out of it."""
    if price is None or option["strike"] is None or option["right"] not in ("C", "P"):
        return None
    above: Decimal = price["price"] - option["strike"]
    return above if option["right"] == "C" else -above


def _moneyness(intrinsic: Decimal | None) -> str:
    if intrinsic is None:
        return "unknown"
    if intrinsic == 0:
        return "at"
    return "in" if intrinsic > 0 else "out"


def _delivery(option: Row, price: Row | None, intrinsic: Decimal | None) -> Row:
    """Return what an assignment would bring: shares against the strike, or cash for an index."""
    nothing = dict.fromkeys(
        ("delivered_con_id", "delivered_quantity", "delivered_price", "cash_amount")
    )
    strike, multiplier, right = option["strike"], option["multiplier"], option["right"]
    if strike is None or multiplier is None or right not in ("C", "P"):
        return {**nothing, "delivery": "unknown: strike, right or multiplier are not known"}
    if price is not None and price["security_type"] in _CASH_SETTLED:
        worth = max(intrinsic or Decimal(0), Decimal(0))
        owed = multiply(option["quantity"], multiplier, worth)
        return {**nothing, "cash_amount": owed, "delivery": "settled in cash"}
    is_future = option["security_type"] in _ON_FUTURES
    units = option["quantity"] if is_future else multiply(option["quantity"], multiplier)
    if right == "P":
        units = -units
    is_seen = price is not None or option["underlying_con_id"] is not None
    return {
        "delivered_con_id": option["underlying_con_id"] or (price["con_id"] if price else None),
        "delivered_quantity": units,
        "delivered_price": strike,
        "cash_amount": None if is_future else -multiply(units, strike),
        "delivery": f"{'takes' if right == 'C' else 'brings'} the underlying at the strike"
        + ("" if is_seen else ", unless it is settled in cash: its underlying is not known"),
    }
