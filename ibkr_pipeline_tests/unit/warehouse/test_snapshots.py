"""Snapshots of accounts and positions in core."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from ibkr_pipeline.models.requests import AppliedLoad
from ibkr_pipeline.primitives.clock import FixedClock
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.primitives.errors import SchemaError
from ibkr_pipeline.warehouse.connection import Warehouse
from ibkr_pipeline.warehouse.reads import Basis, as_of
from ibkr_pipeline_tests.warehouse_rows import (
    ACCOUNT,
    NOON,
    OTHER,
    account_row,
    apply_rows,
    frames_of,
    make_load,
    minutes,
    position,
    warehouse_in,
)

ACCOUNTS, POSITIONS = Dataset.ACCOUNTS, Dataset.POSITIONS


def _hold(
    warehouse: Warehouse, *rows: dict[str, object], at: int = 0, account: str = ACCOUNT
) -> AppliedLoad:
    load = make_load(POSITIONS, account=account, at=minutes(at))
    held = [{**row, "account_id": account} for row in rows]
    (applied,) = apply_rows(warehouse, POSITIONS, (frames_of(POSITIONS, positions=held), [load]))
    return applied


def _con_ids(
    warehouse: Warehouse, *, at: int | None = None, basis: Basis = "available"
) -> list[tuple[object, ...]]:
    with warehouse.read() as connection:
        instant = None if at is None else minutes(at)
        rows = as_of(connection, "positions", at=instant, basis=basis)
    return rows.select("account_id", "con_id").rows()


def test_counts_compare_with_the_snapshot_before(tmp_path: Path) -> None:
    """A person wants to know what changed since the last read, not since the beginning."""
    warehouse = warehouse_in(tmp_path)
    _hold(warehouse, position(1), position(2), position(3))

    second = _hold(warehouse, position(1), position(2, 50), position(4), at=5)

    counts = (second.n_read, second.n_new, second.n_changed, second.n_unchanged, second.n_gone)
    assert counts == (3, 1, 1, 1, 1)


@pytest.mark.parametrize("column", ["avg_cost_raw", "market_price", "market_value"])
def test_a_value_that_becomes_known_or_other_is_a_change(tmp_path: Path, column: str) -> None:
    """Null to a value is a change; comparing with = would lose it."""
    warehouse = warehouse_in(tmp_path)
    _hold(warehouse, position(1, **{column: None}))

    changed = _hold(warehouse, position(1, **{column: Decimal(3)}), at=1)

    assert (changed.n_changed, changed.n_unchanged) == (1, 0)


def test_two_models_of_one_contract_are_two_positions(tmp_path: Path) -> None:
    """An advisor may hold one contract in several models."""
    warehouse = warehouse_in(tmp_path)

    applied = _hold(warehouse, position(1, model_code="A"), position(1, model_code="B"))

    assert applied.n_new == 2


def test_a_closed_position_does_not_come_back(tmp_path: Path) -> None:
    """The rows of the last snapshot are current, not the last row of each contract."""
    warehouse = warehouse_in(tmp_path)
    _hold(warehouse, position(1), position(2))
    _hold(warehouse, position(1), at=1)

    assert _con_ids(warehouse) == [(ACCOUNT, 1)]
    assert _con_ids(warehouse, at=0) == [(ACCOUNT, 1), (ACCOUNT, 2)]


def test_a_position_of_quantity_zero_is_closed(tmp_path: Path) -> None:
    """The broker says so with a row of 0, where it says it at all."""
    warehouse = warehouse_in(tmp_path)

    applied = _hold(warehouse, position(1, 0), position(2))

    assert (applied.n_read, _con_ids(warehouse)) == (1, [(ACCOUNT, 2)])


def test_a_position_told_twice_counts_as_told_last(tmp_path: Path) -> None:
    """The broker repeats a row that changed while it was answering."""
    warehouse = warehouse_in(tmp_path)
    _hold(warehouse, position(1, 100), position(1, 150))

    with warehouse.read() as connection:
        held = as_of(connection, "positions").get_column("quantity").to_list()
    assert held == [Decimal(150)]


def test_an_empty_account_is_a_fact_and_stays_empty(tmp_path: Path) -> None:
    """Without a header, the rows before would still be current."""
    warehouse = warehouse_in(tmp_path)
    _hold(warehouse, position(1))
    empty = _hold(warehouse, at=1)

    assert (empty.n_read, empty.n_gone) == (0, 1)
    assert _con_ids(warehouse) == []
    with warehouse.read() as connection:
        headers = as_of(connection, "snapshots").select("dataset", "n_rows").rows()
    assert headers == [("positions", 0)]


def test_accounts_are_current_each_on_its_own(tmp_path: Path) -> None:
    """One account read later must not make another's rows old."""
    warehouse = warehouse_in(tmp_path)
    _hold(warehouse, position(1), account=ACCOUNT)
    _hold(warehouse, position(2), account=OTHER, at=5)

    assert _con_ids(warehouse) == [(ACCOUNT, 1), (OTHER, 2)]


