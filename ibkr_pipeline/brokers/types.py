"""Rows in the broker-neutral vocabulary: thin views over typed frames.

What lives here: one record per kind of row, for code that reads a few rows by name. What must
not: the hot path, which stays in frames (`schemas/broker.py` is the contract), and anything a
vendor named. Amounts are `Decimal`, instants UTC, unknown is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Self


class _Row:
    """Builds a record from a mapping that may know more fields than the record."""

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """Return the record of one frame row; columns the record lacks are left out."""
        names = {item.name for item in fields(cls)}  # type: ignore[arg-type]  # always a dataclass
        return cls(**{name: value for name, value in row.items() if name in names})


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSnapshotData(_Row):
    """Balances of one account at the end of a read, in its base currency.

    `timestamp` is when the read ended. `raw` holds the payload rows as the broker told them.
    """

    account_id: str
    timestamp: datetime | None = None
    account_type: str | None = None
    account_role: str = "account"
    base_currency: str | None = None
    net_liquidation_value: Decimal | None = None
    total_cash: Decimal | None = None
    settled_cash: Decimal | None = None
    buying_power: Decimal | None = None
    available_funds: Decimal | None = None
    excess_liquidity: Decimal | None = None
    equity_with_loan_value: Decimal | None = None
    gross_position_value: Decimal | None = None
    initial_margin: Decimal | None = None
    maintenance_margin: Decimal | None = None
    cushion: Decimal | None = None
    unrealized_pnl_base: Decimal | None = None
    realized_pnl_base: Decimal | None = None
    is_ready: bool | None = None
    extras: str | None = None
    raw: tuple[Mapping[str, str | None], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionData(_Row):
    """One open position: signed quantity, average cost, market value where the source has it."""

    account_id: str
    con_id: int
    quantity: Decimal
    timestamp: datetime | None = None
    model_code: str = ""
    symbol: str | None = None
    local_symbol: str | None = None
    security_type: str | None = None
    trading_class: str | None = None
    exchange: str | None = None
    primary_exchange: str | None = None
    currency: str | None = None
    expiry: date | None = None
    expiry_code: str | None = None
    strike: Decimal | None = None
    right: str | None = None
    multiplier: Decimal | None = None
    avg_cost_raw: Decimal | None = None
    avg_price: Decimal | None = None
    market_price: Decimal | None = None
    market_value: Decimal | None = None
    unrealized_pnl: Decimal | None = None
    realized_pnl: Decimal | None = None
    raw: tuple[Mapping[str, str | None], ...] = field(default=(), repr=False)

    @property
    def avg_cost(self) -> Decimal | None:
        """Average cost as the broker tells it, multiplier included for derivatives."""
        return self.avg_cost_raw


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderData(_Row):
    """One order report. `order_id` is no identity; `perm_id` and `order_ref` are."""

    account_id: str
    status: str
    broker_status: str
    timestamp: datetime | None = None
    event_seq: int = 0
    order_id: int | None = None
    client_id: int | None = None
    perm_id: int | None = None
    parent_perm_id: int | None = None
    order_ref: str | None = None
    connection_epoch: str | None = None
    con_id: int | None = None
    symbol: str | None = None
    security_type: str | None = None
    currency: str | None = None
    exchange: str | None = None
    side: str | None = None
    order_type: str | None = None
    time_in_force: str | None = None
    total_quantity: Decimal | None = None
    filled_quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    is_open: bool = True
    is_deactivated: bool | None = None
    completed_at: datetime | None = None
    completed_text: str | None = None
    warning_text: str | None = None
    raw: tuple[Mapping[str, str | None], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionData(_Row):
    """One fill. A higher `revision` of the same `fill_id` replaces the lower one."""

    account_id: str
    exec_id: str
    fill_id: str
    revision: int
    con_id: int
    event_ts: datetime
    side: str
    fill_quantity: Decimal
    signed_quantity: Decimal
    price: Decimal
    event_seq: int = 0
    order_id: int | None = None
    client_id: int | None = None
    perm_id: int | None = None
    order_ref: str | None = None
    connection_epoch: str | None = None
    symbol: str | None = None
    security_type: str | None = None
    currency: str | None = None
    event_ts_text: str | None = None
    cum_quantity: Decimal | None = None
    avg_order_price: Decimal | None = None
    venue: str | None = None
    commission: Decimal | None = None
    commission_currency: str | None = None
    realized_pnl: Decimal | None = None
    raw: tuple[Mapping[str, str | None], ...] = field(default=(), repr=False)

    @property
    def timestamp(self) -> datetime:
        """When the fill happened."""
        return self.event_ts


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionEventData(_Row):
    """One exercise, assignment, expiration or cash settlement of an option.

    `signed_quantity` is the change of the option position: positive where a short position ended.
    Statements date events and mostly time none; `event_ts` is None where they do not.
    """

    account_id: str
    con_id: int
    event_type: str
    event_date: date
    signed_quantity: Decimal
    event_seq: int = 0
    event_ts: datetime | None = None
    symbol: str | None = None
    security_type: str | None = None
    currency: str | None = None
    underlying_con_id: int | None = None
    underlying_symbol: str | None = None
    multiplier: Decimal | None = None
    strike: Decimal | None = None
    expiry: date | None = None
    right: str | None = None
    price: Decimal | None = None
    proceeds: Decimal | None = None
    realized_pnl: Decimal | None = None
    trade_id: str | None = None
    transaction_id: str | None = None
    raw: tuple[Mapping[str, str | None], ...] = field(default=(), repr=False)

    @property
    def timestamp(self) -> datetime | None:
        """When it happened, where the statement tells."""
        return self.event_ts
