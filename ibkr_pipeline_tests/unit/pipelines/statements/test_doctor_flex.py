"""What the doctor says of statements, and that it changes nothing."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from ibkr_pipeline.brokers.statement_source import ServiceFinding, ServiceState
from ibkr_pipeline.pipelines import doctor_flex
from ibkr_pipeline.pipelines.doctor_findings import DoctorFinding, Level
from ibkr_pipeline.pipelines.doctor_flex import examine_flex
from ibkr_pipeline.pipelines.flex_sync import StatementChoice, sync_flex
from ibkr_pipeline.pipelines.workspace import Workspace
from ibkr_pipeline_tests.pipeline_runs import TickingClock, make_settings
from ibkr_pipeline_tests.statement_service import statement_file, trades_without_an_id
from ibkr_pipeline_tests.unit.pipelines.statements.conftest import WriteFile

DAY = date(2026, 11, 18)


def of(findings: tuple[DoctorFinding, ...], check: str) -> list[DoctorFinding]:
    """Return the findings of a check."""
    return [item for item in findings if item.check == check]


def test_switched_off_is_no_failure(tmp_path: Path, clock: TickingClock) -> None:
    """Statements are optional; both settings are named, and nothing is asked."""
    (finding,) = examine_flex(make_settings(tmp_path / "data"), clock=clock)

    assert Level.OK is finding.level
    assert "IBKR_FLEX_TOKEN and IBKR_FLEX_QUERY_ID" in finding.found
    assert not (tmp_path / "data").exists()


def test_half_of_the_settings_is_a_warning(tmp_path: Path, clock: TickingClock) -> None:
    """Whoever set a token wants statements."""
    settings = make_settings(tmp_path / "data", ibkr__flex_token="token-of-a-test")
    (finding,) = examine_flex(settings, clock=clock)

    assert (Level.WARN, True) == (finding.level, "IBKR_FLEX_QUERY_ID" in str(finding.mend))


def test_a_refusal_of_the_service_is_told_with_what_to_do(
    tmp_path: Path, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service answers, the token has expired, of the query nothing is known."""

    class Refusing:
        def check(self) -> tuple[ServiceFinding, ...]:
            return (
                ServiceFinding(subject="service", state=ServiceState.OK, found="answers"),
                ServiceFinding(
                    subject="token", state=ServiceState.FAILED, found="expired", mend="make one"
                ),
                ServiceFinding(subject="query", state=ServiceState.UNKNOWN, found="not asked"),
            )

    monkeypatch.setattr(doctor_flex, "get_statement_source", lambda *_args, **_kw: Refusing())
    settings = make_settings(
        tmp_path / "data", ibkr__flex_token="token-of-a-test", ibkr__flex_query_id="1"
    )
    findings = examine_flex(settings, clock=clock)

    assert [Level.OK, Level.FAIL, Level.WARN] == [item.level for item in findings]
    assert "make one" == of(findings, "flex token")[0].mend


def test_columns_the_query_lacks_are_named_with_their_boxes(
    workspace: Workspace, clock: TickingClock, write: WriteFile
) -> None:
    """What rows cannot do without is a failure, the rest a warning, absent sections one line."""
    choice = StatementChoice(files=(write(statement_file(DAY, DAY, trades_without_an_id)),))
    sync_flex(workspace, choice=choice)
    columns = of(examine_flex(workspace.settings, clock=clock), "flex columns")
    failed = [item for item in columns if item.level is Level.FAIL]

    assert ["in the Flex query, section Trades, tick Conid"] == [item.mend for item in failed]
    assert any("section Trades lacks" in item.found for item in columns if item not in failed)
    assert any("lacks the sections" in item.found for item in columns)


def test_the_quarantine_is_mentioned(
    workspace: Workspace, clock: TickingClock, write: WriteFile
) -> None:
    """A file nobody can read is not forgotten."""
    sync_flex(workspace, choice=StatementChoice(files=(write(b"<html></html>"),)))
    (finding,) = of(examine_flex(workspace.settings, clock=clock), "quarantine")

    assert (Level.WARN, True) == (finding.level, finding.found.startswith("1 files"))
