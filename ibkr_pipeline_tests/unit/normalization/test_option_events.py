"""Option events: which evidence belongs together, and what follows from all of it."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from ibkr_pipeline.normalization.option_events import evidence_of_statement, resolve
from ibkr_pipeline.normalization.statement_provenance import StatementProvenance
from ibkr_pipeline.normalization.statement_trades import event_rows
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.schemas import flex
from ibkr_pipeline.schemas.statements import OPTION_EVENT_EVIDENCE
from ibkr_pipeline.warehouse.connection import Warehouse
from ibkr_pipeline.warehouse.option_events import (
    append_evidence,
    append_option_events,
    facts_to_resolve,
)
from ibkr_pipeline.warehouse.reads import as_of
from ibkr_pipeline_tests.statement_rows import (
    DAY,
    Statement,
    apply_statement,
    apply_wire,
    booking,
    delivery,
    eae,
    eae_delivery,
    overnight,
    trade,
)
from ibkr_pipeline_tests.warehouse_rows import (
    ACCOUNT,
    execution,
    frame_of,
    frames_of,
    make_load,
    minutes,
    warehouse_in,
)

Row = dict[str, object]
ASSIGNMENT = "700001:20261118:assignment"


def _evidence(trades: list[Row], eaes: list[Row]) -> pl.DataFrame:
    def place(rows: list[Row]) -> list[Row]:
        return [{"account_id": ACCOUNT, "row_number": n, **row} for n, row in enumerate(rows)]

    def origin(section: str) -> StatementProvenance:
        return StatementProvenance(
            broker="ibkr",
            environment="paper",
            account_id=ACCOUNT,
            load_id=section,
            source="ibkr.flex",
            available_at=minutes(0),
            generated_at=minutes(0),
            from_date=DAY,
            to_date=DAY,
        )

    return evidence_of_statement(
        event_rows(frame_of(flex.TRADES, place(trades))),
        frame_of(flex.OPTION_EAE, place(eaes)),
        trades=origin("Trades"),
        eae=origin("OptionEAE"),
    )


def _links(evidence: pl.DataFrame) -> list[tuple[object, ...]]:
    return evidence.select("leg", "signed_quantity", "option_event_id").rows()


def _events(warehouse: Warehouse, *columns: str) -> list[tuple[object, ...]]:
    with warehouse.read() as connection:
        return as_of(connection, "option_events").select(columns).rows()


def test_legs_of_one_booking_are_linked_by_their_position_action(tmp_path: Path) -> None:
    """Even where the deliverable was adjusted, so that no quantity fits."""
    action: Row = {"position_action_id": "101240858"}
    found = _evidence([booking(1, **action), delivery(2, quantity=-93, **action)], [])

    assert [
        ("option", Decimal(1), ASSIGNMENT),
        ("delivery", Decimal(-93), ASSIGNMENT),
    ] == _links(found)


def test_the_two_sections_are_linked_by_their_trade_id() -> None:
    """The delivered row of OptionEAE has no other id."""
    action: Row = {"position_action_id": "101240858"}
    odd: Row = {"signed_quantity": Decimal(-93), "trade_id": "5000002"}
    found = _evidence(
        [booking(1, **action), delivery(2, quantity=-93, **action)],
        [eae("Assignment", trade_id="5000001"), eae_delivery(**odd)],
    )

    assert {ASSIGNMENT} == set(found["option_event_id"])


def test_without_ids_a_delivery_is_matched_by_its_terms() -> None:
    """Day, underlying, quantity times multiplier, price at the strike, and side."""
    found = _evidence([], [eae("Assignment"), eae_delivery()])

    assert [
        ("option", Decimal(1), ASSIGNMENT),
        ("delivery", Decimal(-100), ASSIGNMENT),
    ] == _links(found)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"event_date": date(2026, 11, 19)}, id="another day"),
        pytest.param({"price": Decimal(191)}, id="not at the strike"),
        pytest.param({"signed_quantity": Decimal(100)}, id="the other side"),
        pytest.param({"signed_quantity": Decimal(-200)}, id="another quantity"),
        pytest.param({"con_id": 1, "symbol": "MSFT"}, id="another underlying"),
    ],
)
def test_a_delivery_that_does_not_fit_is_left_over(change: Row) -> None:
    """A wrong link would explain what is not explained."""
    found = _evidence([], [eae("Assignment"), eae_delivery(**change)])

    assert [None] == found.filter(leg="delivery")["option_event_id"].to_list()


def test_one_delivery_that_fits_two_options_is_given_to_neither() -> None:
    """Two expiries of one strike assigned on a day, one delivery told: which is not known."""
    other: Row = {"con_id": 700002, "symbol": "AAPL  261127C00190000"}
    found = _evidence([], [eae("Assignment"), eae("Assignment", **other), eae_delivery()])

    assert [None] == found.filter(leg="delivery")["option_event_id"].to_list()


def test_two_equal_deliveries_go_one_to_each_of_two_options() -> None:
    """One to one, whichever is which."""
    other: Row = {"con_id": 700002, "symbol": "AAPL  261127C00190000"}
    found = _evidence(
        [], [eae("Assignment"), eae("Assignment", **other), eae_delivery(), eae_delivery()]
    )

    assert [ASSIGNMENT, "700002:20261118:assignment"] == sorted(
        found.filter(leg="delivery")["option_event_id"].to_list()
    )


def test_an_assigned_put_brings_the_underlying() -> None:
    """The put's holder sells to us at the strike."""
    put: Row = {"right": "P", "code": "A;C"}
    found = _evidence([booking(1, **put), delivery(2, quantity=100)], [])

    assert {ASSIGNMENT} == set(found["option_event_id"])


