"""Orders in the book: acceptance, matching, modification, cancellation, the session roll."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest

from ibkr_pipeline.simulator.gateway.simulator import Simulator
from ibkr_pipeline.simulator.instruments import ContractQuery
from ibkr_pipeline.simulator.records import (
    Commissioned,
    Event,
    Executed,
    OrderOpened,
    OrderStatus,
    OrderTicket,
    Refused,
    StatusChanged,
)
from ibkr_pipeline.simulator.rollover import advance, advance_session

Build = Callable[..., Simulator]
Ticket = Callable[..., OrderTicket]


def story(events: list[Event]) -> list[str]:
    """Tell events in short: what kind, and the order's state or the error code."""
    lines: list[str] = []
    for event in events:
        if isinstance(event, OrderOpened):
            lines.append(f"open {event.order.status.value}")
        elif isinstance(event, StatusChanged):
            lines.append(f"status {event.order.status.value}")
        elif isinstance(event, Refused):
            lines.append(f"error {event.code}")
        elif isinstance(event, Executed):
            lines.append(f"exec {event.fill.quantity}")
        elif isinstance(event, Commissioned):
            lines.append("commission")
    return lines


def test_a_market_order_tells_its_life_in_the_order_gateways_do(
    simulator: Build, ticket: Ticket
) -> None:
    """Clients are written against this order of messages, the repeated openOrder included."""
    book = simulator().book

    events = book.place(ticket())

    assert story(events) == [
        "open PreSubmitted",
        "status PreSubmitted",
        "exec 10",
        "open Filled",
        "status Filled",
        "open Filled",
        "commission",
    ]
    opened = [e.order for e in events if isinstance(e, OrderOpened)]
    assert [o.commission for o in opened] == [None, None, Decimal("1.00")]


def test_a_limit_order_rests_until_the_price_reaches_it(simulator: Build, ticket: Ticket) -> None:
    """A limit below the market becomes Submitted, then trades at the market's price."""
    book = simulator().book
    apple = book.market.catalogue.named("AAPL")

    resting = story(book.place(ticket(limit_price=Decimal("230.00"))))
    untouched = story(book.set_price(apple, Decimal("230.01")))
    filled = book.set_price(apple, Decimal("229.50"))

    assert resting == [
        "open PreSubmitted",
        "status PreSubmitted",
        "open Submitted",
        "status Submitted",
    ]
    assert untouched == []
    assert [e.fill.price for e in filled if isinstance(e, Executed)] == [Decimal("229.50")]


def test_liquidity_splits_an_order_into_partial_fills(simulator: Build, ticket: Ticket) -> None:
    """25 wanted, slices of 10, 20 to be had: two fills, then the rest waits."""
    built = simulator(liquidity={"slice_quantity": 10, "available_quantity": 20})
    apple = built.book.market.catalogue.named("AAPL")

    first = built.book.place(ticket(quantity=Decimal(25)))
    order = next(iter(built.book.orders.values()))
    rest = built.book.set_price(apple, Decimal("232.50"))

    assert story(first)[2:] == [
        *("exec 10", "open Submitted", "status Submitted", "commission"),
        *("exec 10", "open Submitted", "status Submitted", "commission"),
    ]
    assert (order.filled, order.remaining) == (Decimal(20), Decimal(5))
    assert story(rest)[0] == "exec 5"
    done = built.book.orders[order.perm_id]
    # (20 x 231.50 + 5 x 232.50) / 25 = 231.70
    assert (done.status, done.avg_price) == (OrderStatus.FILLED, Decimal("231.70"))
    assert [f.cum_quantity for f in built.book.register.fills_of(order.perm_id)] == [10, 20, 25]


