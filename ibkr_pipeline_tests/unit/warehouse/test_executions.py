"""Fills and commissions in core."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from ibkr_pipeline.models.requests import AppliedLoad
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.schemas import core
from ibkr_pipeline.warehouse.connection import Warehouse
from ibkr_pipeline.warehouse.reads import as_of
from ibkr_pipeline_tests.warehouse_rows import (
    ACCOUNT,
    NOON,
    apply_rows,
    commission,
    execution,
    frames_of,
    make_load,
    minutes,
    warehouse_in,
)

EXECUTIONS = Dataset.EXECUTIONS
FIRST, CORRECTED = "0000e0d5.6543a1b2.01.01", "0000e0d5.6543a1b2.01.02"
Rows = Sequence[dict[str, object]]


def _tell(
    warehouse: Warehouse, fills: Rows = (), reports: Rows = (), *, at: int = 0
) -> AppliedLoad:
    frames = frames_of(EXECUTIONS, executions=fills, commissions=reports)
    (applied,) = apply_rows(
        warehouse, EXECUTIONS, (frames, [make_load(EXECUTIONS, at=minutes(at))])
    )
    return applied


def _current(warehouse: Warehouse, *columns: str) -> list[tuple[object, ...]]:
    with warehouse.read() as connection:
        return as_of(connection, "executions").select(columns).rows()


def _count(warehouse: Warehouse, table: str) -> int:
    with warehouse.read() as connection:
        rows = connection.execute(f"SELECT count(*) FROM {table}").fetchall()
    return int(rows[0][0])


def _figures(applied: AppliedLoad) -> tuple[int, int, int, int]:
    return applied.n_read, applied.n_new, applied.n_changed, applied.n_unchanged


def test_scenario_b_a_commission_that_was_missing_is_resolved_by_the_next_load(
    tmp_path: Path,
) -> None:
    """Three fills, commissions for two: the third is pending, then final, never 0."""
    warehouse = warehouse_in(tmp_path)
    ids = [f"0000e0d5.6543a1b{n}.01.01" for n in range(3)]
    fills = [execution(exec_id, event_seq=n) for n, exec_id in enumerate(ids)]
    reports = [commission(exec_id, event_seq=10 + n) for n, exec_id in enumerate(ids)]
    _tell(warehouse, fills, reports[:2])
    assert _current(warehouse, "exec_id", "commission", "commission_status") == [
        (ids[0], Decimal("1.05"), "final"),
        (ids[1], Decimal("1.05"), "final"),
        (ids[2], None, "pending"),
    ]

    second = _tell(warehouse, fills, reports, at=5)

    assert _figures(second) == (3, 0, 1, 2)
    assert _current(warehouse, "commission_status") == [("final",)] * 3
    assert _count(warehouse, "core.commissions") == 3


def test_fault_43_scenario_c_a_correction_wins_and_both_rows_are_kept(tmp_path: Path) -> None:
    """A correction replaces: the net quantity stays, the price is the new one."""
    warehouse = warehouse_in(tmp_path)
    _tell(warehouse, [execution(FIRST)])

    second = _tell(warehouse, [execution(CORRECTED, price=Decimal("190.75"))], at=5)

    assert _figures(second) == (1, 0, 1, 0)
    assert _current(warehouse, "signed_quantity", "price") == [(Decimal(100), Decimal("190.75"))]
    assert _count(warehouse, "core.executions") == 2


def test_fault_44_a_correction_before_its_original_gives_the_same_table(tmp_path: Path) -> None:
    """Which revision wins is the broker's order, not the order of arrival."""
    warehouse = warehouse_in(tmp_path)
    _tell(warehouse, [execution(CORRECTED, price=Decimal("190.75"))])
    _tell(warehouse, [execution(FIRST)], at=5)

    assert _current(warehouse, "revision", "price") == [(2, Decimal("190.75"))]
    assert _count(warehouse, "core.executions") == 2


def test_fault_42_overlapping_windows_give_each_fill_once(tmp_path: Path) -> None:
    """Every read tells the whole day again."""
    warehouse = warehouse_in(tmp_path)
    other = "0000e0d5.6543a1b3.01.01"
    _tell(warehouse, [execution(FIRST)], [commission(FIRST)])

    second = _tell(
        warehouse,
        [execution(FIRST), execution(other, event_seq=3)],
        [commission(FIRST)],
        at=5,
    )

    assert _figures(second) == (2, 1, 0, 1)
    assert _count(warehouse, "core.executions") == 2
    assert _count(warehouse, "core.commissions") == 1


def test_the_same_rows_under_a_new_load_add_nothing(tmp_path: Path) -> None:
    """Only the mark that the load was applied is new."""
    warehouse = warehouse_in(tmp_path)
    fills, reports = [execution(FIRST)], [commission(FIRST)]
    _tell(warehouse, fills, reports)
    tables = [table.name for table in core.TABLES if table is not core.APPLIED_LOADS]
    before = {name: _count(warehouse, name) for name in tables}

    _tell(warehouse, fills, reports, at=5)

    assert {name: _count(warehouse, name) for name in tables} == before


