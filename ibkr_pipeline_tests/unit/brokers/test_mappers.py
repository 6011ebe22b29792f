"""What each field of a message becomes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from ibkr_pipeline.brokers.exceptions import (
    AccountDataError,
    ExecutionDataError,
    OrderDataError,
    PositionDataError,
)
from ibkr_pipeline.brokers.ibkr.mappers.mapping import map_ibkr
from ibkr_pipeline.brokers.ibkr.mappers.orders import STATUS_WORDS, unknown_status_words
from ibkr_pipeline.brokers.ibkr.testing import frame
from ibkr_pipeline.brokers.ibkr.transport.payloads import give_accounts, hear
from ibkr_pipeline.models.requests import Payload
from ibkr_pipeline.primitives.enums import Dataset, OrderStatus
from ibkr_pipeline.schemas import broker as schemas
from ibkr_pipeline_tests.unit.brokers.frames import (
    ONE,
    OPTION,
    UNSET,
    account_value,
    commission,
    completed_order,
    execution,
    open_order,
    order_status,
    portfolio_value,
    position,
    proof,
)


def payload_of(dataset: Dataset, texts: Sequence[str]) -> Payload:
    """Return the payload of messages."""
    heard = hear(dataset, [text.replace("{id}", "1") for text in texts], 178)
    assert heard.malformed == ()
    return give_accounts(heard.payload, {})


def rows_of(
    dataset: Dataset, table: str, *texts: str, details: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    """Return the rows of one table the messages map to; every frame must fit its schema."""
    frames = map_ibkr(dataset, payload_of(dataset, texts), proof(dataset, **(details or {})))
    for known in schemas.TABLES:
        if known.name in frames:
            known.pandera.validate(frames[known.name])
    return frames[table].to_dicts()


def executions(*texts: str, **details: str) -> list[dict[str, Any]]:
    """Return execution rows."""
    return rows_of(Dataset.EXECUTIONS, "broker.executions", *texts, details=details)


class TestAccounts:
    """Messages 6 and 73."""

    def rows(self, table: str, *texts: str) -> list[dict[str, Any]]:
        """Return rows of one table."""
        return rows_of(Dataset.ACCOUNTS, table, *texts)

    def test_an_account_with_its_cash_by_currency(self) -> None:
        """NAV is in the currency NetLiquidation is told in; BASE is the broker's own total."""
        texts = (
            account_value("AccountType", "INDIVIDUAL", ""),
            account_value("NetLiquidation", "1000.50", "EUR"),
            account_value("BuyingPower", "2000.00", "EUR"),
            account_value("Cushion", "0.123456", ""),
            account_value("UnrealizedPnL", "7.00", "EUR"),
            account_value("UnrealizedPnL", "5.00", "USD"),
            account_value("UnrealizedPnL", "11.50", "BASE"),
            account_value("CashBalance", "10.00", "USD"),
            account_value("CashBalance", "20.00", "BASE"),
            account_value("ExchangeRate", "0.925", "USD"),
            account_value("WhatIfPMEnabled", 'say "true"', ""),
            account_value("NetLiquidation-S", "900.00", "EUR"),
        )

        (account,) = self.rows("broker.accounts", *texts)
        ledger = self.rows("broker.account_ledger", *texts)

        assert ("INDIVIDUAL", "EUR", Decimal("1000.5"), Decimal(2000), Decimal("0.123456")) == (
            account["account_type"],
            account["base_currency"],
            account["net_liquidation_value"],
            account["buying_power"],
            account["cushion"],
        )
        assert Decimal("11.5") == account["unrealized_pnl_base"]
        assert [("BASE", Decimal(20), Decimal("11.5")), ("USD", Decimal(10), Decimal(5))] == [
            (row["currency"], row["cash_balance"], row["unrealized_pnl"]) for row in ledger
        ]
        assert Decimal("0.925") == ledger[1]["exchange_rate"]
        assert {
            "NetLiquidation-S": {"EUR": "900.00"},
            "WhatIfPMEnabled": {"": 'say "true"'},
        } == json.loads(account["extras"])

    def test_the_last_word_on_a_value_counts(self) -> None:
        """A value is told again when it changes while the download runs."""
        (account,) = self.rows(
            "broker.accounts",
            account_value("NetLiquidation", "1.00"),
            account_value("NetLiquidation", "2.00"),
        )

        assert Decimal(2) == account["net_liquidation_value"]

    def test_the_ledger_prefix_of_newer_gateways_is_left_out(self) -> None:
        """Since 10.47 the tags that go by currency carry it."""
        rows = self.rows(
            "broker.account_ledger",
            account_value("$LEDGER-CashBalance", "10.00", "USD"),
            account_value("$LEDGER-RealizedPnL", "3.00", "USD"),
        )

        assert [("USD", Decimal(10), Decimal(3))] == [
            (row["currency"], row["cash_balance"], row["realized_pnl"]) for row in rows
        ]

    def test_a_value_that_is_no_number_names_record_field_and_value(self) -> None:
        """Null would be read as not told."""
        with pytest.raises(AccountDataError, match=r"accountValue\.value was 'n/a'.*BuyingPower"):
            self.rows("broker.accounts", account_value("BuyingPower", "n/a"))

    @pytest.mark.parametrize("tag", ["accountReady", "AccountReady"])
    def test_readiness_in_either_spelling(self, tag: str) -> None:
        """Gateways differ."""
        (account,) = self.rows("broker.accounts", account_value(tag, "true", ""))

        assert account["is_ready"] is True

    def test_multi_values_map_like_the_others(self) -> None:
        """Message 73 carries the same tags."""
        (account,) = self.rows(
            "broker.accounts", frame(73, 1, 1, ONE, "", "NetLiquidation", "5.00", "USD")
        )

        assert ("USD", Decimal(5)) == (account["base_currency"], account["net_liquidation_value"])

    @pytest.mark.parametrize(
        ("code", "role"),
        [("DU0000001", "account"), ("U0000001", "account"), ("DF0000001", "advisor"),
         ("F0000001", "advisor"), ("DF0000001A", "group"), ("All", "group"), ("Momentum", "group")],
    )  # fmt: skip
    def test_roles_of_account_codes(self, code: str, role: str) -> None:
        """A group adds up accounts that stand beside it."""
        (account,) = self.rows("broker.accounts", account_value("NetLiquidation", "1", "USD", code))

        assert role == account["account_role"]