def test_a_booking_without_a_code_is_what_optioneae_says_it_is() -> None:
    """Some queries leave the codes out."""
    found = _evidence([booking(1, code=None)], [eae("Assignment", trade_id="5000001")])

    assert {ASSIGNMENT} == set(found["option_event_id"])


@pytest.mark.parametrize(
    ("quantity", "delivered", "event_type"),
    [(1, True, "assignment"), (-1, True, "exercise"), (1, False, "expiration")],
    ids=["short against a delivery", "long against a delivery", "against nothing"],
)
def test_a_booking_without_a_code_is_told_by_what_it_delivered(
    quantity: int, delivered: bool, event_type: str
) -> None:
    """Nothing else of it says so."""
    rows = [booking(1, code=None, quantity=quantity)]
    rows += [delivery(2, quantity=-100 * quantity)] if delivered else []
    found = _evidence(rows, [])

    assert {f"700001:20261118:{event_type}"} == set(found["option_event_id"])


def test_an_exercise_settled_in_cash_is_one_event_with_its_cash(tmp_path: Path) -> None:
    """An index option: `Exercise -1` and `Cash Settlement 0` with the proceeds."""
    warehouse = warehouse_in(tmp_path)
    index: Row = {"con_id": 718479376, "symbol": "VIX   261118C00020000", "underlying_con_id": None}
    rows = [
        eae("Exercise", signed_quantity=Decimal(-1), **index),
        eae("Cash Settlement", signed_quantity=Decimal(0), proceeds=Decimal("327.34"), **index),
    ]
    apply_statement(warehouse, Statement(made=0, sections={"OptionEAE": rows}))

    assert [("718479376:20261118:exercise", Decimal(-1), Decimal("327.34"), None)] == _events(
        warehouse, "option_event_id", "signed_quantity", "cash_amount", "delivered_con_id"
    )


def test_equal_rows_of_one_day_are_the_same_evidence_in_any_order() -> None:
    """Two assignments of one contract: a statement made anew may tell the second first."""
    rows = [
        eae("Assignment", trade_id=str(number), realized_pnl=Decimal(number)) for number in (7, 8)
    ]
    names = ("evidence_id", "trade_id", "realized_pnl")

    assert (
        _evidence([], rows)
        .select(names)
        .sort("evidence_id")
        .equals(_evidence([], rows[::-1]).select(names).sort("evidence_id"))
    )


def test_a_traded_option_is_no_evidence() -> None:
    """Only bookings are: an order that closes a position at a price is a trade."""
    rows = [trade(1), booking(2, transaction_type="ExchTrade", price=Decimal(1), code="C")]

    assert _evidence(rows, []).is_empty()


