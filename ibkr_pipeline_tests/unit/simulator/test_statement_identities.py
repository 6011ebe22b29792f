"""What must hold in every statement of any book: positions, cash and value follow from its rows."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from ibkr_pipeline.simulator.flex.columns import CASH_LINES
from ibkr_pipeline.simulator.gateway.simulator import Simulator
from ibkr_pipeline.simulator.instruments import ContractQuery
from ibkr_pipeline.simulator.records import OrderTicket
from ibkr_pipeline.simulator.rollover import advance_session
from ibkr_pipeline.simulator.scenario import build_simulator
from ibkr_pipeline_tests.unit.simulator.statements import rows_of, statement, total_of

ACCOUNT, OTHER = "DU0000001", "DU0000002"
# Two options expire on the second session, one near the money, so every end of an option occurs.
OPTIONS = ("AAPL  261119P00231000", "AAPL  261119C00232000")
INDEX_OPTION = "SPXW  261120P05900000"
NAMES = ("AAPL", "BMW", *OPTIONS, INDEX_OPTION, "MESZ6", "EUR.USD")
EVENTS: list[dict[str, object]] = [
    {"event": "split", "instrument": "AAPL", "new": 2, "old": 1},
    {"event": "symbol_change", "instrument": "BMW", "symbol": "BMX", "con_id": 990001},
    {"event": "dividend", "instrument": "BMW", "per_share": "1.37", "withholding": "0.26375"},
    {"event": "deposit", "account": ACCOUNT, "currency": "EUR", "amount": "1234.56"},
    {"event": "withdrawal", "account": ACCOUNT, "amount": "77.01"},
    {"event": "cash", "account": ACCOUNT, "type": "Broker Interest Paid", "amount": "-3.21"},
    {"event": "transfer", "account": OTHER, "instrument": "SPY", "quantity": 7},
]


@dataclass(frozen=True)
class Trade:
    """One market order, at a moved price, corrected afterwards or not."""

    name: str
    action: str
    quantity: int
    move: int
    corrects: bool


trades = st.builds(
    Trade,
    name=st.sampled_from(NAMES),
    action=st.sampled_from(("BUY", "SELL")),
    quantity=st.integers(1, 30),
    move=st.integers(-200, 200),
    corrects=st.booleans(),
)
days = st.lists(st.lists(trades, max_size=5), min_size=3, max_size=3)
nights = st.lists(
    st.lists(st.sampled_from(range(len(EVENTS))), max_size=3, unique=True), max_size=3
)


def _options() -> list[dict[str, object]]:
    return [
        {
            "con_id": 741000300 + place,
            "symbol": "AAPL",
            "sec_type": "OPT",
            "local_symbol": name,
            "mark": "3.10",
            "multiplier": 100,
            "expiry": "20261119",
            "strike": int(name[-8:]) // 1000,
            "right": name[12],
        }
        for place, name in enumerate(OPTIONS)
    ]


def _simulator(chosen: Sequence[Sequence[int]]) -> Simulator:
    used: set[int] = set()
    sessions = []
    for number, places in enumerate(chosen, start=1):
        fresh = [p for p in places if p not in used]
        used |= set(fresh)
        sessions.append({"number": number, "events": [dict(EVENTS[p]) for p in fresh]})
    return build_simulator(
        {
            "accounts": [
                {
                    "account": ACCOUNT,
                    "cash": {"USD": "9000000.00", "EUR": "50000.00"},
                    "positions": [
                        {"instrument": "AAPL", "quantity": 40, "average_price": "180.00"},
                        {"instrument": "BMW", "quantity": -30, "average_price": "80.00"},
                        {"instrument": OPTIONS[0], "quantity": -2, "average_price": "2.50"},
                        {"instrument": INDEX_OPTION, "quantity": 1, "average_price": "24.50"},
                        {"instrument": "MESZ6", "quantity": 1, "average_price": "5898.50"},
                    ],
                },
                {"account": OTHER, "cash": {"USD": "1000.00"}},
            ],
            "instruments": _options(),
            "sessions": sessions,
        }
    )


def _played(plan: Sequence[Sequence[Trade]], chosen: Sequence[Sequence[int]]) -> Simulator:
    built = _simulator(chosen)
    book = built.book
    for steps in plan:
        for step in steps:
            instrument = book.market.catalogue.named(step.name)
            moved = book.market.mark(instrument) * (10_000 + step.move) / 10_000
            book.set_price(instrument, moved)
            book.place(
                OrderTicket(
                    client_id=1,
                    order_id=book.register.next_order_id,
                    contract=ContractQuery(con_id=instrument.con_id),
                    action=step.action,
                    quantity=Decimal(step.quantity),
                    order_type="MKT",
                    account=ACCOUNT,
                )
            )
            today = book.todays_fills()
            if step.corrects and today:
                book.correct(today[-1].exec_id, today[-1].price + instrument.min_tick)
        advance_session(book)
    return built


def _daily(built: Simulator) -> list[ET.Element]:
    days = [f"{d:%Y%m%d}" for d in built.book.history.sessions()]
    return [statement(built, day, day)[ACCOUNT] for day in days]


def _positions(element: ET.Element) -> dict[str, Decimal]:
    rows = rows_of(element, "OpenPositions", "conid", "position", "levelOfDetail")
    return {con_id: Decimal(q) for con_id, q, level in rows if level == "SUMMARY"}


def _moves(element: ET.Element) -> list[tuple[str, ...]]:
    trades_ = rows_of(element, "Trades", "conid", "quantity", "assetCategory")
    actions = rows_of(element, "CorporateActions", "conid", "quantity", "levelOfDetail")
    return [
        *(row for row in trades_ if row[2] != "CASH"),
        *(row for row in actions if row[2] == "DETAIL"),
        *rows_of(element, "Transfers", "conid", "quantity", "assetCategory"),
    ]


@settings(max_examples=40, deadline=None)
@given(days, nights)
def test_positions_are_those_of_the_day_before_plus_the_rows_of_the_day(
    plan: list[list[Trade]], chosen: list[list[int]]
) -> None:
    """Trades with their cancels, ends of options, splits, symbol changes and transfers."""
    built = _played(plan, chosen)
    previous = _positions(statement(built, "20261117", "20261117")[ACCOUNT])

    for element in _daily(built):
        expected = dict(previous)
        for con_id, quantity, _ in _moves(element):
            expected[con_id] = expected.get(con_id, Decimal(0)) + Decimal(quantity)

        previous = _positions(element)
        assert {c: q for c, q in expected.items() if q} == previous


@settings(max_examples=40, deadline=None)
@given(days, nights)
def test_cash_rolls_forward_line_by_line_in_every_currency(
    plan: list[list[Trade]], chosen: list[list[int]]
) -> None:
    """Start plus every line is the end, and the end is the next day's start."""
    built = _played(plan, chosen)
    ends: dict[str, Decimal] = {}

    for element in _daily(built):
        for row in element.iter("CashReportCurrency"):
            currency, start = row.attrib["currency"], Decimal(row.attrib["startingCash"])
            lines = sum(Decimal(row.attrib[line]) for line in CASH_LINES)

            assert Decimal(row.attrib["endingCash"]) == start + lines
            assert ends.get(currency, start) == start
            ends[currency] = Decimal(row.attrib["endingCash"])

    value = built.book.history.days[-1].accounts[ACCOUNT].end
    futures = _open_futures(_daily(built)[-1])
    assert value.cash["EUR"] == ends["EUR"]
    assert value.cash["USD"] + futures == ends["USD"]


