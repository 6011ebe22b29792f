"""Fills and commissions as the gateway and as statements tell them."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from ibkr_pipeline.pipelines.statement_reconciliation_fills import (
    STATEMENT_FILLS,
    WIRE_FILLS,
    reconcile_commissions,
    reconcile_fills,
    uncancelled,
)
from ibkr_pipeline_tests.statement_frames import MON, TUE, told, typed

CZR = 36285627
COVERAGE = {
    "account_id": pl.String(),
    "session_date": pl.Date(),
    "by_wire": pl.Boolean(),
    "by_flex": pl.Boolean(),
}
ALIASES = {"account_id": pl.String(), "alias": pl.String(), "fill_id": pl.String()}
BOTH = typed(COVERAGE, {"session_date": MON, "by_wire": True, "by_flex": True})
NO_ALIAS = typed(ALIASES)


def wire(*rows: dict[str, Any]) -> pl.DataFrame:
    """Return fills of the gateway; 10 of CZR at 25.5 on Monday where a row does not say."""
    return typed(WIRE_FILLS, *(_fill(row) | {"commission_status": "final"} | row for row in rows))


def statement(*rows: dict[str, Any]) -> pl.DataFrame:
    """Return fills of statements, with the same defaults."""
    return typed(
        STATEMENT_FILLS, *(_fill(row) | {"revision": 1, "is_cancel": False} | row for row in rows)
    )


def _fill(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "fill_id": "exec:a.01",
        "exec_id": f"{row.get('fill_id', 'exec:a.01')[5:]}.01",
        "con_id": CZR,
        "symbol": "CZR",
        "session_date": MON,
        "signed_quantity": 10,
        "price": "25.5",
        "commission_currency": "USD",
    }


def verdicts(findings: pl.DataFrame) -> list[tuple[Any, ...]]:
    """Return subject, expected, found and verdict."""
    return told(findings, "subject", "expected", "found", "verdict")


def test_the_same_fill_on_both_sides_agrees() -> None:
    """Same id, quantity and price."""
    found = reconcile_fills(wire({}), statement({}), BOTH, NO_ALIAS)

    assert [("exec:a.01", "10 at 25.5", "10 at 25.5", "ok")] == verdicts(found)


def test_a_fill_that_one_side_lacks_is_a_break() -> None:
    """Whichever side: the other has it for the same day."""
    no_statement = reconcile_fills(wire({}), statement(), BOTH, NO_ALIAS)
    no_wire = reconcile_fills(wire(), statement({}), BOTH, NO_ALIAS)

    assert [("exec:a.01", "no fill", "10 at 25.5", "break")] == verdicts(no_statement)
    assert [("exec:a.01", "10 at 25.5", "no fill", "break")] == verdicts(no_wire)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({"signed_quantity": 9}, "break"),
        ({"price": "25.51"}, "break"),
        ({"price": "25.5000004"}, "ok"),
    ],
    ids=["quantity", "price", "floating point"],
)
def test_quantity_and_price_have_to_agree(change: dict[str, Any], verdict: str) -> None:
    """The gateway sends floating point numbers; beyond that a difference is one."""
    found = reconcile_fills(wire({}), statement(change), BOTH, NO_ALIAS)

    assert [verdict] == found["verdict"].to_list()


@pytest.mark.parametrize(("by_wire", "by_flex"), [(True, False), (False, True)])
def test_a_day_only_one_side_covers_is_not_compared(by_wire: bool, by_flex: bool) -> None:
    """The other side had no chance to tell the fill."""
    coverage = typed(COVERAGE, {"session_date": MON, "by_wire": by_wire, "by_flex": by_flex})

    assert reconcile_fills(wire({}), statement(), coverage, NO_ALIAS).is_empty()


def test_a_booking_without_execution_id_is_not_compared() -> None:
    """Assignments and expirations need not be told by the gateway; nor its fill of one of them."""
    aliases = typed(ALIASES, {"alias": "exec:night.01", "fill_id": "flex:77"})

    found = reconcile_fills(
        wire({"fill_id": "exec:night.01", "price": 0}),
        statement({"fill_id": "flex:77", "exec_id": "flex:77", "price": 0}),
        BOTH,
        aliases,
    )

    assert found.is_empty()


def test_a_corrected_fill_is_compared_with_its_last_revision() -> None:
    """2 cancelled and booked again as 1 under revision 2, which the gateway told too."""
    rows = statement(
        {"signed_quantity": 2, "trade_id": "17", "transaction_id": "1"},
        {
            "fill_id": "flex:2",
            "signed_quantity": -2,
            "orig_trade_id": "17",
            "transaction_id": "2",
            "is_cancel": True,
        },
        {"signed_quantity": 1, "revision": 2, "trade_id": "17", "transaction_id": "3"},
    )

    found = reconcile_fills(wire({"signed_quantity": 1}), rows, BOTH, NO_ALIAS)

    assert [("exec:a.01", "1 at 25.5", "1 at 25.5", "ok")] == verdicts(found)


def test_a_fill_that_was_cancelled_for_good_is_no_break() -> None:
    """The gateway cannot take back what it told days ago."""
    rows = statement(
        {"trade_id": "17"},
        {"fill_id": "flex:2", "signed_quantity": -10, "orig_trade_id": "17", "is_cancel": True},
    )

    found = reconcile_fills(wire({}), rows, BOTH, NO_ALIAS)

    assert [("ok", "a statement cancelled it since")] == told(found, "verdict", "why")


def test_a_cancel_takes_out_one_of_two_equal_fills() -> None:
    """Cancelled once and booked again with the same terms: the later booking stays."""
    rows = statement(
        {"fill_id": "exec:a.01", "trade_id": "17", "transaction_id": "101"},
        {"fill_id": "exec:b.01", "trade_id": "17", "transaction_id": "103"},
        {
            "fill_id": "flex:102",
            "signed_quantity": -10,
            "orig_trade_id": "17",
            "transaction_id": "102",
            "is_cancel": True,
        },
    )

    found = uncancelled(rows)

    assert [("exec:a.01", True), ("exec:b.01", False)] == told(found, "fill_id", "is_cancelled")


def test_commissions_agree_within_a_cent_each_and_in_total() -> None:
    """1.05 and 1.0513 are 0.0013 apart; the statement's sign is the other way round."""
    found = reconcile_commissions(
        wire({"commission": "1.05"}), statement({"ib_commission": "-1.0513"}), BOTH
    )

    assert [
        ("exec:a.01", "1.0513", "1.05", "ok"),
        ("total in USD", "1.0513", "1.05", "ok"),
    ] == verdicts(found)


