"""Scripted events: what the night after a session does to positions and cash."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from ibkr_pipeline.simulator.document import ScenarioError
from ibkr_pipeline.simulator.gateway.simulator import Simulator
from ibkr_pipeline.simulator.rollover import advance_session

Build = Callable[..., Simulator]


def after(build: Build, *events: dict[str, object]) -> Simulator:
    """Two accounts with Nvidia, 30 long at 100.00 and 8 short at 120.00, after one night."""
    accounts = [
        {
            "account": account,
            "cash": {"USD": "1000.00"},
            "positions": [{"instrument": "NVDA", "quantity": quantity, "average_price": price}],
        }
        for account, quantity, price in (("DU0000001", 30, 100), ("DU0000002", -8, 120))
    ]
    built = build(accounts=accounts, sessions=[{"number": 1, "events": list(events)}])
    advance_session(built.book)
    return built


def holdings(simulator: Simulator, account: str) -> dict[str, tuple[Decimal, Decimal]]:
    """Return quantity and cost of what is held by symbol."""
    found = simulator.book.accounts[account].holdings.values()
    return {h.instrument.symbol: (h.quantity, h.cost) for h in found if h.quantity}


def test_a_split_changes_quantity_and_price_and_keeps_the_cost(simulator: Build) -> None:
    """10 for 1: 30 shares of 142.85 become 300 of 14.285, on the tick 14.28."""
    built = after(simulator, {"event": "split", "instrument": "NVDA", "new": 10, "old": 1})

    day = built.book.history.days[0]
    assert {"NVDA": (Decimal(300), Decimal(3000))} == holdings(built, "DU0000001")
    assert {"NVDA": (Decimal(-80), Decimal(-960))} == holdings(built, "DU0000002")
    assert (Decimal("142.85"), Decimal("14.28")) == (day.closes[4815747], day.marks[4815747])
    assert ["FS"] == [b.event for b in day.accounts["DU0000001"].bookings]


def test_a_symbol_change_swaps_contracts_one_for_one(simulator: Build) -> None:
    """Both entries share the action and cancel out in cost."""
    change: dict[str, object] = {
        "event": "symbol_change",
        "instrument": "NVDA",
        "symbol": "NVDX",
        "con_id": 99,
    }
    built = after(simulator, change)

    entries = built.book.history.days[0].accounts["DU0000001"].bookings
    assert {"NVDX": (Decimal(30), Decimal(3000))} == holdings(built, "DU0000001")
    assert [Decimal(-30), Decimal(30)] == [e.quantity for e in entries]
    assert 1 == len({e.action_id for e in entries})
    assert Decimal(0) == sum(e.cost for e in entries)


def test_a_dividend_pays_holders_less_tax_and_charges_the_short(simulator: Build) -> None:
    """30 x 0.25 = 7.50 less 15 % = 1.12 (half to even); 8 x 0.25 = 2.00 in lieu."""
    dividend: dict[str, object] = {"event": "dividend", "instrument": "NVDA", "per_share": "0.25"}
    built = after(simulator, dividend | {"withholding": "0.15"})

    entries = [
        (b.account, b.event, b.amount)
        for account in ("DU0000001", "DU0000002")
        for b in built.book.history.days[0].accounts[account].bookings
    ]
    assert [
        ("DU0000001", "Dividends", Decimal("7.50")),
        ("DU0000001", "Withholding Tax", Decimal("-1.12")),
        ("DU0000002", "Payment In Lieu Of Dividends", Decimal("-2.00")),
    ] == entries
    assert Decimal("1006.38") == built.book.accounts["DU0000001"].cash["USD"]


def test_cash_comes_and_goes(simulator: Build) -> None:
    """A deposit, a withdrawal and a fee."""
    account = {"account": "DU0000001", "currency": "USD"}
    built = after(
        simulator,
        {"event": "deposit", "amount": "500", **account},
        {"event": "withdrawal", "amount": "200", **account},
        {"event": "cash", "type": "Other Fees", "amount": "-10", **account},
    )

    assert Decimal("1290.00") == built.book.accounts["DU0000001"].cash["USD"]


def test_a_transfer_between_own_accounts_is_booked_on_both_sides(simulator: Build) -> None:
    """5 of 30 at 100.00 leave; they cover 5 of the 8 the other was short at 120.00."""
    built = after(
        simulator,
        {
            "event": "transfer",
            "account": "DU0000001",
            "instrument": "NVDA",
            "quantity": -5,
            "price": "142.85",
            "counterparty": "DU0000002",
        },
    )

    assert {"NVDA": (Decimal(25), Decimal(2500))} == holdings(built, "DU0000001")
    assert {"NVDA": (Decimal(-3), Decimal(-360))} == holdings(built, "DU0000002")
    events = [a.bookings[0].event for a in built.book.history.days[0].accounts.values()]
    assert ["INTERNAL", "INTERNAL"] == events


@pytest.mark.parametrize(
    ("event", "complaint"),
    [
        ({"event": "merger"}, "expected one of split"),
        ({"event": "split", "instrument": "NVDA", "new": 0, "old": 1}, "above 0"),
        ({"event": "dividend", "instrument": "XYZ", "per_share": 1}, "matched 0"),
        ({"event": "deposit", "account": "DU0000009", "amount": 1}, "not under accounts"),
        ({"event": "deposit", "account": "DU0000001", "amount": 1, "currency": "XXX"}, "XXX"),
        ({"event": "transfer", "account": "DU0000001", "instrument": "NVDA", "quantity": 0}, "0"),
        (
            {"event": "symbol_change", "instrument": "NVDA", "symbol": "N", "con_id": 265598},
            "265598",
        ),
    ],
)
def test_an_event_nobody_understands_is_refused(
    simulator: Build, event: dict[str, object], complaint: str
) -> None:
    """With the place, before anything runs."""
    with pytest.raises(ScenarioError, match=complaint):
        after(simulator, event)


def test_a_session_is_described_once_and_the_first_at_the_top(simulator: Build) -> None:
    """Two descriptions would hide one another."""
    with pytest.raises(ScenarioError, match="described twice"):
        simulator(sessions=[{"number": 2}, {"number": 2}])
    with pytest.raises(ScenarioError, match="from the top of the scenario"):
        simulator(sessions=[{"number": 1, "marks": {"AAPL": "200"}}])


def test_a_later_session_has_its_own_marks_and_orders(simulator: Build) -> None:
    """Entered, its orders have happened and its prices stand."""
    order = {
        "account": "DU0000001",
        "instrument": "AAPL",
        "quantity": 10,
        "fills": [{"quantity": 10, "price": "200.10"}],
    }
    built = simulator(sessions=[{"number": 2, "marks": {"AAPL": "201.00"}, "orders": [order]}])
    first = built.book.todays_fills()

    advance_session(built.book)

    assert [] == first
    assert [Decimal("200.10")] == [f.price for f in built.book.todays_fills()]
    assert ["2026-11-19"] == [f"{f.executed_at:%Y-%m-%d}" for f in built.book.todays_fills()]
    assert Decimal("201.00") == built.book.market.mark(built.book.fills[0].instrument)