def test_the_same_client_modifies_by_placing_the_id_again(simulator: Build, ticket: Ticket) -> None:
    """The permanent id stays; a better limit trades at once."""
    book = simulator().book
    book.place(ticket(limit_price=Decimal("200.00")))
    before = next(iter(book.orders.values()))

    events = book.place(ticket(limit_price=Decimal("240.00")))

    assert story(events)[:3] == ["open Submitted", "status Submitted", "exec 10"]
    assert list(book.orders) == [before.perm_id]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"contract": ContractQuery(symbol="NOPE", sec_type="STK")}, 200),
        ({"contract": ContractQuery(symbol="SPY")}, 200),
        ({"limit_price": Decimal("231.505")}, 110),
        ({"quantity": Decimal(0)}, 160),
        ({"account": "DU9999999"}, 201),
        ({"order_type": "STP"}, 387),
        ({"order_type": "FEELINGS"}, 321),
        ({"tif": "IOC"}, 201),
        ({"action": "HOLD"}, 321),
        ({"what_if": True}, 201),
        ({"oca_group": "g"}, 201),
        ({"parent_id": 7}, 201),
        ({"quantity": Decimal(5000)}, 201),
    ],
    ids=lambda value: str(value)[:40],
)
def test_the_broker_refuses_with_its_own_codes(
    simulator: Build, ticket: Ticket, changes: dict[str, object], code: int
) -> None:
    """What is not supported or not allowed is refused, never quietly done differently."""
    book = simulator().book

    events = book.place(ticket(**changes))

    assert story(events)[-1] == f"error {code}"
    assert book.fills == []
    assert book.open_orders() == []


def test_an_account_is_demanded_when_there_are_several(simulator: Build, ticket: Ticket) -> None:
    """With two accounts an order without one is refused with 435; with one it is taken."""
    accounts = [{"account": "DU0000001", "cash": {"USD": 9}}, {"account": "DU0000002"}]

    two = simulator(accounts=accounts).book.place(ticket(account=""))
    one = simulator().book.place(ticket(account=""))

    assert story(two) == ["error 435"]
    assert story(one)[-1] == "commission"


def test_ids_are_not_used_twice(simulator: Build, ticket: Ticket) -> None:
    """Filled: 104; cancelled: 103; lower than one already used: 103; another side: 105."""
    book = simulator().book
    book.place(ticket(5))
    book.place(ticket(6, limit_price=Decimal(100)))
    book.place(ticket(7, limit_price=Decimal(100)))
    book.cancel(1, 6)

    assert story(book.place(ticket(5))) == ["error 104"]
    assert story(book.place(ticket(6, limit_price=Decimal(100)))) == ["error 103"]
    assert story(book.place(ticket(4))) == ["error 103"]
    assert story(book.place(ticket(7, limit_price=Decimal(100), action="SELL"))) == ["error 105"]
    other = ContractQuery(symbol="MSFT", sec_type="STK")
    assert story(book.place(ticket(7, limit_price=Decimal(100), contract=other))) == ["error 105"]
    assert [o.order_id for o in book.open_orders()] == [7]


def test_ids_belong_to_the_client_that_used_them(simulator: Build, ticket: Ticket) -> None:
    """Another client's id names another order; cancelling a foreign id finds nothing."""
    book = simulator().book
    book.place(ticket(9, limit_price=Decimal(100)))

    foreign_cancel = story(book.cancel(2, 9))
    second = story(book.place(ticket(9, limit_price=Decimal(100), client_id=2)))

    assert foreign_cancel == ["error 10147"]
    assert second[-1] == "status Submitted"
    assert len(book.open_orders()) == 2


def test_cancelling_tells_pending_cancelled_and_202(simulator: Build, ticket: Ticket) -> None:
    """Afterwards the order is final: a second cancel is 10148, of a rejected order 161."""
    book = simulator().book
    book.place(ticket(1, limit_price=Decimal(100)))
    book.place(ticket(2, quantity=Decimal(5000)))

    assert story(book.cancel(1, 1)) == ["status PendingCancel", "status Cancelled", "error 202"]
    assert story(book.cancel(1, 1)) == ["error 10148"]
    assert story(book.cancel(1, 2)) == ["error 161"]
    assert story(book.cancel(1, 3)) == ["error 10147"]


def test_global_cancel_reaches_every_client(simulator: Build, ticket: Ticket) -> None:
    """It ends every working order, whoever placed it, manual ones included."""
    book = simulator().book
    book.place(ticket(1, limit_price=Decimal(100)))
    book.place(ticket(1, limit_price=Decimal(100), client_id=2))
    book.place_manual(ticket(0, limit_price=Decimal(100)))

    book.cancel_all()

    assert book.open_orders() == []
    assert len(book.completed_orders()) == 3


