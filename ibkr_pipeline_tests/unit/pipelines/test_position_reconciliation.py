"""Positions against the positions before and the executions told since."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import polars as pl

from ibkr_pipeline.pipelines.brackets import Bracket, SnapshotPair
from ibkr_pipeline.pipelines.position_reconciliation import (
    reconcile_positions,
    reconcile_zero_executions,
)

A = "DU0000001"
START = datetime(2026, 4, 13, 20, 0, tzinfo=UTC)
AAPL, MSFT = 265598, 272093
EXECUTIONS = {
    "account_id": pl.String(),
    "fill_id": pl.String(),
    "revision": pl.Int64(),
    "con_id": pl.Int64(),
    "security_type": pl.String(),
    "signed_quantity": pl.Decimal(38, 10),
    "is_combo_parent": pl.Boolean(),
    "is_allocation_parent": pl.Boolean(),
    "available_at": pl.Datetime("us", "UTC"),
}


def at(minutes: float) -> datetime:
    """Return an instant some minutes after the start."""
    return START + timedelta(minutes=minutes)


def pair(gaps: tuple[tuple[datetime, datetime], ...] = ()) -> SnapshotPair:
    """Return two bracketed snapshots: opened at 1 and 11, closed at 5 and 15."""
    before, after = (
        Bracket(
            account_id=A,
            snapshot_id=f"p{start:.0f}",
            started_at=at(start + 2),
            available_at=at(start + 3),
            opening_sent_at=at(start),
            opened_at=at(start + 1),
            closed_at=at(start + 5),
        )
        for start in (0.0, 10.0)
    )
    return SnapshotPair(account_id=A, before=before, after=after, gaps=gaps)


def positions(before: dict[int, int], after: dict[int, int]) -> pl.DataFrame:
    """Return the rows of both snapshots."""
    rows = [
        (snapshot, con_id, Decimal(quantity))
        for snapshot, held in (("p0", before), ("p10", after))
        for con_id, quantity in held.items()
    ]
    return pl.DataFrame(
        rows,
        schema={"snapshot_id": pl.String(), "con_id": pl.Int64(), "quantity": pl.Decimal(38, 10)},
        orient="row",
    )


def fills(*rows: tuple[str, int, int, int, float], **flags: object) -> pl.DataFrame:
    """Return fills: id, revision, con_id, signed quantity, minute it was told."""
    values = [
        (
            A,
            fill_id,
            revision,
            con_id,
            flags.get("security_type", "STK"),
            Decimal(quantity),
            flags.get("is_combo_parent", False),
            flags.get("is_allocation_parent", False),
            at(told),
        )
        for fill_id, revision, con_id, quantity, told in rows
    ]
    return pl.DataFrame(values, schema=EXECUTIONS, orient="row")


def verdicts(findings: pl.DataFrame) -> list[tuple[int, str, str, str]]:
    """Return con_id, expected, found and verdict of each finding."""
    return list(findings.select("con_id", "expected", "found", "verdict").iter_rows())


def test_a_position_follows_from_the_one_before_and_the_fills_between() -> None:
    """100 before, +50 and -20 told since: 130."""
    found = reconcile_positions(
        [pair()],
        positions({AAPL: 100}, {AAPL: 130}),
        fills(("exec:1", 1, AAPL, 50, 8), ("exec:2", 1, AAPL, -20, 11)),
    )

    assert [(AAPL, "130", "130", "ok")] == verdicts(found)


def test_a_difference_no_fill_explains_is_a_break() -> None:
    """130 expected, 125 found: nobody told of the 5 that are missing."""
    found = reconcile_positions(
        [pair()], positions({AAPL: 100}, {AAPL: 125}), fills(("exec:1", 1, AAPL, 30, 8))
    )

    assert [(AAPL, "130", "125", "break")] == verdicts(found)
    assert "-5" == found.item(0, "difference")


def test_a_closed_position_is_compared_with_zero() -> None:
    """A position that is gone is absent, not zero; its sale explains it."""
    found = reconcile_positions(
        [pair()], positions({AAPL: 100}, {}), fills(("exec:1", 1, AAPL, -100, 8))
    )

    assert [(AAPL, "0", "0", "ok")] == verdicts(found)


def test_a_correction_counts_with_the_difference_it_makes() -> None:
    """100 bought was told before the first snapshot; corrected to 90 since: 10 less."""
    found = reconcile_positions(
        [pair()],
        positions({AAPL: 100}, {AAPL: 90}),
        fills(("exec:1", 1, AAPL, 100, 0.5), ("exec:1", 2, AAPL, 90, 8)),
    )

    assert [(AAPL, "90", "90", "ok")] == verdicts(found)


def test_what_traded_while_positions_were_read_is_not_comparable() -> None:
    """Nobody knows whether the fill is in the snapshot; the other contract stays comparable."""
    found = reconcile_positions(
        [pair()],
        positions({AAPL: 100, MSFT: 10}, {AAPL: 150, MSFT: 10}),
        fills(("exec:1", 1, AAPL, 50, 15)),
    )

    assert [(AAPL, "100", "150", "not_comparable"), (MSFT, "10", "10", "ok")] == verdicts(found)


def test_combos_and_allocation_parents_are_not_counted() -> None:
    """Their legs and allocations carry the quantity; counting both would double it."""
    parents = [
        fills(("exec:1", 1, AAPL, 50, 8), is_combo_parent=True),
        fills(("exec:2", 1, AAPL, 50, 8), is_allocation_parent=True),
        fills(("exec:3", 1, AAPL, 50, 8), security_type="CASH"),
    ]

    found = reconcile_positions([pair()], positions({AAPL: 100}, {AAPL: 100}), pl.concat(parents))

    assert [(AAPL, "100", "100", "ok")] == verdicts(found)


def test_a_difference_across_a_gap_is_not_comparable() -> None:
    """A gateway tells only of its day: a fill in the gap would explain the difference."""
    found = reconcile_positions(
        [pair(gaps=((at(6), at(9)),))], positions({AAPL: 100}, {AAPL: 120}), fills()
    )

    assert [(AAPL, "100", "120", "not_comparable")] == verdicts(found)
    assert "2026-04-13T20:06:00+00:00" in found.item(0, "why")


def test_equal_positions_across_a_gap_are_well() -> None:
    """What adds up needs no excuse."""
    found = reconcile_positions(
        [pair(gaps=((at(6), at(9)),))], positions({AAPL: 100}, {AAPL: 100}), fills()
    )

    assert [(AAPL, "100", "100", "ok")] == verdicts(found)


def test_without_a_closing_read_nothing_is_comparable() -> None:
    """Trades during the positions read could not be told apart."""
    whole = pair()
    open_after = Bracket(
        account_id=A,
        snapshot_id="p10",
        started_at=at(12),
        available_at=at(13),
        opening_sent_at=at(10),
        opened_at=at(11),
        closed_at=None,
    )

    found = reconcile_positions(
        [SnapshotPair(account_id=A, before=whole.before, after=open_after, gaps=())],
        positions({AAPL: 100}, {AAPL: 120}),
        fills(),
    )

    assert [(AAPL, "100", "120", "not_comparable")] == verdicts(found)
    assert "no executions were read after the later positions read" == found.item(0, "why")


def test_positions_that_changed_without_any_execution_are_a_break() -> None:
    """Some gateway builds answer an executions request with nothing, end marker included."""
    found = reconcile_zero_executions(
        [pair()], positions({AAPL: 100, MSFT: 5}, {AAPL: 120}), fills()
    )

    assert [("break", "0")] == list(found.select("verdict", "found").iter_rows())
    assert found.item(0, "why").startswith("2 positions changed and no execution was told")


def test_positions_that_changed_with_executions_are_no_concern_of_that_check() -> None:
    """Whether they add up is the other comparison's question."""
    found = reconcile_zero_executions(
        [pair()], positions({AAPL: 100}, {AAPL: 120}), fills(("exec:1", 1, AAPL, 20, 8))
    )

    assert ["ok"] == found["verdict"].to_list()
