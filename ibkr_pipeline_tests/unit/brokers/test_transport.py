"""Reads over canned answers: when an account is complete, and why it is not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from ibkr_pipeline.brokers.exceptions import (
    AccountNotFoundError,
    BrokerConnectionError,
    ModeMismatchError,
)
from ibkr_pipeline.brokers.ibkr.testing import LOST, frame
from ibkr_pipeline.primitives.enums import Environment, LoadStatus
from ibkr_pipeline_tests.unit.brokers.frames import (
    COMPLETED_ORDERS_END,
    NOW,
    ONE,
    OPEN_ORDERS_END,
    OPTION,
    TWO,
    account_value,
    commission,
    completed_order,
    config_with,
    download_end,
    error,
    execution,
    executions_end,
    open_order,
    order_status,
    portfolio_value,
    position,
    position_end,
    reasons,
    transport_over,
)

READ_ONLY = "Error validating request.-'bZ' : cause - The API interface is in Read-Only mode."


def downloads(*accounts: str, **values: str) -> object:
    """Answer reqAccountUpdates of the named accounts; leave the others without an answer."""

    def answer(arguments: tuple[object, ...]) -> Sequence[str]:
        subscribe, account = arguments
        if not subscribe or account not in accounts:
            return ()
        told = [account_value(key, value, account=str(account)) for key, value in values.items()]
        return [
            account_value("NetLiquidation", "1000.00", account=str(account)),
            *told,
            portfolio_value(str(account)),
            frame(8, 1, "16:20"),
            download_end(str(account)),
        ]

    return answer


class TestAccounts:
    """reqAccountUpdates, one account after another."""

    def test_each_account_is_subscribed_read_and_unsubscribed_before_the_next(self) -> None:
        """A second subscription silently replaces the first, values and all."""
        transport, mock = transport_over(
            {"reqAccountUpdates": downloads(ONE, TWO)}, accounts=(ONE, TWO)
        )

        read = transport.fetch_raw_account_data((ONE, TWO))

        assert {} == reasons(read.outcomes)
        assert [(True, ONE), (False, ONE), (True, TWO), (False, TWO)] == [
            arguments for _, arguments in mock.sent
        ]
        assert [ONE, TWO] == read.payload["accountTime"]["account"].to_list()
        assert read.proof.end_marker_seen

    def test_progress_is_told_once_per_answer(self) -> None:
        """Long reads say where they are; a line for every message would drown it."""
        told: list[str] = []
        transport, _ = transport_over(
            {"reqAccountUpdates": downloads(ONE, TWO)},
            accounts=(ONE, TWO),
            on_progress=told.append,
        )

        transport.fetch_raw_account_data((ONE, TWO))

        assert ["account values: 1 of 2 answered", "account values: 2 of 2 answered"] == told

    def test_an_account_without_end_marker_fails_alone(self) -> None:
        """Scenario O: one account failing holds back no other."""
        transport, _ = transport_over({"reqAccountUpdates": downloads(ONE)}, accounts=(ONE, TWO))

        read = transport.fetch_raw_account_data((ONE, TWO))

        assert {TWO: "account_updates: no end marker within 60 s"} == reasons(read.outcomes)
        assert not read.proof.end_marker_seen

    def test_the_end_marker_of_another_account_ends_nothing(self) -> None:
        """A late end marker of the account before would cut this one short."""
        transport, _ = transport_over(
            {"reqAccountUpdates": [account_value("NetLiquidation", "1"), download_end(TWO)]},
            accounts=(ONE, TWO),
        )

        read = transport.fetch_raw_account_data(ONE)

        assert [ONE] == list(reasons(read.outcomes))

    def test_an_error_that_names_no_request_ends_the_account_that_is_asked(self) -> None:
        """Error 321 for an account code comes with request id -1."""
        said = "Error validating request.-'bT' : cause - Invalid account code 'DU0000001'."
        transport, _ = transport_over({"reqAccountUpdates": [error(321, said)]})

        read = transport.fetch_raw_account_data(ONE)

        assert {ONE: f"the gateway answered with error 321: {said}"} == reasons(read.outcomes)

    def test_values_of_a_server_that_is_resetting_are_not_data(self) -> None:
        """accountReady=false means hold: what was told before it turned true is thrown away."""
        resetting = [
            account_value("AccountReady", "false", ""),
            account_value("NetLiquidation", "0.00"),
            download_end(),
            account_value("AccountReady", "true", ""),
        ]
        fresh = [
            account_value("AccountReady", "true", ""),
            account_value("NetLiquidation", "1000.00"),
            download_end(),
        ]
        transport, mock = transport_over({"reqAccountUpdates": [resetting, [], fresh, []]})

        read = transport.fetch_raw_account_data(ONE)

        assert {} == reasons(read.outcomes)
        assert ["true", "1000.00"] == read.payload["accountValue"]["value"].to_list()
        assert [True, False, True, False] == [arguments[0] for _, arguments in mock.sent]

    def test_a_server_that_stays_in_its_reset_fails_the_account(self) -> None:
        """An hour of zeros would pass for a ruined account."""
        answer = [account_value("accountReady", "false", ""), download_end()]
        transport, _ = transport_over({"reqAccountUpdates": answer})

        read = transport.fetch_raw_account_data(ONE)

        assert "server reset in progress" in (reasons(read.outcomes)[ONE] or "")
        assert read.outcomes[0].retryable

    def test_a_download_without_any_value_fails(self) -> None:
        """No account is without a single value: an empty answer is not an empty account."""
        transport, _ = transport_over({"reqAccountUpdates": [download_end()]})

        read = transport.fetch_raw_account_data(ONE)

        assert {ONE: "the download ended without a single value"} == reasons(read.outcomes)

    def test_many_accounts_are_read_with_multi_requests(self) -> None:
        """Above 50 accounts the gateway refuses subscriptions; several Multi run at a time."""

        def answer(arguments: tuple[object, ...]) -> Sequence[str]:
            request, account, *_ = arguments
            if account == "DU0000003":
                return [error(321, "Invalid account code 'DU0000003'", request)]
            return [
                frame(73, 1, request, account, "", "NetLiquidation", "7.00", "USD"),
                frame(74, 1, request),
            ]

        accounts = tuple(f"DU{number:07d}" for number in range(1, 52))
        transport, mock = transport_over({"reqAccountUpdatesMulti": answer}, accounts=accounts)

        read = transport.fetch_raw_account_data(accounts)

        assert ["DU0000003"] == list(reasons(read.outcomes))
        assert 50 == len(read.payload["accountValue"])
        assert {"reqAccountUpdatesMulti", "cancelAccountUpdatesMulti"} == {n for n, _ in mock.sent}


class TestPositions:
    """reqPositions, all accounts at once."""

    ANSWERS = {  # noqa: RUF012  # read only
        "reqPositions": [position(), position(contract=OPTION, quantity="-3"), position_end()],
        "reqAccountUpdates": downloads(ONE, TWO),
    }

    def test_prices_come_from_the_download_of_the_accounts_that_hold_something(self) -> None:
        """An account without positions needs no prices, and its download costs seconds."""
        transport, mock = transport_over(self.ANSWERS, accounts=(ONE, TWO))

        read = transport.fetch_raw_positions((ONE, TWO))

        assert {} == reasons(read.outcomes)
        assert (2, 1) == (len(read.payload["position"]), len(read.payload["portfolioValue"]))
        assert ["reqPositions", "cancelPositions", "reqAccountUpdates", "reqAccountUpdates"] == [
            name for name, _ in mock.sent
        ]

    def test_missing_prices_fail_no_position(self) -> None:
        """Prices are advisory; that they are missing stands in the proof."""
        transport, _ = transport_over({"reqPositions": [position(), position_end()]})

        read = transport.fetch_raw_positions(ONE)

        assert {} == reasons(read.outcomes)
        assert "no end marker" in read.proof.details["prices_missing"]

    def test_a_missing_position_end_fails_every_account(self) -> None:
        """Scenario A: half of the positions would look like the other half was sold."""
        transport, _ = transport_over({"reqPositions": [position()]}, accounts=(ONE, TWO))

        read = transport.fetch_raw_positions((ONE, TWO))

        assert [LoadStatus.FAILED] * 2 == [outcome.status for outcome in read.outcomes]
        assert 1 == len(read.payload["position"])

    def test_a_position_of_an_account_nobody_told_of_fails_loudly(self) -> None:
        """Its account list and its rows contradict each other; neither can be believed."""
        transport, _ = transport_over(
            {"reqPositions": [position(), position("DU0000009"), position_end()]}
        )

        read = transport.fetch_raw_positions(ONE)

        assert "DU0000009, which is not among the accounts" in (reasons(read.outcomes)[ONE] or "")

    def test_rows_of_accounts_that_were_not_asked_for_are_left_out(self) -> None:
        """An allow-list binds what is stored, and reqPositions cannot be narrowed."""
        answers = {**self.ANSWERS, "reqPositions": [position(), position(TWO), position_end()]}
        transport, _ = transport_over(answers, accounts=(ONE, TWO))

        read = transport.fetch_raw_positions(TWO)

        assert [TWO] == read.payload["position"]["account"].to_list()

    def test_refused_positions_are_asked_account_by_account(self) -> None:
        """Above 50 accounts, or where the gateway says so, reqPositions is refused."""

        def multi(arguments: tuple[object, ...]) -> Sequence[str]:
            request, account, _ = arguments
            row = position().split("\0")[2:-1]
            return [
                frame(71, 1, request, account, *row[1:], "modelA"),
                frame(72, 1, request),
            ]

        transport, _ = transport_over(
            {"reqPositions": [error(321, "cause - Too many accounts")], "reqPositionsMulti": multi}
        )

        read = transport.fetch_raw_positions(ONE)

        assert {} == reasons(read.outcomes)
        assert ["modelA"] == read.payload["position"]["modelCode"].to_list()
        assert "positionsMulti" == read.proof.details["request"]


class TestOrders:
    """reqAllOpenOrders, then reqCompletedOrders."""

    def test_open_completed_and_status_messages_are_kept(self) -> None:
        """A status names no account: it belongs to its order's."""
        transport, mock = transport_over(
            {
                "reqAllOpenOrders": [
                    open_order(account=TWO),
                    order_status(),
                    OPEN_ORDERS_END,
                ],
                "reqCompletedOrders": [completed_order(), COMPLETED_ORDERS_END],
            },
            accounts=(ONE, TWO),
        )

        read = transport.fetch_raw_open_orders((ONE, TWO))

        assert {} == reasons(read.outcomes)
        assert [TWO] == read.payload["orderStatus"]["account"].to_list()
        assert [ONE] == read.payload["completedOrder"]["account"].to_list()
        assert ("reqCompletedOrders", (False,)) == mock.sent[1]

    def test_completed_orders_that_hang_fail_the_read(self) -> None:
        """Orders that ended today would be missing without a word."""
        transport, _ = transport_over({"reqAllOpenOrders": [open_order(), OPEN_ORDERS_END]})

        read = transport.fetch_raw_open_orders(ONE)

        assert {ONE: "completed_orders: no end marker within 60 s"} == reasons(read.outcomes)
        assert "complete" == read.proof.details["open_orders"]

    def test_a_read_only_api_is_unsupported_and_says_which_part_is_missing(self) -> None:
        """The user chose that setting; it is no failure to alert about every night."""
        transport, _ = transport_over(
            {
                "reqAllOpenOrders": [open_order(), OPEN_ORDERS_END],
                "reqCompletedOrders": [error(321, READ_ONLY)],
            }
        )

        read = transport.fetch_raw_open_orders(ONE)

        assert [LoadStatus.UNSUPPORTED] == [outcome.status for outcome in read.outcomes]
        assert "complete" == read.proof.details["open_orders"]
        assert "Read-Only" in read.proof.details["completed_orders"]

    def test_two_perm_ids_under_one_order_id_are_two_rows(self) -> None:
        """Scenario D: order ids are reused across sessions."""
        transport, _ = transport_over(
            {
                "reqAllOpenOrders": [
                    open_order(order_id=1514, perm_id=11),
                    open_order(order_id=1514, perm_id=12),
                    OPEN_ORDERS_END,
                ],
                "reqCompletedOrders": [COMPLETED_ORDERS_END],
            }
        )

        read = transport.fetch_raw_open_orders(ONE)

        assert ["11", "12"] == read.payload["openOrder"]["permId"].to_list()

    def test_a_group_order_without_account_belongs_to_the_advisor(self) -> None:
        """An advisor's order for a group names no account; its fills do."""
        transport, _ = transport_over(
            {
                "reqAllOpenOrders": [open_order(account=""), OPEN_ORDERS_END],
                "reqCompletedOrders": [COMPLETED_ORDERS_END],
            },
            accounts=("DF0000001", ONE),
        )

        read = transport.fetch_raw_open_orders(("DF0000001", ONE))

        assert {} == reasons(read.outcomes)
        assert ["DF0000001"] == read.payload["openOrder"]["account"].to_list()

    def test_an_order_of_nobody_fails_the_read(self) -> None:
        """Dropping it would hide a working order."""
        transport, _ = transport_over(
            {
                "reqAllOpenOrders": [open_order(account=""), OPEN_ORDERS_END],
                "reqCompletedOrders": [COMPLETED_ORDERS_END],
            },
            accounts=(ONE, TWO),
        )

        read = transport.fetch_raw_open_orders((ONE, TWO))

        assert {ONE, TWO} == set(reasons(read.outcomes))


