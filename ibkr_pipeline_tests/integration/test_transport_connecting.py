"""Connecting over TCP to the simulated gateway, and to programs that are none."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ibkr_pipeline.brokers.exceptions import (
    BrokerConnectionError,
    ClientIdInUseError,
    GatewayNotReadyError,
    ModeMismatchError,
    NotAGatewayError,
    UnsupportedOperationError,
)
from ibkr_pipeline.brokers.ibkr.transport.connection import IBKRConnection
from ibkr_pipeline.brokers.ibkr.transport.socket_client import CHANGING_REQUESTS
from ibkr_pipeline.primitives.errors import Retryable
from ibkr_pipeline.simulator.testing import SimulatorThread
from ibkr_pipeline_tests.integration.wire_client import ONE, START_API, client_of


@pytest.fixture
def gateway() -> Iterator[SimulatorThread]:
    """The default book behind a gateway in this process."""
    with SimulatorThread("default") as simulator:
        yield simulator


class TestConnecting:
    """From socket to account list."""

    def test_a_port_nobody_listens_on_says_what_to_do(self) -> None:
        """The commonest first-run error."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        connection = IBKRConnection("127.0.0.1", port, 1)

        with pytest.raises(BrokerConnectionError, match="Nothing listens"):
            connection.connect()

        assert not connection.is_connected()

    def test_a_gateway_that_ended_during_a_read_is_told_in_a_users_words(self) -> None:
        """The reason is kept with the load; nobody who reads it calls a method."""
        with SimulatorThread("default") as simulator:
            connection = IBKRConnection("127.0.0.1", simulator.port, 1)
            connection.connect()
        deadline = time.monotonic() + 5
        while connection.is_connected() and time.monotonic() < deadline:
            time.sleep(0.01)

        with pytest.raises(BrokerConnectionError, match="was lost during the read"):
            connection.send("reqPositions")
        connection.disconnect()

    def test_a_client_id_in_use_is_said_at_once(self, gateway: SimulatorThread) -> None:
        """ib_async waits out its whole timeout and says TimeoutError."""
        gateway.arm("client_id_in_use")

        with pytest.raises(ClientIdInUseError, match="IBKR_CLIENT_ID"):
            client_of(gateway, connect_timeout_seconds=60.0).__enter__()

    def test_a_second_client_under_the_same_id_is_refused(self, gateway: SimulatorThread) -> None:
        """The real thing, not the scripted one."""
        with client_of(gateway), pytest.raises(ClientIdInUseError):
            client_of(gateway, connect_timeout_seconds=60.0).__enter__()

    @pytest.mark.parametrize(
        ("fault", "words"),
        [
            ({"name": "no_accounts"}, r"named no account within 0\.5 s"),
            ({"name": "late_next_valid_id", "seconds": 5.0}, "named no next order id"),
            ({"name": "drop_in_startup"}, "closed the connection before"),
        ],
    )
    def test_a_gateway_that_is_not_ready_says_what_is_missing(
        self, gateway: SimulatorThread, fault: dict[str, Any], words: str
    ) -> None:
        """connect() returns only once accounts and order id are known."""
        gateway.arm(**fault)

        with pytest.raises(GatewayNotReadyError, match=words):
            client_of(gateway, connect_timeout_seconds=0.5).__enter__()

    def test_a_late_order_id_is_waited_for(self, gateway: SimulatorThread) -> None:
        """Gateways under load tell it last."""
        gateway.arm("late_next_valid_id", seconds=0.2)

        with client_of(gateway) as broker:
            assert broker.transport.next_order_id >= 1

    def test_a_live_account_in_a_mode_that_excludes_it_is_asked_nothing(self) -> None:
        """Scenario M: the gateway's record shows the handshake alone."""
        with SimulatorThread("live_account") as simulator:
            with pytest.raises(ModeMismatchError):
                client_of(simulator).__enter__()
            sent = [item.message_id for item in simulator.simulator.recorder.requests]

        assert [START_API] == sent

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (b"HTTP/1.1 400 Bad Request\r\n\r\n", "'HTTP/1.1 400 Bad Request' (a web server)"),
            (b"SSH-2.0-OpenSSH_9.6\r\n", "'SSH-2.0-OpenSSH_9.6' (an SSH server)"),
            (b"\x15\x03\x01\x00\x02\x02\x46", "(a server that wants TLS)"),
            (b"\x00\x00\x00\x05hello", r"'\x00\x00\x00\x05hello'"),
            (b"\x00\x01\x00\x00", r"'\x00\x01\x00\x00'"),
        ],
        ids=["web", "ssh", "tls", "frame", "length"],
    )
    def test_what_speaks_as_no_gateway_does_is_told_at_once_with_its_first_words(
        self, answer: bytes, words: str
    ) -> None:
        """Long before the timeout: what another program says does not become a handshake."""
        with _listener(answer) as port:
            connection = IBKRConnection("127.0.0.1", port, 1, connect_timeout_seconds=60.0)
            with pytest.raises(NotAGatewayError, match=f"127.0.0.1:{port}, but not as") as caught:
                connection.connect()

        assert words in str(caught.value)
        assert (answer[:60], False) == (caught.value.heard, isinstance(caught.value, Retryable))

    def test_what_closes_the_connection_without_a_word_is_told_at_once(self) -> None:
        """A gateway does so when it does not trust this machine; another try changes nothing."""
        with _listener(None) as port:
            connection = IBKRConnection("127.0.0.1", port, 1, connect_timeout_seconds=60.0)
            with pytest.raises(NotAGatewayError, match="closed the connection without a word"):
                connection.connect()

    def test_what_says_nothing_is_given_the_time_to_connect_and_no_more(self) -> None:
        """A web server waits for the end of a line that never comes."""
        with _listener(b"") as port:
            connection = IBKRConnection("127.0.0.1", port, 1, connect_timeout_seconds=0.2)
            with pytest.raises(NotAGatewayError, match=r"said nothing within 0\.2 s") as caught:
                connection.connect()

        assert "ibkr.connect_timeout_seconds" in str(caught.value)
        assert not isinstance(caught.value, Retryable)

    def test_a_gateway_that_speaks_an_old_version_is_named(self) -> None:
        """Below 157 the library refuses."""
        answer = b"\x00\x00\x00\x0f100\x0020200101 x\x00"
        with _listener(answer) as port:
            connection = IBKRConnection("127.0.0.1", port, 1, connect_timeout_seconds=2.0)
            with pytest.raises(BrokerConnectionError, match="update TWS or Gateway"):
                connection.connect()

    def test_order_ids_are_handed_out_once_each(self, gateway: SimulatorThread) -> None:
        """Several threads may ask."""
        connection = IBKRConnection(gateway.host, gateway.port, 1)
        connection.connect()
        taken: list[int] = []
        threads = [
            threading.Thread(
                target=lambda: taken.extend(connection.next_order_id for _ in range(200))
            )
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        connection.disconnect()

        assert sorted(taken) == list(range(min(taken), min(taken) + 800))

    @pytest.mark.parametrize("request_name", CHANGING_REQUESTS)
    def test_the_reading_client_cannot_change_anything(
        self, gateway: SimulatorThread, request_name: str
    ) -> None:
        """Not even by reaching for the library's client."""
        connection = IBKRConnection(gateway.host, gateway.port, 1)
        connection.connect()
        try:
            with pytest.raises(UnsupportedOperationError):
                getattr(connection.get_client(), request_name)()
            with pytest.raises(ValueError, match="not among the requests"):
                connection.send(request_name)
        finally:
            connection.disconnect()

    def test_threads_end_with_the_connection(self, gateway: SimulatorThread) -> None:
        """A nightly job that leaks a thread per run ends badly."""
        before = {thread.name for thread in threading.enumerate()}
        for _ in range(3):
            with client_of(gateway):
                pass

        assert before == {thread.name for thread in threading.enumerate()}

    def test_every_change_of_state_is_logged(
        self, gateway: SimulatorThread, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A night that went wrong is read from the log; accounts are masked in it."""
        caplog.set_level("INFO", logger="ibkr_pipeline")
        gateway.arm("drop", message=61)
        with client_of(gateway) as broker:
            broker.fetch_positions()

        events = [
            record.getMessage().split("event=")[1].split()[0]
            for record in caplog.records
            if "connection_state" in record.getMessage()
        ]
        assert ["connecting", "handshake_done", "connected", "connection_lost"] == events
        assert ONE not in caplog.text

    def test_connecting_again_after_backoff(self, gateway: SimulatorThread) -> None:
        """Retryable errors are tried again, with waits that double."""
        gateway.arm("drop_in_startup", times=2)
        waits: list[float] = []
        connection = IBKRConnection(gateway.host, gateway.port, 1, connect_timeout_seconds=2.0)

        connection.connect_with_backoff(
            attempts=3, first_delay_seconds=1.0, sleep=waits.append, jitter=lambda: 1.0
        )
        connection.disconnect()

        assert [1.0, 2.0] == waits


class TestInterrupts:
    """Ctrl-C while a gateway is silent."""

    def test_an_interrupt_comes_through_at_once_and_closes_the_connection(
        self, gateway: SimulatorThread
    ) -> None:
        """The signal arrives in the thread that waits, long before the timeout."""
        import _thread

        gateway.arm("mute", request=61)
        broker = client_of(gateway, request_timeout_seconds=60.0)
        timer = threading.Timer(0.3, _thread.interrupt_main)

        timer.start()
        with pytest.raises(KeyboardInterrupt), broker:
            broker.fetch_positions()

        assert not broker.transport.is_connected()


@contextmanager
def _listener(answer: bytes | None) -> Iterator[int]:
    """A program that answers its first client with these bytes and waits; None hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = threading.Event()

        def serve() -> None:
            peer, _ = server.accept()
            with peer:
                if answer is not None:
                    peer.sendall(answer)
                    done.wait(10)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            done.set()
            thread.join()