def _open_futures(element: ET.Element) -> Decimal:
    rows = [r for r in element.iter("OpenPosition") if r.attrib["levelOfDetail"] == "SUMMARY"]
    return total_of([r for r in rows if r.attrib["assetCategory"] == "FUT"], "fifoPnlUnrealized")


@settings(max_examples=40, deadline=None)
@given(days, nights)
def test_value_is_cash_and_positions_and_its_change_is_explained(
    plan: list[list[Trade]], chosen: list[list[int]]
) -> None:
    """In base currency, each position converted and rounded; futures are in the cash."""
    built = _played(plan, chosen)

    for element in _daily(built):
        (equity,) = element.iter("EquitySummaryByReportDateInBase")
        (change,) = element.iter("ChangeInNAV")
        base = next(
            r for r in element.iter("CashReportCurrency") if r.attrib["currency"] == "BASE_SUMMARY"
        )
        worth = sum(
            (
                (Decimal(r.attrib["positionValue"]) * Decimal(r.attrib["fxRateToBase"])).quantize(
                    Decimal("0.01")
                )
                for r in element.iter("OpenPosition")
                if r.attrib["levelOfDetail"] == "SUMMARY" and r.attrib["assetCategory"] != "FUT"
            ),
            Decimal(0),
        )

        assert Decimal(equity.attrib["cash"]) == Decimal(base.attrib["endingCash"])
        assert Decimal(equity.attrib["total"]) == Decimal(base.attrib["endingCash"]) + worth
        for part in ("cash", "stock", "options", "total"):
            sides = Decimal(equity.attrib[f"{part}Long"]) + Decimal(equity.attrib[f"{part}Short"])
            assert Decimal(equity.attrib[part]) == sides
        assert Decimal(equity.attrib["total"]) == Decimal(change.attrib["endingValue"])


