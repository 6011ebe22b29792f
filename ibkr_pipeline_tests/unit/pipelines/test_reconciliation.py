"""Orders, accounts, staleness and the plausibility of fills."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest

from ibkr_pipeline.pipelines.findings import breaks, quantity_text
from ibkr_pipeline.pipelines.reconciliation import (
    reconcile_accounts,
    reconcile_execution_roots,
    reconcile_fill_times,
    reconcile_orders,
    reconcile_staleness,
)
from ibkr_pipeline.primitives.enums import Environment

A, B = "DU0000001", "DU0000002"
NOW = datetime(2026, 4, 13, 20, 30, tzinfo=UTC)
BEFORE, AFTER = NOW - timedelta(minutes=1), NOW + timedelta(minutes=1)
QUANTITY = pl.Decimal(38, 10)


def orders(**changes: object) -> pl.DataFrame:
    """Return one filled order of 100."""
    row = {
        "account_id": A,
        "order_key": "perm:1",
        "con_id": 265598,
        "security_type": "STK",
        "status": "filled",
        "total_quantity": Decimal(100),
        "filled_quantity": Decimal(100),
        "available_at": NOW,
        "first_filled_quantity": Decimal(0),
    }
    quantities = dict.fromkeys(
        ("total_quantity", "filled_quantity", "first_filled_quantity"), QUANTITY
    )
    return pl.DataFrame([row | changes], schema_overrides=quantities)


def fills(*quantities: int, is_combo_parent: bool = False) -> pl.DataFrame:
    """Return fills of that order."""
    return pl.DataFrame(
        [(A, "perm:1", Decimal(quantity), is_combo_parent) for quantity in quantities],
        schema={
            "account_id": pl.String(),
            "order_key": pl.String(),
            "fill_quantity": QUANTITY,
            "is_combo_parent": pl.Boolean(),
        },
        orient="row",
    )


def verdict(found: pl.DataFrame) -> tuple[str, str, str]:
    """Return expected, found and verdict of the only finding."""
    (row,) = found.select("expected", "found", "verdict").iter_rows()
    return row


def test_a_filled_order_equals_its_executions() -> None:
    """60 and 40 make 100."""
    found = reconcile_orders(orders(), fills(60, 40), last_read={A: AFTER})

    assert ("100", "100", "ok") == verdict(found)


def test_a_filled_order_with_a_fill_missing_is_a_break() -> None:
    """A fill that was not told is money nobody counts."""
    found = reconcile_orders(orders(), fills(60), last_read={A: AFTER})

    assert ("100", "60", "break") == verdict(found)


def test_an_order_told_after_the_last_executions_read_is_not_comparable() -> None:
    """It may have filled since; the next executions read will tell."""
    found = reconcile_orders(orders(), fills(60), last_read={A: BEFORE})

    assert ("100", "60", "not_comparable") == verdict(found)


def test_an_order_that_had_filled_before_it_was_first_read_is_not_comparable() -> None:
    """A gateway tells only the fills of its day; a GTC order may have older ones."""
    found = reconcile_orders(
        orders(first_filled_quantity=Decimal(40)), fills(60), last_read={A: AFTER}
    )

    assert ("100", "60", "not_comparable") == verdict(found)


def test_a_filled_order_that_tells_no_quantity_is_compared_with_what_was_ordered() -> None:
    """Open orders of some builds leave filledQuantity unset."""
    found = reconcile_orders(orders(filled_quantity=None), fills(100), last_read={A: AFTER})

    assert ("100", "100", "ok") == verdict(found)


def test_fills_beyond_what_was_told_of_an_order_that_is_gone_are_not_comparable() -> None:
    """40 were filled when it was last read as open; it went on, and its end was not read."""
    gone = orders(status="gone", filled_quantity=Decimal(40))

    assert ("40", "100", "not_comparable") == verdict(
        reconcile_orders(gone, fills(60, 40), last_read={A: AFTER})
    )
    assert ("40", "30", "break") == verdict(reconcile_orders(gone, fills(30), last_read={A: AFTER}))


def test_a_combo_order_is_compared_with_the_fill_of_the_combo() -> None:
    """Its legs count for positions, not for the order's own quantity."""
    found = reconcile_orders(
        orders(security_type="BAG"), fills(100, is_combo_parent=True), last_read={A: AFTER}
    )

    assert ("100", "100", "ok") == verdict(found)


