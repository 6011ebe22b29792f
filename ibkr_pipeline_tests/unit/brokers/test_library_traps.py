"""The traps of ib_async 2.1.0, by number, and that our reads have none of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from ib_async.client import Client

from ibkr_pipeline.brokers.exceptions import IncompleteReadError
from ibkr_pipeline.brokers.ibkr.testing import LOST
from ibkr_pipeline.brokers.ibkr.transport.connection import READING_REQUESTS
from ibkr_pipeline.brokers.ibkr.transport.wire import MAX_SERVER_VERSION, MIN_SERVER_VERSION
from ibkr_pipeline.primitives.enums import LoadStatus
from ibkr_pipeline_tests.repository import imported_names, package_modules, syntax_tree
from ibkr_pipeline_tests.unit.brokers.frames import (
    COMPLETED_ORDERS_END,
    ONE,
    OPEN_ORDERS_END,
    UNSET,
    client_over,
    commission,
    completed_order,
    config_with,
    error,
    execution,
    executions_end,
    open_order,
    order_status,
    position,
    position_end,
)

ORDERS_END = {"reqCompletedOrders": [COMPLETED_ORDERS_END]}


def test_trap_1_a_second_read_of_executions_has_its_commissions_again() -> None:
    """ib_async hands out fills with blank commission reports from the second request on."""
    broker, _ = client_over({"reqExecutions": [execution(), commission(), executions_end()]})

    with broker:
        told = [[row.commission for row in broker.fetch_executions()] for _ in range(2)]

    assert [[Decimal(1)], [Decimal(1)]] == told


def test_trap_2_a_correction_is_another_revision_of_the_same_fill() -> None:
    """ib_async keeps both and counts the quantity twice; scenario C."""
    broker, _ = client_over(
        {
            "reqExecutions": [
                execution("a.b.01.01"),
                execution("a.b.01.02", price="196.50"),
                commission("a.b.01.01"),
                commission("a.b.01.02"),
                executions_end(),
            ]
        }
    )

    rows = list(broker.fetch_executions())

    assert [("exec:a.b.01", 1), ("exec:a.b.01", 2)] == [(r.fill_id, r.revision) for r in rows]


def test_trap_3_an_error_is_not_an_empty_answer() -> None:
    """ib_async returns [] unless told otherwise."""
    broker, _ = client_over({"reqExecutions": [error(322, "Duplicate ticker id", request="{id}")]})

    read = broker.fetch_executions()

    with pytest.raises(IncompleteReadError, match="322"):
        list(read)


def test_trap_4_a_request_that_times_out_is_not_an_empty_answer() -> None:
    """ib_async clears the bars and returns what is left; we ask for no bars at all here."""
    broker, _ = client_over({})

    read = broker.fetch_executions()

    with pytest.raises(IncompleteReadError, match="never sent its end marker"):
        list(read)
    assert "reqHistoricalData" not in READING_REQUESTS


def test_trap_5_requests_without_an_id_hear_of_errors_and_never_hang() -> None:
    """ib_async routes no error to them; two at a time, and the first never ends."""
    broker, mock = client_over({"reqPositions": [error(321, "refused")]})

    with broker:
        read = broker.fetch_positions()

    assert LoadStatus.FAILED is read.outcomes[0].status
    assert 1 == [name for name, _ in mock.sent].count("reqPositions")


def test_trap_6_connecting_asks_for_nothing_and_swallows_nothing() -> None:
    """ib_async asks for positions at every connect, and only logs what goes wrong."""
    broker, mock = client_over({"reqExecutions": [executions_end()]})

    with broker:
        assert [] == mock.sent
        broker.fetch_executions()

    assert ["reqExecutions"] == [name for name, _ in mock.sent]


def test_trap_7_a_closed_socket_does_not_look_flat() -> None:
    """ib_async empties positions(), fills() and trades() when the connection goes."""
    broker, _ = client_over(
        {"reqPositions": [position(), LOST]}, config=config_with(read_attempts=1)
    )

    read = broker.fetch_positions()

    assert {ONE} == set(read.failed)
    assert 1 == read.payload["position"].height


@pytest.mark.parametrize("code", [399, 404, 10349, 2161, 110, 202, 161, 10148, 9999])
def test_trap_8_an_error_code_never_sets_the_status_of_an_order(code: int) -> None:
    """ib_async marks live orders Cancelled or ValidationError; scenarios E and G."""
    broker, _ = client_over(
        {
            "reqAllOpenOrders": [
                open_order(status="Submitted"),
                error(code, "Order Message: held", request=13),
                order_status(status="Submitted"),
                OPEN_ORDERS_END,
            ],
            **ORDERS_END,
        }
    )

    read = broker.fetch_open_orders()

    assert ["submitted"] == [row.status for row in read]
    assert [code] == [notice.code for notice in read.proof.notices]


@pytest.mark.parametrize("request_name", ["placeOrder", "cancelOrder", "reqGlobalCancel"])
def test_trap_9_what_if_orders_are_not_among_what_reading_sends(request_name: str) -> None:
    """Refused, ib_async answers them with []; unanswered, never."""
    assert request_name not in READING_REQUESTS


def test_trap_10_a_completed_order_has_no_negative_remainder() -> None:
    """It comes with quantity 0, which means not told, and with its filled quantity."""
    broker, _ = client_over(
        {
            "reqAllOpenOrders": [OPEN_ORDERS_END],
            "reqCompletedOrders": [completed_order(), COMPLETED_ORDERS_END],
        }
    )

    (row,) = broker.fetch_open_orders()

    assert (None, Decimal(100), "filled", False) == (
        row.total_quantity,
        row.filled_quantity,
        row.status,
        row.is_open,
    )


@pytest.mark.parametrize(("text", "value"), [(UNSET, None), ("0", Decimal(0)), ("", None)])
def test_trap_11_an_unset_profit_is_null_and_zero_is_zero(text: str, value: Decimal | None) -> None:
    """Scenario I: ib_async turns both into 0.0."""
    broker, _ = client_over(
        {"reqExecutions": [execution(), commission(realized=text), executions_end()]}
    )

    (row,) = broker.fetch_executions()

    assert value == row.realized_pnl


def test_trap_12_the_librarys_flex_client_is_not_used() -> None:
    """It returns an unfinished statement as a finished, empty one."""
    users = [
        path.name
        for path in package_modules()
        if any("flexreport" in name.lower() for name in imported_names(syntax_tree(path)))
    ]

    assert [] == users


@pytest.mark.parametrize("host_zone", ["America/Chicago", "Asia/Tokyo", "UTC"])
def test_trap_13_no_time_is_read_in_the_zone_of_this_machine(
    host_zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scenario H: a dash means UTC; a bare time means the zone the gateway is configured for."""
    monkeypatch.setenv("TZ", host_zone)
    if hasattr(time, "tzset"):
        time.tzset()
    broker, _ = client_over(
        {
            "reqExecutions": [
                execution("a.01", time="20260824-20:00:12"),
                execution("b.01", time="20260824  20:00:12"),
                commission("a.01"),
                commission("b.01"),
                executions_end(),
            ]
        }
    )

    rows = list(broker.fetch_executions())
    monkeypatch.undo()
    if hasattr(time, "tzset"):
        time.tzset()

    assert [
        datetime(2026, 8, 24, 20, 0, 12, tzinfo=UTC),
        datetime(2026, 8, 25, 0, 0, 12, tzinfo=UTC),
    ] == [row.event_ts for row in rows]


def test_trap_14_layouts_end_where_the_library_negotiates_to() -> None:
    """A newer library would negotiate versions whose layouts nobody here knows."""
    assert (MIN_SERVER_VERSION, MAX_SERVER_VERSION) == (
        Client.MinClientVersion,
        Client.MaxClientVersion,
    )


def test_duplicated_rows_are_kept_apart_for_whoever_removes_them() -> None:
    """The wire may repeat a fill; core removes it by its id, the raw file keeps both."""
    broker, _ = client_over(
        {"reqExecutions": [execution(), execution(), commission(), executions_end()]}
    )

    read = broker.fetch_executions()

    assert [0, 1] == [row.event_seq for row in read]


def test_positions_end_when_they_are_complete_not_when_they_pause() -> None:
    """A pause of the stream is no end marker."""
    pauses: Sequence[Sequence[str]] = [[position()], [position_end()]]
    broker, _ = client_over({"reqPositions": pauses})

    with broker:
        first, second = broker.fetch_positions(), broker.fetch_positions()

    assert ({ONE}, set()) == (set(first.failed), set(second.failed))