def _wire_rows() -> list[Row]:
    nobody: Row = {"perm_id": None, "order_id": None, "client_id": None, "event_ts": overnight(0)}
    option: Row = {
        "con_id": 700001,
        "security_type": "OPT",
        "strike": Decimal(190),
        "right": "C",
        "multiplier": Decimal(100),
        "expiry": date(2026, 11, 20),
    }
    return [
        execution("f.1.01.01", quantity=1, price=Decimal(0), **option, **nobody),
        execution("f.2.01.01", side="SELL", quantity=100, price=Decimal(190), **nobody),
    ]


def _wire(warehouse: Warehouse, at: int) -> None:
    rows = [{**row, "event_seq": n} for n, row in enumerate(_wire_rows())]
    frames = frames_of(Dataset.EXECUTIONS, executions=rows)
    apply_wire(warehouse, frames, [make_load(Dataset.EXECUTIONS, at=minutes(at))])


def _position_change(warehouse: Warehouse, at: int) -> None:
    row: Row = {
        "broker": "ibkr",
        "environment": "paper",
        "account_id": ACCOUNT,
        "evidence_id": f"position:{ASSIGNMENT}",
        "option_event_id": ASSIGNMENT,
        "evidence_kind": "position_change",
        "leg": "option",
        "event_type": "assignment",
        "event_date": DAY,
        "con_id": 700001,
        "option_con_id": 700001,
        "signed_quantity": Decimal(1),
        "source": "ibkr.wire",
        "load_id": f"positions-{at}",
        "available_at": minutes(at),
    }
    with warehouse.write("positions") as transaction:
        evidence = frame_of(OPTION_EVENT_EVIDENCE, [row]).drop("version", "recorded_at")
        append_evidence(transaction, evidence)
        facts = facts_to_resolve(transaction)
        append_option_events(transaction, resolve(facts.evidence, facts.coverage))


def _statement(warehouse: Warehouse, at: int) -> None:
    apply_statement(
        warehouse,
        Statement(
            made=at,
            number=at,
            sections={
                "Trades": [
                    booking(1, realized_pnl=Decimal(0)),
                    delivery(2, realized_pnl=Decimal("-64.25"), ib_commission=Decimal("-0.56")),
                ],
                "OptionEAE": [
                    eae("Assignment", trade_id="5000001", realized_pnl=Decimal(0)),
                    eae_delivery(trade_id="5000002", realized_pnl=Decimal("-64.25")),
                ],
            },
        ),
    )


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1)], ids=str)
def test_scenario_k_an_event_told_four_ways_is_one_event(
    tmp_path: Path, order: tuple[int, ...]
) -> None:
    """By a fill at night, a change of positions, Trades and OptionEAE: counted once."""
    warehouse = warehouse_in(tmp_path)
    tellers = [_wire, _position_change, _statement]
    for minute, place in enumerate(order):
        tellers[place](warehouse, minute)

    assert [
        (
            ASSIGNMENT,
            "confirmed",
            Decimal(1),
            265598,
            Decimal(-100),
            Decimal(190),
            Decimal("-64.25"),
            "option_eae,position_change,trade,wire_execution",
        )
    ] == _events(
        warehouse,
        "option_event_id",
        "state",
        "signed_quantity",
        "delivered_con_id",
        "delivered_quantity",
        "delivered_price",
        "realized_pnl",
        "sources",
    )
    with warehouse.read() as connection:
        legs = as_of(connection, "executions").select("signed_quantity", "option_event_id").rows()
        assert as_of(connection, "ordinary_executions").is_empty()
    assert [(Decimal(1), ASSIGNMENT), (Decimal(-100), ASSIGNMENT)] == legs


def test_the_history_of_an_event_is_kept(tmp_path: Path) -> None:
    """Suspected at night, confirmed by the statement; a read of the night still says suspected."""
    warehouse = warehouse_in(tmp_path)
    _wire(warehouse, 0)
    _statement(warehouse, 60)

    with warehouse.read() as connection:
        then = as_of(connection, "option_events", at=minutes(30))
        now = as_of(connection, "option_events")
    assert [("suspected", "wire_execution")] == then.select("state", "sources").rows()
    assert ["confirmed"] == now["state"].to_list()


