"""Orders, open and completed, and the status messages beside them.

Source: TWS messages 5 (openOrder), 101 (completedOrder) and 3 (orderStatus). A completed order
comes without order id, client id and fills, and with quantity 0; its filled quantity is told. A
working order is told without its filled quantity: the last status message has it. Statuses come
from IBKR's words alone, never from an error code.
"""

from __future__ import annotations

import polars as pl

from ibkr_pipeline.brokers.exceptions import OrderDataError
from ibkr_pipeline.brokers.ibkr.mappers import contracts
from ibkr_pipeline.brokers.ibkr.mappers.executions import order_ids
from ibkr_pipeline.brokers.ibkr.mappers.times import Zones, instants
from ibkr_pipeline.brokers.ibkr.mappers.values import Texts, texts_of, typed
from ibkr_pipeline.brokers.read import Frames
from ibkr_pipeline.models.requests import Payload, RequestProof
from ibkr_pipeline.primitives.enums import OrderStatus
from ibkr_pipeline.schemas.broker import ORDER_STATUSES, ORDERS

#: IBKR's status word -> ours.
STATUS_WORDS: dict[str, OrderStatus] = {
    "ApiPending": OrderStatus.PENDING_SUBMIT,
    "PendingSubmit": OrderStatus.PENDING_SUBMIT,
    "PreSubmitted": OrderStatus.PRESUBMITTED,
    "Submitted": OrderStatus.SUBMITTED,
    "PendingCancel": OrderStatus.PENDING_CANCEL,
    "PreCancelled": OrderStatus.PENDING_CANCEL,
    "Cancelled": OrderStatus.CANCELLED,
    "ApiCancelled": OrderStatus.CANCELLED,
    "Filled": OrderStatus.FILLED,
    "Inactive": OrderStatus.INACTIVE,
    "Rejected": OrderStatus.REJECTED,
    "Expired": OrderStatus.EXPIRED,
}
_OVER = ("filled", "cancelled", "rejected", "expired")
#: Order types that always have a limit; spreads are worked at 0 and below. With every other type
#: TWS writes 0.0 for "none", also for the optional cap of relative and midprice orders.
LIMIT_TYPES = (
    "LMT", "LOC", "LOO", "LIT", "STP LMT", "TRAIL LIMIT", "TRAIL LIT", "LMT + MKT", "REL + LMT",
)  # fmt: skip
#: Order types that always have a stop or trigger price. A trailing amount of 0 is none: such an
#: order trails by percent; an offset of 0 is no price.
STOP_TYPES = ("STP", "STP LMT", "STP PRT", "MIT", "LIT")

_ORDER = (
    *contracts.FIELDS, "exchange", "primaryExchange", "orderId", "clientId", "permId",
    "parentPermId", "orderRef", "action", "orderType", "tif", "totalQuantity", "filledQuantity",
    "lmtPrice", "auxPrice", "status", "completedTime", "completedStatus", "warningText",
    "ocaGroup", "outsideRth", "modelCode",
)  # fmt: skip
_STATUS = (
    "orderId", "status", "filled", "remaining", "avgFillPrice", "permId", "parentId",
    "lastFillPrice", "clientId", "whyHeld", "orderRef",
)  # fmt: skip
_SIDES = {"BUY": "BUY", "SELL": "SELL", "SSHORT": "SELL", "SLONG": "SELL"}


def map_orders(payload: Payload, proof: RequestProof) -> Frames:
    """Return `broker.orders` and `broker.order_statuses`, one row per message.

    Raises:
        OrderDataError: If a field holds what cannot be right.
    """
    statuses = _statuses(payload, proof)
    opened = _orders(payload, proof, "openOrder", is_open=True)
    completed = _orders(payload, proof, "completedOrder", is_open=False)
    orders = _with_fills(pl.concat([opened, completed]), statuses)
    return {
        ORDERS.name: orders.sort("event_seq", "account_id"),
        ORDER_STATUSES.name: statuses,
    }


def unknown_status_words(payload: Payload) -> tuple[str, ...]:
    """Return the status words of a payload that `STATUS_WORDS` lacks."""
    words = {
        word
        for name in ("openOrder", "completedOrder", "orderStatus")
        for word in texts_of(payload, name, ("status",))["status"].unique()
    }
    return tuple(sorted(word for word in words if word and word not in STATUS_WORDS))


