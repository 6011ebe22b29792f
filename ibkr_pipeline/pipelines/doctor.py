"""What works, what does not and how to mend it, in plain words; changes nothing.

What lives here: the examination as a whole. What must not: a single check (`doctor_*.py`).

It makes no directory, takes no lock and writes nothing. To the gateway it sends the handshake
and one read: the open and completed orders of one account, because it is the read that a
gateway with its Read-Only API switched on refuses. To the Flex web service, where it is switched
on, it sends one request. Nothing of the answers is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ibkr_pipeline.pipelines import (
    doctor_control,
    doctor_flex,
    doctor_gateway,
    doctor_installation,
    doctor_strategies,
)
from ibkr_pipeline.pipelines.doctor_findings import (
    DoctorFinding,
    Level,
    fail,
    problem_finding,
)
from ibkr_pipeline.pipelines.workspace import BrokerFactory
from ibkr_pipeline.ports.clock import Clock
from ibkr_pipeline.primitives.clock import SystemClock
from ibkr_pipeline.primitives.errors import ConfigError
from ibkr_pipeline.primitives.setting_problems import SettingsError
from ibkr_pipeline.settings import Settings, contradictions


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """Everything the doctor found.

    Attributes:
        settings: (setting, value, where it came from), secrets hidden; empty where the settings
            could not be read.
        has_usable_settings: Whether a run could start with these settings.
    """

    settings: tuple[tuple[str, str, str], ...]
    findings: tuple[DoctorFinding, ...]
    has_usable_settings: bool = True

    @property
    def exit_code(self) -> int:
        """0 nothing failed, 1 something did, 2 the settings cannot be used."""
        if not self.has_usable_settings:
            return ConfigError.exit_code
        return 0 if self.is_well else 1

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
    on_progress("looking at the control store")
    findings += doctor_control.examine_control(settings)
    findings += doctor_strategies.examine_strategies(settings)
    on_progress(f"asking the gateway at {settings.ibkr.host}:{settings.ibkr.effective_port}")
    findings += doctor_gateway.examine_gateway(settings, clock=clock, broker_factory=broker_factory)
    on_progress("asking the Flex web service")
    findings += doctor_flex.examine_flex(settings, clock=clock)
    return Examination(
        settings=doctor_installation.settings_with_origins(settings),
        findings=tuple(findings),
        has_usable_settings=not contradictions(settings),
    )


def examine_unusable(error: ConfigError) -> Examination:
    """Return what is wrong with settings that could not be read; nothing else can be examined."""
    if isinstance(error, SettingsError):
        findings = tuple(problem_finding("setting", problem) for problem in error.problems)
    else:
        findings = (
            fail(
                "configuration",
                str(error),
                expected="a YAML file that can be read, or none",
                mend="correct the file, or unset it (--config, IBKR_PIPELINE_CONFIG)",
            ),
        )
    return Examination(settings=(), findings=findings, has_usable_settings=False)
