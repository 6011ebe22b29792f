"""The end of options: what leaves the account, what comes, and which result arises."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from ibkr_pipeline.simulator.gateway.simulator import Simulator
from ibkr_pipeline.simulator.instruments import ContractQuery
from ibkr_pipeline.simulator.records import OrderTicket
from ibkr_pipeline.simulator.rollover import advance, advance_session
from ibkr_pipeline_tests.unit.simulator.statements import rows_of, statement

Build = Callable[..., Simulator]
ACCOUNT = "DU0000001"


def option(right: str, strike: int, expiry: str = "20261118") -> dict[str, object]:
    """Describe an Apple option that expires on the scenario's first session."""
    return {
        "con_id": 741000000 + strike + (ord(right) << 12),
        "symbol": "AAPL",
        "sec_type": "OPT",
        "local_symbol": f"AAPL {right}{strike}",
        "mark": "2.00",
        "multiplier": 100,
        "expiry": expiry,
        "strike": strike,
        "right": right,
    }


def held(build: Build, right: str, strike: int, quantity: int, **more: object) -> Simulator:
    """Hold options bought or sold at 2.00 while Apple stands at 231.50, and 1,000,000 dollars."""
    positions = [{"instrument": f"AAPL {right}{strike}", "quantity": quantity, "average_price": 2}]
    account = {"account": ACCOUNT, "cash": {"USD": "1000000"}, "positions": positions}
    return build(accounts=[account], instruments=[option(right, strike)], **more)


def positions_of(simulator: Simulator) -> dict[str, tuple[Decimal, Decimal]]:
    """Return quantity and total cost of every open holding by local symbol."""
    holdings = simulator.book.accounts[ACCOUNT].holdings.values()
    return {h.instrument.local_symbol: (h.quantity, h.cost) for h in holdings if h.quantity}


@pytest.mark.parametrize(
    ("right", "strike", "quantity", "shares", "cost", "event"),
    [
        # 200 bought at 240 less the premium of 400 received.
        pytest.param("P", 240, -2, 200, "47600.00", "Assignment", id="short put"),
        # 200 sold at 220 plus the premium of 400 received.
        pytest.param("C", 220, -2, -200, "-44400.00", "Assignment", id="short call"),
        # 200 bought at 220 plus the premium of 400 paid.
        pytest.param("C", 220, 2, 200, "44400.00", "Exercise", id="long call"),
        # 200 sold at 240 less the premium of 400 paid.
        pytest.param("P", 240, 2, -200, "-47600.00", "Exercise", id="long put"),
    ],
)
def test_an_option_in_the_money_becomes_stock_with_the_premium_in_its_basis(
    simulator: Build,
    right: str,
    strike: int,
    quantity: int,
    shares: int,
    cost: str,
    event: str,
) -> None:
    """The broker books no result on the option; it shows when the stock is closed."""
    built = held(simulator, right, strike, quantity)

    advance_session(built.book)

    assert {"AAPL": (Decimal(shares), Decimal(cost))} == positions_of(built)
    paid = Decimal(shares) * strike
    assert Decimal(1000000) - paid == built.book.accounts[ACCOUNT].cash["USD"]
    option_leg, stock_leg = built.book.history.days[-1].accounts[ACCOUNT].bookings
    assert (event, Decimal(-quantity)) == (option_leg.event, option_leg.quantity)
    assert Decimal(0) == option_leg.realized
    assert ("Buy" if shares > 0 else "Sell") == stock_leg.event
    assert option_leg.action_id == stock_leg.action_id
    assert option_leg.trade_id != stock_leg.trade_id


@pytest.mark.parametrize(("quantity", "realized"), [(-2, "400.00"), (2, "-400.00")])
def test_an_option_out_of_the_money_ends_with_its_premium_as_the_result(
    simulator: Build, quantity: int, realized: str
) -> None:
    """2 contracts of 100 at 2.00: 400 kept by the writer, lost by the holder."""
    built = held(simulator, "P", 220, quantity)

    advance_session(built.book)

    (entry,) = built.book.history.days[-1].accounts[ACCOUNT].bookings
    assert {} == positions_of(built)
    assert ("Expiration", "Ep", Decimal(realized)) == (entry.event, entry.code, entry.realized)
    assert Decimal(1000000) == built.book.accounts[ACCOUNT].cash["USD"]


