"""Which delivery belongs to which option event: one to one, or to none.

What lives here: the matching, for rows of one source. What must not: where the rows come from.

A delivery without an id shared with its option is matched by day, underlying, side, price and
quantity. Where several events would fit and not each of them has its own delivery, none is
chosen: the delivery is left over and reported, never guessed. An option whose deliverable was
adjusted does not fit either.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from ibkr_pipeline.primitives.enums import EventLeg, OptionEventType

Row = dict[str, Any]


def event_id(con_id: int, event_date: date, event_type: str) -> str:
    """Return the identity of an option event in its account."""
    return f"{con_id}:{event_date:%Y%m%d}:{event_type}"


def link_deliveries(rows: Sequence[Row]) -> None:
    """Write the event and the option of each delivery that can be matched into its row.

    An option's row without a type becomes an assignment (short) or exercise (long) when it is
    matched. Rows need leg, event_date, con_id, signed_quantity, price, event_type and the terms
    of the contract; those of deliveries that name their event already count as matched.
    """
    options = [row for row in rows if row["leg"] == EventLeg.OPTION.value]
    deliveries = [
        row for row in rows if row["leg"] == EventLeg.DELIVERY.value and not row["option_event_id"]
    ]
    taken = {
        row["option_event_id"]
        for row in rows
        if row["leg"] == EventLeg.DELIVERY.value and row["option_event_id"]
    }
    waiting = [row for row in deliveries if not _by_action(row, options)]
    bookings = _bookings([row for row in options if _may_deliver(row, deliveries, taken)])
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in waiting:
        groups.setdefault(_terms_of_delivery(row), []).append(row)
    for _, group in sorted(groups.items(), key=lambda item: str(item[0])):
        fitting = [booking for booking in bookings if _fits(booking, group[0])]
        _match(group, fitting)


def _by_action(delivery: Row, options: Sequence[Row]) -> bool:
    """Match by positionActionID, which both legs of a booking carry."""
    action = delivery.get("position_action_id")
    same = [row for row in options if action and row.get("position_action_id") == action]
    if not same:
        return False
    _name(delivery, same[0])
    for option in same[1:]:
        _type(option)
    return True


def _may_deliver(option: Row, deliveries: Sequence[Row], taken: set[str]) -> bool:
    if option["event_type"] == OptionEventType.EXPIRATION.value:
        return False
    used = {row["option_event_id"] for row in deliveries if row["option_event_id"]} | taken
    return option["option_event_id"] is None or option["option_event_id"] not in used


def _bookings(options: Sequence[Row]) -> list[list[Row]]:
    """Return the options' rows by contract, day and type: one event each."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in options:
        key = (row["con_id"], row["event_date"], row["event_type"] or row["signed_quantity"] > 0)
        groups.setdefault(key, []).append(row)
    return [groups[key] for key in sorted(groups, key=str)]


def _terms_of_delivery(row: Row) -> tuple[Any, ...]:
    sold = row["signed_quantity"] < 0
    return row["event_date"], row["con_id"], row["symbol"], row["price"], sold


def _fits(booking: Sequence[Row], delivery: Row) -> bool:
    """Say whether day, underlying, price and side of a delivery are those of an option."""
    option = booking[0]
    if option["event_date"] != delivery["event_date"]:
        return False
    return (
        _same_underlying(option, delivery)
        and (
            option["strike"] is None
            or delivery["price"] is None
            or option["strike"] == delivery["price"]
        )
        and _same_side(option, delivery)
    )


def _same_underlying(option: Row, delivery: Row) -> bool:
    if option.get("underlying_con_id"):
        return bool(option["underlying_con_id"] == delivery["con_id"])
    symbol = option.get("underlying_symbol") or (option["symbol"] or "").split(" ")[0]
    if delivery["security_type"] == "FUT":
        return True
    return bool(symbol == delivery["symbol"])


def _same_side(option: Row, delivery: Row) -> bool:
    """Say whether the delivery goes the way the option says; True where it does not say.

    A call that leaves a long position brings the underlying, one that leaves a short position
    takes it; a put does the opposite.
    """
    right = option.get("right") or option.get("sub_category")
    if right not in ("C", "P"):
        return True
    option_closes_long = option["signed_quantity"] < 0
    receives = delivery["signed_quantity"] > 0
    return bool((option_closes_long == receives) == (right == "C"))


def _match(deliveries: Sequence[Row], bookings: Sequence[Sequence[Row]]) -> None:
    """Give deliveries of the same terms to the events they fit, one to one."""
    left = list(bookings)
    for delivery in sorted(deliveries, key=lambda row: -abs(row["signed_quantity"])):
        exact = [booking for booking in left if _deliverable(booking) == _amount(delivery)]
        same = [row for row in deliveries if _amount(row) == _amount(delivery)]
        if exact and len(exact) <= len(same):
            _name_all(delivery, exact[0])
            left = [booking for booking in left if booking is not exact[0]]
    if len(bookings) == 1 and len(left) == 1:
        parts = [row for row in deliveries if not row["option_event_id"]]
        if sum((_amount(row) for row in parts), Decimal(0)) == _deliverable(left[0]):
            for row in parts:
                _name_all(row, left[0])


def _deliverable(booking: Sequence[Row]) -> Decimal | None:
    """Return how much of the underlying the options stand for; None where it is not told.

    A future's option delivers one future, whatever the multiplier of both.
    """
    option = booking[0]
    contracts = abs(sum((Decimal(row["signed_quantity"]) for row in booking), Decimal(0)))
    if option["security_type"] in ("FOP", "FSFOP"):
        return contracts
    return None if option["multiplier"] is None else contracts * Decimal(option["multiplier"])


def _amount(delivery: Row) -> Decimal:
    return abs(Decimal(delivery["signed_quantity"]))


def _name_all(delivery: Row, booking: Sequence[Row]) -> None:
    for option in booking:
        _type(option)
    _name(delivery, booking[0])


def _name(delivery: Row, option: Row) -> None:
    _type(option)
    delivery["option_event_id"] = option["option_event_id"]
    delivery["option_con_id"] = option["con_id"]
    delivery["event_type"] = option["event_type"]


def _type(option: Row) -> None:
    if option["event_type"] is None:
        is_short = option["signed_quantity"] > 0
        kind = OptionEventType.ASSIGNMENT if is_short else OptionEventType.EXERCISE
        option["event_type"] = kind.value
    if option["option_event_id"] is None:
        option["option_event_id"] = event_id(
            option["con_id"], option["event_date"], option["event_type"]
        )
