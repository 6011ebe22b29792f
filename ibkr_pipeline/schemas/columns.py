"""The column dictionary: every column once, with its type, unit and meaning.

What lives here: columns that tables are made of. What must not: tables, keys, grain.
The same quantity in the same unit has the same name in every table.
"""

from __future__ import annotations

from ibkr_pipeline.primitives.enums import (
    CommissionStatus,
    Environment,
    OrderStatus,
    Side,
)
from ibkr_pipeline.schemas.statement_columns import STATEMENT_COLUMNS
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
_SIDES = tuple(side.value for side in Side)

_ALL = (
    # Whose, from where, and when we learned it.
    _column("broker", "code", "Broker the row was read from, such as `ibkr`."),
    _column(
        "environment",
        "code",
        "World the account lives in.",
        allowed=tuple(environment.value for environment in Environment),
    ),
    _column("account_id", "code", "Account code as the broker spells it."),
    _column("source", "code", "Route the row came by, such as `ibkr.wire`."),
    _column("request_id", "code", "Request that brought the row."),
    _column("load_id", "code", "Load that brought the row: one subject of one request."),
    _column("snapshot_id", "code", "Snapshot the row belongs to; equals its load_id."),
    _column(
        "event_ts", "instant", "When it happened in the world, as the broker says.", unit="UTC"
    ),
    _column(
        "available_at",
        "instant",
        "Earliest instant a decision may use the row: when we received it from the gateway.",
        unit="UTC",
    ),
    _column(
        "recorded_at",
        "instant",
        "Our commit; strictly increasing from one commit to the next.",
        unit="UTC",
    ),
    _column(
        "as_of", "instant", "Instant the snapshot is true for: the end of its read.", unit="UTC"
    ),
    _column("session_date", "date", "Exchange session the instant belongs to, never the UTC date."),
    _column("dataset", "code", "Dataset of the snapshot or load."),
    _column("n_rows", "integer", "Rows in the snapshot; 0 is a fact, not a gap.", unit="rows"),
    _column("version", "integer", "1 for the first version we learned of, then 2, 3, …"),
    # Accounts.
    _column("account_type", "code", "Account type as the broker names it."),
    _column(
        "account_role",
        "code",
        "Plain account, advisor master, or group.",
        allowed=("account", "advisor", "group"),
    ),
    _column("base_currency", "code", "Currency the account is kept in (ISO 4217)."),
    _column("currency", "code", "Currency of the amounts in the row (ISO 4217)."),
    _column("net_liquidation_value", "money", "NAV: NetLiquidation.", unit="base_currency"),
    _column("total_cash", "money", "TotalCashValue.", unit="base_currency"),
    _column("settled_cash", "money", "SettledCash.", unit="base_currency"),
    _column("buying_power", "money", "BuyingPower.", unit="base_currency"),
    _column("available_funds", "money", "AvailableFunds.", unit="base_currency"),
    _column("excess_liquidity", "money", "ExcessLiquidity.", unit="base_currency"),
    _column("equity_with_loan_value", "money", "EquityWithLoanValue.", unit="base_currency"),
    _column("gross_position_value", "money", "GrossPositionValue.", unit="base_currency"),
    _column("initial_margin", "money", "InitMarginReq.", unit="base_currency"),
    _column("maintenance_margin", "money", "MaintMarginReq.", unit="base_currency"),
    _column("cushion", "rate", "Excess liquidity over NAV.", unit="1"),
    _column("is_ready", "flag", "accountReady: false while the broker's server is resetting."),
    _column("extras", "json", "Every other account value as heard: {tag: {currency: text}}."),
    _column("cash_balance", "money", "Cash in this currency.", unit="currency"),
    _column("accrued_cash", "money", "Interest accrued in this currency.", unit="currency"),
    _column("stock_market_value", "money", "Market value of stocks.", unit="currency"),
    _column("option_market_value", "money", "Market value of options.", unit="currency"),
    _column("future_pnl", "money", "Futures profit and loss not yet settled.", unit="currency"),
    _column("exchange_rate", "rate", "Base currency per unit of currency.", unit="base_currency"),
    _column("unrealized_pnl_base", "money", "UnrealizedPnL of the account.", unit="base_currency"),
    _column("realized_pnl_base", "money", "RealizedPnL of the account.", unit="base_currency"),
    _column("net_liquidation_by_currency", "money", "NetLiquidationByCurrency.", unit="currency"),
    # Instruments and contracts.
    _column("con_id", "integer", "IBKR contract id; identifies an instrument for good."),
    _column("symbol", "text", "Symbol of the instrument, of its underlying for a derivative."),
    _column("local_symbol", "text", "Symbol at the exchange."),
    _column("security_type", "code", "Security type, such as STK or OPT."),
    _column("trading_class", "text", "Trading class."),
    _column("exchange", "code", "Venue or routing destination the row names."),
    _column("primary_exchange", "code", "Listing exchange."),
    _column("expiry", "date", "Last trade date of a derivative."),
    _column("expiry_code", "text", "Last trade date or contract month as the broker spells it."),
    _column("strike", "price", "Strike price; null where there is none.", unit="currency"),
    _column("right", "code", "C call, P put; null for anything but an option.", allowed=("C", "P")),
    _column("multiplier", "quantity", "Units of the underlying per contract.", unit="1"),
    _column("instrument_key", "code", "Our key of the instrument: `ibkr:{con_id}`."),
    # Portfolios and positions.
    _column("portfolio_id", "code", "Portfolio the account's rows are counted in."),
    _column("portfolio_name", "text", "Name of the portfolio."),
    _column("model_code", "code", "Advisor model; empty text where there is none."),
    _column("quantity", "quantity", "Signed: long is positive, short negative.", unit=_LOTS),
    _column(
        "avg_cost_raw",
        "money",
        "Average cost as the broker tells it; for options and futures it holds the multiplier.",
        unit="currency",
    ),
    _column("avg_price", "price", "Average cost per unit of the underlying.", unit="currency"),
    _column("market_price", "price", "Price the broker values the position with.", unit="currency"),
    _column("market_value", "money", "Signed market value.", unit="currency"),
    _column(
        "unrealized_pnl", "money", "Unrealized profit and loss, account window.", unit="currency"
    ),
    _column(
        "realized_pnl",
        "money",
        "Realized profit and loss; null where it does not apply (an opening fill).",
        unit="currency",
    ),
    # Orders.
    _column(
        "order_key",
        "code",
        "Identity of an order: `perm:…`, else `ref:…`, else `cid:client:order:epoch`.",
    ),
    _column("alias", "code", "Another name of the same order."),
    _column("connection_epoch", "code", "Connection within which an order id means one order."),
    _column("order_id", "integer", "Order id of the client; reused across sessions, no identity."),
    _column("client_id", "integer", "API client that placed the order; 0 for manual orders."),
    _column("perm_id", "integer", "Broker's permanent order id; null until it is given."),
    _column("parent_perm_id", "integer", "permId of the parent order."),
    _column("order_ref", "text", "Free text that lives with the order for life; our intent key."),
    _column("side", "code", "BUY or SELL.", allowed=_SIDES),
    _column("order_type", "code", "Order type as the broker spells it (MKT, LMT, …)."),
    _column("time_in_force", "code", "DAY, GTC, …"),
    _column("total_quantity", "quantity", "Quantity ordered, unsigned.", unit=_LOTS),
    _column("filled_quantity", "quantity", "Quantity filled, unsigned.", unit=_LOTS),
    _column("remaining_quantity", "quantity", "Quantity left, unsigned.", unit=_LOTS),
    _column("limit_price", "price", "Limit price.", unit="currency"),
    _column("stop_price", "price", "Stop or trailing amount (auxPrice).", unit="currency"),
    _column("avg_fill_price", "price", "Average price of the fills.", unit="currency"),
    _column("last_fill_price", "price", "Price of the last fill.", unit="currency"),
    _column(
        "status",
        "code",
        "Status as we understand it.",
        # What is gone follows from later reads: a view tells it, no row does.
        allowed=tuple(status.value for status in OrderStatus if status is not OrderStatus.GONE),
    ),
    _column("broker_status", "text", "Status in the broker's own word."),
    _column("is_open", "flag", "Whether the broker listed the order as open."),
    _column(
        "ended_after",
        "instant",
        "Last read that listed an order as open whose end was not read (status `gone`).",
        unit="UTC",
    ),
    _column(
        "ended_before",
        "instant",
        "First complete read after that which listed it no more: it ended between the two.",
        unit="UTC",
    ),
    _column("is_deactivated", "flag", "Listed as open, but deactivated: it cannot fill."),
    _column("completed_at", "instant", "When the order ended, if the broker says.", unit="UTC"),
    _column("completed_text", "text", "Why the order ended, in the broker's words."),
    _column("warning_text", "text", "Warning the broker attached to the order."),
    _column("why_held", "text", "Why the broker holds the order, such as `locate`."),
    _column("oca_group", "text", "One-cancels-all group."),
    _column("outside_rth", "flag", "Whether it may fill outside regular trading hours."),
    _column("event_seq", "integer", "Order of arrival within the request."),
    # Executions and commissions.
    _column(
        "fill_id",
        "code",
        "Identity of a fill through all its corrections: `exec:{root}`, for a booking without an "
        "execution id `flex:{transactionID}`.",
    ),
    _column(
        "revision",
        "integer",
        "Last segment of the exec id, 0 without one; a higher one corrects a lower one.",
    ),
    _column("exec_id", "code", "Execution id as the broker gave it, else the fill id."),
    _column("fill_quantity", "quantity", "Quantity of this fill, unsigned.", unit=_LOTS),
    _column(
        "signed_quantity", "quantity", "Quantity of this fill, negative when sold.", unit=_LOTS
    ),
    _column("price", "price", "Price of the fill, without commission.", unit="currency"),
    _column("cum_quantity", "quantity", "Quantity of the order filled so far.", unit=_LOTS),
    _column(
        "avg_order_price",
        "price",
        "Average price of the order so far, without commission.",
        unit="currency",
    ),
    _column("venue", "code", "Exchange the fill happened at."),
    _column("event_ts_text", "text", "Time of the fill exactly as the broker wrote it."),
    _column("is_liquidation", "flag", "Whether the broker liquidated the position."),
    _column("last_liquidity", "integer", "1 added, 2 removed, 3 routed out; null if not told."),
    _column("is_price_pending", "flag", "The broker may still revise the price."),
    _column("is_combo_parent", "flag", "Fill of a combo as a whole; its legs carry the quantity."),
    _column(
        "is_allocation_parent",
        "flag",
        "Fill of an advisor's master order; the allocations carry the quantity.",
    ),
    _column("ev_rule", "text", "Economic value rule."),
    _column("ev_multiplier", "rate", "Economic value multiplier.", unit="1"),
    _column("commission", "money", "Commission and fees; negative is a rebate.", unit="currency"),
    _column(
        "commission_status",
        "code",
        "Whether the commission has been told.",
        allowed=tuple(status.value for status in CommissionStatus),
    ),
    _column("bond_yield", "rate", "Yield of a bond fill.", unit="1"),
    _column("yield_redemption_date", "date", "Redemption date the yield is computed to."),
)

_EVERY = (*_ALL, *STATEMENT_COLUMNS)

COLUMNS: dict[str, Column] = {column.name: column for column in _EVERY}

if len(COLUMNS) != len(_EVERY):
    raise ValueError("The column dictionary names a column twice.")


def columns(*names: str, required: tuple[str, ...] = ()) -> tuple[Column, ...]:
    """Return the named columns in order; those in `required` may not be null.

    Raises:
        KeyError: If a name is not in the dictionary.
    """
    return tuple(COLUMNS[name].required() if name in required else COLUMNS[name] for name in names)