def test_small_differences_that_add_up_break_the_total_alone() -> None:
    """Three fills 0.004 apart each: 0.012 in total."""
    names = [f"exec:{letter}.01" for letter in "abc"]

    found = reconcile_commissions(
        wire(*({"fill_id": name, "commission": "1.004"} for name in names)),
        statement(*({"fill_id": name, "ib_commission": "-1.00"} for name in names)),
        BOTH,
    )

    assert ["ok", "ok", "ok", "break"] == found["verdict"].to_list()
    assert ("total in USD", "3", "3.012") == told(found, "subject", "expected", "found")[-1]


def test_a_commission_of_another_amount_is_a_break() -> None:
    """0.35 more than the gateway said."""
    found = reconcile_commissions(
        wire({"commission": "1.00"}), statement({"ib_commission": "-1.35"}), BOTH
    )

    assert [("1.35", "1", "-0.35", "break")] * 2 == told(
        found, "expected", "found", "difference", "verdict"
    )


def test_a_rebate_is_a_negative_commission_on_both_sides() -> None:
    """The statement tells +0.3333, the gateway -0.3333."""
    found = reconcile_commissions(
        wire({"commission": "-0.3333"}), statement({"ib_commission": "0.3333"}), BOTH
    )

    assert ["ok", "ok"] == found["verdict"].to_list()


@pytest.mark.parametrize(
    ("on_wire", "verdict"),
    [("1.0333", "ok"), ("-0.3333", "ok"), ("1.3666", "break")],
    ids=["all bookings", "the last booking alone", "the first booking alone"],
)
def test_a_trade_booked_again_costs_what_its_bookings_cost(on_wire: str, verdict: str) -> None:
    """-1.3666 for 2, cancelled at 0, booked again as 1 at +0.3333: 1.0333."""
    rows = statement(
        {"signed_quantity": 2, "trade_id": "17", "transaction_id": "1", "ib_commission": "-1.3666"},
        {
            "fill_id": "flex:2",
            "signed_quantity": -2,
            "orig_trade_id": "17",
            "transaction_id": "2",
            "ib_commission": 0,
            "is_cancel": True,
        },
        {"revision": 2, "trade_id": "17", "transaction_id": "3", "ib_commission": "0.3333"},
    )

    found = reconcile_commissions(wire({"commission": on_wire}), rows, BOTH)

    assert [verdict, verdict] == found["verdict"].to_list()
    assert ["1.0333", "exec:a.01"] == [found.item(0, "expected"), found.item(0, "subject")]


def test_taxes_the_gateway_counts_as_commission_are_well() -> None:
    """1.00 and 0.18 of tax on one side, 1.18 on the other."""
    found = reconcile_commissions(
        wire({"commission": "1.18"}), statement({"ib_commission": "-1", "taxes": "-0.18"}), BOTH
    )

    assert ["ok", "ok"] == found["verdict"].to_list()


@pytest.mark.parametrize(
    ("on_wire", "in_statement"),
    [
        ({"commission": None}, {"ib_commission": "-1"}),
        ({"commission": "1"}, {"ib_commission": None}),
        ({"commission": "1"}, {"ib_commission": "-1", "commission_currency": "EUR"}),
        ({"commission": "1"}, {"ib_commission": "-2", "exec_id": "a.01.02"}),
    ],
    ids=["pending", "not told", "other currency", "other revision"],
)
def test_what_cannot_be_compared_says_so(
    on_wire: dict[str, Any], in_statement: dict[str, Any]
) -> None:
    """And stays out of the total."""
    found = reconcile_commissions(wire(on_wire), statement(in_statement), BOTH)

    assert ["not_comparable"] == found["verdict"].to_list()


def test_nothing_to_compare_gives_no_finding() -> None:
    """A fill of a day that only the gateway covers has no commission to compare either."""
    elsewhere = {"session_date": TUE}

    assert reconcile_commissions(wire(elsewhere), statement(elsewhere), BOTH).is_empty()
    assert reconcile_fills(wire(elsewhere), statement(elsewhere), BOTH, NO_ALIAS).is_empty()
