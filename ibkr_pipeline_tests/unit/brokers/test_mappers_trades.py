"""What each field of an order's and of an execution's message becomes."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from ibkr_pipeline.brokers.exceptions import (
    ExecutionDataError,
    OrderDataError,
)
from ibkr_pipeline.brokers.ibkr.mappers.orders import STATUS_WORDS, unknown_status_words
from ibkr_pipeline.brokers.ibkr.testing import frame
from ibkr_pipeline.primitives.enums import Dataset, OrderStatus
from ibkr_pipeline_tests.unit.brokers.frames import (
    UNSET,
    commission,
    completed_order,
    execution,
    open_order,
    order_status,
)
from ibkr_pipeline_tests.unit.brokers.mapped_rows import payload_of, rows_of


def executions(*texts: str, **details: str) -> list[dict[str, Any]]:
    """Return execution rows."""
    return rows_of(Dataset.EXECUTIONS, "broker.executions", *texts, details=details)


class TestOrders:
    """Messages 5, 101 and 3."""

    def rows(self, *texts: str) -> list[dict[str, Any]]:
        """Return order rows."""
        return rows_of(Dataset.ORDERS, "broker.orders", *texts)

    def test_a_working_order_takes_its_filled_quantity_from_its_status(self) -> None:
        """Message 5 does not tell it."""
        (row,) = self.rows(
            open_order(status="Submitted"),
            order_status(status="Submitted", filled="0"),
            order_status(status="Submitted", filled="40"),
        )

        assert ("submitted", Decimal(100), Decimal(40), True, False) == (
            row["status"],
            row["total_quantity"],
            row["filled_quantity"],
            row["is_open"],
            row["is_deactivated"],
        )

    def test_ids_of_zero_are_none(self) -> None:
        """Manual orders have order id 0, new ones permId 0; client 0 is a client."""
        (row,) = self.rows(open_order(order_id=0, perm_id=0, client_id=0))

        assert (None, None, 0) == (row["order_id"], row["perm_id"], row["client_id"])

    def test_a_completed_order(self) -> None:
        """12:28:30 in Los Angeles in March, before summer time, is 20:28:30 UTC."""
        (row,) = self.rows(completed_order())

        assert (datetime(2023, 3, 6, 20, 28, 30, tzinfo=UTC), "Filled Size: 100", None, None) == (
            row["completed_at"],
            row["completed_text"],
            row["parent_perm_id"],
            row["order_id"],
        )

    def test_a_deactivated_order_is_listed_but_cannot_fill(self) -> None:
        """Since 10.48 such orders are among the open ones."""
        (row,) = self.rows(open_order(status="Inactive"))

        assert ("inactive", True, True) == (
            row["status"],
            row["is_open"],
            row["is_deactivated"],
        )

    @pytest.mark.parametrize(("word", "status"), sorted(STATUS_WORDS.items()))
    def test_status_words(self, word: str, status: OrderStatus) -> None:
        """Each word has one meaning."""
        (row,) = self.rows(open_order(status=word))

        assert (status.value, word) == (row["status"], row["broker_status"])

    def test_an_unknown_status_word_is_unknown_and_named(self) -> None:
        """A guess could call a live order dead."""
        texts = (open_order(status="ValidationError"),)

        (row,) = self.rows(*texts)

        assert "unknown" == row["status"]
        assert ("ValidationError",) == unknown_status_words(payload_of(Dataset.ORDERS, texts))

    def test_a_limit_that_is_no_number_is_an_error(self) -> None:
        """An order without its limit looks like a market order."""
        with pytest.raises(OrderDataError, match=r"openOrder\.lmtPrice was 'abc'"):
            self.rows(open_order(limit="abc"))

    def test_an_unset_limit_is_null(self) -> None:
        """A market order has none."""
        (row,) = self.rows(open_order(limit=UNSET))

        assert None is row["limit_price"]

    @pytest.mark.parametrize(
        ("order_type", "limit", "stop"),
        [
            ("MKT", None, None),
            ("MOC", None, None),
            ("REL", None, None),
            ("MIDPRICE", None, None),
            ("TRAIL", None, None),
            ("A TYPE OF TOMORROW", None, None),
            ("LMT", Decimal(0), None),
            ("LOC", Decimal(0), None),
            ("STP", None, Decimal(0)),
            ("MIT", None, Decimal(0)),
            ("STP LMT", Decimal(0), Decimal(0)),
            ("LIT", Decimal(0), Decimal(0)),
            ("TRAIL LIMIT", Decimal(0), None),
        ],
    )
    def test_a_zero_is_a_price_only_where_the_order_type_has_one(
        self, order_type: str, limit: Decimal | None, stop: Decimal | None
    ) -> None:
        """TWS writes 0.0 for a price an order does not have; a spread is worked at even, too."""
        opened = open_order(order_type=order_type, limit="0.0", stop="0.0")
        completed = completed_order(order_type=order_type, limit="0.0", stop="0.0")

        for row in (*self.rows(opened), *self.rows(completed)):
            assert (limit, stop) == (row["limit_price"], row["stop_price"])

    def test_a_price_that_was_told_is_kept_whatever_the_order_type(self) -> None:
        """The cap of a relative order, the amount a trailing one follows by."""
        (row,) = self.rows(open_order(order_type="REL", limit="196.5", stop="0.02"))

        assert (Decimal("196.5"), Decimal("0.02")) == (row["limit_price"], row["stop_price"])


class TestExecutions:
    """Messages 11 and 59."""

    def test_a_fill(self) -> None:
        """15:27:04 in New York in April is 19:27:04 UTC."""
        (row,) = executions(execution())

        assert (
            datetime(2026, 4, 13, 19, 27, 4, tzinfo=UTC),
            "20260413 15:27:04 US/Eastern",
            "exec:00025b46.63f8f39c.01",
            1,
        ) == (row["event_ts"], row["event_ts_text"], row["fill_id"], row["revision"])
        assert ("BUY", Decimal(100), Decimal(100), Decimal("196.52"), "ref-1") == (
            row["side"],
            row["fill_quantity"],
            row["signed_quantity"],
            row["price"],
            row["order_ref"],
        )

    def test_a_sale_is_negative(self) -> None:
        """Signs are ours; the wire tells a side and an unsigned quantity."""
        (row,) = executions(execution(side="SLD"))

        assert ("SELL", Decimal(100), Decimal(-100)) == (
            row["side"],
            row["fill_quantity"],
            row["signed_quantity"],
        )

    @pytest.mark.parametrize(
        ("exec_id", "fill_id", "revision"),
        [
            ("0000e0d5.69dd7411.01.01", "exec:0000e0d5.69dd7411.01", 1),
            ("0000e0d5.69dd7411.02.01.03", "exec:0000e0d5.69dd7411.02.01", 3),
            ("0000e0d5.69dd7411.01.10", "exec:0000e0d5.69dd7411.01", 10),
            ("manual-7", "exec:manual-7", 1),
            ("a.b", "exec:a.b", 1),
        ],
    )
    def test_fill_ids_are_split_at_the_last_dot(
        self, exec_id: str, fill_id: str, revision: int
    ) -> None:
        """Legs of a combo have five segments, and other systems' ids none."""
        (row,) = executions(execution(exec_id))

        assert (fill_id, revision) == (row["fill_id"], row["revision"])

    @pytest.mark.parametrize(
        ("text", "hour"),
        [
            ("20260413 15:27:04 US/Eastern", 19),
            ("20260413 15:27:04 America/New_York", 19),
            ("20260413 15:27:04 EST", 20),
            ("20260413 15:27:04 EDT", 19),
            ("20260413 15:27:04 PDT", 22),
            ("20260413 15:27:04 PST", 22),
            ("20260413 15:27:04 CET", 13),
            ("20260413 15:27:04 CEST", 13),
            ("20260413 15:27:04 MET", 13),
            ("20260413 15:27:04 Central European Standard Time", 13),
            ("20260413 15:27:04 Eastern Standard Time", 19),
            ("20260413 15:27:04 GMT+02:00", 13),
            ("20260413 15:27:04 UTC", 15),
            ("20260413 15:27:04 Universal", 15),
            ("20260413-15:27:04", 15),
            ("20260413-15:27:04 US/Eastern", 19),
            ("20260413  15:27:04", 19),
        ],
    )
    def test_times_in_every_spelling(self, text: str, hour: int) -> None:
        """Offsets in April: New York 4, Los Angeles 7, Central Europe -2 hours."""
        (row,) = executions(execution(time=text))

        assert (datetime(2026, 4, 13, hour, 27, 4, tzinfo=UTC), text) == (
            row["event_ts"],
            row["event_ts_text"],
        )

    def test_a_bare_time_is_in_the_configured_zone(self) -> None:
        """Old gateways write no zone."""
        (row,) = executions(execution(time="20260413  15:27:04"), timezone="Europe/Berlin")

        assert datetime(2026, 4, 13, 13, 27, 4, tzinfo=UTC) == row["event_ts"]

    def test_an_unknown_zone_label_says_how_to_name_it(self) -> None:
        """CST is Chicago, Shanghai or Havana."""
        with pytest.raises(ExecutionDataError, match=r"'CST' is unknown.*timezone_aliases"):
            executions(execution(time="20260413 15:27:04 CST"))

    def test_an_alias_names_it(self) -> None:
        """15:27:04 in Chicago in April is 20:27:04 UTC."""
        (row,) = executions(
            execution(time="20260413 15:27:04 CST"), **{"timezone_alias:CST": "America/Chicago"}
        )

        assert datetime(2026, 4, 13, 20, 27, 4, tzinfo=UTC) == row["event_ts"]

    def test_the_hour_that_exists_twice_means_its_first_pass(self) -> None:
        """01:30 on 2026-11-01 in New York: summer time first, UTC-4."""
        (row,) = executions(execution(time="20261101 01:30:00 US/Eastern"))

        assert datetime(2026, 11, 1, 5, 30, tzinfo=UTC) == row["event_ts"]

    @pytest.mark.parametrize(
        "text", ["20260308 02:30:00 US/Eastern", "yesterday", "20261301 00:00:00"]
    )
    def test_a_time_that_cannot_be_is_an_error(self, text: str) -> None:
        """02:30 was left out on 2026-03-08."""
        with pytest.raises(ExecutionDataError, match=r"execDetails\.time was"):
            executions(execution(time=text))

    @pytest.mark.parametrize(
        ("change", "field"),
        [({"side": "BUY"}, "side"), ({"shares": "-1"}, "shares"), ({"shares": "ten"}, "shares"),
         ({"price": "x"}, "price"), ({"order_id": "1.5"}, "orderId"), ({"price": UNSET}, "price")],
    )  # fmt: skip
    def test_a_value_that_cannot_be_names_record_field_and_fill(
        self, change: dict[str, object], field: str
    ) -> None:
        """Whoever reads the error must find the message."""
        with pytest.raises(ExecutionDataError, match=rf"execDetails\.{field} was .*00025b46"):
            executions(execution(**change))  # type: ignore[arg-type]

    def test_a_combo_as_a_whole_is_marked(self) -> None:
        """Its legs carry the quantity."""
        rows = executions(execution(contract=(0, "TSLA", "BAG", "", "0", "", "")), execution())

        assert [True, False] == [row["is_combo_parent"] for row in rows]

    @pytest.mark.parametrize(
        ("amount", "value"),
        [("1.0", Decimal(1)), ("-1", Decimal(-1)), ("-0.25", Decimal("-0.25")), ("0", Decimal(0)),
         (UNSET, None), ("", None)],
    )  # fmt: skip
    def test_a_negative_commission_is_a_rebate(self, amount: str, value: Decimal | None) -> None:
        """Only exact sentinels mean that it is not known yet."""
        (row,) = rows_of(
            Dataset.EXECUTIONS, "broker.commissions", execution(), commission(amount=amount)
        )

        assert value == row["commission"]

    def test_a_bond_has_a_yield_and_a_redemption_date(self) -> None:
        """0 stands for no date."""
        rows = rows_of(
            Dataset.EXECUTIONS,
            "broker.commissions",
            execution("a.01"),
            frame(59, 1, "a.01", "1", "USD", UNSET, "0.0425", "20300601"),
            frame(59, 1, "a.01", "1", "USD", UNSET, UNSET, "0"),
        )

        assert [(Decimal("0.0425"), date(2030, 6, 1)), (None, None)] == [
            (row["bond_yield"], row["yield_redemption_date"]) for row in rows
        ]
