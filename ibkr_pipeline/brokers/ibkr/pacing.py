"""Asking the shared request budget before anything is sent.

What lives here: what is limited and by how much, `Pacing` (asks a `RequestBudget` and waits), and
an in-process budget. What must not: the budget that several processes share (control).
Source: TWS answers more than 50 messages a second with error 100 and then drops the client.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from ibkr_pipeline.brokers.exceptions import PacingError
from ibkr_pipeline.ports.budget import RequestBudget

#: Request kind -> (how many, per seconds). What is not named is limited by messages alone.
#: reqAllOpenOrders and reqCompletedOrders make the gateway walk its whole book.
REQUEST_LIMITS: dict[str, tuple[int, float]] = {
    "executions": (60, 60.0),
    "open_orders": (60, 60.0),
    "completed_orders": (60, 60.0),
}


class Pacing:
    """Takes from a budget and sleeps until it grants; never polls.

    Args:
        budget: Budget to ask.
        prefix: Start of every bucket name; one gateway has one (`ibkr:host:port`).
        messages_per_second: Limit on messages; 0 for none.
        sleep: How to wait, seconds.
    """

    def __init__(
        self,
        budget: RequestBudget,
        *,
        prefix: str,
        messages_per_second: int,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._budget = budget
        self._prefix = prefix
        self._messages_per_second = messages_per_second
        self._sleep = sleep

    def message(self, *, patience: float) -> None:
        """Wait until one message may be sent.

        Args:
            patience: Longest wait, seconds.

        Raises:
            PacingError: If the budget would not grant within `patience`.
        """
        if self._messages_per_second:
            self._take("messages", self._messages_per_second, 1.0, patience)

    def request(self, kind: str, *, patience: float) -> None:
        """Wait until a request of this kind may be sent.

        Raises:
            PacingError: If the budget would not grant within `patience`.
        """
        limit = REQUEST_LIMITS.get(kind)
        if limit is not None:
            self._take(kind, limit[0], limit[1], patience)

    def _take(self, bucket: str, limit: int, per_seconds: float, patience: float) -> None:
        name = f"{self._prefix}:{bucket}"
        waited = 0.0
        while wait := self._budget.take(name, cost=1, limit=limit, per_seconds=per_seconds):
            if waited + wait > patience:
                raise PacingError(
                    f"The request budget {name} ({limit} per {per_seconds:g} s) asked to wait "
                    f"{wait:.1f} s more after {waited:.1f} s, longer than the {patience:.1f} s "
                    f"left. Another run is using it; try again later."
                )
            self._sleep(wait)
            waited += wait


class InProcessBudget:
    """A sliding window kept in memory, for one process and for tests.

    Args:
        monotonic: Clock that never goes back, seconds.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._taken: dict[str, deque[tuple[float, int]]] = {}
        self._lock = threading.Lock()

    def take(self, bucket: str, *, cost: int, limit: int, per_seconds: float) -> float:
        """Take `cost`, or say how many seconds to wait before asking again."""
        if cost > limit:
            raise PacingError(
                f"Bucket {bucket} was asked for {cost} at once; its limit is {limit}."
            )
        with self._lock:
            now = self._monotonic()
            taken = self._taken.setdefault(bucket, deque())
            while taken and taken[0][0] + per_seconds <= now:
                taken.popleft()
            used = sum(units for _, units in taken)
            if used + cost <= limit:
                taken.append((now, cost))
                return 0.0
            for at, units in taken:
                used -= units
                if used + cost <= limit:
                    return at + per_seconds - now
            return per_seconds
