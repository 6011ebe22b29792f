"""The columns that come from account statements and what is derived from them.

What lives here: columns beside those of `columns.py`, which puts both into one dictionary. What
must not: tables, keys, grain, or a column the gateway tells as well.
"""

from __future__ import annotations

from ibkr_pipeline.primitives.enums import (
    EventLeg,
    EvidenceKind,
    OptionEventState,
    OptionEventType,
)
from ibkr_pipeline.schemas.table import Column, Kind


def _column(
    name: str,
    kind: Kind,
    description: str,
    *,
    unit: str = "",
    allowed: tuple[str, ...] = (),
) -> Column:
    return Column(name=name, kind=kind, description=description, unit=unit, allowed=allowed)


_LOTS = "contracts or shares"

STATEMENT_COLUMNS = (
    # The statement a row stands in.
    _column("section", "code", "Section of the statement, as the vendor names it."),
    _column("row_number", "integer", "Place of the row in its section, 1 for the first."),
    _column("level_of_detail", "code", "Level the row was reported at, as the vendor names it."),
    _column("query_name", "text", "Name of the query that made the statement."),
    _column("statement_kind", "code", "AF activity, TCF trade confirmations."),
    _column("from_date", "date", "First session date the statement speaks of."),
    _column("to_date", "date", "Last session date the statement speaks of, included."),
    _column(
        "generated_at",
        "instant",
        "When the broker made the statement; the broker's own order of statements. The text has "
        "no zone; it is read as New York time.",
        unit="UTC",
    ),
    _column("raw_sha256", "code", "Hash of the statement's bytes."),
    _column(
        "source_id",
        "code",
        "The source's own id of the row (`txn:…`), else a hash of what it says (`row:…#n`).",
    ),
    _column("row_type", "text", "Kind of the row in the broker's own word."),
    _column("description", "text", "Description in the broker's words."),
    _column("code", "text", "Codes of the row, separated by semicolons, as the broker gives them."),
    _column("event_date", "date", "Date it happened, as the statement says."),
    _column("report_date", "date", "Session date it is reported for; may be later than it."),
    _column("trade_date", "date", "Trade date."),
    _column("settle_date", "date", "Settlement date."),
    _column("ex_date", "date", "Ex-dividend date."),
    # Ids of statement rows. Text: they exceed 32 bits and are never computed with.
    _column("transaction_id", "code", "transactionID: distinct for every row ever booked."),
    _column("trade_id", "code", "tradeID; repeats when a trade is cancelled and booked again."),
    _column("orig_trade_id", "code", "tradeID of what this row cancels or corrects."),
    _column("orig_transaction_id", "code", "transactionID of what this row cancels or corrects."),
    _column("position_action_id", "code", "positionActionID: the same on both legs of an event."),
    _column("broker_order_id", "code", "ibOrderID; a pseudo id on rows booked without an order."),
    _column("action_id", "code", "actionID: the same on all rows of one corporate action."),
    _column("order_text_id", "code", "Order id as the section spells it."),
    # Instruments.
    _column("sub_category", "code", "Sub-category, such as COMMON, ETF, C or P."),
    _column("isin", "code", "ISIN."),
    _column("figi", "code", "FIGI."),
    _column("cusip", "code", "CUSIP."),
    _column("underlying_con_id", "integer", "Contract id of the underlying."),
    _column("underlying_symbol", "text", "Symbol of the underlying."),
    _column("issuer", "text", "Issuer."),
    # Trades.
    _column("transaction_type", "code", "ExchTrade, BookTrade, TradeCancel, … as the broker says."),
    _column("buy_sell", "text", "BUY, SELL, BUY (Ca.), SELL (Ca.) as the broker says."),
    _column("open_close", "code", "O, C or C;O."),
    _column("trade_money", "money", "Quantity times price times multiplier.", unit="currency"),
    _column(
        "proceeds", "money", "Cash of the trade before costs; paid is negative.", unit="currency"
    ),
    _column("taxes", "money", "Taxes; paid is negative.", unit="currency"),
    _column(
        "ib_commission",
        "money",
        "Commission as the statement signs it: paid is negative, a rebate positive.",
        unit="commission_currency",
    ),
    _column("commission_currency", "code", "Currency of the commission (ISO 4217)."),
    _column("net_cash", "money", "Proceeds with taxes and commission.", unit="currency"),
    _column("close_price", "price", "Closing price of the session.", unit="currency"),
    _column("cost_basis", "money", "Cost basis.", unit="currency"),
    _column("mtm_pnl", "money", "Mark-to-market profit and loss.", unit="currency"),
    _column("rate_to_base", "rate", "Base currency per unit of currency.", unit="base_currency"),
    _column("order_ts", "instant", "When the order was entered.", unit="UTC"),
    _column("is_api_order", "flag", "Whether the order came by the API."),
    # Option events.
    _column("mark_price", "price", "Price the statement values with.", unit="currency"),
    _column(
        "option_event_id",
        "code",
        "Identity of an option event in its account: `{con_id}:{yyyymmdd}:{event_type}`.",
    ),
    _column("evidence_id", "code", "Identity of one piece of evidence: its source and its row."),
    _column(
        "evidence_kind",
        "code",
        "Where the evidence comes from.",
        allowed=tuple(kind.value for kind in EvidenceKind),
    ),
    _column(
        "leg",
        "code",
        "Part of the event the evidence speaks of.",
        allowed=tuple(leg.value for leg in EventLeg),
    ),
    _column(
        "event_type",
        "code",
        "What happened to the option.",
        allowed=tuple(kind.value for kind in OptionEventType),
    ),
    _column(
        "state",
        "code",
        "`suspected` from positions or the gateway, `confirmed` by a statement, `refuted` by one.",
        allowed=tuple(state.value for state in OptionEventState),
    ),
    _column("option_con_id", "integer", "Contract id of the option the evidence speaks of."),
    _column("delivered_con_id", "integer", "Contract id of what was delivered; null for cash."),
    _column(
        "delivered_quantity",
        "quantity",
        "Change of the delivered position: received is positive.",
        unit=_LOTS,
    ),
    _column("delivered_price", "price", "Price of the delivery, the strike.", unit="currency"),
    _column(
        "cash_amount", "money", "Cash of a cash settlement; received is positive.", unit="currency"
    ),
    _column("sources", "text", "Kinds of evidence known, sorted, separated by commas."),
    _column("reason", "text", "Why the state is what it is, in words."),
    # Cash, corporate actions, transfers.
    _column("amount", "money", "Amount; received is positive.", unit="currency"),
    _column("value", "money", "Value.", unit="currency"),
    _column("direction", "code", "IN or OUT."),
    _column("counter_account", "code", "Other account of a transfer inside the broker."),
    _column("transfer_price", "price", "Price of the transfer.", unit="currency"),
    _column("position_amount", "money", "Value of the position moved.", unit="currency"),
    _column("cash_transfer", "money", "Cash moved; received is positive.", unit="currency"),
    # Positions of a statement.
    _column("open_price", "price", "Average opening price.", unit="currency"),
    _column("cost_basis_price", "price", "Cost basis per unit.", unit="currency"),
    _column("percent_of_nav", "rate", "Share of NAV in percent.", unit="percent"),
    # NAV by day, and what changed it over the statement.
    _column("nav_total", "money", "NAV at the end of the session.", unit="currency"),
    _column("nav_cash", "money", "Cash in NAV.", unit="currency"),
    _column("nav_stock", "money", "Stocks in NAV.", unit="currency"),
    _column("nav_options", "money", "Options in NAV.", unit="currency"),
    _column("nav_bonds", "money", "Bonds in NAV.", unit="currency"),
    _column("nav_funds", "money", "Funds in NAV.", unit="currency"),
    _column("nav_commodities", "money", "Commodities in NAV.", unit="currency"),
    _column("nav_crypto", "money", "Crypto in NAV.", unit="currency"),
    _column("nav_dividend_accruals", "money", "Dividend accruals in NAV.", unit="currency"),
    _column("nav_interest_accruals", "money", "Interest accruals in NAV.", unit="currency"),
    _column("starting_value", "money", "NAV before the statement.", unit="currency"),
    _column("ending_value", "money", "NAV at its end.", unit="currency"),
    _column("realized", "money", "Realized profit and loss.", unit="currency"),
    _column(
        "change_in_unrealized", "money", "Change in unrealized profit and loss.", unit="currency"
    ),
    _column("mtm", "money", "Mark-to-market profit and loss.", unit="currency"),
    _column("deposits_withdrawals", "money", "Deposits less withdrawals.", unit="currency"),
    _column("asset_transfers", "money", "Assets transferred in less out.", unit="currency"),
    _column("dividends", "money", "Dividends.", unit="currency"),
    _column("withholding_tax", "money", "Withholding tax; paid is negative.", unit="currency"),
    _column("interest", "money", "Interest received less paid.", unit="currency"),
    _column("commissions", "money", "Commissions; paid is negative.", unit="currency"),
    _column("other_fees", "money", "Other fees; paid is negative.", unit="currency"),
    _column("twr", "rate", "Time-weighted return in percent.", unit="percent"),
    # Cash report.
    _column("starting_cash", "money", "Cash before the statement.", unit="currency"),
    _column("ending_cash", "money", "Cash at its end.", unit="currency"),
    _column("ending_settled_cash", "money", "Settled cash at its end.", unit="currency"),
    _column("deposits", "money", "Deposits.", unit="currency"),
    _column("withdrawals", "money", "Withdrawals; paid is negative.", unit="currency"),
    _column("net_trades_sales", "money", "Proceeds of sales.", unit="currency"),
    _column(
        "net_trades_purchases", "money", "Cost of purchases; paid is negative.", unit="currency"
    ),
    _column("other_flows", "json", "Every other flow told, {attribute: amount}; null if none."),
    # Currencies.
    _column("functional_currency", "code", "Currency the position is valued in (ISO 4217)."),
    _column("from_currency", "code", "Currency converted (ISO 4217)."),
    _column("to_currency", "code", "Currency converted to (ISO 4217)."),
    _column("rate", "rate", "to_currency per unit of from_currency.", unit="to_currency"),
    # Statement of funds.
    _column("activity_code", "code", "Activity code as the broker gives it."),
    _column("balance", "money", "Balance after the line.", unit="currency"),
    # Account information. No names, no addresses: personal data is dropped when it is read.
    _column("customer_type", "code", "Customer type as the broker names it."),
    _column("account_capabilities", "text", "Capabilities, such as Portfolio Margin."),
    _column("trading_permissions", "text", "Trading permissions."),
    _column("date_opened", "date", "When the account was opened."),
    _column("ib_entity", "code", "Entity of the broker that keeps the account."),
)
