"""Orders, their aliases and their status history in core."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import permutations
from pathlib import Path

import pytest

from ibkr_pipeline.models.requests import AppliedLoad
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.schemas import core
from ibkr_pipeline.warehouse.connection import Warehouse
from ibkr_pipeline.warehouse.reads import as_of
from ibkr_pipeline_tests.warehouse_rows import (
    apply_rows,
    execution,
    frames_of,
    make_load,
    minutes,
    order,
    status,
    warehouse_in,
)

ORDERS = Dataset.ORDERS
Rows = Sequence[dict[str, object]]
FILLED: dict[str, object] = {
    "status": "filled",
    "broker_status": "Filled",
    "filled_quantity": Decimal(100),
    "remaining_quantity": Decimal(0),
}
#: A completedOrder message knows neither order id nor client, and a total of 0.
COMPLETED = {
    "order_id": None,
    "client_id": None,
    "connection_epoch": None,
    "total_quantity": Decimal(0),
    "status": "filled",
    "broker_status": "Filled",
    "filled_quantity": Decimal(100),
    "is_open": False,
}


def _tell(
    warehouse: Warehouse, orders: Rows = (), statuses: Rows = (), *, at: int = 0
) -> AppliedLoad:
    frames = frames_of(ORDERS, orders=orders, order_statuses=statuses)
    (applied,) = apply_rows(warehouse, ORDERS, (frames, [make_load(ORDERS, at=minutes(at))]))
    return applied


def _current(warehouse: Warehouse, *columns: str) -> list[tuple[object, ...]]:
    with warehouse.read() as connection:
        return as_of(connection, "orders").select(columns).rows()


def _history(warehouse: Warehouse) -> list[tuple[object, ...]]:
    with warehouse.read() as connection:
        events = as_of(connection, "order_status_events")
    return events.select("version", "status", "filled_quantity").rows()


def _figures(applied: AppliedLoad) -> tuple[int, int, int, int]:
    return applied.n_read, applied.n_new, applied.n_changed, applied.n_unchanged


def test_an_order_goes_from_open_to_completed_in_two_versions(tmp_path: Path) -> None:
    """What the completed message does not know stays known."""
    warehouse = warehouse_in(tmp_path)
    first = _tell(warehouse, [order()], [status()])

    second = _tell(warehouse, [order(**COMPLETED)], at=5)

    assert (_figures(first), _figures(second)) == ((1, 1, 0, 0), (1, 0, 1, 0))
    assert _current(warehouse, "order_key", "version", "status", "is_open", "order_id") == [
        ("perm:900001", 2, "filled", False, 11)
    ]
    quantities = ("total_quantity", "filled_quantity", "remaining_quantity")
    assert _current(warehouse, *quantities) == [(Decimal(100), Decimal(100), Decimal(0))]


def test_the_same_orders_read_again_add_nothing(tmp_path: Path) -> None:
    """Every read is a new connection and tells the same order under a new epoch."""
    warehouse = warehouse_in(tmp_path)
    statuses = [
        status(status="presubmitted", broker_status="PreSubmitted"),
        status(event_seq=3),
    ]
    _tell(warehouse, [order()], statuses)

    epoch = {"connection_epoch": "epoch-2"}
    again = _tell(warehouse, [order(**epoch)], [{**row, **epoch} for row in statuses], at=5)

    assert _figures(again) == (1, 0, 0, 1)
    assert _current(warehouse, "version") == [(1,)]
    assert _history(warehouse) == [(1, "presubmitted", 0), (2, "submitted", 0)]


def test_a_new_connection_gives_a_known_order_no_new_name(tmp_path: Path) -> None:
    """A working order is read every night; its names would grow without end."""
    warehouse = warehouse_in(tmp_path)
    for night in range(3):
        _tell(warehouse, [order(connection_epoch=f"epoch-{night}")], at=night)

    with warehouse.read() as connection:
        names = connection.sql(f"SELECT alias FROM {core.ORDER_ALIASES.name}").fetchall()

    assert sorted(name for (name,) in names) == ["cid:1:11:epoch-0", "perm:900001"]


def test_scenario_d_one_order_id_with_two_perm_ids_is_two_orders(tmp_path: Path) -> None:
    """The gateway gives order ids again after its restart."""
    warehouse = warehouse_in(tmp_path)
    _tell(warehouse, [order(order_id=1514, perm_id=1, order_ref="A")])
    _tell(warehouse, [order(order_id=1514, perm_id=2, order_ref="A")], at=5)

    assert _current(warehouse, "order_key", "order_id") == [("perm:1", 1514), ("perm:2", 1514)]


def test_scenario_d_holds_within_one_connection_too(tmp_path: Path) -> None:
    """Same client, same epoch, same order id: the permId decides."""
    warehouse = warehouse_in(tmp_path)
    _tell(warehouse, [order(perm_id=1), order(perm_id=2, event_seq=2)])

    assert _current(warehouse, "order_key") == [("perm:1",), ("perm:2",)]


@pytest.mark.parametrize("arrival", list(permutations(range(3))))
def test_scenario_e_a_preset_warning_then_filled_is_one_filled_order(
    tmp_path: Path, arrival: tuple[int, ...]
) -> None:
    """10349 makes clients believe in a cancel; the fill stands, in any order of arrival."""
    warehouse = warehouse_in(tmp_path)
    told: list[dict[str, object]] = [
        {"status": "cancelled", "broker_status": "Cancelled"},
        {"status": "submitted", "broker_status": "Submitted"},
        FILLED,
    ]
    statuses = [status(**told[which], event_seq=2 + seq) for seq, which in enumerate(arrival)]

    _tell(warehouse, [order()], statuses)

    assert _current(warehouse, "status", "filled_quantity", "remaining_quantity") == [
        ("filled", Decimal(100), Decimal(0))
    ]


def test_scenario_g_a_cancel_refused_because_filled_leaves_the_order_filled(
    tmp_path: Path,
) -> None:
    """10148 says "state: Filled"; the order was pending cancel before."""
    warehouse = warehouse_in(tmp_path)
    _tell(warehouse, [order()], [status(status="pending_cancel", broker_status="PendingCancel")])
    _tell(warehouse, [order(**COMPLETED)], at=5)

    assert _current(warehouse, "status") == [("filled",)]


def test_a_filled_order_is_not_made_working_again_by_a_later_read(tmp_path: Path) -> None:
    """A stale message of another route must not open a filled order."""
    warehouse = warehouse_in(tmp_path)
    _tell(warehouse, [order()], [status(**FILLED)])

    later = _tell(warehouse, [], [status()], at=5)

    assert _figures(later) == (1, 0, 0, 1)
    assert _current(warehouse, "status", "filled_quantity") == [("filled", Decimal(100))]


def test_of_two_statuses_the_one_with_more_filled_stands(tmp_path: Path) -> None:
    """A partial fill cannot unhappen."""
    warehouse = warehouse_in(tmp_path)
    partial = status(filled_quantity=Decimal(40), remaining_quantity=Decimal(60), event_seq=2)

    _tell(warehouse, [order()], [partial, status(event_seq=3)])

    assert _current(warehouse, "filled_quantity") == [(Decimal(40),)]


def test_a_cancel_after_a_partial_fill_keeps_the_quantity(tmp_path: Path) -> None:
    """Fault 25: cancelled with 40 filled."""
    warehouse = warehouse_in(tmp_path)
    partial = status(filled_quantity=Decimal(40), remaining_quantity=Decimal(60))
    cancelled = order(status="cancelled", broker_status="Cancelled", is_open=False, event_seq=3)

    _tell(warehouse, [order(), cancelled], [partial])

    assert _current(warehouse, "status", "filled_quantity", "remaining_quantity") == [
        ("cancelled", Decimal(40), Decimal(60))
    ]


def test_a_perm_id_that_comes_later_joins_the_order_of_its_reference(tmp_path: Path) -> None:
    """Before the broker accepts an order it has our reference alone."""
    warehouse = warehouse_in(tmp_path)
    _tell(warehouse, [order(perm_id=None, order_ref="R-1")])
    _tell(warehouse, [order(order_ref="R-1", connection_epoch="epoch-2")], at=5)

    assert _current(warehouse, "order_key", "perm_id", "version") == [("ref:R-1", 900001, 2)]
    with warehouse.read() as connection:
        aliases = as_of(connection, "order_aliases").get_column("alias").to_list()
    assert aliases == ["cid:1:11:epoch-1", "perm:900001", "ref:R-1"]


def test_a_perm_id_that_comes_later_joins_the_order_of_its_client_and_id(tmp_path: Path) -> None:
    """Within one connection client and order id are enough."""
    warehouse = warehouse_in(tmp_path)
    _tell(warehouse, [order(perm_id=None)])
    _tell(warehouse, [order()], at=5)

    assert _current(warehouse, "order_key", "perm_id") == [("cid:1:11:epoch-1", 900001)]


def test_two_perm_ids_under_one_reference_stay_two_orders(tmp_path: Path) -> None:
    """A modify during an outage may leave two live orders; hiding one would be the worst."""
    warehouse = warehouse_in(tmp_path)
    _tell(
        warehouse, [order(perm_id=1, order_ref="R"), order(perm_id=2, order_ref="R", event_seq=2)]
    )

    assert _current(warehouse, "order_key") == [("perm:1",), ("perm:2",)]


def test_a_program_that_gives_all_orders_one_reference_keeps_them_apart(tmp_path: Path) -> None:
    """Another order id under a known reference is another order, also before its permId."""
    warehouse = warehouse_in(tmp_path)
    _tell(warehouse, [order(perm_id=1, order_id=5, order_ref="BOT", **FILLED_ORDER)])
    _tell(warehouse, [order(perm_id=None, order_id=6, order_ref="BOT")], at=5)
    _tell(warehouse, [order(perm_id=2, order_id=6, order_ref="BOT")], at=6)

    assert _current(warehouse, "order_id", "perm_id", "status") == [
        (6, 2, "submitted"),
        (5, 1, "filled"),
    ]


FILLED_ORDER = {"status": "filled", "broker_status": "Filled", "is_open": False}


@pytest.mark.parametrize("order_id", [0, -7])
def test_an_order_placed_by_hand_is_known_by_its_perm_id_alone(
    tmp_path: Path, order_id: int
) -> None:
    """Order id 0, or a negative one, is shared by many orders."""
    warehouse = warehouse_in(tmp_path)
    _tell(
        warehouse,
        [order(order_id=order_id, perm_id=1), order(order_id=order_id, perm_id=2, event_seq=2)],
    )

    assert _current(warehouse, "order_key") == [("perm:1",), ("perm:2",)]


def test_a_message_that_names_no_order_is_reported_not_lost(tmp_path: Path) -> None:
    """It cannot be keyed, and must not stop the others."""
    warehouse = warehouse_in(tmp_path)
    nameless = order(order_id=0, perm_id=None, event_seq=9)

    applied = _tell(warehouse, [order(), nameless])

    assert applied.n_read == 1
    with warehouse.read() as connection:
        reasons = connection.execute("SELECT reason FROM meta.conflicts").fetchall()
    assert [text.split(":")[0] for (text,) in reasons] == ["the message names no order"]


def test_the_history_continues_where_a_read_overlaps_it(tmp_path: Path) -> None:
    """Each read tells the end of the history again; only what is beyond is new."""
    warehouse = warehouse_in(tmp_path)
    waiting = status(status="presubmitted", broker_status="PreSubmitted", event_seq=2)
    _tell(warehouse, [order()], [waiting, status(event_seq=3)])

    _tell(warehouse, [order()], [status(event_seq=2), status(**FILLED, event_seq=3)], at=5)

    assert _history(warehouse) == [
        (1, "presubmitted", 0),
        (2, "submitted", 0),
        (3, "filled", 100),
    ]


def test_an_order_without_status_messages_has_a_history_all_the_same(tmp_path: Path) -> None:
    """A market order may fill without a single status message."""
    warehouse = warehouse_in(tmp_path)
    _tell(warehouse, [order(**COMPLETED)])

    assert _history(warehouse) == [(1, "filled", Decimal(100))]


def test_a_limit_that_is_taken_off_is_a_change(tmp_path: Path) -> None:
    """In a whole message a null is an answer: LMT became MKT."""
    warehouse = warehouse_in(tmp_path)
    _tell(warehouse, [order()])
    _tell(warehouse, [order(order_type="MKT", limit_price=None)], at=5)

    assert _current(warehouse, "order_type", "limit_price", "version") == [("MKT", None, 2)]


def test_a_fill_is_shown_under_its_order_s_own_key(tmp_path: Path) -> None:
    """The fill knows the permId; the order was first known by its reference."""
    warehouse = warehouse_in(tmp_path)
    executions = frames_of(Dataset.EXECUTIONS, executions=[execution()])
    apply_rows(warehouse, Dataset.EXECUTIONS, (executions, [make_load(Dataset.EXECUTIONS)]))
    _tell(warehouse, [order(perm_id=None, order_ref="R-1")], at=1)
    _tell(warehouse, [order(order_ref="R-1")], at=2)

    with warehouse.read() as connection:
        keys = as_of(connection, "executions").get_column("order_key").to_list()
    assert keys == ["ref:R-1"]
