"""Option events: what the sources tell of each, and what was delivered."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from ibkr_pipeline.pipelines.statement_reconciliation_events import reconcile_option_events
from ibkr_pipeline.schemas.statements import OPTION_EVENT_EVIDENCE, OPTION_EVENTS
from ibkr_pipeline_tests.statement_frames import WED, told, typed

CALL, MSTR = 741000101, 272110
EVENT = f"{CALL}:20261118:assignment"


def event(**changes: Any) -> pl.DataFrame:
    """Return 2 short calls (strike 290, multiplier 100) assigned: -200 shares at 290."""
    values = {
        "option_event_id": EVENT,
        "event_type": "assignment",
        "state": "confirmed",
        "event_date": WED,
        "con_id": CALL,
        "symbol": "MSTR  261118C00290000",
        "security_type": "OPT",
        "underlying_symbol": "MSTR",
        "multiplier": 100,
        "strike": 290,
        "right": "C",
        "signed_quantity": 2,
        "delivered_con_id": MSTR,
        "delivered_quantity": -200,
        "delivered_price": 290,
    }
    return typed(OPTION_EVENTS.schema, {**values, **changes})


def piece(kind: str, quantity: int, leg: str = "option", **changes: Any) -> dict[str, Any]:
    """Return a piece of evidence of that event."""
    return {
        "evidence_id": f"{kind}:{leg}:{quantity}",
        "option_event_id": EVENT,
        "evidence_kind": kind,
        "leg": leg,
        "event_date": WED,
        "con_id": CALL if leg == "option" else MSTR,
        "symbol": "MSTR",
        "signed_quantity": quantity,
        **changes,
    }


def evidence(*pieces: dict[str, Any]) -> pl.DataFrame:
    """Return pieces of evidence as a frame."""
    return typed(OPTION_EVENT_EVIDENCE.schema, *pieces)


BOTH_SECTIONS = evidence(
    piece("option_eae", 2), piece("trade", 2), piece("trade", -200, "delivery")
)


def test_sources_that_agree_and_a_delivery_that_fits_are_well() -> None:
    """+2 calls by both sections; 2 x 100 = 200 shares taken at the strike."""
    found = reconcile_option_events(event(), BOTH_SECTIONS)

    assert [
        (f"quantity of {EVENT}", "2", "2", "ok", "told by option_eae, trade"),
        (f"delivery of {EVENT}", "-200", "-200", "ok", "delivered at 290"),
    ] == told(found, "subject", "expected", "found", "verdict", "why")


def test_rows_of_one_source_are_added_up_before_they_are_compared() -> None:
    """Assigned in two lots of 1, told as one row by the other section."""
    found = reconcile_option_events(
        event(),
        evidence(piece("option_eae", 2), piece("trade", 1), piece("trade", 1, evidence_id="b")),
    )

    assert "ok" == found.item(0, "verdict")


def test_sources_that_tell_different_quantities_are_a_break() -> None:
    """OptionEAE says 2, Trades say 3: one of them is wrong."""
    found = reconcile_option_events(event(), evidence(piece("option_eae", 2), piece("trade", 3)))

    assert ("2", "3", "1", "break", "trade tells another quantity than option_eae") == told(
        found, "expected", "found", "difference", "verdict", "why"
    )[0]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"right": "P", "delivered_quantity": 200}, "200"),
        ({"signed_quantity": -2, "delivered_quantity": 200}, "200"),
        ({"right": "P", "signed_quantity": -2, "delivered_quantity": -200}, "-200"),
        ({"security_type": "FOP", "multiplier": 50, "delivered_quantity": -2}, "-2"),
    ],
    ids=["short put", "long call", "long put", "option on a future"],
)
def test_the_delivery_goes_the_way_the_option_says(changes: dict[str, Any], expected: str) -> None:
    """A future's option delivers one future each, whatever the multiplier."""
    found = reconcile_option_events(event(**changes), evidence())

    assert (expected, "ok") == told(found, "expected", "verdict")[1]


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"delivered_quantity": -100}, "break"),
        ({"delivered_quantity": 200}, "break"),
        ({"delivered_price": 291}, "break"),
        ({"delivered_con_id": None, "delivered_quantity": None}, "break"),
        ({"multiplier": None}, "not_comparable"),
        ({"delivered_price": None}, "not_comparable"),
    ],
    ids=["too few", "wrong side", "not the strike", "nothing", "no multiplier", "no price"],
)
def test_a_delivery_that_does_not_fit_is_told(changes: dict[str, Any], verdict: str) -> None:
    """Quantity, side and price follow from the option alone."""
    found = reconcile_option_events(event(**changes), BOTH_SECTIONS)

    assert verdict == told(found, "verdict")[1][0]


