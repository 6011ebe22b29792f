"""One finding of the doctor: what was looked at, what was found, how to mend it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ibkr_pipeline.primitives.setting_problems import SettingProblem


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorFinding:
    """One finding.

    Attributes:
        check: What was looked at, in a word or two.
        found: What was found.
        expected: What should have been; None where all is well.
        mend: What to do; None where all is well.
    """

    check: str
    level: Level
    found: str
    expected: str | None = None
    mend: str | None = None


def ok(check: str, found: str) -> DoctorFinding:
    """Return a finding that all is well."""
    return DoctorFinding(check=check, level=Level.OK, found=found)


def warn(check: str, found: str, *, expected: str, mend: str) -> DoctorFinding:
    """Return a finding that works, but deserves a look."""
    return DoctorFinding(check=check, level=Level.WARN, found=found, expected=expected, mend=mend)


def fail(check: str, found: str, *, expected: str, mend: str) -> DoctorFinding:
    """Return a finding of something that does not work."""
    return DoctorFinding(check=check, level=Level.FAIL, found=found, expected=expected, mend=mend)


def problem_finding(check: str, problem: SettingProblem) -> DoctorFinding:
    """Return a setting that cannot be used as a finding."""
    return fail(check, problem.statement, expected=problem.expected, mend=problem.mend)
