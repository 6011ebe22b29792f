"""Executions and orders over TCP, frame by frame."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ibkr_pipeline.simulator.testing import SimulatorThread
from ibkr_pipeline_tests.unit.simulator.conversation import options, place_order
from ibkr_pipeline_tests.unit.simulator.raw_client import RawClient


@pytest.fixture
def gateway() -> Iterator[SimulatorThread]:
    """The default scenario, served."""
    with SimulatorThread("default") as running:
        yield running


@pytest.fixture
def client(gateway: SimulatorThread) -> Iterator[RawClient]:
    """A started client with id 1."""
    with RawClient(gateway.port) as connected:
        yield connected.started()


@pytest.mark.parametrize(
    ("condition", "symbols"),
    [
        ((0, "", "", "", "", "", ""), 8),
        ((1, "", "", "", "", "", ""), 7),
        ((0, "DU0000002", "", "", "", "", ""), 1),
        ((0, "", "20261118-16:00:00", "", "", "", ""), 3),
        ((0, "", "20261118 11:00:00 US/Eastern", "", "", "", ""), 3),
        ((0, "", "20261118 11:00:00", "", "", "", ""), 3),
        ((0, "", "", "AAPL", "", "", ""), 5),
        ((0, "", "", "", "OPT", "", ""), 1),
        ((0, "", "", "", "", "ARCA", ""), 2),
        ((0, "", "", "", "", "", "SELL"), 2),
        ((7, "", "", "", "", "", ""), 0),
    ],
    ids=lambda value: str(value)[:50],
)
def test_executions_honour_every_part_of_the_filter(
    client: RawClient, condition: tuple[object, ...], symbols: int
) -> None:
    """Client 0 filters nothing; a time is UTC with a dash, local or zoned with blanks."""
    frames = client.ask(7, 3, 44, *condition, end="55")

    assert [f[0] for f in frames[:-1]] == ["11", "59"] * symbols
    assert {f[1] for f in frames if f[0] == "11"} <= {"44"}


def test_executions_tell_an_unreadable_time(client: RawClient) -> None:
    """A filter that cannot be read is refused, it does not widen."""
    frame = client.ask(7, 3, 44, 0, "", "yesterday", "", "", "", "", end="4")[-1]

    assert frame[2:4] == ["44", "321"]


def test_commissions_may_come_behind_all_executions(
    gateway: SimulatorThread, client: RawClient
) -> None:
    """Both orders of commissions are possible; the end marker is last in either."""
    options(gateway, commission_order="after_executions")

    frames = client.ask(7, 3, 44, 0, "", "", "", "", "", "", end="55")

    assert [f[0] for f in frames] == ["11"] * 8 + ["59"] * 8 + ["55"]


def test_orders_of_this_client_of_all_clients_and_completed_ones(client: RawClient) -> None:
    """Each open order comes with its status; manual orders are left out of apiOnly."""
    own = client.ask(5, 1, end="53")
    everyone = client.ask(16, 1, end="53")
    completed = client.ask(99, 0, end="102")
    api_only = client.ask(99, 1, end="102")

    assert [f[0] for f in own] == ["5", "3", "5", "3", "53"]
    assert len(everyone) == len(own)
    assert len(completed) - len(api_only) == 1
    assert {f[22] for f in completed[:-1]} >= {"core-aapl-1", ""}


def test_another_client_sees_foreign_orders_only_among_all(gateway: SimulatorThread) -> None:
    """ReqOpenOrders is about one's own; reqAllOpenOrders about everyone's."""
    with RawClient(gateway.port, client_id=2) as other:
        own = other.started().ask(5, 1, end="53")
        everyone = other.ask(16, 1, end="53")

    assert len(own) == 1
    assert {f[24] for f in everyone if f[0] == "5"} == {"1"}


def test_placing_and_cancelling_over_the_wire(gateway: SimulatorThread, client: RawClient) -> None:
    """The order appears with its reference and permanent id, and ends with 202."""
    order_id = int(client.start[1][2])

    placed = client.ask(*place_order(order_id), end="3", code="Submitted")
    cancelled = client.ask(4, 1, order_id, "", end="4", code="202")

    assert [f[0] for f in placed] == ["5", "3", "5", "3"]
    assert placed[0][23] == "ref-1"
    assert int(placed[0][25]) > 0
    assert [f[:3] for f in cancelled[:2]] == [
        ["3", str(order_id), "PendingCancel"],
        ["3", str(order_id), "Cancelled"],
    ]
    assert [r.fields[0] for r in gateway.simulator.recorder.of(3)] == ["3"]


def test_a_fill_is_pushed_to_its_client_and_to_those_who_watch_the_account(
    gateway: SimulatorThread, client: RawClient
) -> None:
    """Execution and commission go to the owner; the changed position to every subscriber."""
    order_id = int(client.start[1][2])
    with RawClient(gateway.port, client_id=2) as watcher:
        watcher.started().ask(61, 1, end="62")
        mine = client.ask(*place_order(order_id, type="MKT", limit=""), end="59")
        heard = watcher.now_follows()

    assert [f[0] for f in mine] == ["5", "3", "11", "5", "3", "5", "59"]
    assert mine[2][1] == "-1"
    assert [(f[0], f[2], f[4], f[14]) for f in heard] == [("61", "DU0000001", "AAPL", "430")]


def test_a_manual_order_is_bound_to_client_0(gateway: SimulatorThread) -> None:
    """It gets a negative id, told by orderBound, when client 0 asks for open orders."""
    gateway.command(
        "place_manual_order",
        account="DU0000002",
        instrument="SPY",
        action="BUY",
        quantity=3,
        limit="500.00",
    )
    with RawClient(gateway.port, client_id=2) as other:
        unbound = other.started().ask(16, 1, end="53")
    with RawClient(gateway.port, client_id=0) as master:
        frames = master.started().ask(5, 1, end="53")

    assert ("0", "0") in {(f[1], f[24]) for f in unbound if f[0] == "5"}
    assert [f[0] for f in frames] == ["100", "5", "3", "53"]
    assert frames[0][2:] == ["0", "-1"]
    assert frames[1][1] == "-1"


def test_only_client_0_may_bind_automatically(gateway: SimulatorThread, client: RawClient) -> None:
    """Others are refused with 327; client 0 then hears manual orders as they happen."""
    refused = client.ask(15, 1, 1, end="4")[-1]
    with RawClient(gateway.port, client_id=0) as master:
        master.started().send(15, 1, 1)
        master.now_follows()
        gateway.command(
            "place_manual_order",
            account="DU0000002",
            instrument="SPY",
            action="BUY",
            quantity=3,
        )
        heard = master.now_follows()

    assert refused[2:4] == ["-1", "327"]
    assert [f[0] for f in heard if f[0] in ("11", "59")] == ["11", "59"]


@pytest.mark.parametrize(
    ("fields", "request_id"),
    [
        ((5, 1), "-1"),
        ((16, 1), "-1"),
        ((99, 0), "-1"),
        ((15, 1, 1), "-1"),
        ((8, 1, 1), "-1"),
        ((58, 1), "-1"),
        ((4, 1, 5, ""), "5"),
        (tuple(place_order(20)), "20"),
    ],
)
def test_a_read_only_gateway_refuses_everything_about_orders(
    gateway: SimulatorThread, client: RawClient, fields: tuple[object, ...], request_id: str
) -> None:
    """With error 321 in the gateway's words; reads of accounts and executions go on."""
    options(gateway, read_only=True)

    frame = client.ask(*fields, end="4")[-1]

    assert frame[2:4] == [request_id, "321"]
    assert frame[4].endswith("cause - The API interface is currently in Read-Only mode.")
    assert len(client.ask(61, 1, end="62")) > 1
    assert len(client.ask(7, 3, 1, 0, "", "", "", "", "", "", end="55")) > 1


def test_execution_times_follow_the_configured_format() -> None:
    """Zoned, UTC without saying so, or local with two blanks: all are sent by real gateways."""
    times: list[str] = []
    for style in ("zoned", "utc_dash", "naive_double_space"):
        with SimulatorThread("single_account") as gateway:
            options(gateway, time_format=style)
            with RawClient(gateway.port) as client:
                answer = client.started().ask(7, 3, 1, 0, "", "", "", "", "", "", end="55")
        times.append(answer[0][15])

    assert times == [
        "20261118 10:00:01 US/Eastern",
        "20261118-15:00:01",
        "20261118  10:00:01",
    ]


def test_fills_are_encoded_once_for_all_readers(gateway: SimulatorThread) -> None:
    """A hundred thousand fills would otherwise be formatted again for every request."""
    simulator = gateway.simulator
    layout = simulator.layout(178)

    first = gateway.call(lambda s: list(s.executions.encoded(layout)))
    gateway.command("set_price", instrument="MSFT", price="390.00")
    second = gateway.call(lambda s: list(s.executions.encoded(layout)))

    assert len(second) == len(first) + 1
    assert all(a is b for a, b in zip(first, second, strict=False))
