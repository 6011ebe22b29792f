"""Alerts are lines of a file that give nothing away."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ibkr_pipeline.pipelines.alerts import Alert, record_alert
from ibkr_pipeline.primitives.enums import Environment
from ibkr_pipeline.primitives.secrets_registry import forget_secrets, register_secret
from ibkr_pipeline_tests.dagster_runs import make_settings


@pytest.fixture(autouse=True)
def _no_secrets_left() -> Iterator[None]:
    yield
    forget_secrets()


def _alert(reason: str) -> Alert:
    return Alert(
        at=datetime(2026, 11, 18, 22, 30, tzinfo=UTC),
        kind="run_failed",
        environment=Environment.LIVE,
        run_id="r1",
        job="nightly",
        reason=reason,
        what_to_do="Run it again.",
    )


def test_each_alert_is_one_line(tmp_path: Path) -> None:
    """A reason may hold line breaks; a reader of the file must not stumble."""
    settings = make_settings(tmp_path)

    record_alert(settings, _alert("first\nsecond"))
    path = record_alert(settings, _alert("third"))

    lines = path.read_text(encoding="utf-8").splitlines()
    assert ["first\nsecond", "third"] == [json.loads(line)["reason"] for line in lines]
    assert ("live", "2026-11-18T22:30:00Z") == (
        json.loads(lines[0])["environment"],
        json.loads(lines[0])["at"],
    )
    assert 0o600 == path.stat().st_mode & 0o777


def test_an_alert_holds_no_account_code_and_no_secret(tmp_path: Path) -> None:
    """The file is what people attach to a message."""
    register_secret("hunter2hunter2")

    path = record_alert(make_settings(tmp_path), _alert("U1234567 at hunter2hunter2"))

    text = path.read_text(encoding="utf-8")
    assert "U1234567" not in text
    assert "hunter2" not in text
