"""The tables of the `core` schema: what the pipeline understands of what the broker told.

What lives here: the warehouse tables, appended to and never updated. What must not: the SQL that
writes or reads them (`warehouse/`).
"""

from __future__ import annotations

from ibkr_pipeline.schemas import broker
from ibkr_pipeline.schemas.broker import CONTRACT
from ibkr_pipeline.schemas.columns import columns
from ibkr_pipeline.schemas.table import Table

#: Whose row it is; part of every account key.
OWNER = ("broker", "environment", "account_id")
#: Where the row came from and when we learned it.
PROVENANCE = ("source", "load_id", "available_at", "recorded_at")

SNAPSHOTS = Table(
    name="core.snapshots",
    description=(
        "Header of every complete snapshot, empty ones included: accounts, positions, and the "
        "list of open orders (dataset `orders`)."
    ),
    grain="one row per snapshot of an account and dataset",
    key=("snapshot_id",),
    columns=columns(
        "snapshot_id",
        *OWNER,
        "dataset",
        "as_of",
        "session_date",
        "n_rows",
        *PROVENANCE,
        required=("snapshot_id", *OWNER, "dataset", "as_of", "n_rows", *PROVENANCE),
    ),
)

ACCOUNTS = Table(
    name="core.accounts",
    description="Account snapshots: NAV, cash, buying power and margin in base currency.",
    grain="one row per snapshot (of one account)",
    key=("snapshot_id",),
    columns=columns(
        "snapshot_id",
        "broker",
        "environment",
        *(column.name for column in broker.ACCOUNTS.columns),
        "as_of",
        *PROVENANCE,
        required=("snapshot_id", *OWNER, "account_role", "as_of", *PROVENANCE),
    ),
)

ACCOUNT_LEDGER = Table(
    name="core.account_ledger",
    description="Account snapshots by currency.",
    grain="one row per snapshot and currency",
    key=("snapshot_id", "currency"),
    columns=columns(
        "snapshot_id",
        "broker",
        "environment",
        *(column.name for column in broker.ACCOUNT_LEDGER.columns),
        "as_of",
        *PROVENANCE,
        required=("snapshot_id", *OWNER, "currency", "as_of", *PROVENANCE),
    ),
)

POSITIONS = Table(
    name="core.positions",
    description="Position snapshots, never overwritten; a closed position is absent from the next.",
    grain="one row per snapshot, contract and model",
    key=("snapshot_id", "con_id", "model_code"),
    columns=columns(
        "snapshot_id",
        "broker",
        "environment",
        "account_id",
        "portfolio_id",
        "con_id",
        "model_code",
        "symbol",
        "security_type",
        "currency",
        "quantity",
        "avg_cost_raw",
        "avg_price",
        "market_price",
        "market_value",
        "unrealized_pnl",
        "realized_pnl",
        "as_of",
        *PROVENANCE,
        required=(
            "snapshot_id",
            *OWNER,
            "portfolio_id",
            "con_id",
            "model_code",
            "quantity",
            "as_of",
            *PROVENANCE,
        ),
    ),
)

INSTRUMENTS = Table(
    name="core.instruments",
    description="What is traded, independent of the broker's routing; a change is a new version.",
    grain="one row per instrument and version",
    key=("instrument_key", "version"),
    columns=columns(
        "instrument_key",
        "version",
        "symbol",
        "security_type",
        "currency",
        "expiry",
        "strike",
        "right",
        "multiplier",
        *PROVENANCE,
        required=("instrument_key", "version", *PROVENANCE),
    ),
)

IBKR_CONTRACTS = Table(
    name="core.ibkr_contracts",
    description="Contracts as IBKR identifies them; a change is a new version.",
    grain="one row per con_id and version",
    key=("con_id", "version"),
    columns=columns(
        "con_id",
        "version",
        "instrument_key",
        *(name for name in CONTRACT if name not in ("con_id", "exchange")),
        *PROVENANCE,
        required=("con_id", "version", "instrument_key", *PROVENANCE),
    ),
)

PORTFOLIOS = Table(
    name="core.portfolios",
    description="Portfolios from the configuration, one per account by default.",
    grain="one row per portfolio, account and version",
    key=("portfolio_id", "broker", "environment", "account_id", "version"),
    columns=columns(
        "portfolio_id",
        "portfolio_name",
        *OWNER,
        "version",
        "recorded_at",
        required=("portfolio_id", "portfolio_name", *OWNER, "version", "recorded_at"),
    ),
)

ORDERS = Table(
    name="core.orders",
    description="Orders; every change the broker told is a new version.",
    grain="one row per order and version",
    key=("broker", "environment", "account_id", "order_key", "version"),
    columns=columns(
        "broker",
        "environment",
        "account_id",
        "order_key",
        "version",
        "order_id",
        "client_id",
        "perm_id",
        "parent_perm_id",
        "order_ref",
        "connection_epoch",
        "con_id",
        "symbol",
        "security_type",
        "currency",
        "exchange",
        "side",
        "order_type",
        "time_in_force",
        "total_quantity",
        "filled_quantity",
        "remaining_quantity",
        "avg_fill_price",
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
        *PROVENANCE,
        required=(*OWNER, "order_key", "version", "status", "broker_status", *PROVENANCE),
    ),
)

