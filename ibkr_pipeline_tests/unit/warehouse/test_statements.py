"""Statements in core: fills from two sources, restatements, cancels, positions that are gone."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ibkr_pipeline.models.requests import AppliedLoad
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.primitives.errors import SchemaError
from ibkr_pipeline.schemas import core, statements
from ibkr_pipeline.warehouse.connection import Warehouse
from ibkr_pipeline.warehouse.reads import as_of
from ibkr_pipeline.warehouse.staging import StagedRows
from ibkr_pipeline_tests.statement_rows import (
    DAY,
    Statement,
    apply_statement,
    apply_wire,
    booking,
    delivery,
    overnight,
    trade,
)
from ibkr_pipeline_tests.warehouse_rows import (
    ACCOUNT,
    commission,
    execution,
    frame_of,
    frames_of,
    make_load,
    minutes,
    warehouse_in,
)

FIRST, CORRECTED = "0000e0d5.65430001.01.01", "0000e0d5.65430001.01.02"


def _tell(
    warehouse: Warehouse, made: int, *rows: dict[str, object], number: int = 0
) -> AppliedLoad:
    statement = Statement(made=made, number=number, sections={"Trades": rows})
    (applied,) = apply_statement(warehouse, statement)
    return applied


def _wire(warehouse: Warehouse, at: int, *fills: dict[str, object], charged: bool = False) -> None:
    reports = [
        commission(str(fill["exec_id"]), commission=Decimal("1.1"), event_seq=100 + n)
        for n, fill in enumerate(fills)
        if charged
    ]
    told = [{**fill, "event_seq": n} for n, fill in enumerate(fills)]
    frames = frames_of(Dataset.EXECUTIONS, executions=told, commissions=reports)
    apply_wire(warehouse, frames, [make_load(Dataset.EXECUTIONS, at=minutes(at))])


def _read(warehouse: Warehouse, subject: str, *columns: str) -> list[tuple[Any, ...]]:
    with warehouse.read() as connection:
        return as_of(connection, subject).select(columns).rows()


def _count(warehouse: Warehouse, table: str) -> int:
    with warehouse.read() as connection:
        rows = connection.execute(f"SELECT count(*) FROM {table}").fetchall()
    return int(rows[0][0])


def _figures(applied: AppliedLoad) -> tuple[int, int, int, int]:
    return applied.n_read, applied.n_new, applied.n_changed, applied.n_unchanged


@pytest.mark.parametrize("first", ["wire", "statement"])
def test_a_fill_told_by_both_sources_is_one_fill(tmp_path: Path, first: str) -> None:
    """The statement's facts win, the gateway completes them, whichever came in first."""
    warehouse = warehouse_in(tmp_path)
    if first == "wire":
        _wire(warehouse, 0, execution(FIRST, order_ref="R-1"), charged=True)
    _tell(warehouse, 5, trade(1, price=Decimal("190.26")))
    if first == "statement":
        _wire(warehouse, 10, execution(FIRST, order_ref="R-1"), charged=True)

    assert _read(
        warehouse,
        "executions",
        "fill_id",
        "price",
        "order_ref",
        "order_key",
        "transaction_id",
        "commission",
        "n_sources",
        "option_event_id",
    ) == [
        (
            "exec:0000e0d5.65430001.01",
            Decimal("190.26"),
            "R-1",
            "perm:900001",
            "30000000001",
            Decimal("1.05"),
            2,
            None,
        )
    ]
    assert 2 == _count(warehouse, core.EXECUTIONS.name)


def test_the_same_rows_in_a_statement_made_anew_add_nothing(tmp_path: Path) -> None:
    """Every nightly statement repeats a window; only the mark of the load is new."""
    warehouse = warehouse_in(tmp_path)
    rows = [trade(1), trade(2), booking(3), delivery(4)]
    assert (4, 4, 0, 0) == _figures(_tell(warehouse, 0, *rows))
    marks = (core.APPLIED_LOADS, statements.FLEX_STATEMENTS)
    names = [table.name for table in (*core.TABLES, *statements.TABLES) if table not in marks]
    before = {name: _count(warehouse, name) for name in names}

    assert (4, 0, 0, 4) == _figures(_tell(warehouse, 5, *reversed(rows)))
    assert before == {name: _count(warehouse, name) for name in names}


