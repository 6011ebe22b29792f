"""Reads of orders and executions over canned answers: when one is complete, and why it is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ibkr_pipeline.brokers.ibkr.testing import frame
from ibkr_pipeline.primitives.enums import LoadStatus
from ibkr_pipeline_tests.unit.brokers.frames import (
    COMPLETED_ORDERS_END,
    NOW,
    ONE,
    OPEN_ORDERS_END,
    TWO,
    commission,
    completed_order,
    error,
    execution,
    executions_end,
    open_order,
    order_status,
    reasons,
    transport_over,
)

READ_ONLY = "Error validating request.-'bZ' : cause - The API interface is in Read-Only mode."


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

        assert {
            ONE: "the list of completed orders never sent its end marker (completedOrdersEnd) "
            "within 60 s"
        } == reasons(read.outcomes)
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
