"""Every read over canned answers: messages that do not fit, outages, and who may connect."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from ibkr_pipeline.brokers.exceptions import (
    AccountNotFoundError,
    BrokerConnectionError,
    ModeMismatchError,
)
from ibkr_pipeline.brokers.ibkr.testing import LOST, frame
from ibkr_pipeline.primitives.enums import Environment
from ibkr_pipeline_tests.unit.brokers.frames import (
    ONE,
    TWO,
    account_value,
    commission,
    config_with,
    download_end,
    downloads,
    error,
    execution,
    executions_end,
    position,
    position_end,
    reasons,
    transport_over,
)


class TestDecodeErrors:
    """A message that does not fit is never a row that is quietly missing."""

    def test_a_malformed_row_fails_the_accounts_it_may_belong_to(self) -> None:
        """ib_async logs it and goes on; the row would look sold."""
        transport, _ = transport_over(
            {"reqPositions": [position(), frame(61, 3, ONE, "x"), position_end()]},
            accounts=(ONE, TWO),
        )

        read = transport.fetch_raw_positions((ONE, TWO))

        assert {ONE, TWO} == set(reasons(read.outcomes))
        assert 1 == len(read.proof.decode_errors)

    def test_a_malformed_value_fails_the_account_that_was_downloaded(self) -> None:
        """The other account's download came whole."""

        def answer(arguments: tuple[object, ...]) -> Sequence[str]:
            subscribe, account = arguments
            if not subscribe:
                return ()
            broken = [frame(6, 2, "NetLiq")] if account == TWO else []
            rows = [account_value("NetLiquidation", "1", account=str(account))]
            return [*rows, *broken, download_end(str(account))]

        transport, _ = transport_over({"reqAccountUpdates": answer}, accounts=(ONE, TWO))

        read = transport.fetch_raw_account_data((ONE, TWO))

        assert [TWO] == list(reasons(read.outcomes))

    @pytest.mark.parametrize("garbage", ["%PDF-1.4\0", frame(62, 1)[:1], frame(55, 1, "x")])
    def test_garbage_fails_every_running_read(self, garbage: str) -> None:
        """It cannot be told what it was going to be."""
        transport, _ = transport_over({"reqExecutions": [garbage, executions_end()]})

        read = transport.fetch_raw_executions(ONE)

        assert "could not be understood" in (reasons(read.outcomes)[ONE] or "")

    def test_messages_nobody_asked_for_are_no_error(self) -> None:
        """Ticks and bulletins may come at any time."""
        transport, _ = transport_over(
            {
                "reqPositions": [frame(1, 6, 1, 1, "2.0", 3, 0), position(), position_end()],
                "reqAccountUpdates": downloads(ONE),
            }
        )

        read = transport.fetch_raw_positions(ONE)

        assert {} == reasons(read.outcomes)

    def test_fields_of_a_newer_gateway_are_noted(self) -> None:
        """More than we know is a notice, not an error."""
        transport, _ = transport_over(
            {"reqExecutions": [execution(tail=("0", "new")), commission(), executions_end()]}
        )

        read = transport.fetch_raw_executions(ONE)

        assert {} == reasons(read.outcomes)
        assert "execDetails: 1" in read.proof.details["extra_fields"]
        assert ["new"] == json.loads(read.payload["execDetails"]["extra"][0])


