"""The protocol of a request budget shared by everything that talks to one gateway."""

from __future__ import annotations

from typing import Protocol


class RequestBudget(Protocol):
    """A sliding-window allowance. Runs in different processes may share one."""

    def take(self, bucket: str, *, cost: int, limit: int, per_seconds: float) -> float:
        """Take `cost` from `bucket` if the window allows it.

        Args:
            bucket: What is limited, such as `ibkr:127.0.0.1:7497:messages`.
            cost: Units wanted.
            limit: Units allowed per window.
            per_seconds: Length of the window, seconds.

        Returns:
            0.0 when granted; otherwise the seconds to wait before asking again.
        """
        ...
