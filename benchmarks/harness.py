"""Runs a measurement and its reference in turn, in fresh processes, and prints their ratio.

What lives here: how figures are taken and shown. What must not: what is measured.

Every figure is of one process between two points the worker chooses, so that imports and set-up
do not count: CPU seconds (user and system, all threads), and wall-clock seconds where a claim is
about work that several threads share. Measurement and reference alternate, so that a machine
whose speed drifts treats both alike; the median of the runs is what counts.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

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
        clock: Which seconds are compared.
    """

    name: str
    ours: Spent
    reference: Spent
    bound: float
    clock: Literal["cpu", "wall"] = "cpu"

    @property
    def ratio(self) -> float:
        """Ours over the reference."""
        return self._ratio(self.clock)

    @property
    def holds(self) -> bool:
        """Whether the ratio is within its bound."""
        return self.ratio <= self.bound

    def __str__(self) -> str:
        """One line for the table."""
        other: Literal["cpu", "wall"] = "wall" if self.clock == "cpu" else "cpu"
        return (
            f"{self.name:<74} {self._seconds(self.clock)} = "
            f"{self.ratio:6.3f} (at most {self.bound:g}: {_verdict(self.holds)}; "
            f"{other} {self._seconds(other)} = {self._ratio(other):.3f})"
        )

    def _ratio(self, clock: Literal["cpu", "wall"]) -> float:
        ours: float = getattr(self.ours, clock)
        reference: float = getattr(self.reference, clock)
        return ours / reference

    def _seconds(self, clock: Literal["cpu", "wall"]) -> str:
        return f"{getattr(self.ours, clock):7.3f} s / {getattr(self.reference, clock):7.3f} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """One measured figure that is no ratio of times, against its bound.

    Attributes:
        name: What is claimed.
        measured: The figure.
        bound: The highest the claim allows; None where it is told and not claimed.
        unit: What it is counted in.
    """

    name: str
    measured: float
    bound: float | None
    unit: str

    @property
    def holds(self) -> bool:
        """Whether the figure is within its bound."""
        return self.bound is None or self.measured <= self.bound

    def __str__(self) -> str:
        """One line for the table."""
        claim = "" if self.bound is None else f" (at most {self.bound:g}: {_verdict(self.holds)})"
        return f"{self.name:<74} {self.measured:7.2f} {self.unit}{claim}"


def compare(module: str, ours: Sequence[str], reference: Sequence[str]) -> tuple[Spent, Spent]:
    """Return the medians of two workers of `module`, run in turn `RUNS` times."""
    mine: list[Spent] = []
    theirs: list[Spent] = []
    for _ in range(RUNS):
        mine.append(spent_of(run_worker(module, ours)))
        theirs.append(spent_of(run_worker(module, reference)))
    return median(mine), median(theirs)


def median(runs: Sequence[Spent]) -> Spent:
    """Return the medians of both clocks."""
    return Spent(
        statistics.median(run.cpu for run in runs), statistics.median(run.wall for run in runs)
    )


def run_worker(module: str, arguments: Sequence[str]) -> dict[str, Any]:
    """Run a worker of `module` in a process of its own; return what it reported."""
    finished = subprocess.run(
        [sys.executable, "-m", module, "--worker", *arguments],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    figures: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
    return figures


def spent_of(figures: Mapping[str, Any]) -> Spent:
    """Return the seconds of what a worker reported."""
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
    print(json.dumps({**told(spent), **facts}))


def told(spent: Spent) -> dict[str, float]:
    """Return seconds as a worker reports them; `spent_of` reads them."""
    return {"cpu_seconds": spent.cpu, "wall_seconds": spent.wall}


def peak_mib() -> float:
    """Return the most memory this process has held so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def _verdict(holds: bool) -> str:  # noqa: FBT001
    return "holds" if holds else "MISSED"
