"""What the gateway's codes mean to a read."""

from __future__ import annotations

import pytest

from ibkr_pipeline.brokers.ibkr.error_codes import (
    Verdict,
    is_read_only_refusal,
    severity_of,
    verdict_of,
)


@pytest.mark.parametrize(
    ("code", "severity"),
    [(2104, "info"), (2106, "info"), (2158, "info"), (1102, "info"), (2103, "warning"),
     (2105, "warning"), (10167, "warning"), (399, "warning"), (1100, "error"), (2110, "error"),
     (1101, "error"), (1300, "error"), (321, "error"), (9999, "error")],
)  # fmt: skip
def test_severities(code: int, severity: str) -> None:
    """Connectivity that is fine is no error: alerts that cry every night are not read."""
    assert severity == severity_of(code)


@pytest.mark.parametrize(
    ("code", "keyed", "verdict"),
    [
        (2104, False, Verdict.REMARK),
        (2105, False, Verdict.REMARK),
        (1102, False, Verdict.OUTAGE),
        (1100, False, Verdict.OUTAGE),
        (100, True, Verdict.OUTAGE),
        (321, False, Verdict.END_REQUEST),
        (321, True, Verdict.END_REQUEST),
        (9999, True, Verdict.END_REQUEST),
        (9999, False, Verdict.REMARK),
        (202, False, Verdict.REMARK),
    ],
)
def test_verdicts(code: int, keyed: bool, verdict: Verdict) -> None:
    """A code nobody knows ends the request it names, and no other."""
    assert verdict is verdict_of(code, keyed=keyed)


@pytest.mark.parametrize(
    ("code", "text", "is_refusal"),
    [
        (321, "The API interface is currently in Read-Only mode.", True),
        (321, "API is in read only mode", True),
        (321, "Invalid account code", False),
        (322, "Read-Only", False),
    ],
)
def test_a_read_only_api_is_told_by_its_words(code: int, text: str, is_refusal: bool) -> None:
    """Code 321 says only that a request was refused."""
    assert is_refusal is is_read_only_refusal(code, text)
