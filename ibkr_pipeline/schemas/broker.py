"""Frames a broker's mappers hand on: typed, sentinel-free, not yet keyed or deduplicated.

What lives here: one table per kind of row a broker tells. What must not: where they end up
(`core.py`) or how a broker spells them (`brokers/`). These frames carry no provenance; the
pipeline adds it when rows enter core.
"""

from __future__ import annotations

from ibkr_pipeline.schemas.columns import columns
from ibkr_pipeline.schemas.table import Table

CONTRACT = (
    "con_id",
    "symbol",
    "local_symbol",
    "security_type",
    "trading_class",
    "exchange",
    "primary_exchange",
    "currency",
    "expiry",
    "expiry_code",
    "strike",
    "right",
    "multiplier",
)

ACCOUNTS = Table(
    name="broker.accounts",
    description="Balances and margin of an account, in its base currency.",
    grain="one row per account of a read",
    key=("account_id",),
    columns=columns(
        "account_id",
        "account_type",
        "account_role",
        "base_currency",
        "net_liquidation_value",
        "total_cash",
        "settled_cash",
        "buying_power",
        "available_funds",
        "excess_liquidity",
        "equity_with_loan_value",
        "gross_position_value",
        "initial_margin",
        "maintenance_margin",
        "cushion",
        "unrealized_pnl_base",
        "realized_pnl_base",
        "is_ready",
        "extras",
        required=("account_id", "account_role"),
    ),
)

ACCOUNT_LEDGER = Table(
    name="broker.account_ledger",
    description="Cash and market value of an account by currency.",
    grain="one row per account and currency of a read; `BASE` is the broker's own total",
    key=("account_id", "currency"),
    columns=columns(
        "account_id",
        "currency",
        "cash_balance",
        "accrued_cash",
        "stock_market_value",
        "option_market_value",
        "future_pnl",
        "net_liquidation_by_currency",
        "unrealized_pnl",
        "realized_pnl",
        "exchange_rate",
        required=("account_id", "currency"),
    ),
)

POSITIONS = Table(
    name="broker.positions",
    description="Open positions.",
    grain="one row per account, contract and model of a read",
    key=("account_id", "con_id", "model_code"),
    columns=columns(
        "account_id",
        "model_code",
        *CONTRACT,
        "quantity",
        "avg_cost_raw",
        "avg_price",
        "market_price",
        "market_value",
        "unrealized_pnl",
        "realized_pnl",
        required=("account_id", "model_code", "con_id", "quantity"),
    ),
)

ORDERS = Table(
    name="broker.orders",
    description="Open and completed orders as the broker told them, one row per message.",
    grain="one row per openOrder or completedOrder message of a read",
    key=("account_id", "event_seq"),
    columns=columns(
        "account_id",
        "event_seq",
        "order_id",
        "client_id",
        "perm_id",
        "parent_perm_id",
        "order_ref",
        "connection_epoch",
        *CONTRACT,
        "side",
        "order_type",
        "time_in_force",
        "total_quantity",
        "filled_quantity",
        "limit_price",
        "stop_price",
        "status",
        "broker_status",
        "is_open",
        "is_deactivated",
        "completed_at",
        "completed_text",
        "warning_text",
        "oca_group",
        "outside_rth",
        "model_code",
        required=("account_id", "event_seq", "status", "broker_status", "is_open"),
    ),
)

ORDER_STATUSES = Table(
    name="broker.order_statuses",
    description="Order status messages, in order of arrival; advisory beside the executions.",
    grain="one row per orderStatus message of a read",
    key=("account_id", "event_seq"),
    columns=columns(
        "account_id",
        "event_seq",
        "order_id",
        "client_id",
        "perm_id",
        "connection_epoch",
        "status",
        "broker_status",
        "filled_quantity",
        "remaining_quantity",
        "avg_fill_price",
        "last_fill_price",
        "why_held",
        required=("account_id", "event_seq", "status", "broker_status"),
    ),
)

EXECUTIONS = Table(
    name="broker.executions",
    description="Fills, corrections included, duplicates not yet removed.",
    grain="one row per execDetails message of a read",
    key=("account_id", "event_seq"),
    columns=columns(
        "account_id",
        "event_seq",
        "exec_id",
        "fill_id",
        "revision",
        "order_id",
        "client_id",
        "perm_id",
        "order_ref",
        "connection_epoch",
        *CONTRACT,
        "event_ts",
        "event_ts_text",
        "side",
        "fill_quantity",
        "signed_quantity",
        "price",
        "cum_quantity",
        "avg_order_price",
        "venue",
        "is_liquidation",
        "last_liquidity",
        "is_price_pending",
        "is_combo_parent",
        "model_code",
        "ev_rule",
        "ev_multiplier",
        required=(
            "account_id",
            "event_seq",
            "exec_id",
            "fill_id",
            "revision",
            "con_id",
            "event_ts",
            "side",
            "fill_quantity",
            "signed_quantity",
            "price",
        ),
    ),
)

COMMISSIONS = Table(
    name="broker.commissions",
    description="Commission reports; they come apart from their fill, before or after it.",
    grain="one row per commissionReport message of a read",
    key=("account_id", "event_seq"),
    columns=columns(
        "account_id",
        "event_seq",
        "exec_id",
        "fill_id",
        "revision",
        "commission",
        "currency",
        "realized_pnl",
        "bond_yield",
        "yield_redemption_date",
        required=("account_id", "event_seq", "exec_id", "fill_id", "revision"),
    ),
)

TABLES = (ACCOUNTS, ACCOUNT_LEDGER, POSITIONS, ORDERS, ORDER_STATUSES, EXECUTIONS, COMMISSIONS)