def test_a_load_applied_again_changes_nothing(tmp_path: Path) -> None:
    """Healing after a kill may hand over what was committed."""
    warehouse = warehouse_in(tmp_path)
    statement = Statement(made=0, sections={"Trades": [trade(1)]})
    apply_statement(warehouse, statement)

    assert [] == apply_statement(warehouse, statement)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (0, 2, 1)], ids=str)
def test_the_newest_statement_has_the_last_word_in_any_order(
    tmp_path: Path, order: tuple[int, ...]
) -> None:
    """Told A, then B, then A again: A it is, also when B comes in last."""
    warehouse = warehouse_in(tmp_path)
    told = [Decimal(1), Decimal(2), Decimal(1)]
    for place in order:
        _tell(warehouse, place, trade(1, realized_pnl=told[place]), number=place)

    assert [(Decimal(1),)] == _read(warehouse, "executions", "realized_pnl")


def test_a_restated_row_is_a_version_and_changes_the_read_of_no_earlier_instant(
    tmp_path: Path,
) -> None:
    """A statement may tell other taxes a week later; what was known before stays known."""
    warehouse = warehouse_in(tmp_path)
    _tell(warehouse, 0, trade(1, taxes=Decimal(0)))

    assert (1, 0, 1, 0) == _figures(_tell(warehouse, 5, trade(1, taxes=Decimal(-2))))
    with warehouse.read() as connection:
        earlier = as_of(connection, "executions", at=minutes(3))
        assert [Decimal(0)] == earlier["taxes"].to_list()
        assert [Decimal(-2)] == as_of(connection, "executions")["taxes"].to_list()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["in order", "the other way"])
def test_scenario_l_fault_43_a_cancel_and_a_rebooking_are_one_purchase(
    tmp_path: Path, order: tuple[int, int]
) -> None:
    """2 were booked, taken back, and booked again as 1: one purchase of 1 remains.

    The cancel names the tradeID, which the new booking bears as well, so quantity and price
    decide. Every commission counts: 1.3666 + 0 - 0.3333.
    """
    warehouse = warehouse_in(tmp_path)
    original = trade(1, quantity=2, ib_commission=Decimal("-1.3666"))
    cancel = trade(
        2,
        quantity=-2,
        exec_id=None,
        trade_id=None,
        orig_trade_id="5000001",
        transaction_type="TradeCancel",
        buy_sell="BUY (Ca.)",
        code="Ca",
        ib_commission=Decimal(0),
    )
    again = trade(
        3, quantity=1, trade_id="5000001", exec_id=CORRECTED, ib_commission=Decimal("0.3333")
    )
    loads = [[original], [original, cancel, again]]
    for place in order:
        _tell(warehouse, place, *loads[place], number=place)

    assert [(CORRECTED, Decimal(1), Decimal("1.0333"))] == _read(
        warehouse, "executions", "exec_id", "signed_quantity", "commission"
    )
    charged = _read(warehouse, "commissions", "commission")
    assert Decimal("1.0333") == sum((Decimal(str(row[0])) for row in charged), Decimal(0))
    assert 3 == _count(warehouse, core.EXECUTIONS.name)


def test_a_cancel_takes_out_the_booking_before_it_not_its_equal_after_it(tmp_path: Path) -> None:
    """A correction of the commission alone books the same quantity at the same price again."""
    warehouse = warehouse_in(tmp_path)
    cancel = {"transaction_type": "TradeCancel", "exec_id": None, "quantity": -100}
    _tell(
        warehouse,
        0,
        trade(1, exec_id=None, ib_commission=Decimal(-2)),
        trade(2, orig_trade_id="5000001", trade_id=None, ib_commission=Decimal(0), **cancel),
        trade(3, exec_id=None, trade_id="5000001", ib_commission=Decimal("0.5")),
    )

    assert [("flex:30000000003", Decimal("1.5"))] == _read(
        warehouse, "executions", "fill_id", "commission"
    )


