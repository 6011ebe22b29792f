"""Which accounts are read, when a lost read is started anew, and what cannot be mapped."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ibkr_pipeline.brokers.exceptions import (
    AccountNotFoundError,
    BrokerConnectionError,
    ModeMismatchError,
)
from ibkr_pipeline.brokers.ibkr.testing import LOST
from ibkr_pipeline.primitives.enums import LoadStatus
from ibkr_pipeline_tests.unit.brokers.frames import (
    COMPLETED_ORDERS_END,
    ONE,
    OPEN_ORDERS_END,
    TWO,
    client_over,
    config_with,
    execution,
    executions_end,
    open_order,
    position,
    position_end,
)

ENDS = {"reqPositions": [position_end()]}


class TestAccounts:
    """The accounts of a read."""

    def test_by_default_every_managed_account_but_groups(self) -> None:
        """A group adds up what is read account by account."""
        broker, _ = client_over(ENDS, accounts=("DF0000001", ONE, "All", "DF0000001A"))

        assert ("DF0000001", ONE) == broker.fetch_positions().complete

    def test_an_allow_list_binds_what_is_read(self) -> None:
        """A user may share a login with accounts that are none of the pipeline's business."""
        broker, _ = client_over(ENDS, accounts=(ONE, TWO), config=config_with(accounts=(TWO,)))

        assert (TWO,) == broker.fetch_positions().complete

    def test_an_account_beyond_the_allow_list_is_refused(self) -> None:
        """Naming it on the command line does not lift the list."""
        broker, _ = client_over(ENDS, accounts=(ONE, TWO), config=config_with(accounts=(TWO,)))

        with pytest.raises(AccountNotFoundError, match="allow-list"):
            broker.fetch_positions([ONE])

    def test_an_account_of_the_allow_list_that_is_not_managed_fails_alone(self) -> None:
        """Row 50 of the fault matrix: an account that vanishes is no empty account."""
        broker, _ = client_over(ENDS, config=config_with(accounts=(ONE, "DU0000009")))

        read = broker.fetch_positions()

        assert ((ONE,), {"DU0000009"}) == (read.complete, set(read.failed))

    def test_an_account_named_twice_is_read_once(self) -> None:
        """Two loads of one account in one request would collide."""
        broker, _ = client_over(ENDS)

        assert (ONE,) == broker.fetch_positions([ONE, ONE]).complete


class TestLostReads:
    """A lost read starts anew, a few times, on a new connection."""

    def test_the_second_connection_answers_alone(self) -> None:
        """Nothing of the first is kept."""
        waits: list[float] = []
        broker, mock = client_over(
            {"reqPositions": [[position(), position(), LOST], [position(), position_end()]]},
            config=config_with(backoff_seconds=1.0),
            sleep=waits.append,
        )

        read = broker.fetch_positions()

        assert (2, 1, "2", [1.0]) == (
            mock.connects,
            read.payload["position"].height,
            read.proof.details["attempts"],
            waits,
        )
        assert "epoch-2" == read.proof.connection_epoch

    def test_attempts_are_counted_and_end(self) -> None:
        """Waits double: 1 s, 2 s, then the read is failed."""
        waits: list[float] = []
        broker, mock = client_over(
            {"reqPositions": [LOST]}, config=config_with(backoff_seconds=1.0), sleep=waits.append
        )

        read = broker.fetch_positions()

        assert (3, "3", [1.0, 2.0]) == (mock.connects, read.proof.details["attempts"], waits)
        assert read.outcomes[0].retryable

    def test_a_gateway_that_is_gone_is_said_beside_the_loss(self) -> None:
        """The reader of a failed load wants both facts."""
        gone = BrokerConnectionError("Nothing listens.")
        broker, _ = client_over({"reqPositions": [LOST]}, connect_errors=[None, gone, gone])

        read = broker.fetch_positions()

        assert "connection was lost" in read.failed[ONE]
        assert "Nothing listens" in read.failed[ONE]

    def test_a_gateway_that_came_back_with_another_account_stops_everything(self) -> None:
        """The mode is checked on every connection."""
        broker, _ = client_over(
            {"reqPositions": [LOST]}, connect_errors=[None, ModeMismatchError("live")]
        )

        with pytest.raises(ModeMismatchError):
            broker.fetch_positions()

    def test_a_timeout_is_not_started_anew(self) -> None:
        """The connection is there; waiting again would only take as long again."""
        broker, mock = client_over({})

        read = broker.fetch_positions()

        assert ("1", 1) == (
            read.proof.details["attempts"],
            [name for name, _ in mock.sent].count("reqPositions"),
        )


class TestMapping:
    """What cannot be mapped is failed when it is read, not when it is applied."""

    def test_an_account_with_an_impossible_value_fails_alone(self) -> None:
        """The error names record, field and value; the raw bytes are kept."""
        broker, _ = client_over(
            {
                "reqExecutions": [
                    execution("a.01"),
                    execution("b.01", account=TWO, price="x"),
                    executions_end(),
                ]
            },
            accounts=(ONE, TWO),
        )

        read = broker.fetch_executions()

        assert ((ONE,), {TWO}) == (read.complete, set(read.failed))
        assert "execDetails.price was 'x'" in read.failed[TWO]
        assert 2 == read.payload["execDetails"].height

    def test_an_unknown_status_word_is_a_notice(self) -> None:
        """The order is `unknown`, and somebody should look."""
        broker, _ = client_over(
            {
                "reqAllOpenOrders": [open_order(status="Pondering"), OPEN_ORDERS_END],
                "reqCompletedOrders": [COMPLETED_ORDERS_END],
            }
        )

        read = broker.fetch_open_orders()

        assert ["unknown"] == [row.status for row in read]
        assert ["order status 'Pondering' is not one we know; its orders are `unknown`"] == [
            notice.message for notice in read.proof.notices
        ]

    def test_rows_carry_their_messages(self) -> None:
        """The raw payload is there for whoever doubts a row."""
        broker, _ = client_over({"reqExecutions": [execution("a.01"), executions_end()]})

        (row,) = broker.fetch_executions()

        assert ["196.52"] == [message["price"] for message in row.raw]


class TestInterrupts:
    """Ctrl-C."""

    def test_an_interrupt_closes_the_connection(self) -> None:
        """Nothing waits for a gateway after the user has gone."""

        def interrupt(_: tuple[object, ...]) -> Sequence[str]:
            raise KeyboardInterrupt

        broker, mock = client_over({"reqPositions": interrupt})

        with pytest.raises(KeyboardInterrupt), broker:
            broker.fetch_positions()

        assert not mock.is_connected()

    def test_a_read_after_an_interrupted_one_starts_on_a_new_connection(self) -> None:
        """Answers to the first are still on their way."""
        calls = iter([KeyboardInterrupt, None])

        def answer(_: tuple[object, ...]) -> Sequence[str]:
            error = next(calls, None)
            if error is not None:
                raise error
            return [position_end()]

        broker, mock = client_over({"reqPositions": answer})

        with broker:
            with pytest.raises(KeyboardInterrupt):
                broker.fetch_positions()
            read = broker.fetch_positions()

        assert ({}, LoadStatus.COMPLETE, 2) == (
            dict(read.failed),
            read.outcomes[0].status,
            mock.connects,
        )
