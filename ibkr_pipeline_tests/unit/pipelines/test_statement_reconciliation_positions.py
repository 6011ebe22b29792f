"""Statement positions against those of the statement before and what was booked between."""

from __future__ import annotations

from typing import Any

import polars as pl

from ibkr_pipeline.pipelines.statement_reconciliation_positions import (
    MOVEMENTS,
    NEEDED_SECTIONS,
    reconcile_statement_positions,
)
from ibkr_pipeline_tests.statement_frames import (
    ACCOUNT,
    FRI,
    MON,
    OTHER,
    THU,
    TUE,
    WED,
    sections,
    told,
    typed,
)

AAPL, CALL = 265598, 741000101
POSITIONS = {
    "account_id": pl.String(),
    "report_date": pl.Date(),
    "con_id": pl.Int64(),
    "symbol": pl.String(),
    "signed_quantity": pl.Decimal(38, 10),
}
COVERED = sections(*((name, MON, FRI) for name in NEEDED_SECTIONS))


def held(day: Any, quantity: int, *, con_id: int = AAPL, account: str = ACCOUNT) -> dict[str, Any]:
    """Return one position at the end of a session."""
    return {
        "account_id": account,
        "report_date": day,
        "con_id": con_id,
        "symbol": "AAPL",
        "signed_quantity": quantity,
    }


def booked(day: Any, quantity: int, kind: str = "trade", **changes: Any) -> dict[str, Any]:
    """Return one booking of a session."""
    return {**held(day, quantity), "security_type": "STK", "kind": kind, **changes}


def compare(
    positions: list[dict[str, Any]],
    movements: list[dict[str, Any]],
    covered: pl.DataFrame = COVERED,
    since: Any = MON,
) -> pl.DataFrame:
    """Compare the positions of some days."""
    return reconcile_statement_positions(
        covered, typed(POSITIONS, *positions), typed(MOVEMENTS, *movements), since=since
    )


def test_a_position_is_the_one_before_plus_what_was_booked_since() -> None:
    """100, then +50 -20 as a trade and a transfer out: 130."""
    found = compare(
        [held(MON, 100), held(TUE, 130)], [booked(TUE, 50), booked(TUE, -20, "transfer")]
    )

    assert [(AAPL, TUE, "130", "130", "ok")] == told(
        found, "con_id", "session_date", "expected", "found", "verdict"
    )


def test_a_cancelled_and_rebooked_trade_counts_once() -> None:
    """2 bought, cancelled by -2 the next day and booked again as 1: 2 on Tuesday, 1 after."""
    found = compare(
        [held(MON, 5), held(TUE, 7), held(WED, 6)],
        [booked(TUE, 2), booked(WED, -2), booked(WED, 1)],
    )

    assert [(TUE, "7", "ok"), (WED, "6", "ok")] == told(
        found, "session_date", "expected", "verdict"
    )


def test_the_legs_of_an_assignment_move_both_positions() -> None:
    """2 short calls assigned: +2 calls, -200 of 500 shares."""
    found = compare(
        [held(MON, -2, con_id=CALL), held(MON, 500), held(TUE, 300)],
        [booked(TUE, 2, con_id=CALL, security_type="OPT"), booked(TUE, -200)],
    )

    assert [(AAPL, "300", "ok"), (CALL, "0", "ok")] == told(found, "con_id", "found", "verdict")


def test_a_split_is_a_movement() -> None:
    """100 shares, 4 for 1: the corporate action books +300."""
    found = compare([held(MON, 100), held(TUE, 400)], [booked(TUE, 300, "corporate action")])

    assert ["ok"] == found["verdict"].to_list()


def test_what_no_booking_explains_is_a_break() -> None:
    """100 and nothing booked, 125 found: 25 too many."""
    found = compare([held(MON, 100), held(TUE, 125)], [])

    assert [("100", "125", "25", "break")] == told(
        found, "expected", "found", "difference", "verdict"
    )


def test_a_position_that_is_gone_is_compared_with_zero() -> None:
    """An absent row is no position; its sale explains it, silence does not."""
    covered = pl.concat([COVERED, sections(("OpenPositions", TUE, TUE), n_rows=0)])

    sold = compare([held(MON, 100)], [booked(TUE, -100)], covered)
    silent = compare([held(MON, 100)], [], covered)

    assert [("0", "ok")] == told(sold, "found", "verdict")
    assert [("-100", "break")] == told(silent, "difference", "verdict")


def test_a_day_without_statement_is_bridged() -> None:
    """Monday to Thursday: what was booked on the days between counts."""
    found = compare([held(MON, 10), held(THU, 17)], [booked(TUE, 3), booked(WED, 4)])

    assert [(THU, "17", "ok")] == told(found, "session_date", "expected", "verdict")


def test_days_that_a_section_does_not_cover_are_not_comparable() -> None:
    """Nobody knows what was booked on Wednesday; the reason names the section and the day."""
    covered = sections(
        ("Trades", MON, TUE),
        ("Trades", THU, FRI),
        ("CorporateActions", MON, FRI),
        ("Transfers", MON, FRI),
    )

    found = compare([held(MON, 10), held(THU, 17)], [booked(TUE, 3)], covered)

    assert ["not_comparable"] == found["verdict"].to_list()
    assert f"section Trades for {WED}" in found.item(0, "why")


def test_currency_trades_move_no_position() -> None:
    """They move cash; statements book them under the contract of the pair."""
    found = compare(
        [held(MON, 10), held(TUE, 10)], [booked(TUE, 5000, con_id=12087792, security_type="CASH")]
    )

    assert [(AAPL, "ok")] == told(found, "con_id", "verdict")


def test_accounts_are_kept_apart() -> None:
    """What one account bought explains nothing in another."""
    covered = pl.concat(
        [COVERED, sections(*((name, MON, FRI) for name in NEEDED_SECTIONS), account=OTHER)]
    )

    found = compare(
        [held(MON, 1), held(TUE, 6), held(MON, 1, account=OTHER), held(TUE, 6, account=OTHER)],
        [booked(TUE, 5)],
        covered,
    )

    assert [(ACCOUNT, "ok"), (OTHER, "break")] == told(found, "account_id", "verdict")


def test_the_first_day_known_and_days_before_since_have_no_finding() -> None:
    """There is nothing to compare the first one with."""
    assert compare([held(MON, 1)], []).is_empty()
    assert compare([held(MON, 1), held(TUE, 9)], [], since=WED).is_empty()