def test_a_cancel_whose_booking_is_not_known_takes_out_none(tmp_path: Path) -> None:
    """The window of the statement begins after the original."""
    warehouse = warehouse_in(tmp_path)
    cancel = {"transaction_type": "TradeCancel", "exec_id": None, "quantity": -100}
    _tell(
        warehouse,
        0,
        trade(2, orig_trade_id="5000001", trade_id=None, **cancel),
        trade(3, trade_id="5000001"),
    )

    assert [(Decimal(100),)] == _read(warehouse, "executions", "signed_quantity")


def test_fault_44_a_correction_told_before_its_original_gives_the_same_fill(
    tmp_path: Path,
) -> None:
    """Statements may come in any order; the higher revision is the fill."""
    warehouse = warehouse_in(tmp_path)
    _tell(warehouse, 5, trade(1, exec_id=CORRECTED, price=Decimal(191)), number=1)
    _tell(warehouse, 0, trade(1, exec_id=FIRST))

    assert [(2, Decimal(191))] == _read(warehouse, "executions", "revision", "price")


def test_fault_45_a_fill_told_days_later_joins_its_day(tmp_path: Path) -> None:
    """It belongs to its session; a read at the evening of that day never shows it."""
    warehouse = warehouse_in(tmp_path)
    _tell(warehouse, 0, trade(1))
    late = Statement(
        made=3 * 24 * 60, to_date=date(2026, 11, 20), sections={"Trades": [trade(1), trade(2)]}
    )

    (applied,) = apply_statement(warehouse, late)

    assert (2, 1, 0, 1) == _figures(applied)
    assert [(DAY,), (DAY,)] == _read(warehouse, "executions", "session_date")
    with warehouse.read() as connection:
        assert 1 == as_of(connection, "executions", at=minutes(60)).height


def test_confirmations_yield_to_the_statement(tmp_path: Path) -> None:
    """They tell a fill within minutes, without its transactionID; a booking by its tradeID."""
    warehouse = warehouse_in(tmp_path)
    told = [trade(1, transaction_id=None), booking(2, transaction_id=None)]
    apply_statement(warehouse, Statement(made=0, sections={"TradeConfirms": told}))
    _tell(warehouse, 5, trade(1), booking(2), number=1)

    assert [
        ("exec:0000e0d5.65430001.01", "ibkr.flex", 2),
        ("flex:30000000002", "ibkr.flex", 2),
    ] == _read(warehouse, "executions", "fill_id", "source", "n_sources")


@pytest.mark.parametrize("first", ["wire", "statement"])
def test_an_overnight_booking_of_the_gateway_is_the_statements(tmp_path: Path, first: str) -> None:
    """Told at night without an order, at no price and at the strike: counted once."""
    warehouse = warehouse_in(tmp_path)
    nobody = {"perm_id": None, "order_id": None, "client_id": None, "event_ts": overnight(0)}
    option = execution(
        "0000f00d.00000001.01.01",
        con_id=700001,
        security_type="OPT",
        quantity=1,
        price=Decimal(0),
        strike=Decimal(190),
        right="C",
        multiplier=Decimal(100),
        expiry=date(2026, 11, 20),
        **nobody,
    )
    stock = execution(
        "0000f00d.00000002.01.01", side="SELL", quantity=100, price=Decimal(190), **nobody
    )
    if first == "wire":
        _wire(warehouse, 0, option, stock)
    _tell(warehouse, 5, booking(1), delivery(2))
    if first == "statement":
        _wire(warehouse, 10, option, stock)

    event = "700001:20261118:assignment"
    assert [
        ("flex:30000000001", Decimal(1), 2, event),
        ("flex:30000000002", Decimal(-100), 2, event),
    ] == sorted(
        _read(warehouse, "executions", "fill_id", "signed_quantity", "n_sources", "option_event_id")
    )
    assert [] == _read(warehouse, "ordinary_executions", "fill_id")
    assert {
        ("exec:0000f00d.00000001.01", "flex:30000000001"),
        ("exec:0000f00d.00000002.01", "flex:30000000002"),
        ("txn:30000000001", "flex:30000000001"),
        ("trade:5000001", "flex:30000000001"),
    } <= set(_read(warehouse, "fill_aliases", "alias", "fill_id"))