@pytest.mark.parametrize(
    ("changes", "pieces", "adjusted"),
    [
        ({}, BOTH_SECTIONS, frozenset({CALL})),
        (
            {},
            evidence(piece("trade", -150, "delivery"), piece("trade", -50, "delivery", con_id=9)),
            frozenset(),
        ),
        ({"cash_amount": "123.45"}, BOTH_SECTIONS, frozenset()),
        ({"symbol": "MSTR1 261118C00290000"}, BOTH_SECTIONS, frozenset()),
    ],
    ids=["corporate action", "two deliverables", "cash besides", "adjusted symbol"],
)
def test_an_adjusted_option_is_not_comparable(
    changes: dict[str, Any], pieces: pl.DataFrame, adjusted: frozenset[int]
) -> None:
    """What it delivers follows from the corporate action, not from the multiplier."""
    found = reconcile_option_events(event(delivered_quantity=-150, **changes), pieces, adjusted)

    assert "not_comparable" == told(found, "verdict")[1][0]


def test_a_cash_settlement_and_an_expiration_deliver_nothing() -> None:
    """An index option settles in cash; what expired is gone."""
    nothing = {"delivered_con_id": None, "delivered_quantity": None, "delivered_price": None}
    settled = event(cash_amount="-2887.50", **nothing)
    expired = event(event_type="expiration", **nothing)

    assert 1 == reconcile_option_events(settled, evidence()).height
    assert 1 == reconcile_option_events(expired, evidence()).height


def test_a_cash_settlement_may_tell_no_amount() -> None:
    """As statements do of options on VIX: a row of quantity 0; the cash is booked elsewhere.

    Trades alone do not even have that row, so they prove nothing.
    """
    nothing = {"delivered_con_id": None, "delivered_quantity": None}
    settled = evidence(piece("option_eae", 2), piece("option_eae", 0, "cash"))

    by_eae = reconcile_option_events(event(**nothing), settled)
    by_trades = reconcile_option_events(event(**nothing), evidence(piece("trade", 2)))

    assert ["ok"] == by_eae["verdict"].to_list()
    assert ["ok", "not_comparable"] == by_trades["verdict"].to_list()


def test_a_suspected_event_without_delivery_waits_for_its_statement() -> None:
    """Nobody has told of it yet; a refuted one is no event at all."""
    nothing = {"delivered_con_id": None, "delivered_quantity": None}

    waiting = reconcile_option_events(event(state="suspected", **nothing), evidence())
    refuted = reconcile_option_events(event(state="refuted"), evidence())

    assert [("ok", True), ("not_comparable", False)] == told(waiting, "verdict", "is_suspected")
    assert refuted.is_empty()


def test_a_leg_that_belongs_to_no_event_is_a_break() -> None:
    """It is reported, never guessed at."""
    loose = piece("trade", -100, "delivery", option_event_id=None)

    found = reconcile_option_events(event(), evidence(loose))

    assert (f"unlinked delivery {loose['evidence_id']}", "-100", "break", MSTR, WED) == told(
        found, "subject", "difference", "verdict", "con_id", "session_date"
    )[-1]
