"""The records the simulated book is made of: orders, fills and the events a change causes.

What lives here: immutable records and closed sets. What must not: rules and wire layouts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from ibkr_pipeline.simulator.instruments import ContractQuery, Instrument

ZERO = Decimal(0)


class OrderStatus(StrEnum):
    """Order states as the gateway spells them."""

    PRE_SUBMITTED = "PreSubmitted"
    SUBMITTED = "Submitted"
    PENDING_CANCEL = "PendingCancel"
    CANCELLED = "Cancelled"
    FILLED = "Filled"
    INACTIVE = "Inactive"

    @property
    def is_final(self) -> bool:
        """Tell whether an order in this state can no longer trade."""
        return self in (OrderStatus.CANCELLED, OrderStatus.FILLED, OrderStatus.INACTIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTicket:
    """An order as a client asks for it, before the broker has looked at it."""

    client_id: int
    order_id: int
    contract: ContractQuery
    action: str
    quantity: Decimal
    order_type: str
    limit_price: Decimal | None = None
    aux_price: Decimal | None = None
    tif: str = "DAY"
    account: str = ""
    order_ref: str = ""
    outside_rth: bool = False
    transmit: bool = True
    what_if: bool = False
    parent_id: int = 0
    oca_group: str = ""
    hidden: bool = False
    fa_group: str = ""
    conditions: int = 0
    algo_strategy: str = ""
    good_till_date: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order the broker accepted (or rejected with a permanent id).

    `quantity` and `filled` are positive; `action` is BUY or SELL. `avg_price` is the average
    fill price, excluding commission and multiplier; 0 before the first fill.
    """

    perm_id: int
    order_id: int
    client_id: int
    account: str
    instrument: Instrument
    action: str
    quantity: Decimal
    order_type: str
    tif: str
    status: OrderStatus
    submitted_at: datetime
    limit_price: Decimal | None = None
    order_ref: str = ""
    outside_rth: bool = False
    hidden: bool = False
    fa_group: str = ""
    filled: Decimal = ZERO
    avg_price: Decimal = ZERO
    last_price: Decimal = ZERO
    commission: Decimal | None = None
    commission_currency: str = ""
    completed_at: datetime | None = None
    completed_status: str = ""

    @property
    def remaining(self) -> Decimal:
        """Quantity still to be filled; 0 once the order is final by fill."""
        return self.quantity - self.filled


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution, or one revision of it.

    `exec_id` is `root.NN`; a higher NN corrects the earlier one. `realized_pnl` is None for an
    opening trade. `books` is False for an advisor's block execution, which is only a report: the
    allocations carry the position and the money.
    """

    exec_id: str
    perm_id: int
    order_id: int
    client_id: int
    account: str
    instrument: Instrument
    action: str
    quantity: Decimal
    price: Decimal
    exchange: str
    executed_at: datetime
    cum_quantity: Decimal
    avg_price: Decimal
    commission: Decimal
    commission_currency: str
    realized_pnl: Decimal | None
    order_ref: str = ""
    liquidity: int = 2
    books: bool = True

    @property
    def signed_quantity(self) -> Decimal:
        """Quantity with the sign of the position change."""
        return self.quantity if self.action == "BUY" else -self.quantity

    @property
    def root(self) -> str:
        """The execution id without its revision."""
        return self.exec_id.rpartition(".")[0]


@dataclass(frozen=True, slots=True)
class OrderOpened:
    """The gateway describes an order (openOrder)."""

    order: Order


@dataclass(frozen=True, slots=True)
class StatusChanged:
    """The gateway tells an order's state (orderStatus)."""

    order: Order


@dataclass(frozen=True, slots=True)
class Executed:
    """A fill happened (execDetails, unsolicited)."""

    fill: Fill


@dataclass(frozen=True, slots=True)
class Commissioned:
    """The commission of a fill is known (commissionReport)."""

    fill: Fill


@dataclass(frozen=True, slots=True)
class Refused:
    """The broker answers an order request with an error."""

    client_id: int
    order_id: int
    code: int
    text: str


Event = OrderOpened | StatusChanged | Executed | Commissioned | Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountOpening:
    """What an account holds when the scenario starts.

    Attributes:
        cash: Cash per currency.
        positions: Signed quantity and average price (without multiplier) per instrument.
    """

    account: str
    account_type: str = "INDIVIDUAL"
    cash: dict[str, Decimal] = field(default_factory=dict)
    positions: tuple[tuple[Instrument, Decimal, Decimal], ...] = ()
