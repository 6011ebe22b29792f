"""1,000 executions into 1,000,000: from the transport's rows to committed core.

Reference: the same 1,000 into a core that has none. Once from the last 7 days, once scattered
over the five years the million covers.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from benchmarks.books import NOW, HeldBroker, execution_payload, spread
from benchmarks.harness import Claim, compare, measured, report
from benchmarks.work import apply, land, workspace
from ibkr_pipeline.pipelines.workspace import Workspace
from ibkr_pipeline.primitives.enums import Dataset

MILLION, SMALL = 1_000_000, 1_000
YEARS = timedelta(days=5 * 365)
ACCOUNT = "DU0000001"
RECENT_BOUND, SCATTERED_BOUND = 1.3, 2.0


def claims() -> list[Claim]:
    """Measure and return both claims."""
    module = "benchmarks.small_into_large"
    recent, recent_empty = compare(module, ["recent", "large"], ["recent", "empty"])
    scattered, scattered_empty = compare(module, ["scattered", "large"], ["scattered", "empty"])
    return [
        Claim(
            name="1,000 executions of the last 7 days into 1,000,000 / into none",
            ours=recent,
            reference=recent_empty,
            bound=RECENT_BOUND,
        ),
        Claim(
            name="1,000 executions over 5 years into 1,000,000 / into none",
            ours=scattered,
            reference=scattered_empty,
            bound=SCATTERED_BOUND,
        ),
    ]


def _worker(case: str, size: str) -> None:
    start = NOW - (timedelta(days=7) if case == "recent" else YEARS)
    with workspace(_broker(_times(SMALL, start), first=MILLION)) as work:
        _warm(work)
        if size == "large":
            with _reading(work, _broker(_times(MILLION, NOW - YEARS), first=0)) as large:
                land(large, Dataset.EXECUTIONS)
                apply(large, Dataset.EXECUTIONS)
        with measured() as spent:
            land(work, Dataset.EXECUTIONS)
            new = apply(work, Dataset.EXECUTIONS)
        if new < SMALL:
            raise RuntimeError(f"{new} rows were new to core; expected at least {SMALL}.")
    report(spent(), new=new)


def _warm(work: Workspace) -> None:
    """Create the warehouse and load the libraries with one fill of its own."""
    with _reading(work, _broker([NOW], first=2 * MILLION)) as warm:
        land(warm, Dataset.EXECUTIONS)
        apply(warm, Dataset.EXECUTIONS)


def _times(count: int, start: datetime) -> list[datetime]:
    return spread(count, start, NOW)


def _broker(times: list[datetime], *, first: int) -> HeldBroker:
    return HeldBroker(
        (ACCOUNT,), {Dataset.EXECUTIONS: execution_payload(ACCOUNT, times, first=first)}
    )


@contextmanager
def _reading(work: Workspace, broker: HeldBroker) -> Iterator[Workspace]:
    from dataclasses import replace

    yield replace(work, broker_factory=lambda: broker)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        _worker(sys.argv[2], sys.argv[3])
    else:
        for claim in claims():
            print(claim)