def test_fault_50_an_account_that_vanished_is_a_break() -> None:
    """Its last snapshot would stay current for ever and nobody would look."""
    found = reconcile_accounts([A], stored=[A, B], expected=())

    assert [B] == breaks(found)["account_id"].to_list()


def test_fault_50_an_empty_account_list_is_a_break() -> None:
    """A gateway that manages nothing has nothing to do with an empty account."""
    assert 1 == breaks(reconcile_accounts([], stored=[A], expected=())).height


def test_an_expected_account_that_is_not_managed_is_a_break() -> None:
    """The allow-list says what the owner wants read."""
    found = reconcile_accounts([A], stored=[A], expected=[A, B])

    assert [B] == breaks(found)["account_id"].to_list()


def test_new_accounts_and_those_left_out_are_told_and_no_break() -> None:
    """Somebody opened an account: worth a line, not an alarm."""
    found = reconcile_accounts([A, B, "DU0000003"], stored=[A], expected=[A, B])

    assert [None, "new", "left out by the allow-list ibkr.accounts"] == found["why"].to_list()
    assert 0 == breaks(found).height


def test_before_the_first_read_accounts_are_not_comparable() -> None:
    """Nothing read yet is not an empty account list."""
    assert ["not_comparable"] == reconcile_accounts(None, stored=[], expected=())[
        "verdict"
    ].to_list()


def test_an_old_read_and_a_missing_one_are_stale() -> None:
    """What was true four days ago is no snapshot of today."""
    found = reconcile_staleness(
        {
            (A, "accounts"): NOW - timedelta(hours=1),
            (A, "orders"): NOW - timedelta(days=5),
            (B, "accounts"): None,
        },
        now=NOW,
        max_age=timedelta(days=4),
    )

    assert ["ok", "break", "break"] == found["verdict"].to_list()


def test_a_fill_that_is_current_twice_is_a_break() -> None:
    """One execution counted twice is a position nobody has."""
    current = pl.DataFrame(
        {"account_id": [A, A, A], "fill_id": ["x", "x", "y"], "con_id": [1, 1, 2]}
    )

    assert [("x", "2")] == list(
        reconcile_execution_roots(current).select("subject", "found").iter_rows()
    )


@pytest.mark.parametrize(
    ("environment", "expected"),
    [(Environment.PAPER, ["break"]), (Environment.SIMULATED, ["not_comparable"])],
)
def test_a_fill_later_than_now_is_told(environment: Environment, expected: list[str]) -> None:
    """Hours off into the future is a time zone taken for another, except on a simulated clock."""
    current = pl.DataFrame(
        {
            "account_id": [A, A],
            "fill_id": ["late", "well"],
            "con_id": [1, 1],
            "event_ts": [NOW + timedelta(hours=5), NOW - timedelta(hours=5)],
            "event_ts_text": ["20260414-01:30:00", "20260413-15:30:00"],
        }
    )

    found = reconcile_fill_times(current, now=NOW, environment=environment)

    assert expected == found["verdict"].to_list()


@pytest.mark.parametrize(
    ("quantity", "text"),
    [("100.0000000000", "100"), ("-0.5000", "-0.5"), ("0", "0"), ("1E+2", "100")],
)
def test_quantities_are_told_without_trailing_zeros(quantity: str, text: str) -> None:
    """A person reads 100, not 100.0000000000."""
    assert text == quantity_text(Decimal(quantity))
