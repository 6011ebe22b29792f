"""What works, what does not and how to mend it, in plain words; changes nothing.

What lives here: the examination as a whole. What must not: a single check (`doctor_*.py`).

It makes no directory, takes no lock and writes nothing. To the gateway it sends the handshake
and one read: the open and completed orders of one account, because it is the read that a
gateway with its Read-Only API switched on refuses. Nothing of the answer is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ibkr_pipeline.pipelines import doctor_gateway, doctor_installation, doctor_strategies
from ibkr_pipeline.pipelines.doctor_findings import DoctorFinding, Level
from ibkr_pipeline.pipelines.workspace import BrokerFactory
from ibkr_pipeline.ports.clock import Clock
from ibkr_pipeline.primitives.clock import SystemClock
from ibkr_pipeline.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """Everything the doctor found.

    Attributes:
        settings: (setting, value, where it came from), secrets hidden.
    """

    settings: tuple[tuple[str, str, str], ...]
    findings: tuple[DoctorFinding, ...]

    @property
    def is_well(self) -> bool:
        """Whether nothing failed."""
        return all(finding.level is not Level.FAIL for finding in self.findings)

    def to_document(self) -> dict[str, Any]:
        """Return the JSON document."""
        return {
            "well": self.is_well,
            "findings": [
                {
                    "check": finding.check,
                    "level": finding.level.value,
                    "found": finding.found,
                    "expected": finding.expected,
                    "mend": finding.mend,
                }
                for finding in self.findings
            ],
            "settings": [
                {"setting": name, "value": value, "origin": origin}
                for name, value, origin in self.settings
            ],
        }


def examine(
    settings: Settings,
    *,
    clock: Clock | None = None,
    broker_factory: BrokerFactory | None = None,
    on_progress: Callable[[str], None] = lambda _message: None,
) -> Examination:
    """Examine the installation, the data directory and the gateway.

    Args:
        settings: What is examined.
        clock: The machine's by default.
        broker_factory: Builds the broker client; the registry, with short timeouts, by default.
        on_progress: Told what is being looked at.
    """
    clock = clock or SystemClock()
    findings: list[DoctorFinding] = []
    on_progress("looking at the installation")
    findings += doctor_installation.examine_installation(settings)
    on_progress("looking at the data directory")
    findings += doctor_installation.examine_data_directory(settings, now=clock.now())
    findings += doctor_strategies.examine_strategies(settings)
    on_progress(f"asking the gateway at {settings.ibkr.host}:{settings.ibkr.effective_port}")
    findings += doctor_gateway.examine_gateway(settings, clock=clock, broker_factory=broker_factory)
    return Examination(
        settings=doctor_installation.settings_with_origins(settings), findings=tuple(findings)
    )
