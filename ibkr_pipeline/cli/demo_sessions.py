"""The sessions of a demo: the nightly job after each of them, and what was told before is skipped.

What lives here: when the simulated broker moves to its next session. What must not: how a night
is read (`sync.py`), or what is shown of it (`demo.py`).

A broker does not go back in time, so neither does a demo: a session whose statement is in the
warehouse is passed over, and a second demo reads the last session alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from ibkr_pipeline.cli.sync import run
from ibkr_pipeline.primitives.enums import WIRE_DATASETS, Dataset, LoadStatus
from ibkr_pipeline.settings import Settings

if TYPE_CHECKING:
    from ibkr_pipeline.defs.launch import LaunchResult
    from ibkr_pipeline.simulator.process import ControlClient

#: Everything a night brings in.
NIGHT = (*WIRE_DATASETS, Dataset.FLEX)


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """One session and the run after it."""

    session: date
    result: LaunchResult


def read_sessions(
    settings: Settings,
    control: ControlClient,
    n_sessions: int,
    *,
    on_night: Callable[[Night], None] = lambda _night: None,
) -> list[Night]:
    """Run the nightly job after each session that is not told yet, the last one in any case.

    A night that did not go well is the last.

    Args:
        settings: What the runs work with.
        control: Control port of the simulated broker.
        n_sessions: How many sessions there are to tell.
        on_night: Told of each night as it ends.
    """
    told = _told_sessions(settings)
    nights: list[Night] = []
    for number in range(1, n_sessions + 1):
        session = date.fromisoformat(str(control.call("state")["session"]))
        is_last = number == n_sessions
        if is_last or session not in told:
            night = Night(session=session, result=run(settings, NIGHT, ()))
            nights.append(night)
            on_night(night)
            if not night.result.success:
                break
        if not is_last:
            control.call("advance_session")
    return nights


def _told_sessions(settings: Settings) -> set[date]:
    """Return the sessions whose statement was received."""
    from ibkr_pipeline.control.store import ControlStore
    from ibkr_pipeline.primitives.clock import SystemClock

    if settings.postgres_url is None and not settings.control_path.exists():
        return set()
    with ControlStore.open(settings.control_url, clock=SystemClock()) as store:
        return {
            load.to_date
            for load in store.loads(dataset=Dataset.FLEX)
            if load.to_date is not None
            and load.status is LoadStatus.COMPLETE
            and load.applied_at is not None
        }
