"""What the doctor says of settings that cannot be used, or contradict the mode."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from ibkr_pipeline.pipelines.doctor import Examination, examine, examine_unusable
from ibkr_pipeline.pipelines.doctor_findings import Level
from ibkr_pipeline.pipelines.doctor_gateway import examine_gateway
from ibkr_pipeline.primitives.errors import ConfigError
from ibkr_pipeline.settings import load_settings
from ibkr_pipeline_tests.pipeline_runs import TickingClock, make_settings


def examined(file: Path | None = None, *, environ: Mapping[str, str] | None = None) -> Examination:
    """Return what the doctor says when the settings cannot be loaded."""
    with pytest.raises(ConfigError) as caught:
        load_settings(file, environ=environ or {})
    return examine_unusable(caught.value)


@pytest.mark.parametrize(
    ("environ", "found", "expected"),
    [
        (
            {"IBKR_PORT": "0"},
            "ibkr.port was '0' (from environment IBKR_PORT)",
            "a whole number from 1 to 65535",
        ),
        (
            {"IBKR_PIPELINE_MODE": "papr"},
            "mode was 'papr' (from environment IBKR_PIPELINE_MODE)",
            "paper, live or simulated",
        ),
    ],
    ids=["port", "mode"],
)
def test_settings_that_cannot_be_used_are_findings(
    environ: dict[str, str], found: str, expected: str
) -> None:
    """Told where people look for it, with the origin."""
    examination = examined(environ=environ)
    (finding,) = examination.findings

    assert ("setting", Level.FAIL) == (finding.check, finding.level)
    assert (found, expected) == (finding.found, finding.expected)
    assert 2 == examination.exit_code
    assert json.dumps(examination.to_document())


def test_a_time_zone_that_does_not_exist_is_told_as_one(tmp_path: Path) -> None:
    """It is no port."""
    file = tmp_path / "config.yaml"
    file.write_text("ibkr: {timezone: Mars/X}\n")
    (finding,) = examined(file).findings

    assert f"ibkr.timezone was 'Mars/X' (from file {file})" == finding.found
    assert "time zone" in str(finding.expected)


def test_a_file_that_is_no_yaml_is_a_finding(tmp_path: Path) -> None:
    """With the line, and without what stands in it."""
    file = tmp_path / "config.yaml"
    file.write_text("mode: [paper\nibkr: {flex_token: CANARY\n")
    (finding,) = examined(file).findings

    assert ("configuration", Level.FAIL) == (finding.check, finding.level)
    assert "line 2, column 5" in finding.found
    assert "CANARY" not in f"{finding}"


def test_a_live_port_in_paper_mode_is_told_with_its_origin(
    tmp_path: Path, clock: TickingClock
) -> None:
    """Before anything is connected."""
    (found,) = examine_gateway(make_settings(tmp_path, ibkr__port=7496), clock=clock)

    assert ("port", Level.FAIL) == (found.check, found.level)
    assert "ibkr.port was 7496" in found.found
    assert "from command line" in found.found


def test_a_foreign_host_in_simulated_mode_is_told_as_a_host(
    tmp_path: Path, clock: TickingClock
) -> None:
    """And the program ends as with any wrong setting."""
    settings = make_settings(tmp_path, mode="simulated", ibkr__host="gateway")
    (found,) = examine_gateway(settings, clock=clock)

    assert ("host", Level.FAIL) == (found.check, found.level)
    assert 2 == examine(settings, clock=clock).exit_code
