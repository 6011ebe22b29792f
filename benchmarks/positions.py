"""1,000 accounts x 100 positions: from the transport's rows to committed core, raw file included.

Reference: INSERT of the finished frame into an empty table of a DuckDB file, with its commit.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from benchmarks.books import HeldBroker, account_codes, position_payload
from benchmarks.harness import Claim, compare, measured, report
from benchmarks.work import apply, land, workspace
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.schemas import core

ACCOUNTS, POSITIONS = 1000, 100
BOUND = 7.0


def claims() -> list[Claim]:
    """Measure and return the claim."""
    ours, reference = compare("benchmarks.positions", ["ours"], ["insert"])
    return [
        Claim(
            name=f"{ACCOUNTS:,} accounts x {POSITIONS} positions, rows to core / bare INSERT",
            ours=ours,
            reference=reference,
            bound=BOUND,
        )
    ]


def _broker() -> HeldBroker:
    accounts = account_codes(ACCOUNTS)
    return HeldBroker(accounts, {Dataset.POSITIONS: position_payload(accounts, POSITIONS)})


def _ours() -> None:
    broker = _broker()
    with workspace(
        HeldBroker(("DU0000001",), {Dataset.POSITIONS: position_payload(("DU0000001",), 3)})
    ) as warm:
        land(warm, Dataset.POSITIONS)
        apply(warm, Dataset.POSITIONS)
    with workspace(broker) as work:
        with measured() as spent:
            land(work, Dataset.POSITIONS)
            new = apply(work, Dataset.POSITIONS)
        report(spent(), new=new)


def _insert() -> None:
    with workspace(_broker()) as work:
        land(work, Dataset.POSITIONS)
        apply(work, Dataset.POSITIONS)
        with work.warehouse.read() as connection:
            finished = connection.sql(f"SELECT * FROM {core.POSITIONS.name}").pl()
    with TemporaryDirectory() as directory:
        connection = duckdb.connect(Path(directory) / "bare.duckdb")
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("CREATE SCHEMA core")
        connection.execute(core.POSITIONS.ddl)
        connection.register("finished", finished)
        with measured() as spent:
            connection.begin()
            connection.execute(f"INSERT INTO {core.POSITIONS.name} BY NAME SELECT * FROM finished")
            connection.commit()
        report(spent(), rows=finished.height)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        {"ours": _ours, "insert": _insert}[sys.argv[2]]()
    else:
        for claim in claims():
            print(claim)
