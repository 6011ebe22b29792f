"""The same 100,000 executions once more: the same load, and the same rows under a new load.

References: applying them the first time.
"""

from __future__ import annotations

import sqlite3
import sys
from datetime import timedelta

from benchmarks.books import NOW, HeldBroker, execution_payload, spread
from benchmarks.harness import Claim, compare, measured, report
from benchmarks.work import apply, land, workspace
from ibkr_pipeline.pipelines.workspace import Workspace
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.schemas import core

EXECUTIONS = 100_000
ACCOUNT = "DU0000001"
SAME_LOAD_BOUND = 0.1
SAME_ROWS_BOUND = 1.0


def claims() -> list[Claim]:
    """Measure and return both claims."""
    load, first = compare("benchmarks.again", ["load"], ["first"])
    rows, once = compare("benchmarks.again", ["rows"], ["first"])
    return [
        Claim(
            name="the same load applied again / the first time",
            ours=load,
            reference=first,
            bound=SAME_LOAD_BOUND,
        ),
        Claim(
            name="the same rows read again, after decoding / the first time",
            ours=rows,
            reference=once,
            bound=SAME_ROWS_BOUND,
        ),
    ]


def _worker(case: str) -> None:
    times = spread(EXECUTIONS, NOW - timedelta(hours=4), NOW)
    payload = execution_payload(ACCOUNT, times)
    with workspace(HeldBroker((ACCOUNT,), {Dataset.EXECUTIONS: payload})) as work:
        with measured() as first:
            land(work, Dataset.EXECUTIONS)
            apply(work, Dataset.EXECUTIONS)
        before = _rows(work)
        spent = first
        if case == "load":
            _forget_marks(work)
            with measured() as spent:
                apply(work, Dataset.EXECUTIONS)
        elif case == "rows":
            with measured() as spent:
                land(work, Dataset.EXECUTIONS)
                apply(work, Dataset.EXECUTIONS)
        if _rows(work) != before:
            raise RuntimeError(f"Core changed from {before} to {_rows(work)} rows.")
    report(spent())


def _forget_marks(work: Workspace) -> None:
    """Make control forget what was applied, as if the run had been killed after its commit."""
    with sqlite3.connect(work.settings.control_path) as connection:
        cursor = connection.execute("UPDATE control_loads SET applied_at = NULL")
    connection.close()
    if not cursor.rowcount:
        raise RuntimeError("Control had no load to forget.")


def _rows(work: Workspace) -> dict[str, int]:
    """Count the rows of every core table but the header of what was applied."""
    with work.warehouse.read() as connection:
        return {
            table.name: connection.sql(f"SELECT count(*) FROM {table.name}").fetchall()[0][0]
            for table in core.TABLES
            if table is not core.APPLIED_LOADS
        }


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        _worker(sys.argv[2])
    else:
        for claim in claims():
            print(claim)