def test_a_suspicion_no_statement_bears_out_is_refuted(tmp_path: Path) -> None:
    """Only once the statements reach past the day: a booking may be reported a session later."""
    warehouse = warehouse_in(tmp_path)
    _wire(warehouse, 0)
    apply_statement(warehouse, Statement(made=60, sections={"Trades": []}))
    assert [("suspected",)] == _events(warehouse, "state")

    day_after = DAY + timedelta(days=1)
    apply_statement(
        warehouse,
        Statement(
            made=120, number=1, from_date=day_after, to_date=day_after, sections={"Trades": []}
        ),
    )

    assert [("refuted",)] == _events(warehouse, "state")
    with warehouse.read() as connection:
        assert 2 == as_of(connection, "ordinary_executions").height


def test_an_assignment_the_broker_takes_back_is_refuted(tmp_path: Path) -> None:
    """A cancellation of the booking is evidence of the opposite quantity."""
    warehouse = warehouse_in(tmp_path)
    cancel = booking(
        3,
        quantity=-1,
        transaction_type="TradeCancel",
        buy_sell="BUY (Ca.)",
        trade_id=None,
        orig_trade_id="5000001",
        code="A;Ca",
    )
    apply_statement(warehouse, Statement(made=0, sections={"Trades": [booking(1)]}))
    apply_statement(
        warehouse, Statement(made=5, number=1, sections={"Trades": [booking(1), cancel]})
    )

    assert [("refuted", Decimal(0))] == _events(warehouse, "state", "signed_quantity")
    with warehouse.read() as connection:
        assert as_of(connection, "executions").is_empty()


def _told() -> list[Row]:
    return [booking(1), delivery(2)]


def _taken_back() -> list[Row]:
    common: Row = {"transaction_type": "TradeCancel", "trade_id": None, "code": "A;Ca"}
    return [
        *_told(),
        booking(3, quantity=-1, buy_sell="BUY (Ca.)", orig_trade_id="5000001", **common),
        delivery(4, quantity=100, buy_sell="SELL (Ca.)", orig_trade_id="5000002", **common),
    ]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["as made", "the newer first"])
@pytest.mark.parametrize("is_on_wire", [False, True], ids=["statements", "and the gateway"])
def test_an_assignment_no_section_tells_any_more_is_refuted(
    tmp_path: Path, order: tuple[int, ...], is_on_wire: bool
) -> None:
    """Its trades are cancelled, and OptionEAE, complete, no longer has it."""
    warehouse = warehouse_in(tmp_path)
    if is_on_wire:
        _wire(warehouse, 0)
    sections = [
        {"Trades": _told(), "OptionEAE": [eae("Assignment", trade_id="5000001"), eae_delivery()]},
        {"Trades": _taken_back(), "OptionEAE": []},
    ]
    for place in order:
        apply_statement(
            warehouse, Statement(made=place * 60 + 30, number=place, sections=sections[place])
        )

    assert [(ASSIGNMENT, "refuted", "The broker took the booking back.")] == _events(
        warehouse, "option_event_id", "state", "reason"
    )
    with warehouse.read() as connection:
        left = as_of(connection, "option_event_evidence").filter(
            pl.col("evidence_kind").is_in(["option_eae", "trade"])
        )
        assert left.is_empty()


@pytest.mark.parametrize(
    "order", [(0, 1, 2), (2, 1, 0), (0, 2, 1), (1, 0, 2), (2, 0, 1), (1, 2, 0)], ids=str
)
@pytest.mark.parametrize("tells", [(1, 0, 1), (0, 1, 0), (1, 0, 0), (1, 1, 0), (0, 0, 1)], ids=str)
def test_the_newest_statement_of_the_day_says_whether_there_was_an_event(
    tmp_path: Path, order: tuple[int, ...], tells: tuple[int, ...]
) -> None:
    """Told, withdrawn and told anew, whichever statement came in first."""
    warehouse = warehouse_in(tmp_path)
    for place in order:
        rows = [eae("Assignment")] if tells[place] else []
        apply_statement(
            warehouse,
            Statement(made=place, received=10, number=place, sections={"OptionEAE": rows}),
        )

    assert tells[-1:] == tuple(state == "confirmed" for (state,) in _events(warehouse, "state"))


