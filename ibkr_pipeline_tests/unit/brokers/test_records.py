"""Records out of raw rows, one at a time."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import polars as pl
import pytest

from ibkr_pipeline.brokers.exceptions import TradeDataError
from ibkr_pipeline.brokers.ibkr.mappers.records import (
    _to_datetime,
    _to_decimal,
    map_raw_account_to_snapshot,
    map_raw_positions,
)
from ibkr_pipeline.models.requests import Payload, RequestProof
from ibkr_pipeline.primitives.enums import Dataset, Environment

AT = datetime(2026, 11, 18, 21, 20, tzinfo=UTC)
PROOF = RequestProof(
    request_id="20261118T212000000000Z-accounts-000001",
    broker="ibkr",
    environment=Environment.PAPER,
    dataset=Dataset.ACCOUNTS,
    started_at=AT,
    ended_at=AT,
    end_marker_seen=True,
)


def _values(account: str, rows: dict[str, str]) -> Payload:
    return {
        "accountValue": pl.DataFrame(
            {
                "seq": list(range(len(rows))),
                "account": [account] * len(rows),
                "key": list(rows),
                "value": list(rows.values()),
                "currency": ["USD"] * len(rows),
                "accountName": [account] * len(rows),
            }
        )
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("196.77", Decimal("196.77"), id="number"),
        pytest.param("0", Decimal(0), id="zero is a value"),
        pytest.param("1.7976931348623157E308", None, id="unset double"),
        pytest.param("2147483647", None, id="unset integer"),
        pytest.param("", None, id="empty"),
        pytest.param(None, None, id="nothing"),
    ],
)
def test_a_decimal_is_a_number_or_unknown(text: str | None, expected: Decimal | None) -> None:
    """A sentinel would poison every sum it enters."""
    assert expected == _to_decimal(text)


def test_what_is_no_number_is_an_error_that_shows_it() -> None:
    """A bad value must not become unknown in silence."""
    with pytest.raises(TradeDataError, match="12,5"):
        _to_decimal("12,5")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # New York was five hours behind UTC on 2 March and four on 13 April 2026.
        ("20260302 15:27:04 US/Eastern", datetime(2026, 3, 2, 20, 27, 4, tzinfo=UTC)),
        ("20260413 15:27:04 US/Eastern", datetime(2026, 4, 13, 19, 27, 4, tzinfo=UTC)),
        ("20260413-15:27:04", datetime(2026, 4, 13, 15, 27, 4, tzinfo=UTC)),
        ("", None),
        (None, None),
    ],
)
def test_a_time_is_utc_whatever_zone_it_was_written_in(
    text: str | None, expected: datetime | None
) -> None:
    """Three spellings of a time occur on real gateways."""
    assert expected == _to_datetime(text)


def test_an_account_becomes_a_snapshot_with_its_raw_rows() -> None:
    """The raw rows stay with the record for the audit."""
    payload = _values("DU0000001", {"NetLiquidation": "1000.50", "TotalCashValue": "250.25"})

    snapshot = map_raw_account_to_snapshot(payload, PROOF, "DU0000001")

    assert (Decimal("1000.50"), Decimal("250.25"), AT) == (
        snapshot.net_liquidation_value,
        snapshot.total_cash,
        snapshot.timestamp,
    )
    assert ["NetLiquidation", "TotalCashValue"] == [row["key"] for row in snapshot.raw]


def test_an_account_that_was_not_told_of_is_an_error_not_an_empty_snapshot() -> None:
    """Unknown is not zero."""
    payload = _values("DU0000001", {"NetLiquidation": "1"})

    with pytest.raises(TradeDataError, match="DU0000002"):
        map_raw_account_to_snapshot(payload, PROOF, "DU0000002")


def test_positions_become_records_and_flat_ones_are_left_out() -> None:
    """A contract with quantity 0 is no open position."""
    payload = {
        "position": pl.DataFrame(
            {
                "seq": [0, 1],
                "account": ["DU0000001", "DU0000001"],
                "conId": ["265598", "272093"],
                "symbol": ["AAPL", "MSFT"],
                "secType": ["STK", "STK"],
                "currency": ["USD", "USD"],
                "position": ["-3", "0"],
                "avgCost": ["190.5", "0"],
            }
        )
    }

    (position,) = map_raw_positions(payload, PROOF)

    assert (265598, Decimal(-3), Decimal("190.5")) == (
        position.con_id,
        position.quantity,
        position.avg_cost,
    )
