"""Which columns of a table a person sees.

What lives here: the choice, by table. What must not: the rows. `--json` and `--csv` have all of
them.
"""

from __future__ import annotations

from collections.abc import Mapping

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "accounts": (
        "account_id", "as_of", "base_currency", "net_liquidation_value", "total_cash",
        "buying_power", "initial_margin", "maintenance_margin", "cushion",
    ),
    "positions": (
        "account_id", "symbol", "local_symbol", "security_type", "con_id", "quantity",
        "avg_price", "market_price", "market_value", "currency", "as_of",
    ),
    "orders": (
        "account_id", "local_symbol", "side", "order_type", "total_quantity",
        "filled_quantity", "remaining_quantity", "limit_price", "stop_price", "status",
        "time_in_force", "perm_id",
    ),
    "executions": (
        "account_id", "local_symbol", "side", "fill_quantity", "price", "currency", "event_ts",
        "commission", "commission_status", "exec_id",
    ),
    "loads": (
        "account_id", "dataset", "section", "status", "started_at", "n_messages", "n_read", "n_new",
        "n_changed", "n_unchanged", "n_gone", "reason",
    ),
    "account_ledger": (
        "account_id", "currency", "cash_balance", "stock_market_value", "option_market_value",
        "net_liquidation_by_currency", "exchange_rate", "realized_pnl", "unrealized_pnl", "as_of",
    ),
    "snapshots": ("account_id", "dataset", "as_of", "session_date", "n_rows", "load_id"),
    "instruments": (
        "symbol", "security_type", "currency", "expiry", "strike", "right", "multiplier",
        "version", "available_at",
    ),
    "contracts": (
        "con_id", "symbol", "local_symbol", "security_type", "currency", "primary_exchange",
        "expiry", "strike", "right", "multiplier", "version",
    ),
    "portfolios": ("portfolio_id", "portfolio_name", "account_id", "version", "recorded_at"),
    "option-events": (
        "account_id", "event_date", "event_type", "state", "local_symbol", "signed_quantity",
        "delivered_quantity", "delivered_price", "cash_amount", "realized_pnl", "sources",
        "reason",
    ),
    "cash": (
        "account_id", "event_date", "row_type", "symbol", "amount", "currency", "settle_date",
        "description",
    ),
    "nav": (
        "account_id", "report_date", "nav_total", "nav_cash", "nav_stock", "nav_options",
        "currency",
    ),
    "statement-positions": (
        "account_id", "report_date", "symbol", "security_type", "con_id", "signed_quantity",
        "mark_price", "value", "currency", "unrealized_pnl",
    ),
    "corporate-actions": (
        "account_id", "report_date", "row_type", "symbol", "signed_quantity", "amount",
        "currency", "description",
    ),
    "transfers": (
        "account_id", "report_date", "row_type", "direction", "symbol", "signed_quantity",
        "position_amount", "cash_transfer", "currency",
    ),
    "conversion-rates": ("account_id", "report_date", "from_currency", "to_currency", "rate"),
    "nav-changes": (
        "account_id", "from_date", "to_date", "starting_value", "ending_value",
        "deposits_withdrawals", "commissions", "dividends", "interest", "currency",
    ),
    "cash-reports": (
        "account_id", "from_date", "to_date", "currency", "starting_cash", "ending_cash",
        "commissions", "net_trades_sales", "net_trades_purchases", "dividends",
    ),
    "fx-positions": (
        "account_id", "report_date", "currency", "signed_quantity", "cost_basis", "value",
    ),
    "statement-of-funds": (
        "account_id", "report_date", "activity_code", "symbol", "amount", "balance", "currency",
        "description",
    ),
    "pending-exercises": (
        "account_id", "event_date", "transaction_type", "symbol", "signed_quantity",
    ),
    "statements": (
        "account_id", "section", "from_date", "to_date", "generated_at", "n_rows", "query_name",
    ),
    "option-event-evidence": (
        "account_id", "event_date", "event_type", "evidence_kind", "leg", "symbol",
        "signed_quantity", "price", "option_event_id",
    ),
    "coverage": ("account_id", "session_date", "by_wire", "by_flex", "missing"),
    "expirations": (
        "account_id", "local_symbol", "quantity", "expiry", "sessions_left", "strike", "right",
        "underlying_price", "price_age_minutes", "moneyness", "delivery", "ex_dividend",
    ),
    "breaks": (
        "break_id", "break_state", "comparison", "account_id", "subject", "symbol", "session_date",
        "expected", "found", "difference", "first_seen_at", "why",
    ),
}  # fmt: skip
