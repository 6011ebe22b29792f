"""What each field of an account's and of a position's message becomes."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from ibkr_pipeline.brokers.exceptions import (
    AccountDataError,
    PositionDataError,
)
from ibkr_pipeline.brokers.ibkr.mappers.mapping import map_ibkr
from ibkr_pipeline.brokers.ibkr.testing import frame
from ibkr_pipeline.primitives.enums import WIRE_DATASETS, Dataset
from ibkr_pipeline.schemas import broker as schemas
from ibkr_pipeline_tests.unit.brokers.frames import (
    ONE,
    OPTION,
    UNSET,
    account_value,
    portfolio_value,
    position,
    proof,
)
from ibkr_pipeline_tests.unit.brokers.mapped_rows import rows_of


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


@pytest.mark.parametrize("dataset", WIRE_DATASETS)
def test_an_empty_payload_maps_to_empty_typed_frames(dataset: Dataset) -> None:
    """An account without positions is a fact; its frame has every column."""
    frames = map_ibkr(dataset, {}, proof(dataset))

    for table in schemas.TABLES:
        if table.name in frames:
            assert frames[table.name].schema == pl.Schema(table.schema)
            assert 0 == frames[table.name].height