def test_an_order_not_transmitted_is_not_answered(simulator: Build, ticket: Ticket) -> None:
    """It stays with the client until it is sent again to be transmitted."""
    book = simulator().book

    held = book.place(ticket(transmit=False))
    sent = book.place(ticket())

    assert held == []
    assert story(sent)[-1] == "commission"


def test_the_next_session_clears_the_day_and_keeps_gtc(simulator: Build, ticket: Ticket) -> None:
    """Fills are in the positions, not in the executions; DAY orders are gone, GTC remain."""
    book = simulator().book
    book.place(ticket(1))
    book.place(ticket(2, limit_price=Decimal(100)))
    book.place(ticket(3, limit_price=Decimal(100), tif="GTC"))
    value = book.value("DU0000001")

    events = advance_session(book)

    assert book.market.clock.today() == date(2026, 11, 19)
    assert story(events) == ["status Cancelled", "error 202"]
    assert (book.todays_fills(), book.completed_orders()) == ([], [])
    assert [o.order_id for o in book.open_orders()] == [3]
    after = book.value("DU0000001")
    assert [p.quantity for p in after.positions] == [10]
    assert (after.base.cash, after.base.realized) == (value.base.cash, Decimal(0))


def test_holidays_are_no_sessions(simulator: Build) -> None:
    """Thanksgiving 2026 is the 26th of November; the session after the 25th is the 27th."""
    book = simulator(clock={"session": "2026-11-25", "time": "16:20:00"}).book

    advance_session(book)

    assert book.market.clock.today() == date(2026, 11, 27)


def test_the_clock_ends_the_day_in_two_steps(simulator: Build, ticket: Ticket) -> None:
    """At 20:00 DAY orders end and still show as completed; at midnight the list is empty."""
    book = simulator().book
    book.place(ticket(1))
    book.place(ticket(2, limit_price=Decimal(100)))

    evening = advance(book, 4 * 3600)
    ended = [o.order_id for o in book.completed_orders()]
    advance(book, 4 * 3600)

    assert story(evening) == ["status Cancelled", "error 202"]
    assert ended == [1, 2]
    assert (book.completed_orders(), book.todays_fills()) == ([], [])


def test_a_correction_replaces_price_and_money_but_keeps_both_revisions(
    simulator: Build, ticket: Ticket
) -> None:
    """10 shares corrected from 231.50 to 230.50 give 10 dollars back, no second commission."""
    book = simulator().book
    book.place(ticket())
    first = book.fills[0]
    before = book.value("DU0000001").base.cash

    corrected = book.correct(first.exec_id, Decimal("230.50"))

    assert (first.exec_id[-3:], corrected.exec_id[-3:]) == (".01", ".02")
    assert corrected.root == first.root
    assert len(book.todays_fills()) == 2
    assert book.value("DU0000001").base.cash - before == Decimal(10)
    # (10 x 230.50 + 1.00) / 10
    assert book.value("DU0000001").positions[0].average_cost == Decimal("230.6")


def test_a_manual_order_has_no_id_and_no_reference_until_it_is_bound(
    simulator: Build, ticket: Ticket
) -> None:
    """Orders placed by hand carry id 0 and client 0; binding gives them a negative id."""
    book = simulator().book
    book.place_manual(ticket(7, limit_price=Decimal(100), order_ref="mine"))
    order = book.open_orders()[0]

    bound = book.register.bind(order.perm_id, -1)

    assert (order.order_id, order.client_id, order.order_ref) == (0, 0, "")
    assert (bound.order_id, bound.perm_id) == (-1, order.perm_id)
    assert story(book.cancel(0, -1))[-1] == "error 202"


def test_a_forced_fill_respects_what_remains(simulator: Build, ticket: Ticket) -> None:
    """A test may fill a resting order at any price, but never more than is left."""
    book = simulator().book
    book.place(ticket(limit_price=Decimal(100)))
    perm_id = book.open_orders()[0].perm_id

    events = book.fill(perm_id, Decimal(4), Decimal("99.50"))

    assert story(events)[0] == "exec 4"
    with pytest.raises(ValueError, match="6 remaining"):
        book.fill(perm_id, Decimal(7), Decimal("99.50"))
