"""Contracts, instruments and portfolios: a version for each change, none for silence."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from ibkr_pipeline.normalization.portfolios import Portfolio
from ibkr_pipeline.primitives.enums import Dataset, LoadStatus
from ibkr_pipeline.warehouse.apply import apply_loads, not_applied
from ibkr_pipeline.warehouse.connection import Warehouse
from ibkr_pipeline.warehouse.reads import as_of
from ibkr_pipeline_tests.warehouse_rows import (
    ACCOUNT,
    NOON,
    apply_rows,
    frames_of,
    make_load,
    minutes,
    normalized,
    position,
    warehouse_in,
)

POSITIONS = Dataset.POSITIONS


def _land(warehouse: Warehouse, *, at: int = 0, **changes: object) -> None:
    rows = [position(1, **changes)]
    load = make_load(POSITIONS, at=minutes(at))
    apply_rows(warehouse, POSITIONS, (frames_of(POSITIONS, positions=rows), [load]))


def _versions(warehouse: Warehouse) -> list[tuple[object, ...]]:
    with warehouse.read() as connection:
        return connection.execute(
            "SELECT version, primary_exchange, multiplier FROM core.ibkr_contracts ORDER BY 1"
        ).fetchall()


def test_an_attribute_that_changes_is_a_version_and_silence_is_none(tmp_path: Path) -> None:
    """Not every message tells every attribute; routing is none of them."""
    warehouse = warehouse_in(tmp_path)
    _land(warehouse, primary_exchange="NASDAQ")
    _land(warehouse, at=1, exchange="ARCA", expiry_code="20261218 16:00")
    _land(warehouse, at=2, multiplier=Decimal(100))
    _land(warehouse, at=3, primary_exchange="NYSE")

    hundred = Decimal(100)
    assert _versions(warehouse) == [
        (1, "NASDAQ", None),
        (2, "NASDAQ", hundred),
        (3, "NYSE", hundred),
    ]


def test_a_late_load_fills_what_the_current_contract_does_not_know(tmp_path: Path) -> None:
    """Which load came first must leave no trace."""
    warehouse = warehouse_in(tmp_path)
    _land(warehouse, at=5, multiplier=Decimal(100))
    _land(warehouse, at=1, primary_exchange="NASDAQ")

    with warehouse.read() as connection:
        current = as_of(connection, "contracts").select("primary_exchange", "multiplier").rows()
    assert current == [("NASDAQ", Decimal(100))]


def test_an_instrument_is_what_is_traded_without_the_broker_s_routing(tmp_path: Path) -> None:
    """One row, whatever exchange a message names."""
    warehouse = warehouse_in(tmp_path)
    _land(warehouse, exchange="ARCA")
    _land(warehouse, at=1, exchange="SMART", local_symbol="S1")

    with warehouse.read() as connection:
        rows = as_of(connection, "instruments").select("instrument_key", "symbol", "version").rows()
    assert rows == [("ibkr:1", "S1", 1)]


def _assign(warehouse: Warehouse, portfolio: Portfolio, *, at: int) -> None:
    load = make_load(POSITIONS, at=minutes(at))
    frames = normalized(POSITIONS, frames_of(POSITIONS), [load])
    with warehouse.write("test") as transaction:
        apply_loads(transaction, POSITIONS, frames, [load], portfolio_of={ACCOUNT: portfolio})


def test_an_account_s_portfolio_is_the_one_recorded_last(tmp_path: Path) -> None:
    """Moved there and back again; a repetition is no version."""
    warehouse = warehouse_in(tmp_path)
    growth = Portfolio(portfolio_id="growth", name="Growth")
    income = Portfolio(portfolio_id="income", name="Income")
    for at, portfolio in enumerate([growth, growth, income, growth]):
        _assign(warehouse, portfolio, at=at)

    with warehouse.read() as connection:
        kept = connection.execute(
            "SELECT portfolio_id, version FROM core.portfolios ORDER BY recorded_at"
        ).fetchall()
        current = as_of(connection, "portfolios").select("portfolio_id", "account_id").rows()
    assert kept == [("growth", 1), ("income", 1), ("growth", 2)]
    assert current == [("growth", ACCOUNT)]


def test_a_load_applied_again_changes_nothing(tmp_path: Path) -> None:
    """Fault 41: the next run may not know that the last one committed."""
    warehouse = warehouse_in(tmp_path)
    load = make_load(POSITIONS)
    read = (frames_of(POSITIONS, positions=[position(1)]), [load])
    apply_rows(warehouse, POSITIONS, read)
    before = warehouse.path.stat().st_size
    with warehouse.write("test") as transaction:
        assert not_applied(transaction, [load]) == []
        assert not_applied(transaction, []) == []

    assert apply_rows(warehouse, POSITIONS, read) == []
    assert warehouse.path.stat().st_size == before
    with warehouse.read() as connection:
        commits = connection.execute("SELECT count(*) FROM meta.commits").fetchall()
    assert commits == [(1,)]


@pytest.mark.parametrize(
    "change",
    [{"status": LoadStatus.FAILED}, {"available_at": None}, {"dataset": Dataset.ORDERS}],
    ids=["failed", "undated", "another dataset"],
)
def test_a_load_that_may_not_enter_core_is_refused(
    tmp_path: Path, change: dict[str, object]
) -> None:
    """Core never reads a failed load."""
    warehouse = warehouse_in(tmp_path)
    load = make_load(POSITIONS)
    frames = normalized(POSITIONS, frames_of(POSITIONS), [load])
    with warehouse.write("test") as transaction, pytest.raises(ValueError, match="Load"):
        apply_loads(transaction, POSITIONS, frames, [replace(load, **change)])  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize("account", ["DU'1", 'DU"2', "DU;DROP TABLE core.positions", "ДУ1", "$at"])
def test_fault_53_an_account_code_is_a_value_whatever_it_holds(
    tmp_path: Path, account: str
) -> None:
    """It is bound, or a column, and never part of a statement."""
    warehouse = warehouse_in(tmp_path)
    load = make_load(POSITIONS, account=account)
    rows = [position(1, account_id=account, symbol="BRK/B")]
    apply_rows(warehouse, POSITIONS, (frames_of(POSITIONS, positions=rows), [load]))

    with warehouse.read() as connection:
        found = as_of(connection, "positions", at=NOON, accounts=[account])
        others = as_of(connection, "positions", accounts=["DU0000009"])
    assert found.select("account_id", "symbol").rows() == [(account, "BRK/B")]
    assert others.is_empty()


def test_a_read_that_cannot_be_meant_is_refused(tmp_path: Path) -> None:
    """A table that does not exist, a naive instant, an unknown axis."""
    warehouse = warehouse_in(tmp_path)
    with warehouse.read() as connection:
        with pytest.raises(ValueError, match="expected one of"):
            as_of(connection, "positions; DROP TABLE core.positions")
        with pytest.raises(ValueError, match="naive"):
            as_of(connection, "positions", at=NOON.replace(tzinfo=None))
        with pytest.raises(ValueError, match="Basis"):
            as_of(connection, "positions", at=NOON, basis="guessed")  # type: ignore[arg-type]  # wrong on purpose