@settings(max_examples=40, deadline=None)
@given(days)
def test_executions_commissions_and_results_are_those_of_the_wire(
    plan: list[list[Trade]],
) -> None:
    """Each execution id the gateway told, its order's permanent id, what was charged and earned."""
    built = _played(plan, [])

    for element, day in zip(_daily(built), built.book.history.days, strict=True):
        found = element.find("Trades")
        rows = [] if found is None else [r for r in found if r.attrib["ibExecID"]]
        told = {(f.exec_id, str(f.perm_id)) for _, f in day.revisions}
        assert told == {(r.attrib["ibExecID"], r.attrib["ibOrderID"]) for r in rows}

        effective = day.accounts[ACCOUNT].fills
        everything = list(found if found is not None else ())
        assert -sum((f.commission for f in effective), Decimal(0)) == total_of(
            everything, "ibCommission"
        )
        traded = [r for r in everything if r.attrib["transactionType"] != "BookTrade"]
        realized = day.accounts[ACCOUNT].end.realized.values()
        assert sum(realized, Decimal(0)) == total_of(traded, "fifoPnlRealized")
        ids = [r.attrib["transactionID"] for r in everything]
        assert len(set(ids)) == len(ids)
        lots: dict[str, Decimal] = {}
        for row in element.iter("OpenPosition"):
            if row.attrib["levelOfDetail"] == "LOT":
                con_id = row.attrib["conid"]
                lots[con_id] = lots.get(con_id, Decimal(0)) + Decimal(row.attrib["position"])
        assert _positions(element) == lots


@settings(max_examples=25, deadline=None)
@given(days, nights)
def test_a_window_holds_the_rows_of_its_days_and_statements_repeat_byte_for_byte(
    plan: list[list[Trade]], chosen: list[list[int]]
) -> None:
    """One request for three days tells the same as three requests, and the same again."""
    built, again = _played(plan, chosen), _played(plan, chosen)
    window = ("20261118", "20261120")

    whole = statement(built, *window)[ACCOUNT]

    assert ET.tostring(whole) == ET.tostring(statement(again, *window)[ACCOUNT])
    for section in ("Trades", "OptionEAE", "CashTransactions", "CorporateActions", "Transfers"):
        daily = [ET.tostring(r) for e in _daily(built) for r in e.find(section) or ()]
        assert sorted(daily) == sorted(ET.tostring(r) for r in whole.find(section) or ())


def test_cash_only_books_earn_what_prices_earn() -> None:
    """40 Apple from 231.50 to 240.00 in one session, nothing traded: mtm is 340.00."""
    built = build_simulator(
        {
            "accounts": [
                {
                    "account": ACCOUNT,
                    "cash": {"USD": "100.00"},
                    "positions": [{"instrument": "AAPL", "quantity": 40, "average_price": "180"}],
                }
            ],
            "sessions": [{"number": 2, "marks": {"AAPL": "240.00"}}],
        }
    )
    advance_session(built.book)
    advance_session(built.book)

    (change,) = statement(built)[ACCOUNT].iter("ChangeInNAV")

    assert "340" == change.attrib["mtm"]
    assert ("9360", "9700") == (change.attrib["startingValue"], change.attrib["endingValue"])
