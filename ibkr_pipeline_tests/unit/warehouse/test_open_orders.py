"""Orders that ended while nobody read: listed as open once, and then no more."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import duckdb
import polars as pl
import pytest

from ibkr_pipeline.models.requests import AppliedLoad, Load
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.schemas import core, statements
from ibkr_pipeline.warehouse.connection import Warehouse
from ibkr_pipeline.warehouse.errors import WarehouseVersionError
from ibkr_pipeline.warehouse.opening import open_read_copy
from ibkr_pipeline.warehouse.reads import as_of
from ibkr_pipeline_tests.warehouse_rows import (
    ACCOUNT,
    OTHER,
    Frames,
    apply_rows,
    frames_of,
    make_load,
    minutes,
    order,
    status,
    warehouse_in,
)

ORDERS = Dataset.ORDERS
Rows = Sequence[dict[str, object]]
STATE = ("status", "is_open", "ended_after", "ended_before")
CANCELLED: dict[str, object] = {
    "order_id": None,
    "client_id": None,
    "connection_epoch": None,
    "total_quantity": Decimal(0),
    "status": "cancelled",
    "broker_status": "Cancelled",
    "is_open": False,
}


def _read(
    at: int, orders: Rows = (), statuses: Rows = (), *, account: str = ACCOUNT
) -> tuple[Frames, list[Load]]:
    """Return a complete read; without rows, of an account that has no order."""
    frames = frames_of(ORDERS, orders=orders, order_statuses=statuses)
    return frames, [make_load(ORDERS, account=account, at=minutes(at))]


def _tell(
    warehouse: Warehouse, at: int, orders: Rows = (), statuses: Rows = (), *, account: str = ACCOUNT
) -> AppliedLoad:
    (applied,) = apply_rows(warehouse, ORDERS, _read(at, orders, statuses, account=account))
    return applied


def _state(warehouse: Warehouse, *, at: int | None = None) -> list[tuple[object, ...]]:
    instant = None if at is None else minutes(at)
    with warehouse.read() as connection:
        return as_of(connection, "orders", at=instant).select(STATE).rows()


def test_an_order_that_is_listed_no_more_is_gone_between_two_reads(tmp_path: Path) -> None:
    """Told open at 0 and 5, missed at 10 and 15; what the broker said stays as it was."""
    warehouse = warehouse_in(tmp_path)
    for at in (0, 5):
        _tell(warehouse, at, [order()])
    for at in (10, 15):
        _tell(warehouse, at)

    assert [("gone", False, minutes(5), minutes(10))] == _state(warehouse)
    with warehouse.read() as connection:
        kept = connection.execute("SELECT version, status, is_open FROM core.orders").fetchall()
        listed = connection.execute("SELECT as_of FROM core.open_orders ORDER BY 1").fetchall()
        sizes = connection.execute(
            "SELECT n_rows FROM core.snapshots WHERE dataset = 'orders' ORDER BY as_of"
        ).fetchall()
    assert [(1, "submitted", True)] == kept
    assert [(minutes(0),), (minutes(5),)] == listed
    assert [(1,), (1,), (0,), (0,)] == sizes


def test_gone_orders_are_counted_once_and_ended_ones_are_not(tmp_path: Path) -> None:
    """Of three, one is cancelled, one is listed on and one is told of no more."""
    warehouse = warehouse_in(tmp_path)
    first, second, third = ({"perm_id": number, "order_id": number} for number in (1, 2, 3))
    told = [order(**first), order(**second, event_seq=2), order(**third, event_seq=3)]
    _tell(warehouse, 0, told)

    later = _tell(warehouse, 5, [order(**first), order(**{**CANCELLED, "perm_id": 2})])
    last = _tell(warehouse, 10, [order(**first)])

    assert (2, 0, 1, 1, 1) == (
        later.n_read,
        later.n_new,
        later.n_changed,
        later.n_unchanged,
        later.n_gone,
    )
    assert 0 == last.n_gone
    assert ["submitted", "cancelled", "gone"] == [state[0] for state in _state(warehouse)]


def test_an_end_that_is_told_later_wins(tmp_path: Path) -> None:
    """What is told is better than what is missed."""
    warehouse = warehouse_in(tmp_path)
    _tell(warehouse, 0, [order()])
    _tell(warehouse, 5)
    _tell(warehouse, 10, [order(**CANCELLED)])

    assert [("cancelled", False, None, None)] == _state(warehouse)


def test_an_order_that_is_listed_again_is_open_again(tmp_path: Path) -> None:
    """A gateway that had just started may have listed too little; no new version is needed."""
    warehouse = warehouse_in(tmp_path)
    _tell(warehouse, 0, [order()])
    _tell(warehouse, 5)
    _tell(warehouse, 10, [order()])

    assert [("submitted", True, None, None)] == _state(warehouse)


@pytest.mark.parametrize("arrival", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1), (1, 3, 0, 2)])
def test_the_way_reads_arrive_makes_no_difference(tmp_path: Path, arrival: tuple[int, ...]) -> None:
    """Open at 0, missed at 5, open at 10, missed at 15: ended between 10 and 15."""
    warehouse = warehouse_in(tmp_path)
    reads = [_read(0, [order()]), _read(5), _read(10, [order()]), _read(15)]
    for number in arrival:
        apply_rows(warehouse, ORDERS, reads[number])

    assert [("gone", False, minutes(10), minutes(15))] == _state(warehouse)
    assert [("submitted", True, None, None)] == _state(warehouse, at=10)
    assert [("gone", False, minutes(0), minutes(5))] == _state(warehouse, at=5)


def test_what_was_recorded_then_does_not_change(tmp_path: Path) -> None:
    """An audit at the instant of the first commit sees the order open."""
    warehouse = warehouse_in(tmp_path)
    first = _tell(warehouse, 0, [order()])
    _tell(warehouse, 5)

    with warehouse.read() as connection:
        then = as_of(connection, "orders", at=first.recorded_at, basis="recorded")
    assert [("submitted", True, None, None)] == then.select(STATE).rows()


def test_the_same_load_applied_again_adds_nothing(tmp_path: Path) -> None:
    """Neither a header nor a list."""
    warehouse = warehouse_in(tmp_path)
    for _ in range(2):
        apply_rows(warehouse, ORDERS, _read(0, [order()]))

    with warehouse.read() as connection:
        counts = [
            connection.execute(f"SELECT count(*) FROM {table.name}").fetchall()
            for table in (core.SNAPSHOTS, core.OPEN_ORDERS, core.ORDERS)
        ]
    assert [[(1,)]] * 3 == counts


def test_a_read_of_another_account_says_nothing(tmp_path: Path) -> None:
    """Nor does one that failed: it has no load in core."""
    warehouse = warehouse_in(tmp_path)
    _tell(warehouse, 0, [order()])
    _tell(warehouse, 5, account=OTHER)

    assert [("submitted", True, None, None)] == _state(warehouse)


def test_a_read_by_another_route_says_nothing(tmp_path: Path) -> None:
    """What one route can list, another may not."""
    warehouse = warehouse_in(tmp_path)
    _tell(warehouse, 0, [order()])
    _tell(warehouse, 5)
    with warehouse.write("as if by another route") as transaction:
        transaction.connection.execute(
            "UPDATE core.snapshots SET source = 'ibkr.other' WHERE n_rows = 0"
        )

    assert [("submitted", True, None, None)] == _state(warehouse)


def test_an_order_of_which_only_statuses_come_is_listed_by_them(tmp_path: Path) -> None:
    """A working status is evidence enough, also when it says nothing new."""
    warehouse = warehouse_in(tmp_path)
    for at in (0, 5):
        _tell(warehouse, at, [], [status()])
    assert [("submitted", None, None, None)] == _state(warehouse)

    _tell(warehouse, 10)
    assert [("gone", False, minutes(5), minutes(10))] == _state(warehouse)


@pytest.mark.parametrize("word", ["inactive", "unknown", "pending_cancel"])
def test_every_listed_order_can_be_gone_whatever_its_status(tmp_path: Path, word: str) -> None:
    """A deactivated order may have been activated, filled and over since."""
    warehouse = warehouse_in(tmp_path)
    _tell(warehouse, 0, [order(status=word, broker_status=word.title())])
    _tell(warehouse, 5)

    assert [("gone", False, minutes(0), minutes(5))] == _state(warehouse)


def test_an_order_that_filled_within_its_read_is_not_open_and_not_gone(tmp_path: Path) -> None:
    """Listed as working, then told filled by a status of the same read."""
    warehouse = warehouse_in(tmp_path)
    filled = status(status="filled", broker_status="Filled", filled_quantity=Decimal(100))
    _tell(warehouse, 0, [order()], [filled])
    assert [("filled", False, None, None)] == _state(warehouse)

    assert 0 == _tell(warehouse, 5).n_gone
    assert [("filled", False, None, None)] == _state(warehouse)


def test_what_had_filled_stays_known_of_an_order_that_is_gone(tmp_path: Path) -> None:
    """40 of 100 were told; the rest was never read."""
    warehouse = warehouse_in(tmp_path)
    _tell(warehouse, 0, [order()], [status(filled_quantity=Decimal(40), remaining_quantity=None)])
    _tell(warehouse, 5)

    with warehouse.read() as connection:
        found = as_of(connection, "orders").select("filled_quantity", "broker_status").rows()
    assert [(Decimal(40), "Submitted")] == found


def test_an_older_warehouse_is_migrated_and_misses_orders_from_then_on(tmp_path: Path) -> None:
    """It knows of no list, but since when the order was open."""
    warehouse = warehouse_in(tmp_path)
    _tell(warehouse, 0, [order()])
    _back_to_version_1(warehouse.path)

    assert [("submitted", True, None, None)] == _state(warehouse)
    _tell(warehouse, 5)
    assert [("gone", False, minutes(0), minutes(5))] == _state(warehouse)


def test_a_read_copy_of_an_older_version_says_what_to_do(tmp_path: Path) -> None:
    """After an upgrade, before the first sync; what did not change can be read."""
    warehouse = warehouse_in(tmp_path)
    _tell(warehouse, 0, [order()])
    path = warehouse.publish_read_copy()
    _back_to_version_1(path)

    with open_read_copy(path) as connection:
        with pytest.raises(WarehouseVersionError, match="sync orders"):
            as_of(connection, "orders")
        assert as_of(connection, "positions").is_empty()


def _back_to_version_1(path: Path) -> None:
    """Make a file what version 1 of the schema had left."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("DROP VIEW core.current_open_orders")
        connection.execute(
            "CREATE OR REPLACE VIEW core.current_orders AS SELECT * FROM core.orders"
        )
        connection.execute("DROP TABLE core.open_orders")
        connection.execute("DROP SCHEMA ops CASCADE")
        for table in statements.TABLES:
            connection.execute(f"DROP TABLE {table.name}")
        for name in core.STATEMENT_FILL:
            connection.execute(f"ALTER TABLE {core.EXECUTIONS.name} DROP COLUMN {name}")
        connection.execute("DELETE FROM core.snapshots WHERE dataset = 'orders'")
        connection.execute("DELETE FROM meta.schema_migrations WHERE version > 1")


def test_the_view_and_the_read_agree(tmp_path: Path) -> None:
    """SQL users see what the program sees."""
    warehouse = warehouse_in(tmp_path)
    _tell(warehouse, 0, [order(), order(perm_id=7, order_id=12, event_seq=2)])
    _tell(warehouse, 5, [order()])

    with warehouse.read() as connection:
        view = connection.sql("SELECT * FROM core.current_orders ORDER BY order_key").pl()
        listed = as_of(connection, "open_orders").get_column("order_key").to_list()
        told = as_of(connection, "orders")
    assert told.equals(view.with_columns(pl.col(pl.Datetime).dt.convert_time_zone("UTC")))
    assert [*core.ORDERS.schema, "ended_after", "ended_before"] == told.columns
    assert ["perm:900001"] == listed
