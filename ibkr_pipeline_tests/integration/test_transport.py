"""Reads over TCP against the simulated gateway: what each fault of the wire becomes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ibkr_pipeline.primitives.enums import LoadStatus
from ibkr_pipeline.simulator.testing import SimulatorThread
from ibkr_pipeline_tests.integration.wire_client import ONE, START_API, TWO, client_of


@pytest.fixture
def gateway() -> Iterator[SimulatorThread]:
    """The default book behind a gateway in this process."""
    with SimulatorThread("default") as simulator:
        yield simulator


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
        assert "never sent its end marker" in next(iter(failures(read).values()))
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

        assert "never sent its end marker (positionEnd) within 0.4 s" in failures(read)[ONE]


def _default_document() -> dict[str, Any]:
    import yaml

    import ibkr_pipeline.simulator as package

    folder = package.__path__[0]
    with open(f"{folder}/scenarios/default.yaml", encoding="utf-8") as file:  # noqa: PTH123
        return dict(yaml.safe_load(file))
