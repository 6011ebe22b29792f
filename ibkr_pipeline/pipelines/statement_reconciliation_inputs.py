"""What the comparisons of statements need, fetched from the warehouse at one instant.

What lives here: the SQL, and how far back it looks. What must not: the comparisons
(`statement_reconciliation_*.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import duckdb
import polars as pl

from ibkr_pipeline.primitives.sessions import session_date
from ibkr_pipeline.warehouse.ops import coverage_selection, open_breaks

#: How far back every night looks.
ALWAYS = timedelta(days=10)
#: Statements received so lately are compared over all the days they speak of.
LATELY = timedelta(days=3)
#: Days before the first session compared whose facts may matter to it.
BEFORE = timedelta(days=10)

_SECTIONS = """
    SELECT account_id, section, from_date, to_date, generated_at, n_rows
    FROM core.flex_statements WHERE environment = $environment AND ends_with(source, '.flex')
"""
_POSITIONS = """
    SELECT account_id, report_date, con_id, symbol, security_type, currency, signed_quantity,
        value, rate_to_base
    FROM core.current_statement_positions
    WHERE environment = $environment AND report_date >= $reach
"""
_POSITION_DAYS = """
    SELECT account_id, report_date FROM core.current_statement_positions
    WHERE environment = $environment AND report_date >= $reach
    UNION
    SELECT account_id, to_date FROM core.flex_statements
    WHERE environment = $environment AND section = 'OpenPositions' AND n_rows = 0
        AND to_date >= $reach
"""
_IS_CANCEL = """(coalesce(transaction_type IN ('TradeCancel', 'FracShareCancel'), FALSE)
        OR coalesce(contains(buy_sell, '(Ca.)'), FALSE))"""
#: Every row of every statement, as the newest tells it.
_BOOKED = """
    SELECT * FROM core.executions
    WHERE environment = $environment AND ends_with(source, '.flex')
        AND coalesce(report_date, trade_date) >= $reach
    QUALIFY row_number() OVER (
        PARTITION BY broker, environment, account_id, fill_id, revision, source
        ORDER BY generated_at DESC, recorded_at DESC) = 1
"""
_MOVEMENTS = f"""
    SELECT account_id, con_id, symbol, security_type,
        coalesce(report_date, trade_date) AS report_date, signed_quantity, 'trade' AS kind
    FROM ({_BOOKED})
    UNION ALL
    SELECT account_id, con_id, symbol, security_type, report_date, signed_quantity,
        'corporate action' AS kind
    FROM core.current_corporate_actions
    WHERE environment = $environment AND report_date >= $reach
    UNION ALL
    SELECT account_id, con_id, symbol, security_type, report_date, signed_quantity,
        'transfer' AS kind
    FROM core.current_transfers
    WHERE environment = $environment AND report_date >= $reach
"""  # noqa: S608  # constants of this module
_STATEMENT_FILLS = f"""
    SELECT account_id, fill_id, revision, exec_id, con_id, symbol, session_date, signed_quantity,
        price, ib_commission, taxes, commission_currency, {_IS_CANCEL} AS is_cancel, trade_id,
        orig_trade_id, transaction_id, orig_transaction_id
    FROM ({_BOOKED})
"""  # noqa: S608  # constants of this module
_WIRE_FILLS = """
    SELECT fills.account_id, fills.fill_id, fills.exec_id, fills.con_id, fills.symbol,
        fills.session_date, fills.signed_quantity, fills.price, fees.commission,
        fees.currency AS commission_currency,
        coalesce(fees.commission_status, 'pending') AS commission_status
    FROM (
        SELECT * FROM core.executions
        WHERE environment = $environment AND ends_with(source, '.wire')
            AND session_date >= $reach
            AND NOT coalesce(is_combo_parent, FALSE)
            AND NOT coalesce(is_allocation_parent, FALSE)
        QUALIFY row_number() OVER (
            PARTITION BY broker, environment, account_id, fill_id ORDER BY revision DESC) = 1
    ) AS fills LEFT JOIN (
        SELECT * FROM core.commissions
        WHERE environment = $environment AND ends_with(source, '.wire')
        QUALIFY row_number() OVER (
            PARTITION BY broker, environment, account_id, exec_id
            ORDER BY available_at DESC, version DESC) = 1
    ) AS fees ON fills.broker = fees.broker AND fills.environment = fees.environment
        AND fills.account_id = fees.account_id AND fills.exec_id = fees.exec_id
"""
_COVERAGE = f"""
    SELECT account_id, session_date, by_wire, by_flex FROM ({coverage_selection()})
    WHERE environment = $environment AND session_date >= $since
"""  # noqa: S608  # a constant
_ALIASES = """
    SELECT account_id, alias, fill_id FROM core.fill_aliases
    WHERE environment = $environment AND starts_with(alias, 'exec:')
"""
_CASH = """
    SELECT account_id, from_date, to_date, currency, starting_cash, commissions, deposits,
        withdrawals, dividends, withholding_tax, interest, net_trades_sales,
        net_trades_purchases, other_fees, other_flows, ending_cash
    FROM core.current_cash_reports WHERE environment = $environment AND to_date >= $reach
"""
_NAV = """
    SELECT account_id, report_date, nav_total, nav_cash, nav_dividend_accruals,
        nav_interest_accruals
    FROM core.current_nav WHERE environment = $environment AND report_date >= $since
"""
_NAV_CHANGES = """
    SELECT * FROM core.current_nav_changes
    WHERE environment = $environment AND to_date >= $since
