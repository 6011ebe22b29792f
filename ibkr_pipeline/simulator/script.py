"""What a scenario says happens in each session: marks, past orders, events of the night.

What lives here: the script as records, by session number. What must not: reading it
(`script_reader.py`) and carrying it out (`rollover.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from ibkr_pipeline.simulator.corporate import ScriptedEvent
from ibkr_pipeline.simulator.history import PendingExercise
from ibkr_pipeline.simulator.instruments import Instrument
from ibkr_pipeline.simulator.settlement import OptionDemand

if TYPE_CHECKING:
    from ibkr_pipeline.simulator.activity import PastOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionScript:
    """One session; sessions count from 1, the one the scenario starts in.

    Attributes:
        marks: Prices set when the session is entered.
        orders: Orders that have happened when it is entered.
        events: What is booked in the night after it, in this order, after options have ended.
        assignments: Short options assigned in that night before their expiry.
        exercises: Exercises requested in the session: pending in its statement, carried out in
            the night after the next session.
    """

    marks: tuple[tuple[Instrument, Decimal], ...] = ()
    orders: tuple[PastOrder, ...] = ()
    events: tuple[ScriptedEvent, ...] = ()
    assignments: tuple[OptionDemand, ...] = ()
    exercises: tuple[PendingExercise, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """The script of a scenario.

    Attributes:
        sessions: What happens, by session number.
        wire_shows_assignments: Whether the gateway tells the legs of assignments and exercises as
            executions of the next session, as some builds do.
    """

    sessions: Mapping[int, SessionScript] = field(default_factory=dict)
    wire_shows_assignments: bool = False

    def of(self, number: int) -> SessionScript:
        """Return what happens in a session; nothing where the scenario says nothing."""
        return self.sessions.get(number, SessionScript())