class TestOutages:
    """What is told across a gap may miss something."""

    @pytest.mark.parametrize("code", [100, 1100, 1101, 1102, 1300, 2110])
    def test_a_notice_of_lost_connectivity_fails_the_read_that_runs(self, code: int) -> None:
        """Row 41-44 of the fault matrix: the socket stays up and rows are missing."""
        transport, _ = transport_over(
            {"reqPositions": [position(), error(code, "text"), position_end()]}
        )

        read = transport.fetch_raw_positions(ONE)

        assert f"code {code}" in (reasons(read.outcomes)[ONE] or "")
        assert (True, True) == (read.is_lost, read.outcomes[0].retryable)

    @pytest.mark.parametrize("code", [2103, 2104, 2105, 2106, 2158, 2100, 2157])
    def test_a_notice_about_data_farms_fails_nothing(self, code: int) -> None:
        """No account row comes from there; an alert each night would be ignored soon."""
        transport, _ = transport_over({"reqPositions": [error(code, "farm"), position_end()]})

        read = transport.fetch_raw_positions(ONE)

        assert {} == reasons(read.outcomes)
        assert [code] == [notice.code for notice in read.proof.notices]

    def test_a_gateway_that_lost_its_server_before_the_read_answers_from_memory(self) -> None:
        """Its answer is complete and old: 1100 holds until 1101 or 1102."""
        transport, mock = transport_over({"reqPositions": [position_end()]})
        transport.connect()
        mock.say(error(1100, "lost"))

        during = transport.fetch_raw_positions(ONE)
        transport.connect()
        mock.say(error(1100, "lost"))
        mock.say(error(1102, "restored"))
        after = transport.fetch_raw_positions(ONE)

        assert "code 1100" in (reasons(during.outcomes)[ONE] or "")
        assert {} == reasons(after.outcomes)

    def test_a_closed_socket_fails_everything_that_was_not_answered(self) -> None:
        """The account that was complete before stays complete."""

        def answer(arguments: tuple[object, ...]) -> Sequence[str]:
            account = str(arguments[1])
            if not arguments[0]:
                return ()
            if account == TWO:
                return [LOST]
            return [account_value("NetLiquidation", "1", account=account), download_end(account)]

        accounts = (ONE, TWO, "DU0000003")
        transport, _ = transport_over({"reqAccountUpdates": answer}, accounts=accounts)

        read = transport.fetch_raw_account_data(accounts)

        assert [TWO, "DU0000003"] == list(reasons(read.outcomes))
        assert read.is_lost

    def test_a_read_that_timed_out_is_followed_by_a_new_connection(self) -> None:
        """Its answer, coming late, would end the next request of its kind too early."""
        transport, mock = transport_over({"reqPositions": [[position()], [position_end()]]})

        first = transport.fetch_raw_positions(ONE)
        second = transport.fetch_raw_positions(ONE)

        assert ([ONE], []) == (list(reasons(first.outcomes)), list(reasons(second.outcomes)))
        assert 2 == mock.connects
        assert first.proof.connection_epoch != second.proof.connection_epoch


class TestConnecting:
    """The checks between connection and first request."""

    @pytest.mark.parametrize(
        ("mode", "accounts"),
        [
            (Environment.PAPER, ("U0000001",)),
            (Environment.PAPER, ("DU0000001", "U0000001")),
            (Environment.PAPER, ("F0000001", "DU0000001")),
            (Environment.PAPER, ("F0000001A", "DF0000001")),
            (Environment.LIVE, ("DU0000001",)),
            (Environment.LIVE, ("U0000001", "DF0000001")),
            (Environment.SIMULATED, ("U0000001",)),
        ],
    )
    def test_accounts_of_another_world_are_refused_before_any_request(
        self, mode: Environment, accounts: tuple[str, ...]
    ) -> None:
        """Scenario M: a port proves nothing."""
        transport, mock = transport_over(config=config_with(mode=mode), accounts=accounts)

        with pytest.raises(ModeMismatchError, match="Nothing was asked of it") as refused:
            transport.connect()

        assert "*" not in str(refused.value)
        assert ([], False) == (mock.sent, mock.is_connected())

    @pytest.mark.parametrize(
        ("mode", "accounts"),
        [
            (Environment.PAPER, ("DU0000001", "DF0000001", "All")),
            (Environment.LIVE, ("U0000001", "F0000001")),
            (Environment.SIMULATED, ("DU0000001",)),
        ],
    )
    def test_accounts_of_the_modes_world_are_let_in(
        self, mode: Environment, accounts: tuple[str, ...]
    ) -> None:
        """Names of groups say nothing about the world."""
        transport, _ = transport_over(config=config_with(mode=mode), accounts=accounts)

        transport.connect()

        assert accounts == transport.managed_accounts

    def test_a_simulated_broker_on_another_machine_is_refused(self) -> None:
        """A name such as localhost may be made to lead elsewhere."""
        transport, _ = transport_over(
            config=config_with(mode=Environment.SIMULATED), peer_host="192.0.2.1"
        )

        with pytest.raises(ModeMismatchError, match="another machine"):
            transport.connect()

    @pytest.mark.parametrize("code", ["DU0000002", "x'; DROP TABLE", "../x", ""])
    def test_an_unknown_account_is_an_error_that_names_the_managed_ones(self, code: str) -> None:
        """Quotes and paths in a code are just an account nobody has."""
        transport, _ = transport_over()

        with pytest.raises(AccountNotFoundError, match=ONE):
            transport.fetch_raw_positions(code)

    def test_accounts_cannot_be_asked_for_without_a_connection(self) -> None:
        """An empty list would read as a gateway without accounts."""
        transport, _ = transport_over()

        with pytest.raises(BrokerConnectionError):
            _ = transport.managed_accounts

    def test_reading_uses_no_order_id(self) -> None:
        """The next order id belongs to whoever sends orders."""
        transport, _ = transport_over({"reqExecutions": [executions_end()]}, next_order_id=41)

        transport.fetch_raw_executions(ONE)

        assert (41, 42) == (transport.next_order_id, transport.next_order_id)