class TestPositions:
    """Messages 61, 71 and 7."""

    def rows(self, *texts: str) -> list[dict[str, Any]]:
        """Return position rows."""
        return rows_of(Dataset.POSITIONS, "broker.positions", *texts)

    def test_a_stock_with_its_price(self) -> None:
        """Strike and right of a stock are null, its exchange is where it is listed."""
        (row,) = self.rows(position(), portfolio_value())

        assert (Decimal(500), Decimal("196.77"), Decimal("196.77")) == (
            row["quantity"],
            row["avg_cost_raw"],
            row["avg_price"],
        )
        assert (None, None, None, "NASDAQ", Decimal("200.5"), Decimal(100250)) == (
            row["strike"],
            row["right"],
            row["multiplier"],
            row["primary_exchange"],
            row["market_price"],
            row["market_value"],
        )

    def test_the_average_price_of_an_option_is_its_cost_over_the_multiplier(self) -> None:
        """2100.6321 / 100 = 21.006321."""
        (row,) = self.rows(position(contract=OPTION, quantity="-3"))

        assert (Decimal("2100.6321"), Decimal("21.006321"), Decimal(-3)) == (
            row["avg_cost_raw"],
            row["avg_price"],
            row["quantity"],
        )
        assert (date(2027, 1, 15), "20270115", Decimal(500), "P") == (
            row["expiry"],
            row["expiry_code"],
            row["strike"],
            row["right"],
        )

    @pytest.mark.parametrize("security_type", ["FUT", "FOP"])
    def test_the_average_price_of_a_future_too(self, security_type: str) -> None:
        """196.77 / 5 = 39.354."""
        contract = (1, "MES", security_type, "202612", "0", "?", "5")

        (row,) = self.rows(frame(61, 3, ONE, *contract, "", "USD", "MESZ6", "MES", "1", "196.77"))

        assert (Decimal("39.354"), None, "202612") == (
            row["avg_price"],
            row["expiry"],
            row["expiry_code"],
        )

    @pytest.mark.parametrize("right", ["0", "?", ""])
    def test_what_stands_for_no_right_is_null(self, right: str) -> None:
        """Each message has its own word for it."""
        (row,) = self.rows(position(contract=(1, "QQQ", "OPT", "", "0", right, "100")))

        assert (None, Decimal(0)) == (row["right"], row["strike"])

    def test_a_right_that_is_neither_call_nor_put_is_an_error(self) -> None:
        """An option without its right cannot be told from its twin."""
        with pytest.raises(PositionDataError, match=r"position\.right was 'X'"):
            self.rows(position(contract=(1, "QQQ", "OPT", "", "5", "X", "100")))

    def test_a_flat_row_is_no_position(self) -> None:
        """A contract closed today is told with quantity 0; the payload keeps it."""
        assert [] == self.rows(position(quantity="0"))

    def test_the_last_word_on_a_contract_counts(self) -> None:
        """A fill while the stream runs sends the row again."""
        rows = self.rows(position(quantity="5"), position(quantity="7"))

        assert [Decimal(7)] == [row["quantity"] for row in rows]

    def test_the_same_contract_in_two_models_stays_two_rows(self) -> None:
        """An advisor's models are positions of their own."""
        row = position().split("\0")[3:-1]
        rows = self.rows(*(frame(71, 3, 1, ONE, *row, model) for model in ("growth", "income")))

        assert ["growth", "income"] == [found["model_code"] for found in rows]

    @pytest.mark.parametrize("quantity", ["many", "1,000", "0x10", "1_000"])
    def test_a_quantity_that_is_no_number_is_an_error(self, quantity: str) -> None:
        """Python would read some of these as numbers."""
        with pytest.raises(PositionDataError, match=rf"position\.position was '{quantity}'"):
            self.rows(position(quantity=quantity))

    @pytest.mark.parametrize("quantity", [UNSET, "NaN"])
    def test_a_position_without_quantity_is_an_error(self, quantity: str) -> None:
        """Null is not a position."""
        with pytest.raises(PositionDataError, match="it is required"):
            self.rows(position(quantity=quantity))

    @pytest.mark.parametrize("quantity", ["1e15", "-1000000000000000", "1.7e300"])
    def test_what_no_sentinel_explains_is_out_of_range(self, quantity: str) -> None:
        """A sentinel we do not know must not enter a sum."""
        with pytest.raises(PositionDataError, match=r"position\.position was"):
            self.rows(position(quantity=quantity))


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


@pytest.mark.parametrize("dataset", list(Dataset))
def test_an_empty_payload_maps_to_empty_typed_frames(dataset: Dataset) -> None:
    """An account without positions is a fact; its frame has every column."""
    frames = map_ibkr(dataset, {}, proof(dataset))

    for table in schemas.TABLES:
        if table.name in frames:
            assert frames[table.name].schema == pl.Schema(table.schema)
            assert 0 == frames[table.name].height
