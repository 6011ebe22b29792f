"""What must hold for any trading: positions, cash and value follow from the fills alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from ibkr_pipeline.simulator.book import Book
from ibkr_pipeline.simulator.instruments import ContractQuery
from ibkr_pipeline.simulator.records import Fill, OrderTicket
from ibkr_pipeline.simulator.rollover import advance_session
from ibkr_pipeline.simulator.scenario import build_simulator, load_simulator

NAMES = ("AAPL", "BMW", "SPY   261218C00600000", "MESZ6", "EUR.USD")
CENT = Decimal("0.01")


@dataclass(frozen=True)
class Trade:
    """One step of a random day."""

    name: str
    action: str
    quantity: int
    move: int
    corrects: bool


trades = st.lists(
    st.builds(
        Trade,
        name=st.sampled_from(NAMES),
        action=st.sampled_from(("BUY", "SELL")),
        quantity=st.integers(1, 300),
        move=st.integers(-300, 300),
        corrects=st.booleans(),
    ),
    max_size=12,
)


def _book(slice_quantity: int = 0) -> Book:
    document = {
        "accounts": [
            {
                "account": "DU0000001",
                "cash": {"USD": "9000000.00", "EUR": "50000.00"},
                "positions": [
                    {"instrument": "AAPL", "quantity": 40, "average_price": "180.00"},
                    {"instrument": "BMW", "quantity": -30, "average_price": "80.00"},
                ],
            }
        ],
        "liquidity": {"slice_quantity": slice_quantity},
    }
    return build_simulator(document).book


def _trade(book: Book, steps: Iterable[Trade]) -> None:
    for number, step in enumerate(steps, start=1):
        instrument = book.market.catalogue.named(step.name)
        moved = book.market.mark(instrument) * (10_000 + step.move) / 10_000
        book.set_price(instrument, moved)
        book.place(
            OrderTicket(
                client_id=1,
                order_id=number,
                contract=ContractQuery(con_id=instrument.con_id),
                action=step.action,
                quantity=Decimal(step.quantity),
                order_type="MKT",
                account="DU0000001",
            )
        )
        if step.corrects and book.fills:
            last = book.fills[-1]
            book.correct(last.exec_id, last.price + last.instrument.min_tick)


def _effective(book: Book) -> list[Fill]:
    return list({f.root: f for f in book.fills}.values())


@settings(max_examples=60, deadline=None)
@given(trades)
def test_positions_are_the_opening_and_the_latest_revision_of_each_fill(
    steps: list[Trade],
) -> None:
    """Corrections replace; currency trades hold nothing."""
    book = _book()
    _trade(book, steps)

    expected: dict[str, Decimal] = {"AAPL": Decimal(40), "BMW": Decimal(-30)}
    for fill in _effective(book):
        if fill.instrument.sec_type != "CASH":
            name = fill.instrument.local_symbol
            expected[name] = expected.get(name, Decimal(0)) + fill.signed_quantity

    actual = {p.instrument.local_symbol: p.quantity for p in book.value("DU0000001").positions}
    assert actual == {name: quantity for name, quantity in expected.items() if quantity}


@settings(max_examples=60, deadline=None)
@given(trades)
def test_net_liquidation_is_cash_and_market_values_to_the_cent(steps: list[Trade]) -> None:
    """Computed from holdings and marks by other means, in the base currency."""
    book = _book()
    _trade(book, steps)
    ledger, rates = book.accounts["DU0000001"], book.market.rates()

    cash = sum((c * rates[n]).quantize(CENT) for n, c in ledger.cash.items())
    worth = Decimal(0)
    open_result: dict[str, Decimal] = {}
    for holding in ledger.holdings.values():
        instrument = holding.instrument
        value = holding.quantity * book.market.mark(instrument) * instrument.multiplier
        if instrument.sec_type == "FUT":
            result = (value.quantize(CENT) - holding.cost).quantize(CENT)
            open_result[instrument.currency] = open_result.get(instrument.currency, 0) + result
        else:
            worth += (value.quantize(CENT) * rates[instrument.currency]).quantize(CENT)
    futures = sum((r * rates[c]).quantize(CENT) for c, r in open_result.items())

    assert book.value("DU0000001").net_liquidation == cash + worth + futures


@settings(max_examples=60, deadline=None)
@given(trades)
def test_stock_cash_is_opening_less_what_was_paid_and_charged(steps: list[Trade]) -> None:
    """Euro cash moves only by euro stocks, their commissions and bought or sold euros."""
    book = _book()
    _trade(book, steps)

    expected = Decimal("50000.00")
    for fill in _effective(book):
        if fill.instrument.local_symbol == "BMW":
            expected -= (fill.signed_quantity * fill.price).quantize(CENT) + fill.commission
        if fill.instrument.local_symbol == "EUR.USD":
            expected += fill.signed_quantity

    assert book.accounts["DU0000001"].cash["EUR"] == expected


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 500), st.integers(1, 60))
def test_cumulative_quantity_rises_to_the_order_quantity(quantity: int, piece: int) -> None:
    """Each partial fill tells a higher total; the last tells the whole order."""
    book = _book(slice_quantity=piece)
    _trade(book, [Trade("AAPL", "BUY", quantity, 0, corrects=False)])

    totals = [f.cum_quantity for f in book.fills]

    assert totals == sorted(set(totals))
    assert totals[-1] == quantity
    assert sum(f.quantity for f in book.fills) == quantity


def test_the_same_seed_gives_the_same_book_and_another_seed_another() -> None:
    """Tests and demos rely on it, identifiers included."""
    first, second = load_simulator("default").book, load_simulator("default").book
    other = load_simulator("default", seed=99).book
    for book in (first, second, other):
        advance_session(book)

    assert first.fills == second.fills
    assert first.value("DU0000001") == second.value("DU0000001")
    assert [f.exec_id for f in other.fills] != [f.exec_id for f in first.fills]
    assert other.value("DU0000001") != first.value("DU0000001")


def test_realized_result_of_a_turned_position_counts_the_closed_part_only() -> None:
    """40 shares at 180.00, 60 sold at 231.50: 40 close, 20 open a short position."""
    book = _book()
    _trade(book, [Trade("AAPL", "SELL", 60, 0, corrects=False)])
    fill, position = book.fills[0], book.value("DU0000001").positions[0]

    # 40 x (231.50 - 180.00) = 2060.00, less 40/60 of the 1.00 commission.
    assert fill.realized_pnl == Decimal("2059.33")
    # 20 x 231.50 = 4630.00 received, less 0.33 commission, over 20.
    assert (position.quantity, round(position.average_cost, 4)) == (
        Decimal(-20),
        Decimal("231.4833"),
    )
