"""Which orders the simulated broker refuses, and in the gateway's own words.

What lives here: pure checks that return an error code and text, or nothing. What must not: any
change to the book.
"""

from __future__ import annotations

from decimal import Decimal

from ibkr_pipeline.simulator.instruments import Instrument
from ibkr_pipeline.simulator.prices import is_on_tick
from ibkr_pipeline.simulator.records import Order, OrderStatus, OrderTicket

Refusal = tuple[int, str]

NO_SECURITY: Refusal = (200, "No security definition has been found for the request")
DUPLICATE_ID: Refusal = (103, "Duplicate order id")
MODIFY_FILLED: Refusal = (104, "Cannot modify a filled order.")
MODIFY_MISMATCH: Refusal = (105, "Order being modified does not match original order.")
BAD_TICK: Refusal = (
    110,
    "The price does not conform to the minimum price variation for this contract.",
)
NO_ACCOUNT: Refusal = (435, "You must specify an account.")
INDEX: Refusal = (201, "Order rejected - reason:Trading of an index is not possible")
BAD_ACCOUNT: Refusal = (201, "Order rejected - reason:Invalid account number")

# Order types a gateway knows but this market does not trade.
_KNOWN_TYPES = frozenset(
    {
        *("STP", "STP LMT", "STP PRT", "TRAIL", "TRAIL LIMIT", "MIT", "LIT", "MTL", "MKT PRT"),
        *("MOC", "LOC", "MOO", "LOO", "REL", "MIDPRICE", "VOL", "BOX TOP"),
        *("PEG MKT", "PEG MID", "PEG BEST", "PEG BENCH", "PEG STK"),
        *("SNAP MKT", "SNAP MID", "SNAP PRIM"),
    }
)
_KNOWN_TIFS = frozenset({"IOC", "FOK", "GTD", "OPG", "DTC", "AUC", "GTX"})


def refuse_new_order(ticket: OrderTicket, instrument: Instrument) -> Refusal | None:
    """Return why a well-addressed new order is refused, or None."""
    if instrument.sec_type == "IND":
        return INDEX
    return (
        _refuse_feature(ticket)
        or _refuse_type(ticket)
        or _refuse_tif(ticket)
        or _refuse_numbers(ticket, instrument)
    )


def refuse_modification(ticket: OrderTicket, order: Order) -> Refusal | None:
    """Return why a change of an existing order is refused, or None.

    An id that belonged to a cancelled or rejected order cannot be used again (103).
    """
    if order.status is OrderStatus.FILLED:
        return MODIFY_FILLED
    if order.status.is_final:
        return DUPLICATE_ID
    same_account = ticket.account in ("", order.account)
    if ticket.action != order.action or not same_account:
        return MODIFY_MISMATCH
    if ticket.quantity < order.filled:
        return MODIFY_MISMATCH
    return refuse_new_order(ticket, order.instrument)


def refuse_cancel(order: Order | None, order_id: int) -> Refusal | None:
    """Return why a cancel request is refused, or None."""
    if order is None:
        return 10147, f"OrderId {order_id} that needs to be cancelled is not found."
    if order.status is OrderStatus.INACTIVE:
        return (
            161,
            "Cancel attempted when order is not in a cancellable state.  "
            f"Order permId ={order.perm_id}",
        )
    if order.status.is_final:
        return (
            10148,
            f"OrderId {order_id} that needs to be cancelled cannot be cancelled, "
            f"state: {order.status.value}.",
        )
    return None


def reject_for_margin(required: Decimal, equity: Decimal, currency: str) -> Refusal:
    """Return the rejection of an order the account cannot carry."""
    return (
        201,
        "Order rejected - reason:YOUR ORDER IS NOT ACCEPTED. IN ORDER TO OBTAIN THE DESIRED "
        f"POSITION YOUR EQUITY WITH LOAN VALUE [{equity} {currency}] MUST EXCEED THE INITIAL "
        f"MARGIN [{required} {currency}]",
    )


def _refuse_feature(ticket: OrderTicket) -> Refusal | None:
    unsupported = (
        (ticket.what_if, "What-if orders are not supported"),
        (bool(ticket.oca_group), "OCA groups are not supported"),
        (bool(ticket.parent_id), "Attached orders are not supported"),
        (bool(ticket.conditions), "Conditional orders are not supported"),
        (bool(ticket.algo_strategy), "Algo orders are not supported"),
    )
    for present, reason in unsupported:
        if present:
            return 201, f"Order rejected - reason:{reason}"
    return None


def _refuse_type(ticket: OrderTicket) -> Refusal | None:
    if ticket.order_type in ("MKT", "LMT"):
        return None
    if ticket.order_type in _KNOWN_TYPES:
        return 387, "Unsupported order type for this exchange and security type."
    return 321, "Error validating request.-'bF' : cause - Invalid order type was entered"


def _refuse_tif(ticket: OrderTicket) -> Refusal | None:
    if ticket.tif in ("DAY", "GTC", ""):
        return None
    if ticket.tif in _KNOWN_TIFS:
        return 201, (
            f"Order rejected - reason:The time-in-force {ticket.tif} is invalid for this "
            "combination of exchange and security type."
        )
    return 321, "Error validating request.-'bF' : cause - Invalid time in force"


def _refuse_numbers(ticket: OrderTicket, instrument: Instrument) -> Refusal | None:
    if ticket.action not in ("BUY", "SELL"):
        return 321, "Error validating request.-'bF' : cause - Invalid order side was entered"
    if ticket.quantity <= 0:
        return 160, "The size value cannot be zero."
    whole = ticket.quantity == ticket.quantity.to_integral_value()
    if not whole and instrument.sec_type not in ("STK", "CASH"):
        return 10243, "Fractional-sized order cannot be placed via API."
    return None if ticket.order_type == "MKT" else _refuse_limit(ticket, instrument)


def _refuse_limit(ticket: OrderTicket, instrument: Instrument) -> Refusal | None:
    if ticket.limit_price is None or ticket.limit_price <= 0:
        return 321, "Error validating request.-'bF' : cause - Limit price is required"
    return None if is_on_tick(ticket.limit_price, instrument.min_tick) else BAD_TICK
