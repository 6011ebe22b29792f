"""200,000 trades of 85 attributes, from a statement's file to committed core tables.

Measured is what `sync flex --flex-file` does, without Dagster and without the read copy, which the
other claims leave out as well: hash, original bytes kept, sections read, rows typed, normalized,
checked and staged, one commit, option events, what is covered. Set-up: a data directory that one
trade was brought into, so that tables and libraries are there.

Reference: expat tokenizing the same file with a handler that does nothing. Several threads share
the work, and the claims are about time: wall-clock seconds are compared. On a machine with other
work to do they say little; the CPU seconds are printed beside them.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

from benchmarks.flex_files import OTHER_ACCOUNT, write_hostile, write_trades
from benchmarks.harness import (
    RUNS,
    Ceiling,
    Claim,
    Spent,
    measured,
    median,
    peak_mib,
    run_worker,
    spent_of,
    told,
)
from ibkr_pipeline.pipelines.applying import apply_pending
from ibkr_pipeline.pipelines.coverage import refresh_coverage
from ibkr_pipeline.pipelines.flex_sync import StatementChoice, receive_statements
from ibkr_pipeline.pipelines.workspace import Workspace, open_workspace
from ibkr_pipeline.primitives.clock import FixedClock
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.settings import load_settings

ROWS = 200_000
#: Highest ratio to tokenizing: of a first load, of the same bytes, of the same rows made anew.
FIRST, AGAIN, ANEW = 1.5, 0.15, 1.6
#: Highest memory of the process, and of a file three times as long against that of the file.
MOST_MIB = 256
MOST_GROWTH = 1.15
_MODULE = "benchmarks.flex_statement"
_NOW = datetime(2026, 11, 18, 19, 0, tzinfo=UTC)
_GENERATED_ANEW = "20260802;020000"


def claims() -> list[Claim | Ceiling]:
    """Measure and return the claims, then what hostile files cost."""
    with tempfile.TemporaryDirectory() as folder:
        first, anew, long = (Path(folder, f"{name}.xml") for name in ("first", "anew", "long"))
        write_trades(first, ROWS)
        write_trades(anew, ROWS, generated=_GENERATED_ANEW)
        runs, reference = [], []
        for _ in range(RUNS):
            runs.append(run_worker(_MODULE, ["sync", str(first), str(anew)]))
            tokenized = run_worker("benchmarks.flex_reader", ["tokenize", str(first)])
            reference.append(spent_of(tokenized))
        anew.unlink()
        write_trades(long, 3 * ROWS)
        thrice = run_worker(_MODULE, ["sync", str(long)])["mib"]
    base = median(reference)
    what = f"a statement of {ROWS:,} trades x 85 attributes"
    once = max(run["mib"] for run in runs)
    return [
        _claim(f"{what} into core / tokenized", runs, "first", base, FIRST),
        _claim("the same bytes again", runs, "again", base, AGAIN),
        _claim("the same rows in a statement generated anew", runs, "anew", base, ANEW),
        Ceiling(name=f"{what}: peak memory", measured=once, bound=MOST_MIB, unit="MiB"),
        Ceiling(
            name="the same of three times as many",
            measured=thrice / once,
            bound=MOST_GROWTH,
            unit="times",
        ),
        *_hostile(),
    ]


def _claim(
    name: str, runs: list[dict[str, dict[str, float]]], case: str, base: Spent, bound: float
) -> Claim:
    ours = median([spent_of(run[case]) for run in runs])
    return Claim(name=name, ours=ours, reference=base, bound=bound, clock="wall")


def _hostile() -> Iterator[Ceiling]:
    with tempfile.TemporaryDirectory() as folder:
        for name, path in write_hostile(Path(folder)):
            run = run_worker(_MODULE, ["refuse", str(path)])
            seconds, mib = run["first"]["wall_seconds"], run["mib"]
            yield Ceiling(name=f"hostile: {name}", measured=seconds, bound=None, unit="s")
            yield Ceiling(
                name=f"hostile: {name}: peak memory", measured=mib, bound=None, unit="MiB"
            )


def _worker(case: str, paths: list[Path]) -> None:
    figures: dict[str, object] = {}
    with _workspace() as work:
        spent = _timed(work, paths[0], expected=None if case == "refuse" else (True, True))
        figures["first"] = told(spent)
        figures["mib"] = peak_mib()
        if len(paths) > 1:
            figures["again"] = told(_timed(work, paths[0], expected=(False, False)))
            figures["anew"] = told(_timed(work, paths[1], expected=(True, False)))
    print(json.dumps(figures))


@contextmanager
def _workspace() -> Iterator[Workspace]:
    """Yield a workspace into which one trade of another account was brought."""
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(
            environ={}, overrides={"mode": "simulated", "data_dir": Path(folder, "data")}
        )
        clock = FixedClock(_NOW)
        with open_workspace(settings, clock=clock, broker_factory=_no_broker) as opened:
            one = Path(folder, "one.xml")
            write_trades(one, 1, account=OTHER_ACCOUNT)
            _bring_in(opened, one)
            clock.advance(timedelta(hours=1))
            yield opened


def _timed(work: Workspace, path: Path, *, expected: tuple[bool, bool] | None) -> Spent:
    """Bring a statement in; `expected`: whether anything was applied, and whether it was new."""
    with measured() as spent:
        n_loads, n_fresh = _bring_in(work, path)
    if expected is not None and expected != (n_loads > 0, n_fresh > 0):
        raise RuntimeError(f"{path.name}: {n_loads} sections were applied, {n_fresh} rows new.")
    return spent()


def _bring_in(work: Workspace, path: Path) -> tuple[int, int]:
    receive_statements(work, choice=StatementChoice(files=(path,)))
    applied = apply_pending(work, Dataset.FLEX)
    refresh_coverage(work)
    return len(applied), sum(load.n_new + load.n_changed for load in applied)


def _no_broker() -> NoReturn:
    raise NotImplementedError("Statements come from files here; no broker is asked.")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        _worker(sys.argv[2], [Path(name) for name in sys.argv[3:]])
    else:
        for claim in claims():
            print(claim)