def test_a_snapshot_that_arrives_late_does_not_become_current(tmp_path: Path) -> None:
    """Current goes by what was true last, not by what was recorded last."""
    warehouse = warehouse_in(tmp_path)
    _hold(warehouse, position(1))
    _hold(warehouse, position(3), at=10)

    late = _hold(warehouse, position(2), at=5)

    assert _con_ids(warehouse) == [(ACCOUNT, 3)]
    assert _con_ids(warehouse, at=5) == [(ACCOUNT, 2)]
    assert (late.n_new, late.n_gone) == (1, 1)  # compared with the one at 0, not at 10


def test_on_the_recorded_basis_a_late_snapshot_changes_no_earlier_read(tmp_path: Path) -> None:
    """An audit at an instant sees what the warehouse held at that instant."""
    warehouse = warehouse_in(tmp_path)
    first = _hold(warehouse, position(1), at=10)
    _hold(warehouse, position(2), at=20)

    with warehouse.read() as connection:
        read = as_of(connection, "positions", at=first.recorded_at, basis="recorded")
    assert read.get_column("con_id").to_list() == [1]


def test_a_snapshot_after_a_long_silence_is_compared_all_the_same(tmp_path: Path) -> None:
    """The bound on how far back is looked must not cost the comparison."""
    warehouse = warehouse_in(tmp_path)
    _hold(warehouse, position(1))

    later = _hold(warehouse, position(1), at=60 * 24 * 90)

    assert (later.n_new, later.n_unchanged) == (0, 1)


def test_two_snapshots_of_one_account_in_one_transaction_follow_each_other(tmp_path: Path) -> None:
    """Loads that waited are applied together; each compares with the one before."""
    warehouse = warehouse_in(tmp_path)
    reads = [
        (
            frames_of(POSITIONS, positions=[position(con_id) for con_id in held]),
            [make_load(POSITIONS, at=minutes(number))],
        )
        for number, held in enumerate([(1, 2), (2, 3)])
    ]

    applied = apply_rows(warehouse, POSITIONS, *reads)

    assert [(a.n_new, a.n_unchanged, a.n_gone) for a in applied] == [(2, 0, 0), (1, 1, 1)]


def test_account_values_and_currencies_land_with_their_session(tmp_path: Path) -> None:
    """The header carries the exchange session of the read; 16:30 New York is that day's."""
    warehouse = warehouse_in(tmp_path)
    ledger = [
        {"account_id": ACCOUNT, "currency": "USD", "cash_balance": Decimal(5)},
        {"account_id": ACCOUNT, "currency": "EUR", "cash_balance": Decimal(-7)},
    ]
    frames = frames_of(ACCOUNTS, accounts=[account_row()], account_ledger=ledger)
    apply_rows(warehouse, ACCOUNTS, (frames, [make_load(ACCOUNTS)]))

    with warehouse.read() as connection:
        accounts = as_of(connection, "accounts").select("account_id", "net_liquidation_value")
        cash = as_of(connection, "account_ledger").select("currency", "cash_balance").rows()
        header = as_of(connection, "snapshots").select("session_date", "n_rows", "as_of").row(0)
    assert accounts.rows() == [(ACCOUNT, Decimal("100000.25"))]
    assert cash == [("EUR", Decimal(-7)), ("USD", Decimal(5))]
    assert header == (date(2026, 11, 18), 1, NOON)


def test_a_bad_row_writes_nothing_of_any_load(tmp_path: Path) -> None:
    """A transaction lands whole or not at all, and the next run finds the loads due."""
    warehouse = warehouse_in(tmp_path)
    load = make_load(ACCOUNTS)
    bad = frames_of(ACCOUNTS, accounts=[account_row(account_role="emperor")])

    with pytest.raises(SchemaError, match=r"core\.accounts"):
        apply_rows(warehouse, ACCOUNTS, (bad, [load]))

    good = frames_of(ACCOUNTS, accounts=[account_row()])
    (applied,) = apply_rows(warehouse, ACCOUNTS, (good, [load]))
    assert applied.n_new == 1


def test_recorded_instants_strictly_increase_when_the_clock_does_not(tmp_path: Path) -> None:
    """Audits order commits by it, so a clock that stands or jumps back must not repeat one."""
    clock = FixedClock(NOON)
    warehouse = warehouse_in(tmp_path, clock=clock)
    first = _hold(warehouse, position(1))
    still = _hold(warehouse, position(1), at=1)
    clock.advance(timedelta(hours=-1))
    back = _hold(warehouse, position(1), at=2)

    one = timedelta(microseconds=1)
    assert [first.recorded_at, still.recorded_at, back.recorded_at] == [
        NOON,
        NOON + one,
        NOON + 2 * one,
    ]
