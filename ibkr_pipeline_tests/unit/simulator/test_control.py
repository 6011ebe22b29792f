"""The control port: moving the simulated world from outside."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest

from ibkr_pipeline.simulator.process import ControlClient, ControlError
from ibkr_pipeline.simulator.testing import SimulatorThread
from ibkr_pipeline_tests.unit.simulator.raw_client import RawClient


@pytest.fixture
def gateway() -> Iterator[SimulatorThread]:
    """The single-account scenario, served."""
    with SimulatorThread("single_account") as running:
        yield running


@pytest.fixture
def control(gateway: SimulatorThread) -> ControlClient:
    """A client of the control port."""
    return ControlClient("127.0.0.1", gateway.control_port, timeout=5)


def test_state_tells_accounts_orders_and_the_clock(control: ControlClient) -> None:
    """Enough to compare a warehouse with."""
    state = control.call("state")

    assert state["session"] == "2026-11-18"
    assert state["now"] == "2026-11-18T21:20:00+00:00"
    # 25000.00 - 5 x 590.10 - 1.00 commission
    assert state["accounts"]["DU0000001"]["cash"] == {"USD": "22048.50"}  # type: ignore[index]
    assert state["accounts"]["DU0000001"]["positions"] == {  # type: ignore[index]
        "AAPL": "50",
        "SPY": "25",
    }
    assert (state["fills"], state["listening"], state["open_orders"]) == (1, True, [])


def test_a_line_that_is_no_command_is_answered_and_the_port_lives_on(
    gateway: SimulatorThread, control: ControlClient
) -> None:
    """Bad JSON, a list, an unknown command, a missing argument: each is an error, none is fatal."""
    address = ("127.0.0.1", gateway.control_port)
    with socket.create_connection(address, timeout=5) as connection:
        connection.sendall(b"not json\n[1]\n{}\n" + b'{"command": "fly"}\n{"command": "fill"}\n')
        stream = connection.makefile("rb")
        answers = [json.loads(stream.readline()) for _ in range(5)]

    assert [a["ok"] for a in answers] == [False] * 5
    assert "expected one of: advance, advance_session" in answers[3]["error"]
    assert "perm_id" in answers[4]["error"]
    assert control.call("state")["ok"] is True
    with pytest.raises(ControlError, match="meteor"):
        control.fault("meteor")


@pytest.mark.parametrize(
    ("command", "arguments", "told"),
    [
        ("set_price", {"instrument": "SPY", "price": 1, "prize": 2}, "unknown argument 'prize'"),
        ("advance_session", {"sessions": 3}, "expected: no arguments"),
        ("fill", {"perm_id": 7, "quantity": 1, "price": 1}, "No order has the perm_id 7"),
    ],
)
def test_a_command_that_was_meant_otherwise_is_refused(
    control: ControlClient, command: str, arguments: dict[str, object], told: str
) -> None:
    """A misspelt argument that passed would leave the world other than its author thinks."""
    with pytest.raises(ControlError, match=told):
        control.call(command, **arguments)


def test_time_prices_and_orders_can_be_moved(
    gateway: SimulatorThread, control: ControlClient
) -> None:
    """A manual order rests, trades when the price comes, and is gone the next session."""
    placed = control.call(
        "place_manual_order",
        account="DU0000001",
        instrument="SPY",
        action="BUY",
        quantity=4,
        limit="580.00",
    )
    order = placed["order"]
    half = control.call("fill", perm_id=order["perm_id"], quantity=1, price="579.00")  # type: ignore[index]
    moved = control.call("set_price", instrument="SPY", price="579.50")
    corrected = control.call(
        "correct", exec_id=gateway.simulator.book.fills[-1].exec_id, price="579.40"
    )
    later = control.call("advance", seconds=60)
    rolled = control.call("advance_session")
    state = control.call("state")

    assert half["order"]["filled"] == "1"  # type: ignore[index]
    assert moved["mark"] == "579.50"
    assert str(corrected["exec_id"]).endswith(".02")
    assert later["now"] == "2026-11-18T21:21:00+00:00"
    assert rolled["session"] == "2026-11-19"
    assert (state["fills"], state["completed_orders"]) == (0, [])
    assert state["accounts"]["DU0000001"]["positions"]["SPY"] == "29"  # type: ignore[index]


def test_requests_tell_what_a_client_asked(
    gateway: SimulatorThread, control: ControlClient
) -> None:
    """A test proves by it that no order was ever sent."""
    with RawClient(gateway.port, client_id=3) as client:
        client.started().ask(61, 1, end="62")

    asked = control.requests()

    assert [r["message_id"] for r in asked] == [71, 61]
    assert asked[1] == {
        "sequence": 2,
        "client_id": 3,
        "server_version": 178,
        "message_id": 61,
        "fields": ["61", "1"],
    }
    assert control.requests(3) == []


def test_clients_can_be_disconnected(gateway: SimulatorThread, control: ControlClient) -> None:
    """As when a person restarts the gateway."""
    with RawClient(gateway.port) as client:
        client.started()
        clients = control.call("state")["clients"]
        ended = control.call("disconnect_clients")

    assert (clients, ended["disconnected"]) == ([1], 1)
