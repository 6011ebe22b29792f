"""Named points where a test may end the process the way a power cut would.

`reach` does nothing unless a test armed the point in the same process; nothing in the
environment or the configuration can.
"""

from __future__ import annotations

from collections.abc import Callable

AFTER_PUBLISH = "after_publish"
IN_TRANSACTION = "in_transaction"
AFTER_COMMIT = "after_commit"
BEFORE_EVENT = "before_event"

POINTS = (AFTER_PUBLISH, IN_TRANSACTION, AFTER_COMMIT, BEFORE_EVENT)

_armed: dict[str, Callable[[], None]] = {}


def arm(point: str, action: Callable[[], None]) -> None:
    """Run `action` the next times `point` is reached. For tests only."""
    if point not in POINTS:
        raise ValueError(f"crash point was {point!r}; expected one of {', '.join(POINTS)}.")
    _armed[point] = action


def disarm() -> None:
    """Forget every armed point."""
    _armed.clear()


def reach(point: str) -> None:
    """Say that `point` was reached."""
    action = _armed.get(point)
    if action is not None:
        action()
