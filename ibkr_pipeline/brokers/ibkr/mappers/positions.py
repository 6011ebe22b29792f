"""Positions, with prices from the account download where it told them.

Source: TWS messages 61 and 71 (position) and 7 (portfolioValue). A row with quantity 0 is a
contract that was closed today: it stays in the payload and is no position.
"""

from __future__ import annotations

import polars as pl

from ibkr_pipeline.brokers.exceptions import PositionDataError
from ibkr_pipeline.brokers.ibkr.mappers import contracts
from ibkr_pipeline.brokers.ibkr.mappers.values import Texts, texts_of, typed
from ibkr_pipeline.brokers.read import Frames
from ibkr_pipeline.models.requests import Payload, RequestProof
from ibkr_pipeline.schemas.broker import POSITIONS

#: For these the average cost is told with the multiplier in it.
_COST_HOLDS_MULTIPLIER = ("OPT", "FUT", "FOP")
_KEY = ["account_id", "con_id", "model_code"]
_PRICES = ("marketPrice", "marketValue", "unrealizedPNL", "realizedPNL")


def map_positions(payload: Payload, _: RequestProof) -> Frames:
    """Return `broker.positions`: the last word on each contract, those of quantity 0 left out.

    Raises:
        PositionDataError: If a field holds what cannot be right.
    """
    columns = (*contracts.FIELDS, "exchange", "position", "avgCost", "modelCode")
    texts = Texts(
        record="position",
        frame=texts_of(payload, "position", columns),
        error=PositionDataError,
        identity="conId",
    )
    exchange = texts.text("exchange")
    is_stock = texts.frame["secType"] == "STK"
    found = pl.DataFrame(
        {
            "account_id": texts.frame["account"],
            "model_code": texts.frame["modelCode"].fill_null(""),
            **contracts.contract_columns(texts),
            "exchange": exchange,
            # For a stock, message 61 tells the listing exchange.
            "primary_exchange": exchange.set(~is_stock.fill_null(value=False), None),
            "quantity": texts.decimal("position", required=True),
            "avg_cost_raw": texts.decimal("avgCost"),
        }
    )
    frame = (
        found.unique(_KEY, keep="last", maintain_order=True)
        .filter(pl.col("quantity") != 0)
        .with_columns(_avg_price())
        .join(_prices(payload), on=["account_id", "con_id"], how="left", validate="m:1")
        .sort(_KEY)
    )
    return {POSITIONS.name: typed(frame.to_dict(), POSITIONS.schema)}


def _avg_price() -> pl.Expr:
    cost, multiplier = pl.col("avg_cost_raw"), pl.col("multiplier")
    is_divided = pl.col("security_type").is_in(_COST_HOLDS_MULTIPLIER) & (multiplier != 0)
    # Through float: a DECIMAL quotient would lose or overflow digits; 15 are enough for a price.
    quotient = (cost.cast(pl.Float64) / multiplier.cast(pl.Float64)).round(10)
    return (
        pl.when(is_divided)
        .then(quotient.cast(pl.Decimal(38, 10)))
        .otherwise(cost)
        .alias("avg_price")
    )


def _prices(payload: Payload) -> pl.DataFrame:
    texts = Texts(
        record="portfolioValue",
        frame=texts_of(payload, "portfolioValue", ("conId", *_PRICES)),
        error=PositionDataError,
        identity="conId",
    )
    return pl.DataFrame(
        {
            "account_id": texts.frame["account"],
            "con_id": texts.integer("conId", required=True),
            "market_price": texts.decimal("marketPrice"),
            "market_value": texts.decimal("marketValue"),
            "unrealized_pnl": texts.decimal("unrealizedPNL"),
            "realized_pnl": texts.decimal("realizedPNL"),
        }
    ).unique(["account_id", "con_id"], keep="last", maintain_order=True)
