"""The client over TCP against the simulated gateway: what each fault of the wire becomes."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from ibkr_pipeline.brokers.exceptions import (
    BrokerConnectionError,
    ClientIdInUseError,
    GatewayNotReadyError,
    ModeMismatchError,
    UnsupportedOperationError,
)
from ibkr_pipeline.brokers.ibkr.client import IBKRClient
from ibkr_pipeline.brokers.ibkr.config import IBKRConnectionConfig
from ibkr_pipeline.brokers.ibkr.transport.connection import IBKRConnection
from ibkr_pipeline.brokers.ibkr.transport.socket_client import CHANGING_REQUESTS
from ibkr_pipeline.brokers.ibkr.transport.transport import IBKRTransport
from ibkr_pipeline.primitives.clock import SystemClock
from ibkr_pipeline.primitives.enums import Environment, LoadStatus
from ibkr_pipeline.simulator.testing import SimulatorThread

ONE, TWO = "DU0000001", "DU0000002"
#: Inbound message ids of the handshake: startApi.
START_API = 71


@pytest.fixture
def gateway() -> Iterator[SimulatorThread]:
    """The default book behind a gateway in this process."""
    with SimulatorThread("default") as simulator:
        yield simulator


def client_of(simulator: SimulatorThread, **changes: Any) -> IBKRClient:
    """Return a client with short waits; a fault that is waited out costs a fraction of a second."""
    config = IBKRConnectionConfig(
        host=simulator.host,
        port=simulator.port,
        mode=Environment.SIMULATED,
        connect_timeout_seconds=2.0,
        request_timeout_seconds=0.4,
        price_timeout_seconds=0.4,
        commission_wait_seconds=0.4,
        max_messages_per_second=0,
        read_attempts=1,
        backoff_seconds=0.01,
    )
    config = replace(config, **changes)
    return IBKRClient(IBKRTransport(config, clock=SystemClock()), config)


def failures(read: Any) -> dict[str, str]:
    """Return account -> reason."""
    return dict(read.failed)


class TestWellRead:
    """Nothing goes wrong."""

    def test_every_dataset_is_complete_and_typed(self, gateway: SimulatorThread) -> None:
        """One connection serves the whole night."""
        with client_of(gateway) as broker:
            accounts = list(broker.fetch_account_snapshots())
            positions = list(broker.fetch_positions())
            orders = list(broker.fetch_open_orders())
            executions = list(broker.fetch_executions())

        assert [ONE, TWO] == [account.account_id for account in accounts]
        assert {ONE, TWO} == {position.account_id for position in positions}
        assert all(position.market_price for position in positions)
        assert {True, False} == {order.is_open for order in orders}
        assert all(execution.commission is not None for execution in executions)

    def test_what_was_sent_is_reading_alone(self, gateway: SimulatorThread) -> None:
        """The record of the gateway is the proof that a read places and binds nothing."""
        with client_of(gateway) as broker:
            for fetch in (
                broker.fetch_account_snapshots,
                broker.fetch_positions,
                broker.fetch_open_orders,
                broker.fetch_executions,
            ):
                fetch()

        sent = {item.message_id for item in gateway.simulator.recorder.requests}
        assert {START_API, 6, 61, 64, 16, 99, 7} == sent

    @pytest.mark.parametrize("version", [157, 159, 160, 162, 166, 170, 177, 178])
    def test_every_layout_is_read_alike(self, version: int) -> None:
        """A gateway of another version tells the same book."""
        document = {"gateway": {"server_version": version}}
        with (
            SimulatorThread({**_default_document(), **document}) as simulator,
            client_of(simulator) as broker,
        ):
            orders = broker.fetch_open_orders()
            executions = broker.fetch_executions()

        assert {} == {**orders.failed, **executions.failed}
        assert (version, ()) == (orders.proof.server_version, orders.proof.decode_errors)
        assert {ONE, TWO} == {order.account_id for order in orders}

    def test_more_than_fifty_accounts_are_read_with_multi_requests(self) -> None:
        """ReqPositions is refused there, and subscriptions too."""
        with (
            SimulatorThread("many_accounts") as simulator,
            client_of(simulator, request_timeout_seconds=20.0) as broker,
        ):
            wanted = broker.managed_accounts()[:60]
            accounts = broker.fetch_account_snapshots(wanted)
            positions = broker.fetch_positions(wanted)

        assert ({}, {}) == (failures(accounts), failures(positions))
        assert 60 == len(list(accounts))
        assert 6000 == positions.payload["position"].height

    def test_an_advisor_is_told_apart(self) -> None:
        """Its sub-accounts are read one by one; the group that adds them up is left out."""
        with SimulatorThread("advisor") as simulator, client_of(simulator) as broker:
            roles = {row.account_id: row.account_role for row in broker.fetch_account_snapshots()}

        assert {"DF0000001": "advisor", ONE: "account", TWO: "account"} == roles

    def test_an_empty_book_is_complete(self) -> None:
        """An empty account is a fact, not a gap."""
        with SimulatorThread("empty") as simulator, client_of(simulator) as broker:
            read = broker.fetch_positions()

        assert ({}, []) == (failures(read), list(read))
        assert read.proof.end_marker_seen


class TestAnswers:
    """Faults of single answers."""

    @pytest.mark.parametrize(
        ("fetch", "message"),
        [
            ("fetch_account_snapshots", 54),
            ("fetch_positions", 62),
            ("fetch_open_orders", 53),
            ("fetch_open_orders", 102),
            ("fetch_executions", 55),
        ],
    )
    def test_a_missing_end_marker_fails(
        self, gateway: SimulatorThread, fetch: str, message: int
    ) -> None:
        """Scenario A: what came so far may be half of it."""
        gateway.arm("omit", message=message)
        with client_of(gateway) as broker:
            read = getattr(broker, fetch)()

        assert failures(read)
        assert "no end marker" in next(iter(failures(read).values()))
        assert not read.proof.end_marker_seen

    @pytest.mark.parametrize(
        ("fetch", "message"),
        [
            ("fetch_account_snapshots", 6),
            ("fetch_positions", 61),
            ("fetch_open_orders", 5),
            ("fetch_open_orders", 101),
            ("fetch_executions", 11),
        ],
    )
    @pytest.mark.parametrize("fault", ["garbage", "missing_field", "truncate"])
    def test_a_broken_message_fails(
        self, gateway: SimulatorThread, fetch: str, message: int, fault: str
    ) -> None:
        """ib_async logs it, and the row is silently missing."""
        gateway.arm(fault, message=message)
        with client_of(gateway) as broker:
            read = getattr(broker, fetch)()

        assert failures(read)

    @pytest.mark.parametrize(
        ("fetch", "message"),
        [("fetch_positions", 61), ("fetch_executions", 11), ("fetch_open_orders", 5)],
    )
    def test_a_field_more_than_known_is_kept(
        self, gateway: SimulatorThread, fetch: str, message: int
    ) -> None:
        """A newer gateway is not a broken one."""
        gateway.arm("extra_field", message=message, times=0)
        with client_of(gateway) as broker:
            read = getattr(broker, fetch)()

        assert {} == failures(read)
        assert "extra_fields" in read.proof.details

    def test_a_length_that_cannot_be_fails_at_once(self, gateway: SimulatorThread) -> None:
        """ib_async waits for two gigabytes forever."""
        gateway.arm("bad_length", message=61)
        with client_of(gateway, request_timeout_seconds=30.0) as broker:
            read = broker.fetch_positions()

        assert {ONE, TWO} == set(failures(read))

    def test_an_answer_in_drips_is_read(self, gateway: SimulatorThread) -> None:
        """A frame may come in any number of pieces."""
        gateway.arm("slow_drip", message=61, size=400, seconds=0.001)
        with client_of(gateway, request_timeout_seconds=10.0) as broker:
            read = broker.fetch_positions()

        assert {} == failures(read)

    def test_one_account_that_is_refused_fails_alone(self, gateway: SimulatorThread) -> None:
        """Scenario O."""
        gateway.arm("error", request=6, account=TWO, code=321, text="Invalid account code")
        with client_of(gateway) as broker:
            read = broker.fetch_account_snapshots()

        assert [TWO] == list(failures(read))
        assert [ONE] == [row.account_id for row in read.only_complete()]

    def test_a_read_only_gateway_is_unsupported_for_orders(self) -> None:
        """The user's own setting is no failure."""
        document = {**_default_document(), "gateway": {"read_only": True}}
        with SimulatorThread(document) as simulator, client_of(simulator) as broker:
            orders = broker.fetch_open_orders()
            positions = broker.fetch_positions()

        assert {LoadStatus.UNSUPPORTED} == {outcome.status for outcome in orders.outcomes}
        assert {} == failures(positions)

    @pytest.mark.parametrize("code", [1100, 1101, 1102, 2110])
    def test_lost_connectivity_during_a_read_fails_it(
        self, gateway: SimulatorThread, code: int
    ) -> None:
        """The socket stays up and the rows end with their end marker all the same."""
        gateway.arm("notice", message=61, code=code, text="connectivity")
        with client_of(gateway) as broker:
            read = broker.fetch_positions()

        assert f"code {code}" in failures(read)[ONE]

    def test_a_late_commission_is_waited_for(self, gateway: SimulatorThread) -> None:
        """Scenario B: it comes a moment after the end marker."""
        gateway.arm("late_commission", position=1)
        with client_of(gateway) as broker:
            read = broker.fetch_executions()

        assert read.payload["execDetails"].height == read.payload["commissionReport"].height

    def test_a_commission_that_never_comes_stays_pending(self, gateway: SimulatorThread) -> None:
        """Scenario B: the fill is complete, its commission is not known."""
        gateway.arm("missing_commission", position=1)
        with client_of(gateway) as broker:
            read = broker.fetch_executions()

        assert {} == failures(read)
        assert [None] == [row.commission for row in read if row.commission is None]
        assert "1" == read.proof.details["commissions_pending"]

    def test_a_commission_before_its_execution_is_kept(self, gateway: SimulatorThread) -> None:
        """ib_async drops it for good."""
        gateway.arm("early_commission", position=1)
        with client_of(gateway) as broker:
            read = broker.fetch_executions()

        assert all(row.commission is not None for row in read)
        assert "" not in read.payload["commissionReport"]["account"].to_list()