def test_a_statement_of_other_days_withdraws_nothing(tmp_path: Path) -> None:
    """It would not tell the event if it were there."""
    warehouse = warehouse_in(tmp_path)
    apply_statement(warehouse, Statement(made=0, sections={"OptionEAE": [eae("Assignment")]}))
    after = DAY + timedelta(days=1)
    apply_statement(
        warehouse,
        Statement(made=1, number=1, from_date=after, to_date=after, sections={"OptionEAE": []}),
    )

    assert [("confirmed",)] == _events(warehouse, "state")


def test_what_one_section_withdraws_the_other_may_still_tell(tmp_path: Path) -> None:
    """A section speaks for itself."""
    warehouse = warehouse_in(tmp_path)
    sections = {"Trades": [booking(1)], "OptionEAE": [eae("Assignment", trade_id="5000001")]}
    apply_statement(warehouse, Statement(made=0, sections=sections))
    apply_statement(
        warehouse,
        Statement(made=1, number=1, sections={"Trades": [booking(1)], "OptionEAE": []}),
    )

    assert [("confirmed", Decimal(1), "trade")] == _events(
        warehouse, "state", "signed_quantity", "sources"
    )


NEXT = DAY + timedelta(days=1)
NEXT_ASSIGNMENT = "700001:20261119:assignment"


@pytest.mark.parametrize("arrival", ["one statement", "Trades first", "OptionEAE first"])
@pytest.mark.parametrize("trade_id", ["5000001", None], ids=["by tradeID", "by terms"])
def test_sections_of_different_dates_tell_one_event(
    tmp_path: Path, arrival: str, trade_id: str | None
) -> None:
    """The date of OptionEAE is the event's; trades and what they delivered belong to it."""
    warehouse = warehouse_in(tmp_path)
    rows: dict[str, list[Row]] = {
        "Trades": _told(),
        "OptionEAE": [
            eae("Assignment", trade_id=trade_id, event_date=NEXT),
            eae_delivery(event_date=NEXT),
        ],
    }
    parts = [rows] if arrival == "one statement" else [{name: rows[name]} for name in rows]
    if arrival == "OptionEAE first":
        parts.reverse()
    for number, sections in enumerate(parts):
        apply_statement(
            warehouse,
            Statement(made=number, number=number, to_date=NEXT, sections=sections),
        )

    standing = [
        row
        for row in _events(
            warehouse,
            "option_event_id",
            "state",
            "signed_quantity",
            "delivered_quantity",
            "sources",
        )
        if row[1] != "refuted"
    ]
    assert [
        (NEXT_ASSIGNMENT, "confirmed", Decimal(1), Decimal(-100), "option_eae,trade")
    ] == standing
    with warehouse.read() as connection:
        legs = as_of(connection, "executions")["option_event_id"].to_list()
    assert [NEXT_ASSIGNMENT, NEXT_ASSIGNMENT] == legs


def test_sections_in_one_statement_leave_no_event_of_the_other_date(tmp_path: Path) -> None:
    """Nothing ever stood for it."""
    warehouse = warehouse_in(tmp_path)
    rows = {
        "Trades": _told(),
        "OptionEAE": [eae("Assignment", trade_id="5000001", event_date=NEXT)],
    }
    apply_statement(warehouse, Statement(made=0, to_date=NEXT, sections=rows))

    assert [(NEXT_ASSIGNMENT,)] == _events(warehouse, "option_event_id")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"event_date": DAY + timedelta(days=4)}, id="four days apart"),
        pytest.param({"event_date": NEXT, "signed_quantity": Decimal(2)}, id="another quantity"),
        pytest.param({"event_date": NEXT, "trade_id": "77"}, id="another tradeID"),
    ],
)
def test_rows_that_do_not_fit_stay_two_events(change: Row) -> None:
    """Reconciliation tells that the sections differ."""
    found = _evidence([booking(1)], [eae("Assignment", **change)])

    assert 2 == found["option_event_id"].n_unique()


def test_a_trade_that_fits_two_rows_is_linked_with_neither() -> None:
    """Which is not known."""
    found = _evidence(
        [booking(1)],
        [eae("Assignment", event_date=DAY + timedelta(days=n)) for n in (1, 2)],
    )

    assert [ASSIGNMENT] == found.filter(evidence_kind="trade")["option_event_id"].to_list()
