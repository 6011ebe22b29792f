"""The protocol of a clock."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Whatever can say what time it is, in UTC."""

    def now(self) -> datetime:
        """Return the current instant, timezone-aware UTC."""
        ...
