"""Executions and commission reports.

Source: TWS messages 11 (execDetails) and 59 (commissionReport). An exec id is
`root.revision`: the same root with a higher last segment is a correction, whatever the number of
segments before (combo legs have one more). realizedPNL is not set on an opening fill; a negative
commission is a rebate.
"""

from __future__ import annotations

import polars as pl

from ibkr_pipeline.brokers.exceptions import ExecutionDataError
from ibkr_pipeline.brokers.ibkr.mappers import contracts
from ibkr_pipeline.brokers.ibkr.mappers.times import Zones, instants
from ibkr_pipeline.brokers.ibkr.mappers.values import Texts, texts_of, typed
from ibkr_pipeline.brokers.read import Frames
from ibkr_pipeline.models.requests import Payload, RequestProof
from ibkr_pipeline.schemas.broker import COMMISSIONS, EXECUTIONS
from ibkr_pipeline.schemas.table import TYPES

_EXECUTION = (
    *contracts.FIELDS, "exchange", "orderId", "execId", "time", "executionExchange", "side",
    "shares", "price", "permId", "clientId", "liquidation", "cumQty", "avgPrice", "orderRef",
    "evRule", "evMultiplier", "modelCode", "lastLiquidity", "pendingPriceRevision",
)  # fmt: skip
_COMMISSION = (
    "execId", "commission", "currency", "realizedPNL", "yield", "yieldRedemptionDate",
)  # fmt: skip
_SIDES = {"BOT": "BUY", "SLD": "SELL"}
_RATE = pl.Decimal(38, 15)


def map_executions(payload: Payload, proof: RequestProof) -> Frames:
    """Return `broker.executions` and `broker.commissions`, one row per message.

    Raises:
        ExecutionDataError: If a field holds what cannot be right.
    """
    return {
        EXECUTIONS.name: _executions(payload, proof),
        COMMISSIONS.name: _commissions(payload),
    }


def _executions(payload: Payload, proof: RequestProof) -> pl.DataFrame:
    texts = Texts(
        record="execDetails",
        frame=texts_of(payload, "execDetails", _EXECUTION),
        error=ExecutionDataError,
        identity="execId",
    )
    side = texts.frame["side"].replace_strict(_SIDES, default=None, return_dtype=pl.String)
    texts.require("side", side.is_not_null(), "expected BOT or SLD")
    shares = texts.decimal("shares", required=True)
    texts.require("shares", shares >= 0, "expected an unsigned quantity; the side tells the sign")
    liquidity = texts.integer("lastLiquidity")
    liquidation = texts.integer("liquidation")
    columns = {
        "account_id": texts.frame["account"],
        "event_seq": texts.frame["seq"],
        **_fill_ids(texts),
        **order_ids(texts),
        "connection_epoch": _constant(proof.connection_epoch, len(texts.frame)),
        **contracts.contract_columns(texts),
        "exchange": texts.text("exchange"),
        "event_ts": instants(texts, "time", Zones.of(proof), required=True),
        "event_ts_text": texts.frame["time"],
        "side": side,
        "fill_quantity": shares,
        "signed_quantity": _signed(shares, side),
        "price": texts.decimal("price", required=True),
        "cum_quantity": texts.decimal("cumQty"),
        "avg_order_price": texts.decimal("avgPrice"),
        "venue": texts.text("executionExchange"),
        "is_liquidation": liquidation != 0,
        "last_liquidity": liquidity.set(liquidity == 0, None),
        "is_price_pending": texts.flag("pendingPriceRevision"),
        "is_combo_parent": texts.frame["secType"] == "BAG",
        "model_code": texts.frame["modelCode"].fill_null(""),
        "ev_rule": texts.text("evRule"),
        "ev_multiplier": texts.decimal("evMultiplier", dtype=_RATE),
    }
    return typed(columns, EXECUTIONS.schema)


def _commissions(payload: Payload) -> pl.DataFrame:
    texts = Texts(
        record="commissionReport",
        frame=texts_of(payload, "commissionReport", _COMMISSION),
        error=ExecutionDataError,
        identity="execId",
    )
    columns = {
        "account_id": texts.frame["account"],
        "event_seq": texts.frame["seq"],
        **_fill_ids(texts),
        "commission": texts.decimal("commission"),
        "currency": texts.text("currency"),
        "realized_pnl": texts.decimal("realizedPNL"),
        "bond_yield": texts.decimal("yield", dtype=_RATE),
        "yield_redemption_date": texts.date("yieldRedemptionDate"),
    }
    return typed(columns, COMMISSIONS.schema)


def order_ids(texts: Texts) -> dict[str, pl.Series]:
    """Return the ids of an order; 0 is no order id and no permId, but a client id."""
    order_id, perm_id = texts.integer("orderId"), texts.integer("permId")
    return {
        "order_id": order_id.set(order_id == 0, None),
        "client_id": texts.integer("clientId"),
        "perm_id": perm_id.set(perm_id == 0, None),
        "order_ref": texts.text("orderRef"),
    }


def _fill_ids(texts: Texts) -> dict[str, pl.Series]:
    """Split exec ids at the last dot; an id without a revision is its own root, revision 1."""
    parts = texts.frame.select(
        exec_id="execId",
        root=pl.col("execId").str.extract(r"^(.+)\.\d{1,9}$", 1),
        revision=pl.col("execId").str.extract(r"^.+\.(\d{1,9})$", 1).cast(pl.Int64),
    )
    root = parts.select(pl.coalesce("root", "exec_id"))["root"]
    return {
        "exec_id": parts["exec_id"],
        "fill_id": "exec:" + root,
        "revision": parts["revision"].fill_null(1),
    }


def _signed(shares: pl.Series, side: pl.Series) -> pl.Series:
    frame = pl.DataFrame({"shares": shares, "side": side})
    quantity = pl.col("shares")
    signed = pl.when(pl.col("side") == "SELL").then(-quantity).otherwise(quantity)
    return frame.select(signed.cast(TYPES["quantity"][0]).alias("signed"))["signed"]


def _constant(value: str | None, height: int) -> pl.Series:
    return pl.Series([value] * height, dtype=pl.String)