def test_a_fill_told_twice_in_one_load_is_one_fill(tmp_path: Path) -> None:
    """The broker pushes an execution and answers with it again."""
    warehouse = warehouse_in(tmp_path)

    applied = _tell(warehouse, [execution(FIRST), execution(FIRST, event_seq=9)])

    assert _figures(applied) == (1, 1, 0, 0)
    assert _count(warehouse, "meta.conflicts") == 0


@pytest.mark.parametrize("apart", [False, True], ids=["in one load", "in two loads"])
def test_one_exec_id_with_two_contents_keeps_the_first_and_reports_the_other(
    tmp_path: Path, *, apart: bool
) -> None:
    """Nothing is thrown away in silence, and nothing is overwritten."""
    warehouse = warehouse_in(tmp_path)
    fills = [execution(FIRST), execution(FIRST, price=Decimal(191), event_seq=9)]
    for number, told in enumerate([[fill] for fill in fills] if apart else [fills]):
        _tell(warehouse, told, at=number)
    _tell(warehouse, fills[1:], at=7)

    assert _current(warehouse, "price") == [(Decimal("190.25"),)]
    with warehouse.read() as connection:
        conflicts = connection.execute(
            "SELECT record, kept->>'price', found->>'price' FROM meta.conflicts"
        ).fetchall()
    assert conflicts == [(FIRST, "190.2500000000", "191.0000000000")]


@pytest.mark.parametrize("days", [1, 30, 700])
def test_an_exec_id_that_changes_its_time_is_not_doubled(tmp_path: Path, days: int) -> None:
    """A bound on time alone would miss it, however wide; the fingerprints do not."""
    warehouse = warehouse_in(tmp_path)
    _tell(warehouse, [execution(FIRST)])

    moved = execution(FIRST, event_ts=NOON - timedelta(days=days))
    again = _tell(warehouse, [moved], at=5)

    assert _figures(again) == (1, 0, 0, 1)
    assert _count(warehouse, "core.executions") == 1
    assert _count(warehouse, "meta.conflicts") == 1


def test_a_commission_before_its_fill_is_kept_and_met_later(tmp_path: Path) -> None:
    """The two messages come in either order, and in either load."""
    warehouse = warehouse_in(tmp_path)
    _tell(warehouse, [], [commission(FIRST)])
    assert _current(warehouse, "exec_id") == []

    _tell(warehouse, [execution(FIRST)], [commission(FIRST)], at=5)

    assert _current(warehouse, "commission", "commission_status") == [(Decimal("1.05"), "final")]
    assert _count(warehouse, "core.commissions") == 1


def test_a_commission_after_its_fill_carries_the_fill_s_time(tmp_path: Path) -> None:
    """Later loads find it again by that time."""
    warehouse = warehouse_in(tmp_path)
    _tell(warehouse, [execution(FIRST)])
    _tell(warehouse, [], [commission(FIRST)], at=5)

    with warehouse.read() as connection:
        times = as_of(connection, "commissions").get_column("event_ts").to_list()
    assert times == [NOON - timedelta(hours=2)]


def test_a_commission_that_changes_is_a_new_version_and_a_blank_one_is_none(
    tmp_path: Path,
) -> None:
    """Asked twice, the broker may send blank reports; they take nothing back."""
    warehouse = warehouse_in(tmp_path)
    for number, amount in enumerate([Decimal(1), Decimal(1), Decimal(2), None]):
        report = commission(FIRST, commission=amount, realized_pnl=None)
        _tell(warehouse, [execution(FIRST)], [report], at=number)

    with warehouse.read() as connection:
        versions = connection.execute(
            "SELECT version, commission FROM core.commissions ORDER BY version"
        ).fetchall()
    assert versions == [(1, Decimal(1)), (2, Decimal(2))]
    assert _current(warehouse, "commission", "commission_status") == [(Decimal(2), "final")]


def test_the_commission_of_a_correction_is_its_own(tmp_path: Path) -> None:
    """Reports are keyed by exec id; the winner's report counts, the original's does not."""
    warehouse = warehouse_in(tmp_path)
    fills = [execution(FIRST), execution(CORRECTED, event_seq=3)]

    _tell(warehouse, fills, [commission(FIRST)])

    assert _current(warehouse, "exec_id", "commission_status") == [(CORRECTED, "pending")]


def test_a_read_as_of_a_moment_does_not_know_a_commission_told_later(tmp_path: Path) -> None:
    """Scenario B seen from the past: at that instant it was pending."""
    warehouse = warehouse_in(tmp_path)
    _tell(warehouse, [execution(FIRST)])
    _tell(warehouse, [], [commission(FIRST)], at=5)

    with warehouse.read() as connection:
        past = as_of(connection, "executions", at=minutes(4), accounts=[ACCOUNT])
    assert past.select("commission", "commission_status").rows() == [(None, "pending")]