class TestExecutions:
    """reqExecutions with its commissions."""

    def test_a_commission_belongs_to_the_account_of_its_execution(self) -> None:
        """Message 59 names no account, and may come before its execution."""
        transport, _ = transport_over(
            {
                "reqExecutions": [
                    commission("a.02"),
                    execution("a.01"),
                    execution("a.02", account=TWO),
                    commission("a.01"),
                    executions_end(),
                ]
            },
            accounts=(ONE, TWO),
        )

        read = transport.fetch_raw_executions((ONE, TWO))

        assert {} == reasons(read.outcomes)
        assert [("a.02", TWO), ("a.01", ONE)] == (
            read.payload["commissionReport"].select("execId", "account").rows()
        )

    def test_a_commission_after_the_end_marker_is_waited_for(self) -> None:
        """Scenario B: gateways send some commissions a moment later."""
        transport, mock = transport_over({"reqExecutions": [execution("a.01"), executions_end()]})
        mock_open = mock.open_inbox

        def opened() -> object:
            inbox = mock_open()
            awaited = inbox.await_commissions

            def late(exec_ids: set[str]) -> None:
                awaited(exec_ids)
                mock.say(commission("a.01"))

            inbox.await_commissions = late  # type: ignore[method-assign]
            return inbox

        mock.open_inbox = opened  # type: ignore[method-assign,assignment]

        read = transport.fetch_raw_executions(ONE)

        assert ["a.01"] == read.payload["commissionReport"]["execId"].to_list()
        assert "commissions_pending" not in read.proof.details

    def test_a_commission_that_does_not_come_stays_pending(self) -> None:
        """Other clients' commissions never come; the fills are complete without them."""
        transport, _ = transport_over({"reqExecutions": [execution("a.01"), executions_end()]})

        read = transport.fetch_raw_executions(ONE)

        assert {} == reasons(read.outcomes)
        assert "1" == read.proof.details["commissions_pending"]

    def test_a_combo_as_a_whole_has_no_commission_to_wait_for(self) -> None:
        """Its legs are charged."""
        combo = (0, "TSLA", "BAG", "", "0", "", "")
        transport, _ = transport_over(
            {"reqExecutions": [execution("a.b.c.01.01", contract=combo), executions_end()]}
        )

        read = transport.fetch_raw_executions(ONE)

        assert "commissions_pending" not in read.proof.details

    def test_the_window_starts_at_midnight_of_the_gateways_day(self) -> None:
        """A gateway remembers executions since its own midnight, 04:00 UTC in New York's summer."""
        transport, _ = transport_over({"reqExecutions": [executions_end()]})

        read = transport.fetch_raw_executions(ONE)

        assert ("2026-04-13T04:00:00+00:00", NOW) == (
            read.proof.window_start.isoformat() if read.proof.window_start else None,
            read.proof.window_end,
        )

    def test_since_is_sent_in_utc_and_starts_the_window(self) -> None:
        """The filter's format with a dash means UTC."""
        transport, mock = transport_over({"reqExecutions": [executions_end()]})

        read = transport.fetch_raw_executions(ONE, since=NOW)

        assert "20260413-20:30:00" == mock.sent[0][1][1].time  # type: ignore[attr-defined]
        assert NOW == read.proof.window_start

    def test_an_earlier_since_does_not_widen_the_window(self) -> None:
        """A gateway forgets at midnight: claiming the days before would hide lost fills."""
        transport, _ = transport_over({"reqExecutions": [executions_end()]})

        read = transport.fetch_raw_executions(ONE, since=NOW - timedelta(days=3))

        assert datetime(2026, 4, 13, 4, tzinfo=UTC) == read.proof.window_start

    def test_a_late_end_marker_of_an_earlier_request_ends_nothing(self) -> None:
        """Request ids keep answers apart."""
        transport, _ = transport_over({"reqExecutions": [frame(55, 1, 12)]})

        read = transport.fetch_raw_executions(ONE)

        assert [ONE] == list(reasons(read.outcomes))


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