def test_bookings_of_consecutive_nights_go_with_their_own_days(tmp_path: Path) -> None:
    """The same option assigned on two days: the nearest night belongs to each."""
    warehouse = warehouse_in(tmp_path)
    nobody = {"perm_id": None, "order_id": None, "client_id": None}
    nights = [
        execution(
            f"0000f00d.0000000{day}.01.01",
            con_id=700001,
            security_type="OPT",
            quantity=1,
            price=Decimal(0),
            event_ts=overnight(day),
            **nobody,
        )
        for day in (0, 1)
    ]
    later = {
        "trade_date": date(2026, 11, 19),
        "event_ts": datetime(2026, 11, 19, 21, 20, tzinfo=UTC),
    }
    _wire(warehouse, 0, *nights)
    _tell(warehouse, 5, booking(1), booking(2, report_date=date(2026, 11, 19), **later))

    aliases = [
        row
        for row in _read(warehouse, "fill_aliases", "alias", "fill_id")
        if "exec:" in str(row[0])
    ]
    assert [
        ("exec:0000f00d.00000000.01", "flex:30000000001"),
        ("exec:0000f00d.00000001.01", "flex:30000000002"),
    ] == aliases


def _position(con_id: int, quantity: int, **changes: object) -> dict[str, object]:
    return {
        "report_date": DAY,
        "currency": "USD",
        "con_id": con_id,
        "symbol": f"S{con_id}",
        "security_type": "STK",
        "signed_quantity": Decimal(quantity),
        **changes,
    }


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (2, 0, 1)], ids=str)
def test_a_position_the_newest_statement_of_the_day_lacks_is_gone(
    tmp_path: Path, order: tuple[int, ...]
) -> None:
    """1 and 2, then 1 alone, then 1 and 3: the day ended with 1 and 3."""
    warehouse = warehouse_in(tmp_path)
    held = [
        [_position(1, 10), _position(2, 20)],
        [_position(1, 10)],
        [_position(1, 10), _position(3, 30)],
    ]
    for place in order:
        apply_statement(
            warehouse,
            Statement(made=place, number=place, sections={"OpenPositions": held[place]}),
        )

    assert [(1, Decimal(10)), (3, Decimal(30))] == _read(
        warehouse, "statement_positions", "con_id", "signed_quantity"
    )


def test_an_empty_section_says_that_nothing_is_held(tmp_path: Path) -> None:
    """Empty is a fact: what an earlier statement of the day told is gone."""
    warehouse = warehouse_in(tmp_path)
    apply_statement(warehouse, Statement(made=0, sections={"OpenPositions": [_position(1, 10)]}))
    apply_statement(warehouse, Statement(made=5, number=1, sections={"OpenPositions": []}))

    assert [] == _read(warehouse, "statement_positions", "con_id")
    assert 2 == _count(warehouse, statements.FLEX_STATEMENTS.name)


def _cash(amount: str, **changes: object) -> dict[str, object]:
    return {
        "currency": "USD",
        "row_type": "Other Fees",
        "amount": Decimal(amount),
        "event_date": DAY,
        "report_date": DAY,
        **changes,
    }