class TestLostConnections:
    """The socket goes away."""

    @pytest.mark.parametrize("fault", ["drop", "reset", "truncate", "drop_after"])
    def test_a_socket_that_closes_fails_the_read(
        self, gateway: SimulatorThread, fault: str
    ) -> None:
        """ib_async's caches are empty then, which looks flat."""
        gateway.arm(fault, message=61)
        with client_of(gateway) as broker:
            read = broker.fetch_positions()

        assert {ONE, TWO} == set(failures(read))
        assert "connection was lost" in failures(read)[ONE]
        assert all(outcome.retryable for outcome in read.outcomes)

    def test_a_lost_read_is_started_anew_on_a_new_connection(
        self, gateway: SimulatorThread
    ) -> None:
        """Nothing is resumed: every row of the answer is of the second connection."""
        gateway.arm("drop", message=61, after=2)
        with client_of(gateway, read_attempts=2) as broker:
            read = broker.fetch_positions()

        assert ({}, "2") == (failures(read), read.proof.details["attempts"])
        assert 10 == read.payload["position"].height

    def test_a_gateway_that_stays_down_fails_the_read(self, gateway: SimulatorThread) -> None:
        """The nightly reset: 1100, FIN, and the port refuses for a while."""
        gateway.arm("nightly_reset", request=61)
        with client_of(gateway, read_attempts=3) as broker:
            read = broker.fetch_positions()
            gateway.command("recover")
            again = broker.fetch_positions()

        assert "Nothing listens" in failures(read)[ONE]
        assert {} == failures(again)

    def test_a_half_open_connection_times_out(self, gateway: SimulatorThread) -> None:
        """A cable that was pulled says nothing."""
        gateway.arm("half_open", request=61)
        with client_of(gateway) as broker:
            read = broker.fetch_positions()

        assert "no end marker within 0.4 s" in failures(read)[ONE]


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
            ({"name": "no_accounts"}, "did not tell its accounts"),
            ({"name": "late_next_valid_id", "seconds": 5.0}, "did not tell the next order id"),
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

    def test_something_that_is_no_gateway_is_named(self) -> None:
        """Another program on the port answers in its own words, or not at all."""
        with _listener(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
            connection = IBKRConnection("127.0.0.1", port, 1, connect_timeout_seconds=0.5)
            with pytest.raises((BrokerConnectionError, GatewayNotReadyError)):
                connection.connect()

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
def _listener(answer: bytes) -> Iterator[int]:
    """A program that answers its first client with these bytes and waits."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = threading.Event()

        def serve() -> None:
            peer, _ = server.accept()
            with peer:
                peer.sendall(answer)
                done.wait(10)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            done.set()
            thread.join()


def _default_document() -> dict[str, Any]:
    import yaml

    import ibkr_pipeline.simulator as package

    folder = package.__path__[0]
    with open(f"{folder}/scenarios/default.yaml", encoding="utf-8") as file:  # noqa: PTH123
        return dict(yaml.safe_load(file))
