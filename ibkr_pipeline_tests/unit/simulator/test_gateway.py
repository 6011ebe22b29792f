"""The gateway over TCP, frame by frame: versions, the start, the limits of a connection."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ibkr_pipeline.simulator.testing import SimulatorThread
from ibkr_pipeline_tests.unit.simulator.conversation import options
from ibkr_pipeline_tests.unit.simulator.raw_client import ConnectionEndedError, RawClient


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


@pytest.mark.parametrize(("offered", "spoken"), [(157, 157), (163, 163), (178, 178), (225, 178)])
def test_the_version_is_the_lower_of_both_sides(
    gateway: SimulatorThread, offered: int, spoken: int
) -> None:
    """Each connection negotiates its own version."""
    with RawClient(gateway.port, version=offered) as client:
        assert client.started().server_version == spoken


def test_clients_too_old_or_not_speaking_the_protocol_are_cut_off(
    gateway: SimulatorThread, client: RawClient
) -> None:
    """Only the offending connection ends; others are served on."""
    old = RawClient(gateway.port, client_id=None, version=156)
    with old, pytest.raises(ConnectionEndedError):
        old.read()
    with RawClient(gateway.port, client_id=9) as garbled:
        garbled.started().send_bytes(b"\x7f\xff\xff\xffgarbage")
        with pytest.raises(ConnectionEndedError):
            garbled.read()

    assert client.now_follows() == []


def test_the_start_tells_accounts_the_next_id_and_the_farms(client: RawClient) -> None:
    """In this order; the account list ends with a comma."""
    assert [f[:1] for f in client.start] == [["15"], ["9"], ["4"], ["4"], ["4"]]
    assert client.start[0] == ["15", "1", "DU0000001,DU0000002,"]
    # Nine orders of the day took ids 1 to 8; the one placed by hand took none.
    assert client.start[1] == ["9", "1", "9"]
    assert [f[3] for f in client.start[2:]] == ["2104", "2106", "2158"]


def test_a_client_id_in_use_is_refused_with_326_and_free_again_afterwards(
    gateway: SimulatorThread, client: RawClient
) -> None:
    """The gateway says so and closes; the first client stays."""
    with RawClient(gateway.port, client_id=1) as second:
        error = second.read()
        with pytest.raises(ConnectionEndedError):
            second.read()

    assert error[:4] == ["4", "2", "-1", "326"]
    assert client.now_follows() == []


def test_a_frame_nobody_understands_is_answered_with_320(client: RawClient) -> None:
    """Unknown messages and unreadable fields are errors, not silence and not the end."""
    unknown = client.ask(199, 1, end="4")[-1]
    unreadable = client.ask(7, 3, "AAPL", 0, "", "", "", "", "", "", end="4")[-1]
    short = client.ask(7, 3, end="4")[-1]

    assert unknown[2:4] == ["-1", "320"]
    assert unreadable[4].endswith("Unable to parse field: 'Client Req Id' for input string: 'AAPL'")
    assert short[3] == "320"
    assert client.now_follows() == []


def test_too_many_messages_are_refused_and_the_third_time_ends_it(
    gateway: SimulatorThread, client: RawClient
) -> None:
    """Error 100 instead of an answer; the third violation disconnects."""
    options(gateway, rate_limit=2)

    for _ in range(5):
        client.send(49, 1)
    frames = [client.read() for _ in range(5)]

    assert [f[0] for f in frames] == ["49", "49", "4", "4", "4"]
    assert {f[3] for f in frames[2:]} == {"100"}
    with pytest.raises(ConnectionEndedError):
        client.read()


def test_two_clients_get_the_same_bytes_for_the_same_question(gateway: SimulatorThread) -> None:
    """Seeded means repeatable to the byte, over connections and over runs."""

    def ask(port: int) -> list[list[str]]:
        with RawClient(port, client_id=5) as client:
            client.started()
            return [
                *client.ask(6, 2, 1, "DU0000001", end="54"),
                *client.ask(7, 3, 1, 0, "", "", "", "", "", "", end="55"),
                *client.ask(16, 1, end="53"),
            ]

    first, again = ask(gateway.port), ask(gateway.port)
    with SimulatorThread("default") as other:
        elsewhere = ask(other.port)

    assert first == again == elsewhere


def test_an_oversized_frame_ends_only_its_connection(
    gateway: SimulatorThread, client: RawClient
) -> None:
    """A client announcing more than a megabyte is cut off before it can send it."""
    with RawClient(gateway.port, client_id=6) as greedy:
        greedy.started().send_bytes((2**21).to_bytes(4, "big"))
        with pytest.raises(ConnectionEndedError):
            greedy.read()

    assert client.now_follows() == []


def test_a_client_that_does_not_read_its_answers_is_not_answered_without_end(
    gateway: SimulatorThread, client: RawClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests wait while too many bytes are unsent; nothing is lost once it reads on."""
    monkeypatch.setattr("ibkr_pipeline.simulator.gateway.outbox._LIMIT_BYTES", 1000)

    for _ in range(40):
        client.send(61, 1)
    frames = [client.read_until("62") for _ in range(40)]

    assert {len(answer) for answer in frames} == {11}