def _orders(payload: Payload, proof: RequestProof, name: str, *, is_open: bool) -> pl.DataFrame:
    texts = Texts(
        record=name, frame=texts_of(payload, name, _ORDER), error=OrderDataError, identity="permId"
    )
    status = _status_of(texts)
    total, filled = texts.decimal("totalQuantity"), texts.decimal("filledQuantity")
    parent = texts.integer("parentPermId")
    listed = ~status.is_in(_OVER) if is_open else _flags(False, texts)
    side = texts.frame["action"].replace_strict(_SIDES, default=None, return_dtype=pl.String)
    texts.require("action", side.is_not_null(), "expected BUY or SELL")
    columns = {
        "account_id": texts.frame["account"],
        "event_seq": texts.frame["seq"],
        **order_ids(texts),
        "parent_perm_id": parent.set(parent == 0, None),
        "connection_epoch": pl.Series([proof.connection_epoch] * len(status), dtype=pl.String),
        **contracts.contract_columns(texts),
        "exchange": texts.text("exchange"),
        "primary_exchange": texts.text("primaryExchange"),
        "side": side,
        "order_type": texts.text("orderType"),
        "time_in_force": texts.text("tif"),
        # A completed order of quantity 0 is one whose quantity was not told.
        "total_quantity": total if is_open else total.set(total == 0, None),
        "filled_quantity": filled,
        "limit_price": _price(texts, "lmtPrice", LIMIT_TYPES),
        "stop_price": _price(texts, "auxPrice", STOP_TYPES),
        "status": status,
        "broker_status": texts.frame["status"],
        "is_open": listed,
        "is_deactivated": status == OrderStatus.INACTIVE if is_open else _flags(False, texts),
        "completed_at": instants(texts, "completedTime", Zones.of(proof)),
        "completed_text": _trimmed(texts, "completedStatus"),
        "warning_text": _trimmed(texts, "warningText"),
        "oca_group": texts.text("ocaGroup"),
        "outside_rth": texts.flag("outsideRth"),
        "model_code": texts.frame["modelCode"].fill_null(""),
    }
    return typed(columns, ORDERS.schema)


def _price(texts: Texts, field: str, types: tuple[str, ...]) -> pl.Series:
    """Return a price; 0 is one only where the order type has such a price, else it is null."""
    price = texts.decimal(field)
    has_one = texts.cleaned("orderType").is_in(types).fill_null(value=False)
    return price.set((price == 0).fill_null(value=False) & ~has_one, None)


def _statuses(payload: Payload, proof: RequestProof) -> pl.DataFrame:
    texts = Texts(
        record="orderStatus",
        frame=texts_of(payload, "orderStatus", _STATUS),
        error=OrderDataError,
        identity="permId",
    )
    status = _status_of(texts)
    columns = {
        "account_id": texts.frame["account"],
        "event_seq": texts.frame["seq"],
        **order_ids(texts),
        "connection_epoch": pl.Series([proof.connection_epoch] * len(status), dtype=pl.String),
        "status": status,
        "broker_status": texts.frame["status"],
        "filled_quantity": texts.decimal("filled"),
        "remaining_quantity": texts.decimal("remaining"),
        "avg_fill_price": texts.decimal("avgFillPrice"),
        "last_fill_price": texts.decimal("lastFillPrice"),
        "why_held": texts.text("whyHeld"),
    }
    frame = typed(columns, ORDER_STATUSES.schema)
    return frame.sort("event_seq", "account_id")


def _with_fills(orders: pl.DataFrame, statuses: pl.DataFrame) -> pl.DataFrame:
    """Take the filled quantity from the last status of the order where its own is not told."""
    last = statuses.sort("event_seq").filter(pl.col("filled_quantity").is_not_null())
    by_perm = last.filter(pl.col("perm_id").is_not_null()).unique(
        ["account_id", "perm_id"], keep="last"
    )
    by_order = last.filter(pl.col("perm_id").is_null() & pl.col("order_id").is_not_null()).unique(
        ["account_id", "client_id", "order_id"], keep="last"
    )
    return (
        orders.join(
            by_perm.select("account_id", "perm_id", by_perm="filled_quantity"),
            on=["account_id", "perm_id"],
            how="left",
            validate="m:1",
        )
        .join(
            by_order.select("account_id", "client_id", "order_id", by_order="filled_quantity"),
            on=["account_id", "client_id", "order_id"],
            how="left",
            validate="m:1",
        )
        .with_columns(filled_quantity=pl.coalesce("filled_quantity", "by_perm", "by_order"))
        .select(list(ORDERS.schema))
    )


def _status_of(texts: Texts) -> pl.Series:
    words = {word: status.value for word, status in STATUS_WORDS.items()}
    status = texts.frame["status"].replace_strict(
        words, default=OrderStatus.UNKNOWN.value, return_dtype=pl.String
    )
    return status.alias("status")


def _flags(value: bool, texts: Texts) -> pl.Series:  # noqa: FBT001  # a value, no switch
    return pl.Series([value] * len(texts.frame), dtype=pl.Boolean)


def _trimmed(texts: Texts, field: str) -> pl.Series:
    return texts.frame[field].str.strip_chars().replace("", None)