def test_equal_bookings_without_an_id_are_told_apart_by_number(tmp_path: Path) -> None:
    """Two equal fees on one day are two fees, and stay two when they are told again."""
    warehouse = warehouse_in(tmp_path)
    rows = [_cash("-1.5"), _cash("-1.5"), _cash("-2")]
    for made in (0, 5):
        apply_statement(
            warehouse, Statement(made=made, number=made, sections={"CashTransactions": rows})
        )

    amounts = _read(warehouse, "cash_transactions", "amount")
    assert ["-1.5", "-1.5", "-2"] == sorted(
        f"{Decimal(str(row[0])).normalize()}" for row in amounts
    )


def test_two_bookings_of_one_transaction_id_are_both_kept(tmp_path: Path) -> None:
    """Money is never dropped because a broker used an id twice; a repetition counts once."""
    warehouse = warehouse_in(tmp_path)
    rows = [_cash(amount, transaction_id="7") for amount in ("-1", "-3", "-1")]

    apply_statement(warehouse, Statement(made=0, sections={"CashTransactions": rows}))

    assert [("txn:7", Decimal(-1)), ("txn:7#2", Decimal(-3))] == _read(
        warehouse, "cash_transactions", "source_id", "amount"
    )


def test_one_execution_told_in_two_ways_by_one_statement_is_a_conflict(tmp_path: Path) -> None:
    """The first is kept, the other stands in meta.conflicts; nothing is dropped in silence."""
    warehouse = warehouse_in(tmp_path)

    _tell(warehouse, 0, trade(1), trade(1, price=Decimal(5)))

    assert [(Decimal("190.25"),)] == _read(warehouse, "executions", "price")
    assert 1 == _count(warehouse, "meta.conflicts")


def test_rows_that_do_not_fit_their_table_are_refused_when_they_are_staged(tmp_path: Path) -> None:
    """Nothing of them reaches core; the section fails."""
    staged = StagedRows(tmp_path / "parts")
    statement = Statement(made=0, sections={"Trades": [trade(1, price=None)]})

    with pytest.raises(SchemaError, match="do not fit"):
        apply_statement(warehouse_in(tmp_path), statement)
    assert [] == staged.paths(core.EXECUTIONS.name, ["any"])


def test_rows_of_a_dropped_load_never_enter(tmp_path: Path) -> None:
    """A section may fail after its first rows were handed over."""
    staged = StagedRows(tmp_path / "parts")
    table = core.INSTRUMENTS
    row = {
        "instrument_key": "ibkr:1",
        "source": "ibkr.flex",
        "load_id": "L",
        "available_at": minutes(0),
    }
    staged.add(table.name, "L", frame_of(table, [row]))
    assert 1 == len(staged.frames(table.name, ["L"]))

    staged.drop("L")

    assert [] == staged.frames(table.name, ["L"])


def test_parts_of_a_dropped_load_are_removed(tmp_path: Path) -> None:
    """They may be as large as the statement."""
    staged = StagedRows(tmp_path / "parts")
    table = statements.CONVERSION_RATES
    some = {"text": "x", "code": "x", "date": DAY, "instant": minutes(0), "rate": 1, "integer": 1}
    row = {column.name: some[column.kind] for column in table.columns}
    row |= {"row_number": 1, "environment": "paper", "load_id": "L"}
    schema = {"row_number": pl.Int64(), **table.schema}
    staged.add(table.name, "L", pl.DataFrame([row], schema=schema))
    assert 1 == len(staged.paths(table.name, ["L"]))

    staged.drop("L")

    assert [] == staged.paths(table.name, ["L"])
    assert [] == list((tmp_path / "parts").iterdir())


def test_two_accounts_of_one_statement_stay_apart(tmp_path: Path) -> None:
    """The same ids in two accounts are two fills."""
    warehouse = warehouse_in(tmp_path)
    for number, account in enumerate((ACCOUNT, "DU0000002")):
        apply_statement(
            warehouse,
            Statement(made=0, number=number, account=account, sections={"Trades": [trade(1)]}),
        )

    assert [(ACCOUNT,), ("DU0000002",)] == _read(warehouse, "executions", "account_id")
