"""Reads of accounts and positions over canned answers: when one is complete, and why it is not."""

from __future__ import annotations

from collections.abc import Sequence

from ibkr_pipeline.brokers.ibkr.testing import frame
from ibkr_pipeline.primitives.enums import LoadStatus
from ibkr_pipeline_tests.unit.brokers.frames import (
    ONE,
    OPTION,
    TWO,
    account_value,
    download_end,
    downloads,
    error,
    position,
    position_end,
    reasons,
    transport_over,
)


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

        assert {
            TWO: "the account's update stream never sent its end marker (accountDownloadEnd) "
            "within 60 s"
        } == reasons(read.outcomes)
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
        assert "never sent its end marker" in read.proof.details["prices_missing"]

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
