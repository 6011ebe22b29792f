"""Which executions reads stand around a positions read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from ibkr_pipeline.pipelines.brackets import LOADS, SnapshotPair, snapshot_pairs, uncovered

A = "DU0000001"
START = datetime(2026, 4, 13, 20, 0, tzinfo=UTC)


def at(minutes: float) -> datetime:
    """Return an instant some minutes after the start."""
    return START + timedelta(minutes=minutes)


def loads(*rows: tuple[str, float, float, float | None]) -> pl.DataFrame:
    """Return loads of one account: id, sent, answered, window start, in minutes."""
    return pl.DataFrame(
        [
            (A, load_id, at(sent), at(answered), None if window is None else at(window))
            for load_id, sent, answered, window in rows
        ],
        schema=LOADS,
        orient="row",
    )


def pair_of(positions: pl.DataFrame, executions: pl.DataFrame) -> SnapshotPair:
    """Return the only pair there is."""
    (pair,) = snapshot_pairs(positions, executions)
    return pair


def test_the_nearest_reads_before_and_after_are_the_bracket() -> None:
    """What was told before the positions is in them; what was told after may not be."""
    positions = loads(("p1", 2, 3, None), ("p2", 12, 13, None))
    executions = loads(("e1", 0, 1, -60), ("e2", 4, 5, -60), ("e3", 10, 11, -60), ("e4", 14, 15, 9))

    pair = pair_of(positions, executions)

    assert ("p1", "p2") == (pair.before.snapshot_id, pair.after.snapshot_id)
    assert (at(1), at(5)) == (pair.before.opened_at, pair.before.closed_at)
    assert (at(11), at(15)) == (pair.after.opened_at, pair.after.closed_at)


def test_a_bracket_may_be_open() -> None:
    """A run that was killed left no closing read; nothing may be made up for it."""
    pair = pair_of(loads(("p1", 2, 3, None), ("p2", 12, 13, None)), loads(("e1", 10, 11, 0)))

    assert (None, at(11)) == (pair.before.opened_at, pair.before.closed_at)
    assert (at(11), None) == (pair.after.opened_at, pair.after.closed_at)


def test_one_snapshot_makes_no_pair() -> None:
    """The first night has nothing to compare with."""
    assert () == snapshot_pairs(loads(("p1", 2, 3, None)), loads(("e1", 0, 1, 0)))


def test_time_nobody_told_of_is_a_gap() -> None:
    """A gateway tells only of its day: between the last read of a day and midnight is a gap."""
    positions = loads(("p1", 2, 3, None), ("p2", 602, 603, None))
    executions = loads(("e1", 0, 1, -60), ("e2", 4, 5, -60), ("e3", 600, 601, 240))

    assert ((at(4), at(240)),) == pair_of(positions, executions).gaps


def test_windows_that_overlap_leave_no_gap() -> None:
    """Sending the same window twice covers it once."""
    windows = [(at(0), at(10)), (at(5), at(20)), (at(20), at(30))]

    assert () == uncovered(windows, start=at(0), end=at(30))
    assert ((at(30), at(40)),) == uncovered(windows, start=at(3), end=at(40))
