"""Runs a measurement and its reference in turn, in fresh processes, and prints their ratio.

What lives here: how figures are taken and shown. What must not: what is measured.

Every figure is CPU seconds of one process (user and system, all threads) between two points the
worker chooses, so that imports and set-up do not count. Measurement and reference alternate, so
that a machine whose speed drifts treats both alike; the median of the runs is what counts.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

RUNS = 5


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU and wall-clock seconds."""

    cpu: float
    wall: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One measured ratio against its bound.

    Attributes:
        name: What is claimed.
        ours, reference: Medians of what each used.
        bound: Highest ratio the claim allows.
    """

    name: str
    ours: Spent
    reference: Spent
    bound: float

    @property
    def ratio(self) -> float:
        """Ours over the reference, CPU seconds."""
        return self.ours.cpu / self.reference.cpu

    @property
    def holds(self) -> bool:
        """Whether the ratio is within its bound."""
        return self.ratio <= self.bound

    def __str__(self) -> str:
        """One line for the table."""
        wall = self.ours.wall / self.reference.wall
        return (
            f"{self.name:<74} {self.ours.cpu:7.3f} s / {self.reference.cpu:7.3f} s = "
            f"{self.ratio:6.3f} (at most {self.bound:g}: {'holds' if self.holds else 'MISSED'}; "
            f"wall {self.ours.wall:.3f} / {self.reference.wall:.3f} = {wall:.3f})"
        )


def compare(module: str, ours: Sequence[str], reference: Sequence[str]) -> tuple[Spent, Spent]:
    """Return the medians of two workers of `module`, run in turn `RUNS` times."""
    mine: list[Spent] = []
    theirs: list[Spent] = []
    for _ in range(RUNS):
        mine.append(_run(module, ours))
        theirs.append(_run(module, reference))
    return _median(mine), _median(theirs)


def _median(runs: Sequence[Spent]) -> Spent:
    return Spent(
        statistics.median(run.cpu for run in runs), statistics.median(run.wall for run in runs)
    )


def _run(module: str, arguments: Sequence[str]) -> Spent:
    finished = subprocess.run(
        [sys.executable, "-m", module, "--worker", *arguments],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    figures = json.loads(finished.stdout.splitlines()[-1])
    return Spent(figures["cpu_seconds"], figures["wall_seconds"])


@contextmanager
def measured() -> Iterator[Callable[[], Spent]]:
    """Yield a function that returns what the block used, up to its end."""
    cpu, wall = time.process_time(), time.perf_counter()
    end: list[Spent] = []

    def used() -> Spent:
        now = Spent(time.process_time() - cpu, time.perf_counter() - wall)
        return end[0] if end else now

    yield used
    end.append(used())


def report(spent: Spent, **facts: object) -> None:
    """Print a worker's figures as its last line."""
    print(json.dumps({"cpu_seconds": spent.cpu, "wall_seconds": spent.wall, **facts}))
