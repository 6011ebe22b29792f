"""A private thread with an event loop, and calls into it that Ctrl-C can break off.

What lives here: `LoopThread`. What must not: anything about the gateway.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, TypeVar

Result = TypeVar("Result")

_STOP_SECONDS = 2.0
_SLICE_SECONDS = 1.0


class LoopThread:
    """Runs an event loop until it is stopped.

    Args:
        name: Name of the thread.
    """

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine on the loop and return its result; an interrupt cancels it."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return _wait(future)
        except BaseException:
            future.cancel()
            raise

    def soon(self, action: Callable[[], None]) -> None:
        """Run a function on the loop, without waiting for it."""
        self._loop.call_soon_threadsafe(action)

    def stop(self, last: Coroutine[Any, Any, None]) -> None:
        """Run a last coroutine, a moment at most, then end loop and thread."""
        with contextlib.suppress(FutureTimeoutError, RuntimeError):
            asyncio.run_coroutine_threadsafe(last, self._loop).result(_STOP_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            self._loop.run_until_complete(asyncio.sleep(0))
            self._loop.close()


def _wait(future: Future[Result]) -> Result:
    """Wait in slices: on Windows a wait without end cannot be interrupted by Ctrl-C."""
    while True:
        try:
            return future.result(timeout=_SLICE_SECONDS)
        except FutureTimeoutError:
            if future.done():
                raise
