"""Sections that tell what was traded and what became of options.

What lives here: Trades, TradeConfirms, OptionEAE, PendingExercises. What must not: how they are
read (`flex_reader.py`).
Source: statements of 2014 to 2026; ibkrguides.com for the names in the portal.
"""

from __future__ import annotations

from typing import Final

from ibkr_pipeline.brokers.ibkr import flex_vocabulary as words
from ibkr_pipeline.brokers.ibkr.flex_fields import Section
from ibkr_pipeline.brokers.ibkr.flex_shared_fields import (
    CURRENCY,
    DERIVATIVE,
    FIGI,
    INSTRUMENT,
    ISIN,
    LEVEL,
    MODEL,
    NEEDED_CON_ID,
    PNL,
    RATE,
    REPORT_DATE,
    TRADE_ID,
    TRANSACTION_ID,
    field,
    needed,
)
from ibkr_pipeline.schemas import flex

_TRADE_LEVELS: Final = {
    "AssetSummary": "ASSET_SUMMARY",
    "SymbolSummary": "SYMBOL_SUMMARY",
    "Order": "ORDER",
    "Lot": "CLOSED_LOT",
    "WashSale": "WASH_SALE",
}
_TRADE_HEAD = (
    LEVEL,
    CURRENCY,
    RATE,
    NEEDED_CON_ID,
    *INSTRUMENT,
    ISIN,
    FIGI,
    *DERIVATIVE,
    TRADE_ID,
    field("order_ref", "orderReference"),
    field("orig_trade_id", "origTradeID", box="Orig Trade ID", reading="id"),
    field("orig_transaction_id", "origTransactionID", box="Orig Transaction ID", reading="id"),
    needed("event_ts", "dateTime", box="Date/Time"),
    field("event_ts_text", "dateTime", box="Date/Time", reading="raw"),
    field("order_ts", "orderTime"),
    needed("trade_date", "tradeDate"),
    REPORT_DATE,
    field("venue", "exchange"),
    field("buy_sell", "buySell", box="Buy/Sell", known=words.SIDES),
    needed("signed_quantity", "quantity"),
    field("proceeds", "proceeds"),
    field("net_cash", "netCash"),
    field("order_type", "orderType"),
    field("is_api_order", "isAPIOrder", box="Is API Order"),
    MODEL,
)

TRADES = Section(
    name="Trades",
    box="Trades",
    table=flex.TRADES,
    tags=("Trades",),
    rows=("Trade",),
    levels=frozenset({"EXECUTION"}),
    passed_over=frozenset(_TRADE_LEVELS.values()) | {"LOT"},
    tag_levels=_TRADE_LEVELS,
    level_box="Execution",
    fallbacks={"report_date": "trade_date", "commission_currency": "currency"},
    fields=(
        *_TRADE_HEAD,
        needed("transaction_id", "transactionID", box="Transaction ID", reading="id"),
        needed("exec_id", "ibExecID", box="IB Execution ID", reading="id"),
        field("broker_order_id", "ibOrderID", box="IB Order ID", reading="id"),
        field("position_action_id", "positionActionID", box="Position Action ID", reading="id"),
        field("settle_date", "settleDateTarget"),
        field("transaction_type", "transactionType", selected=True, known=words.TRANSACTION_TYPES),
        needed("price", "tradePrice"),
        field("trade_money", "tradeMoney"),
        field("taxes", "taxes"),
        field("ib_commission", "ibCommission", box="IB Commission"),
        field("commission_currency", "ibCommissionCurrency", box="IB Commission Currency"),
        field("close_price", "closePrice"),
        field("cost_basis", "cost", box="Cost Basis"),
        *PNL,
        field(
            "open_close", "openCloseIndicator", box="Open/Close Indicator", known=words.OPEN_CLOSE
        ),
        field(
            "code",
            "notes",
            box="Notes/Codes",
            reading="text",
            selected=True,
            known=words.CODES,
            several=True,
        ),
    ),
    left_out=words.TRADE_LEFT_OUT,
)

TRADE_CONFIRMS = Section(
    name="TradeConfirms",
    box="Trade Confirms",
    table=flex.TRADES,
    tags=("TradeConfirms",),
    rows=("TradeConfirm",),
    levels=frozenset({"EXECUTION"}),
    passed_over=frozenset(_TRADE_LEVELS.values()),
    tag_levels=_TRADE_LEVELS,
    level_box="Execution",
    fallbacks={"report_date": "trade_date", "commission_currency": "currency"},
    fields=(
        *_TRADE_HEAD,
        TRANSACTION_ID,
        needed("exec_id", "execID", "ibExecID", box="Execution ID", reading="id"),
        field("broker_order_id", "orderID", "ibOrderID", box="Order ID", reading="id"),
        field("settle_date", "settleDate", "settleDateTarget"),
        field("transaction_type", "transactionType", selected=True, known=words.TRANSACTION_TYPES),
        needed("price", "price", "tradePrice"),
        field("trade_money", "amount"),
        field("taxes", "tax", "taxes"),
        field("ib_commission", "commission", "ibCommission"),
        field("commission_currency", "commissionCurrency", "ibCommissionCurrency"),
        field("code", "code", "notes", reading="text", known=words.CODES, several=True),
    ),
    left_out=words.CONFIRM_LEFT_OUT,
)

OPTION_EAE = Section(
    name="OptionEAE",
    box="Option Exercises, Assignments and Expirations",
    table=flex.OPTION_EAE,
    tags=("OptionEAE",),
    rows=("OptionEAE",),
    fields=(
        CURRENCY,
        RATE,
        NEEDED_CON_ID,
        *INSTRUMENT,
        *DERIVATIVE,
        needed("event_date", "date", "dateTime"),
        field(
            "transaction_type", "transactionType", selected=True, known=words.OPTION_TRANSACTIONS
        ),
        needed("signed_quantity", "quantity"),
        field("price", "tradePrice"),
        field("mark_price", "markPrice"),
        field("proceeds", "proceeds"),
        field(
            "ib_commission",
            "commisionsAndTax",
            "commissionsAndTax",
            box="Commissions and Tax",
        ),
        field("cost_basis", "costBasis", "cost"),
        field("realized_pnl", "realizedPnl", "fifoPnlRealized", box="Realized P/L"),
        field("mtm_pnl", "mtmPnl", box="MTM P/L"),
        TRADE_ID,
        MODEL,
    ),
    left_out=words.OPTION_LEFT_OUT,
)

PENDING_EXERCISES = Section(
    name="PendingExercises",
    box="Pending Exercises",
    table=flex.PENDING_EXERCISES,
    tags=("PendingExercises", "PendingExcercises"),
    fields=(
        field("currency", "currency"),
        NEEDED_CON_ID,
        *INSTRUMENT,
        *DERIVATIVE,
        field("event_date", "date", "exerciseDate", "dateTime", "reportDate"),
        field(
            "transaction_type", "transactionType", "type", "action",
            known=words.PENDING_TRANSACTIONS,
        ),
        field("signed_quantity", "quantity", "exerciseQuantity"),
        MODEL,
    ),
)  # fmt: skip
