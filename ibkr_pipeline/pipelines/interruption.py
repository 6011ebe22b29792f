"""SIGINT and SIGTERM as one exception, so that a run ends the way it would end for an error.

What lives here: `Interrupted` and the handlers that raise it. What must not: what a run does
about it; every `finally` and every `except BaseException` on the way up does its part.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Interrupted(KeyboardInterrupt):
    """Somebody asked the process to stop.

    A KeyboardInterrupt, so that libraries which let those through let this one through.

    Attributes:
        signal_name: `SIGINT` or `SIGTERM`.
    """

    def __init__(self, signal_name: str) -> None:
        super().__init__(f"interrupted by {signal_name}")
        self.signal_name = signal_name


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise `Interrupted` in the main thread on SIGINT and SIGTERM while inside.

    Outside the main thread signals cannot be handled; there it does nothing. Earlier handlers
    are put back on the way out.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    earlier: dict[signal.Signals, Any] = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        earlier[number] = signal.signal(number, _raise_interrupted)
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def _raise_interrupted(number: int, _frame: FrameType | None) -> None:
    raise Interrupted(signal.Signals(number).name)