"""
_CURRENCIES = """
    SELECT account_id, report_date, currency FROM core.current_statement_positions
    WHERE environment = $environment AND report_date >= $since
    UNION
    SELECT account_id, to_date, currency FROM core.current_cash_reports
    WHERE environment = $environment AND to_date >= $since AND ending_cash <> 0
    UNION
    SELECT account_id, report_date, currency FROM core.current_fx_positions
    WHERE environment = $environment AND report_date >= $since AND signed_quantity <> 0
"""
_RATES = """
    SELECT account_id, report_date, from_currency, to_currency, rate
    FROM core.current_conversion_rates
    WHERE environment = $environment AND report_date >= $reach
"""
#: What the account information of statements says, else what the gateway says.
_BASES = """
    SELECT account_id, coalesce(told.currency, nav.currency, wire.base_currency) AS base_currency
    FROM (
        SELECT account_id, currency FROM core.current_statement_accounts
        WHERE environment = $environment
    ) AS told FULL JOIN (
        SELECT account_id, arg_max(currency, report_date) AS currency FROM core.current_nav
        WHERE environment = $environment GROUP BY account_id
    ) AS nav USING (account_id) FULL JOIN (
        SELECT account_id, base_currency FROM core.current_accounts
        WHERE environment = $environment
    ) AS wire USING (account_id)
"""
_EVENTS = """
    SELECT * FROM core.current_option_events
    WHERE environment = $environment AND event_date >= $since
"""
_EVIDENCE = """
    SELECT * FROM core.current_option_event_evidence
    WHERE environment = $environment AND event_date >= $since
"""
#: Options that a corporate action has touched, themselves or by their underlying.
_ADJUSTED = """
    SELECT DISTINCT events.con_id FROM core.current_option_events AS events
    JOIN core.current_corporate_actions AS actions
        ON events.environment = actions.environment AND events.account_id = actions.account_id
        AND events.con_id = actions.con_id
    WHERE events.environment = $environment
"""
QUERIES: Mapping[str, str] = {
    "sections": _SECTIONS,
    "positions": _POSITIONS,
    "position_days": _POSITION_DAYS,
    "movements": _MOVEMENTS,
    "statement_fills": _STATEMENT_FILLS,
    "wire_fills": _WIRE_FILLS,
    "coverage": _COVERAGE,
    "aliases": _ALIASES,
    "cash": _CASH,
    "nav": _NAV,
    "nav_changes": _NAV_CHANGES,
    "currencies": _CURRENCIES,
    "rates": _RATES,
    "bases": _BASES,
    "events": _EVENTS,
    "evidence": _EVIDENCE,
    "adjusted": _ADJUSTED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementInputs:
    """Everything the comparisons of statements need; frames as the functions describe them.

    Attributes:
        since: First session that is compared.
    """

    since: date
    sections: pl.DataFrame
    positions: pl.DataFrame
    position_days: pl.DataFrame
    movements: pl.DataFrame
    statement_fills: pl.DataFrame
    wire_fills: pl.DataFrame
    coverage: pl.DataFrame
    aliases: pl.DataFrame
    cash: pl.DataFrame
    nav: pl.DataFrame
    nav_changes: pl.DataFrame
    currencies: pl.DataFrame
    rates: pl.DataFrame
    bases: pl.DataFrame
    events: pl.DataFrame
    evidence: pl.DataFrame
    adjusted: pl.DataFrame


def fetch_statement_inputs(
    connection: duckdb.DuckDBPyConnection,
    *,
    environment: str,
    now: datetime,
    comparisons: frozenset[str],
) -> StatementInputs:
    """Fetch what the comparisons of statements need.

    Args:
        connection: The warehouse.
        environment: World of the accounts.
        now: The clock's instant.
        comparisons: Names of the comparisons, whose open breaks are looked at again.
    """
    since = first_session(connection, environment=environment, now=now, comparisons=comparisons)
    # A statement of a year begins long before the session it ends with.
    reach = min(since, _first_window(connection, environment=environment, since=since)) - BEFORE
    given = {"environment": environment, "since": since, "reach": reach}
    frames = {
        name: connection.sql(
            sql, params={key: value for key, value in given.items() if f"${key}" in sql}
        ).pl()
        for name, sql in QUERIES.items()
    }
    return StatementInputs(since=since, **frames)


def first_session(
    connection: duckdb.DuckDBPyConnection,
    *,
    environment: str,
    now: datetime,
    comparisons: frozenset[str],
) -> date:
    """Return the first session to compare.

    That of some days ago, of the oldest open break, or the first one a statement received lately
    speaks of, whichever is earliest.
    """
    waiting = open_breaks(connection, environment=environment).filter(
        pl.col("comparison").is_in(sorted(comparisons))
    )
    oldest = waiting.get_column("session_date").min()
    rows = connection.execute(
        "SELECT min(from_date) FROM core.flex_statements WHERE environment = ? "
        "AND available_at >= ?",
        [environment, now - LATELY],
    ).fetchall()
    found = [session_date(now) - ALWAYS, oldest, rows[0][0]]
    return min(day for day in found if isinstance(day, date))


def _first_window(connection: duckdb.DuckDBPyConnection, *, environment: str, since: date) -> date:
    rows = connection.execute(
        "SELECT min(from_date) FROM core.flex_statements WHERE environment = ? AND to_date >= ?",
        [environment, since],
    ).fetchall()
    found = rows[0][0]
    return found if isinstance(found, date) else since
