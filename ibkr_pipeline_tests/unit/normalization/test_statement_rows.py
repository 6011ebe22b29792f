"""What each section of a statement becomes, and what its rows are known by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from ibkr_pipeline.normalization.statement_provenance import (
    StatementProvenance,
    provenance_of_load,
)
from ibkr_pipeline.normalization.statement_rows import normalize_section
from ibkr_pipeline.normalization.statement_trades import event_rows, normalize_trades
from ibkr_pipeline.schemas import core, flex
from ibkr_pipeline.schemas.table import Table
from ibkr_pipeline.warehouse.reads import as_of
from ibkr_pipeline_tests.statement_rows import (
    DAY,
    Statement,
    apply_statement,
    booking,
    delivery,
    loads_of,
    trade,
)
from ibkr_pipeline_tests.warehouse_rows import ACCOUNT, frame_of, minutes, warehouse_in

ORIGIN = StatementProvenance(
    broker="ibkr",
    environment="paper",
    account_id=ACCOUNT,
    load_id="load",
    source="ibkr.flex",
    available_at=minutes(5),
    generated_at=minutes(0),
    from_date=DAY,
    to_date=DAY,
)


def _frame(table: Table, *rows: Mapping[str, object]) -> pl.DataFrame:
    placed = [{"account_id": ACCOUNT, "row_number": n, **row} for n, row in enumerate(rows)]
    return frame_of(table, placed)


def _names(table: Table, *rows: Mapping[str, object]) -> list[str]:
    found = next(iter(normalize_section(_frame(table, *rows), table.name, ORIGIN).values()))
    return found["source_id"].to_list()


def test_a_booking_is_known_by_its_transaction_and_else_by_what_it_says() -> None:
    """`0` and blank are no ids; equal rows without one get equal names, told apart in core."""
    fee = {"currency": "USD", "row_type": "Other Fees", "amount": Decimal(-1), "event_date": DAY}
    names = _names(
        flex.CASH_TRANSACTIONS,
        {**fee, "transaction_id": "77"},
        {**fee, "transaction_id": "0"},
        fee,
        {**fee, "amount": Decimal(-2)},
    )

    assert "txn:77" == names[0]
    assert names[2].startswith("row:")
    assert 3 == len(set(names[1:]))


def test_what_is_told_once_per_subject_is_known_by_the_subject() -> None:
    """A later statement of the same day speaks of the same NAV."""
    assert ["2026-11-18"] == _names(flex.NAV, {"report_date": DAY, "nav_total": Decimal(1)})
    assert ["2026-11-18:USD:EUR"] == _names(
        flex.CONVERSION_RATES,
        {"report_date": DAY, "from_currency": "USD", "to_currency": "EUR", "rate": Decimal(1)},
    )


def test_a_fill_is_named_as_the_gateway_names_it() -> None:
    """So that both sources meet; a booking without an execution is named by its transaction."""
    rows = normalize_trades(
        _frame(
            flex.TRADES,
            trade(1),
            booking(2),
            booking(3, transaction_id=None),
            trade(4, exec_id="without-a-revision"),
        ),
        ORIGIN,
    )[core.EXECUTIONS.name]

    assert [
        ("exec:0000e0d5.65430001.01", 1, "0000e0d5.65430001.01.01"),
        ("flex:30000000002", 0, "flex:30000000002"),
        ("flex:trade:5000003", 0, "flex:trade:5000003"),
        ("exec:without-a-revision", 0, "without-a-revision"),
    ] == rows.select("fill_id", "revision", "exec_id").rows()


def test_an_option_has_the_symbol_of_its_underlying_and_a_stock_no_multiplier() -> None:
    """As the gateway tells contracts: two spellings would be two versions for ever."""
    found = normalize_trades(_frame(flex.TRADES, trade(1), booking(2)), ORIGIN)

    assert [
        (265598, "AAPL", "AAPL", None, None),
        (700001, "AAPL", "AAPL  261120C00190000", Decimal(100), Decimal(190)),
    ] == found[core.IBKR_CONTRACTS.name].select(
        "con_id", "symbol", "local_symbol", "multiplier", "strike"
    ).rows()


def test_a_cancelled_purchase_stays_a_purchase_of_negative_quantity() -> None:
    """Its side is told; only the sign says that it was taken back."""
    rows = normalize_trades(
        _frame(flex.TRADES, trade(1, quantity=-2, buy_sell="BUY (Ca.)")), ORIGIN
    )[core.EXECUTIONS.name]

    assert [("BUY", Decimal(2), Decimal(-2))] == rows.select(
        "side", "fill_quantity", "signed_quantity"
    ).rows()


@pytest.mark.parametrize(
    ("code", "is_event"),
    [("A;C", True), ("Ex", True), ("P,Ep", True), ("AFx", False), ("O;P", False), (None, False)],
)
def test_rows_with_the_code_of_an_event_are_told_apart(code: str | None, is_event: bool) -> None:
    """`AFx` is a currency conversion, no assignment."""
    rows = event_rows(_frame(flex.TRADES, delivery(1, code=code)))

    assert int(is_event) == rows.height


def test_a_table_of_no_section_is_refused() -> None:
    """A section nobody knows has no frame."""
    with pytest.raises(ValueError, match="no table of a section"):
        normalize_section(_frame(flex.NAV), "flex.unheard_of", ORIGIN)


def test_confirmations_are_a_source_of_their_own() -> None:
    """They yield to the statement, so core must know which is which."""
    statement = Statement(made=0, sections={"Trades": [], "TradeConfirms": []})
    sources = {
        section: provenance_of_load(load, generated_at=minutes(0)).source
        for section, load in loads_of(statement).items()
    }

    assert {"Trades": "ibkr.flex", "TradeConfirms": "ibkr.flex_confirms"} == sources


def test_a_load_without_its_window_is_refused() -> None:
    """What a section without rows speaks of is only known from its window."""
    (load,) = loads_of(Statement(made=0, sections={"Trades": []})).values()

    with pytest.raises(ValueError, match="lacked its window"):
        provenance_of_load(replace(load, from_date=None), generated_at=minutes(0))


def test_pending_exercises_are_those_of_the_last_session_told(tmp_path: Path) -> None:
    """What was pending yesterday is booked or withdrawn today."""
    warehouse = warehouse_in(tmp_path)
    row = {"con_id": 700001, "transaction_type": "Exercise", "signed_quantity": Decimal(1)}
    tomorrow = DAY + timedelta(days=1)
    pending = []
    for number, (day, rows) in enumerate([(DAY, [row]), (tomorrow, [])]):
        told = Statement(
            made=number,
            number=number,
            from_date=day,
            to_date=day,
            sections={"PendingExercises": rows},
        )
        apply_statement(warehouse, told)
        with warehouse.read() as connection:
            pending.append(as_of(connection, "pending_exercises")["con_id"].to_list())

    assert [[700001], []] == pending


def test_securities_tell_contracts_alone(tmp_path: Path) -> None:
    """A section about what is traded brings no rows of the account's."""
    warehouse = warehouse_in(tmp_path)
    row = {"con_id": 9, "symbol": "ABC", "security_type": "STK", "currency": "EUR"}
    (applied,) = apply_statement(warehouse, Statement(made=0, sections={"SecuritiesInfo": [row]}))

    with warehouse.read() as connection:
        found = as_of(connection, "contracts").select("con_id", "symbol", "currency").rows()
    assert [(9, "ABC", "EUR")] == found
    assert 1 == applied.n_read


def test_a_line_of_the_cash_ledger_is_told_apart_by_currency() -> None:
    """One transaction may move two currencies."""
    line = {"report_date": date(2026, 11, 18), "amount": Decimal(1), "transaction_id": "5"}
    names = _names(
        flex.STATEMENT_OF_FUNDS,
        {**line, "currency": "USD", "activity_code": "FOREX"},
        {**line, "currency": "EUR", "activity_code": "FOREX"},
    )

    assert ["txn:5:USD:FOREX", "txn:5:EUR:FOREX"] == names