def test_an_option_at_the_strike_expires(simulator: Build) -> None:
    """In the money begins one cent beyond the strike."""
    built = held(simulator, "P", 220, -1, marks={"AAPL": "220.00"})

    advance_session(built.book)

    assert {} == positions_of(built)


def test_called_away_stock_realizes_strike_premium_and_basis(simulator: Build) -> None:
    """100 shares at 180.00 sold at 220.00 with 200 premium: 4,000 + 200 = 4,200."""
    positions = [
        {"instrument": "AAPL", "quantity": 100, "average_price": 180},
        {"instrument": "AAPL C220", "quantity": -1, "average_price": 2},
    ]
    account = {"account": ACCOUNT, "cash": {"USD": "0"}, "positions": positions}
    built = simulator(accounts=[account], instruments=[option("C", 220)])

    advance_session(built.book)

    stock_leg = built.book.history.days[-1].accounts[ACCOUNT].bookings[1]
    assert (Decimal("4200.00"), False) == (stock_leg.realized, stock_leg.opens)
    assert {} == positions_of(built)
    assert Decimal("22000.00") == built.book.accounts[ACCOUNT].cash["USD"]


@pytest.mark.parametrize(("quantity", "cash"), [(1, "2885.00"), (-1, "-2885.00")])
def test_an_index_option_is_settled_in_cash(simulator: Build, quantity: int, cash: str) -> None:
    """SPX at 5871.15, put at 5900: 28.85 x 100 to the holder, from the writer; nothing is held."""
    name = "SPXW  261120P05900000"
    position = {"instrument": name, "quantity": quantity, "average_price": "20"}
    account = {"account": ACCOUNT, "cash": {"USD": "0"}, "positions": [position]}
    clock = {"session": "2026-11-20", "time": "16:20:00"}
    built = simulator(accounts=[account], clock=clock, marks={"SPX": "5871.15"})

    advance_session(built.book)

    entries = built.book.history.days[-1].accounts[ACCOUNT].bookings
    assert ["Exercise" if quantity > 0 else "Assignment", "Cash Settlement"] == [
        e.event for e in entries
    ]
    # 2885.00 against 2000.00 of premium.
    assert Decimal(885 * quantity) == entries[1].realized
    assert {} == positions_of(built)
    assert Decimal(cash) == built.book.accounts[ACCOUNT].cash["USD"]


def test_an_early_assignment_takes_only_what_was_demanded(simulator: Build) -> None:
    """Two of three contracts are assigned although they are far from their expiry."""
    events = [{"event": "assign", "account": ACCOUNT, "instrument": "AAPL P240", "quantity": 2}]
    positions = [{"instrument": "AAPL P240", "quantity": -3, "average_price": 2}]
    account = {"account": ACCOUNT, "cash": {"USD": "1000000"}, "positions": positions}
    built = simulator(
        accounts=[account],
        instruments=[option("P", 240, "20261218")],
        sessions=[{"number": 1, "events": events}],
    )

    advance_session(built.book)

    assert {
        "AAPL P240": (Decimal(-1), Decimal(-200)),
        "AAPL": (Decimal(200), Decimal("47600.00")),
    } == positions_of(built)


