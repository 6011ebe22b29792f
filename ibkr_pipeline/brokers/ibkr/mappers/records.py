"""One record at a time: the mappers for code that holds a few raw rows and wants records.

What lives here: thin entrances to the mappers of whole frames, so that there is one rule for each
value. What must not: rules of their own, or the hot path, which stays in frames.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import polars as pl

from ibkr_pipeline.brokers.exceptions import TradeDataError
from ibkr_pipeline.brokers.ibkr.mappers.accounts import map_accounts
from ibkr_pipeline.brokers.ibkr.mappers.positions import map_positions
from ibkr_pipeline.brokers.ibkr.mappers.times import Zones, instants
from ibkr_pipeline.brokers.ibkr.mappers.values import Texts
from ibkr_pipeline.brokers.ibkr.row_views import account_rows, position_rows
from ibkr_pipeline.brokers.types import AccountSnapshotData, PositionData
from ibkr_pipeline.models.requests import Payload, RequestProof

_FIELD = "value"


def map_raw_account_to_snapshot(
    payload: Payload, proof: RequestProof, account_code: str
) -> AccountSnapshotData:
    """Return the snapshot of one account out of the `accountValue` rows of a read.

    Raises:
        TradeDataError: If the rows do not speak of the account, or a value cannot be right.
    """
    rows = map_accounts(payload, proof)["broker.accounts"]
    mine = rows.filter(pl.col("account_id") == account_code)
    if mine.is_empty():
        told = ", ".join(rows["account_id"].to_list()) or "no account"
        raise TradeDataError(
            f"accountValue.accountName was {told}; expected rows of {account_code}. Read it again."
        )
    return account_rows(payload, proof)(mine.row(0, named=True))


def map_raw_positions(payload: Payload, proof: RequestProof) -> tuple[PositionData, ...]:
    """Return the open positions out of the `position` and `portfolioValue` rows of a read.

    Raises:
        TradeDataError: If a value cannot be right.
    """
    build = position_rows(payload, proof)
    rows = map_positions(payload, proof)["broker.positions"]
    return tuple(build(row) for row in rows.iter_rows(named=True))


def _to_decimal(text: str | None) -> Decimal | None:
    """Return a number as IBKR writes it; a sentinel or nothing is None.

    Raises:
        TradeDataError: If the text is neither a sentinel nor a number below 1e15.
    """
    number: Decimal | None = _texts(text).decimal(_FIELD).item()
    return number


def _to_datetime(text: str | None, zones: Zones | None = None) -> datetime | None:
    """Return a time as IBKR writes it, UTC; nothing is None.

    Args:
        text: Zoned (`20260413 15:27:04 US/Eastern`), UTC (`20260413-19:27:04`) or without a zone.
        zones: How to read zone labels and times without one; New York by default.

    Raises:
        TradeDataError: If the text is no time, or its zone label is unknown.
    """
    instant: datetime | None = instants(_texts(text), _FIELD, zones or Zones()).item()
    return None if instant is None else instant.astimezone(UTC)


def _texts(text: str | None) -> Texts:
    return Texts(
        record="raw",
        frame=pl.DataFrame({_FIELD: [text]}, schema={_FIELD: pl.String}),
        error=TradeDataError,
    )
