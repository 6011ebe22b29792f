"""A data directory to measure in, and the one step most claims time: read, land, apply.

What lives here: set-up that is not timed. What must not: claims and bounds.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.books import NOW, HeldBroker
from ibkr_pipeline.pipelines.applying import apply_pending
from ibkr_pipeline.pipelines.reading_broker import read_and_land
from ibkr_pipeline.pipelines.workspace import Workspace, open_workspace
from ibkr_pipeline.primitives.clock import FixedClock
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.settings import load_settings


@contextmanager
def workspace(broker: HeldBroker) -> Iterator[Workspace]:
    """Yield a workspace on a directory of its own, reading from `broker`."""
    with TemporaryDirectory() as directory:
        settings = load_settings(
            environ={}, overrides={"mode": "simulated", "data_dir": Path(directory)}
        )
        with open_workspace(
            settings, clock=FixedClock(NOW), broker_factory=lambda: broker
        ) as opened:
            yield opened


def land(work: Workspace, dataset: Dataset) -> None:
    """Read `dataset` and publish its raw file."""
    with work.session() as session:
        landed = read_and_land(work, dataset, session)
        if not landed.is_well:
            raise RuntimeError(f"The held broker's read failed: {landed.failed}.")


def apply(work: Workspace, dataset: Dataset) -> int:
    """Apply what was landed; return how many rows were new to core."""
    return sum(load.n_new for load in apply_pending(work, dataset))