def test_a_requested_exercise_waits_one_session(simulator: Build) -> None:
    """It is pending in the statement of its session and carried out in the next night."""
    events = [{"event": "exercise", "account": ACCOUNT, "instrument": "AAPL C220", "quantity": 1}]
    positions = [{"instrument": "AAPL C220", "quantity": 1, "average_price": 2}]
    account = {"account": ACCOUNT, "cash": {"USD": "1000000"}, "positions": positions}
    built = simulator(
        accounts=[account],
        instruments=[option("C", 220, "20261218")],
        sessions=[{"number": 1, "events": events}],
    )

    advance_session(built.book)
    waiting = positions_of(built)
    pending = statement(built)[ACCOUNT]
    advance_session(built.book)
    done = statement(built)[ACCOUNT]

    columns = ("symbol", "quantity", "type", "date")
    assert [("AAPL C220", "-1", "Exercise", "20261118")] == rows_of(
        pending, "PendingExercises", *columns
    )
    assert [] == rows_of(done, "PendingExercises", *columns)
    assert ["AAPL C220"] == list(waiting)
    assert ["AAPL"] == list(positions_of(built))


def test_an_exercise_requested_on_the_last_day_is_done_that_night_and_not_again(
    simulator: Build,
) -> None:
    """The expiry exercises what is in the money; the request finds nothing left to do."""
    events = [{"event": "exercise", "account": ACCOUNT, "instrument": "AAPL C220", "quantity": 1}]
    built = held(simulator, "C", 220, 1, sessions=[{"number": 1, "events": events}])

    advance_session(built.book)
    first = positions_of(built)
    advance_session(built.book)

    assert {"AAPL": (Decimal(100), Decimal("22200.00"))} == first == positions_of(built)


def test_a_weekend_with_a_trade_is_told_and_runs_no_script(simulator: Build) -> None:
    """Moving the clock by hours can pass days that are no sessions; what was traded stays told."""
    deposit = {"event": "deposit", "account": ACCOUNT, "amount": "100"}
    clock = {"session": "2026-11-20", "time": "16:20:00"}
    built = held(simulator, "C", 220, 1, clock=clock, sessions=[{"number": 2, "events": [deposit]}])
    advance(built.book, 20 * 3600)
    order = OrderTicket(
        client_id=1,
        order_id=1,
        contract=ContractQuery(con_id=265598),
        action="BUY",
        quantity=Decimal(1),
        order_type="MKT",
        account=ACCOUNT,
    )
    built.book.place(order)

    advance(built.book, 48 * 3600)
    days = [(str(d.session), len(d.revisions)) for d in built.book.history.days]
    booked = [b for d in built.book.history.days[1:] for b in d.accounts[ACCOUNT].bookings]

    assert [("2026-11-20", 0), ("2026-11-21", 1)] == days
    assert [] == booked
    assert 2 == built.book.session_number


def test_more_than_is_held_cannot_be_assigned(simulator: Build) -> None:
    """A script that contradicts the book is an error, not a surprise."""
    events = [{"event": "assign", "account": ACCOUNT, "instrument": "AAPL P240", "quantity": 5}]
    built = held(simulator, "P", 240, -2, sessions=[{"number": 1, "events": events}])

    with pytest.raises(ValueError, match="give up 5 of AAPL P240 and holds -2"):
        advance_session(built.book)


def test_midnight_ends_a_session_as_the_command_does(simulator: Build) -> None:
    """Whoever moves the clock by hours gets the same night."""
    built = held(simulator, "P", 240, -2)

    advance(built.book, 8 * 3600)

    assert {"AAPL": (Decimal(200), Decimal("47600.00"))} == positions_of(built)
    assert ["2026-11-18"] == [str(d) for d in built.book.history.sessions()]


@pytest.mark.parametrize("shows", [False, True])
def test_the_gateway_tells_the_legs_only_where_the_scenario_says_so(
    simulator: Build, shows: bool
) -> None:
    """Real builds differ; the truth is the statement."""
    built = held(simulator, "P", 240, -2, wire_shows_assignments=shows)

    advance_session(built.book)

    told = [(f.instrument.local_symbol, f.action, f.price) for f in built.book.todays_fills()]
    legs = [("AAPL P240", "BUY", Decimal(0)), ("AAPL", "BUY", Decimal(240))]
    assert (legs if shows else []) == told
    assert {"AAPL": (Decimal(200), Decimal("47600.00"))} == positions_of(built)
