"""The comparisons of statements on rows as the warehouse holds them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import polars as pl
import pytest

from ibkr_pipeline.pipelines.findings import Compared
from ibkr_pipeline.pipelines.statement_reconciliation import COMPARISONS, compare_statements
from ibkr_pipeline.pipelines.statement_reconciliation_coverage import (
    SectionCoverage,
    next_session,
    previous_session,
    sessions_between,
)
from ibkr_pipeline.pipelines.statement_reconciliation_inputs import (
    fetch_statement_inputs,
    first_session,
)
from ibkr_pipeline.warehouse.migrations import migrate
from ibkr_pipeline_tests.statement_frames import (
    ACCOUNT,
    FRI,
    MON,
    NOW,
    THU,
    TUE,
    WED,
    insert_row,
    sections,
    told,
)

MSTR, CALL = 272110, 1001
MADE = datetime(2026, 11, 18, 9, 0, tzinfo=UTC)
NAMES = frozenset(COMPARISONS)


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """A warehouse in memory with the statements of Monday and Tuesday.

    Monday ends with 500 shares, 2 short calls and 1,000.00 USD. On Tuesday the calls are
    assigned: 200 shares go at 290, which brings 58,000.00.
    """
    opened = duckdb.connect()
    migrate(opened, now=NOW)
    for day in (MON, TUE):
        for name in ("OpenPositions", "Trades", "CorporateActions", "Transfers", "OptionEAE"):
            told_by(opened, "flex_statements", section=name, from_date=day, to_date=day, n_rows=1)
    for day, shares, calls, cash in ((MON, 500, -2, 1000), (TUE, 300, 0, 59000)):
        hold(opened, day, MSTR, shares, "STK", 300 * shares)
        if calls:
            hold(opened, day, CALL, calls, "OPT", -2500)
        value = 300 * shares + (-2500 if calls else 0)
        told_by(
            opened, "nav", source_id=str(day), report_date=day, nav_total=cash + value,
            currency="USD",
        )  # fmt: skip
    report(opened, MON, 1000, 1000)
    report(opened, TUE, 1000, 59000, net_trades_sales=58000)
    for con_id, quantity, price, kind in ((CALL, 2, 0, "OPT"), (MSTR, -200, 290, "STK")):
        told_by(
            opened, "executions", fill_id=f"flex:{con_id}", revision=0, exec_id=f"flex:{con_id}",
            con_id=con_id, symbol="MSTR", security_type=kind, currency="USD", event_ts=MADE,
            session_date=TUE, trade_date=TUE, report_date=TUE, signed_quantity=quantity,
            fill_quantity=abs(quantity), side="BUY" if quantity > 0 else "SELL", price=price,
            transaction_type="BookTrade", code="A",
        )  # fmt: skip
    yield opened
    opened.close()


def told_by(connection: duckdb.DuckDBPyConnection, table: str, **values: Any) -> None:
    """Insert a row of a statement."""
    known = {"source": "ibkr.flex", "generated_at": MADE, "request_id": "r"}
    insert_row(connection, f"core.{table}", **{**known, **values})


def hold(
    connection: duckdb.DuckDBPyConnection,
    day: date,
    con_id: int,
    quantity: int,
    kind: str,
    value: int,
) -> None:
    """Insert a position at the end of a session, in base currency."""
    told_by(
        connection, "statement_positions", source_id=f"{day}:{con_id}", report_date=day,
        con_id=con_id, symbol="MSTR", security_type=kind, currency="USD",
        signed_quantity=quantity, value=value, rate_to_base=1,
    )  # fmt: skip


def report(
    connection: duckdb.DuckDBPyConnection, day: date, start: int, end: int, **lines: Any
) -> None:
    """Insert the cash report of a day, in USD and in base currency, which is the same."""
    flows = (
        "commissions", "deposits", "withdrawals", "dividends", "withholding_tax", "interest",
        "net_trades_sales", "net_trades_purchases", "other_fees",
    )  # fmt: skip
    for currency in ("USD", "BASE_SUMMARY"):
        told_by(
            connection, "cash_reports", source_id=f"{day}:{currency}", from_date=day, to_date=day,
            currency=currency, starting_cash=start, ending_cash=end,
            **{**dict.fromkeys(flows, 0), **lines},
        )  # fmt: skip


def compare(connection: duckdb.DuckDBPyConnection) -> dict[str, Compared]:
    """Make every comparison."""
    inputs = fetch_statement_inputs(connection, environment="paper", now=NOW, comparisons=NAMES)
    return compare_statements(inputs)


def verdicts(compared: Compared) -> set[str]:
    """Return the verdicts there are."""
    return set(compared.findings["verdict"])


def test_an_assignment_reconciles(connection: duckdb.DuckDBPyConnection) -> None:
    """Positions, cash and NAV follow from its two legs; USD needs no rate."""
    found = compare(connection)

    assert [(MSTR, "300", "ok"), (CALL, "0", "ok")] == sorted(
        told(found["statement_positions"].findings, "con_id", "found", "verdict"), reverse=True
    )
    assert {"ok"} == verdicts(found["cash"])
    assert {"ok"} == verdicts(found["nav"])
    assert {"ok"} == verdicts(found["conversion_rates"])
    assert NAMES == set(found)


def test_a_leg_that_is_missing_breaks_positions_and_cash(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """Without the delivery 500 shares are expected and 300 found."""
    connection.execute("DELETE FROM core.executions WHERE con_id = 272110")
    connection.execute("UPDATE core.cash_reports SET net_trades_sales = 0 WHERE ending_cash > 1000")

    found = compare(connection)

    broken = found["statement_positions"].findings.filter(pl.col("verdict") == "break")
    assert [(MSTR, "-200", TUE)] == told(broken, "con_id", "difference", "session_date")
    assert 2 == found["cash"].findings.filter(pl.col("verdict") == "break").height


def test_gateway_and_statement_are_compared_on_days_both_cover(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """10 shares told by both: at 300 by the gateway, at 301 by the statement."""
    for source, price in (("ibkr.wire", 300), ("ibkr.flex", 301)):
        told_by(
            connection, "executions", source=source, fill_id="exec:a.01", revision=1,
            exec_id="a.01.01", con_id=MSTR, symbol="MSTR", security_type="STK", currency="USD",
            event_ts=MADE, session_date=TUE, trade_date=TUE, report_date=TUE, signed_quantity=10,
            fill_quantity=10, side="BUY", price=price,
            ib_commission=None if source == "ibkr.wire" else -1,
            generated_at=None if source == "ibkr.wire" else MADE,
        )  # fmt: skip
    insert_row(
        connection, "core.commissions", fill_id="exec:a.01", exec_id="a.01.01", commission=1,
        currency="USD", commission_status="final",
    )  # fmt: skip
    uncovered = compare(connection)
    insert_row(connection, "ops.coverage", session_date=TUE, by_wire=True, by_flex=True)

    found = compare(connection)

    assert uncovered["statement_fills"].findings.is_empty()
    assert [("10 at 301", "10 at 300", "break")] == told(
        found["statement_fills"].findings, "expected", "found", "verdict"
    )
    assert ["ok", "ok"] == found["statement_commissions"].findings["verdict"].to_list()
    assert date.max == found["statement_fills"].since


def test_other_environments_are_not_looked_at(connection: duckdb.DuckDBPyConnection) -> None:
    """The same account code may exist in two worlds."""
    inputs = fetch_statement_inputs(connection, environment="live", now=NOW, comparisons=NAMES)

    assert all(item.findings.is_empty() for item in compare_statements(inputs).values())


def test_a_night_looks_back_some_days(connection: duckdb.DuckDBPyConnection) -> None:
    """Ten days before Friday the 20th, where nothing asks for more."""
    assert date(2026, 11, 10) == asked_since(connection)


def test_a_statement_received_lately_is_compared_as_a_whole(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """A backfill of September is looked at on the nights after it came, not for ever."""
    told_by(
        connection, "flex_statements", section="Trades", from_date=date(2026, 9, 1),
        to_date=date(2026, 9, 30), n_rows=1, available_at=NOW - timedelta(days=1),
    )  # fmt: skip

    assert date(2026, 9, 1) == asked_since(connection)
    assert date(2026, 11, 15) == asked_since(connection, now=NOW + timedelta(days=5))


def test_an_open_break_is_looked_at_until_it_closes(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """However old its session is; one of a comparison of the gateway is not asked for here."""
    for name, comparison, day in (("a", "cash", "2026-08-03"), ("b", "orders", "2026-07-01")):
        insert_row(
            connection, "ops.breaks", break_id=name, comparison=comparison, break_state="open",
            session_date=date.fromisoformat(day), first_seen_at=NOW,
        )  # fmt: skip

    assert date(2026, 8, 3) == asked_since(connection)


def asked_since(connection: duckdb.DuckDBPyConnection, now: datetime = NOW) -> date:
    """Return the first session of a night."""
    return first_session(connection, environment="paper", now=now, comparisons=NAMES)


def test_sessions_skip_weekends_and_holidays() -> None:
    """Thursday 26 November 2026 is Thanksgiving."""
    assert (MON, TUE, WED, THU, FRI) == sessions_between(MON, date(2026, 11, 22))
    assert () == sessions_between(TUE, MON)
    assert date(2026, 11, 27) == next_session(date(2026, 11, 25))
    assert FRI == previous_session(date(2026, 11, 23))


def test_days_are_covered_by_statements_together() -> None:
    """Monday to Tuesday and Wednesday to Friday leave no session out; weekends need none."""
    coverage = SectionCoverage(sections(("Trades", MON, TUE), ("Trades", WED, FRI)))

    assert coverage.uncovered(ACCOUNT, "Trades", first=MON, last=date(2026, 11, 22)) is None
    assert date(2026, 11, 23) == coverage.uncovered(
        ACCOUNT, "Trades", first=MON, last=date(2026, 11, 23)
    )
    assert MON == coverage.uncovered("DU0000002", "Trades", first=MON, last=MON)