#: What `core.current_orders` tells beside the columns of `core.orders`.
ORDERS_VIEW_COLUMNS = columns("ended_after", "ended_before")

OPEN_ORDERS = Table(
    name="core.open_orders",
    description=(
        "Orders each complete read listed as open; one that the next read neither lists nor "
        "tells the end of has ended unread."
    ),
    grain="one row per snapshot of an account's open orders and order",
    key=("snapshot_id", "order_key"),
    columns=columns(
        "snapshot_id",
        *OWNER,
        "order_key",
        "as_of",
        *PROVENANCE,
        required=("snapshot_id", *OWNER, "order_key", "as_of", *PROVENANCE),
    ),
)

ORDER_ALIASES = Table(
    name="core.order_aliases",
    description="Every name an order was known by: permId, orderRef, client and order id.",
    grain="one row per order and alias",
    key=("broker", "environment", "account_id", "alias", "order_key"),
    columns=columns(
        "broker",
        "environment",
        "account_id",
        "alias",
        "order_key",
        *PROVENANCE,
        required=(*OWNER, "alias", "order_key", *PROVENANCE),
    ),
)

ORDER_STATUS_EVENTS = Table(
    name="core.order_status_events",
    description="Status history of orders; a status is advisory, executions are the truth.",
    grain="one row per order and status version",
    key=("broker", "environment", "account_id", "order_key", "version"),
    columns=columns(
        "broker",
        "environment",
        "account_id",
        "order_key",
        "version",
        "status",
        "broker_status",
        "filled_quantity",
        "remaining_quantity",
        "avg_fill_price",
        "last_fill_price",
        "why_held",
        *PROVENANCE,
        required=(*OWNER, "order_key", "version", "status", "broker_status", *PROVENANCE),
    ),
)

#: What statements tell of a fill and the gateway does not; null in the gateway's rows.
STATEMENT_FILL = (
    "transaction_id",
    "trade_id",
    "orig_trade_id",
    "orig_transaction_id",
    "position_action_id",
    "broker_order_id",
    "transaction_type",
    "buy_sell",
    "open_close",
    "code",
    "trade_date",
    "report_date",
    "settle_date",
    "proceeds",
    "taxes",
    "ib_commission",
    "commission_currency",
    "net_cash",
    "cost_basis",
    "realized_pnl",
    "mtm_pnl",
    "rate_to_base",
    "underlying_con_id",
    "generated_at",
)

EXECUTIONS = Table(
    name="core.executions",
    description=(
        "Fills as the gateway, statements and trade confirmations tell them, every correction "
        "kept; `core.current_executions` picks the winner."
    ),
    grain="one row per fill, revision and source; a statement's row again for every change",
    key=("broker", "environment", "account_id", "fill_id", "revision", "source", "generated_at"),
    columns=columns(
        "broker",
        "environment",
        "account_id",
        "fill_id",
        "revision",
        "exec_id",
        "order_key",
        "order_id",
        "client_id",
        "perm_id",
        "order_ref",
        "con_id",
        "symbol",
        "security_type",
        "currency",
        "event_ts",
        "event_ts_text",
        "session_date",
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
        "is_allocation_parent",
        "model_code",
        "ev_rule",
        "ev_multiplier",
        *PROVENANCE,
        *STATEMENT_FILL,
        required=(
            *OWNER,
            "fill_id",
            "revision",
            "exec_id",
            "con_id",
            "event_ts",
            "session_date",
            "side",
            "fill_quantity",
            "signed_quantity",
            "price",
            *PROVENANCE,
        ),
    ),
)

COMMISSIONS = Table(
    name="core.commissions",
    description=(
        "Commissions as the gateway reports them; pending until it does. What a statement charges "
        "stands in `core.executions`, and `core.current_commissions` tells both."
    ),
    grain="one row per exec id and version",
    key=("broker", "environment", "account_id", "exec_id", "version"),
    columns=columns(
        "broker",
        "environment",
        "account_id",
        "fill_id",
        "exec_id",
        "version",
        "event_ts",
        "commission",
        "currency",
        "commission_status",
        "realized_pnl",
        "bond_yield",
        "yield_redemption_date",
        *PROVENANCE,
        required=(*OWNER, "fill_id", "exec_id", "version", "commission_status", *PROVENANCE),
    ),
)

APPLIED_LOADS = Table(
    name="core.applied_loads",
    description="Loads whose rows are in core; written in the transaction that writes the rows.",
    grain="one row per applied load",
    key=("load_id",),
    columns=columns(
        "load_id",
        "request_id",
        *OWNER,
        "dataset",
        "n_rows",
        "available_at",
        "recorded_at",
        required=("load_id", "request_id", *OWNER, "dataset", "n_rows", "recorded_at"),
    ),
)

TABLES = (
    SNAPSHOTS,
    ACCOUNTS,
    ACCOUNT_LEDGER,
    POSITIONS,
    INSTRUMENTS,
    IBKR_CONTRACTS,
    PORTFOLIOS,
    ORDERS,
    OPEN_ORDERS,
    ORDER_ALIASES,
    ORDER_STATUS_EVENTS,
    EXECUTIONS,
    COMMISSIONS,
    APPLIED_LOADS,
)
