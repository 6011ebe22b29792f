"""Commands without a gateway: rebuild, doctor, simulate, ui, and the tables of a sync."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ibkr_pipeline.cli import ui
from ibkr_pipeline.cli.demo import overrides_for
from ibkr_pipeline.cli.summary_table import MOST_ACCOUNTS, write_summary
from ibkr_pipeline.cli.sync import tell_failures
from ibkr_pipeline.defs.launch import LaunchResult
from ibkr_pipeline.defs.run_outcome import StepFailure
from ibkr_pipeline.pipelines.interruption import Interrupted
from ibkr_pipeline.pipelines.summary import DatasetSummary, SubjectSummary
from ibkr_pipeline.primitives.enums import Dataset, Environment, LoadStatus
from ibkr_pipeline.settings import load_settings
from ibkr_pipeline_tests.pipeline_runs import FIRST, NIGHT, SECOND, make_settings
from ibkr_pipeline_tests.unit.cli.conftest import Call


def test_rebuild_tells_table_by_table(call: Call, filled: Path) -> None:
    """As a table for people and as a document."""
    document = call("rebuild", "--json").document

    assert (True, False) == (document["equal"], document["replaced"])
    assert "core.positions" in call("rebuild").stdout


def test_rebuild_of_nothing_says_so(call: Call, tmp_path: Path) -> None:
    """It makes no warehouse, and no directory either."""
    outcome = call("rebuild")

    assert (1, True) == (outcome.exit_code, "nothing to rebuild" in outcome.stderr)
    assert not (tmp_path / "data").exists()


def test_doctor_ends_with_1_when_something_failed(call: Call, tmp_path: Path) -> None:
    """Nothing listens on that port; the document says so and the directory is not made."""
    outcome = call("doctor", "--json")

    assert (1, False) == (outcome.exit_code, outcome.document["well"])
    assert ["gateway"] == [
        item["check"] for item in outcome.document["findings"] if item["level"] == "fail"
    ]
    assert not (tmp_path / "data").exists()


def test_doctor_tells_people_what_to_do(call: Call) -> None:
    """Settings with their origin, then findings."""
    told = call("doctor").stdout

    assert "environment IBKR_PIPELINE_DATA" in " ".join(told.split())
    assert "fail gateway: Nothing listens on 127.0.0.1:7497." in told


def test_simulate_passes_its_options_on(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulator has a command of its own; this is the same one."""
    seen: list[list[str]] = []

    def main(arguments: list[str]) -> int:
        seen.append(arguments)
        return 0

    monkeypatch.setattr("ibkr_pipeline.simulator.__main__.main", main)
    call("simulate", "--port", "4002", "--flex-port", "4080", "--scenario", "empty", "--seed", "7")
    call("simulate", "--record", "frames.jsonl")

    assert [
        "--port", "4002", "--flex-port", "4080", "--control-port", "0", "--scenario", "empty",
        "--seed", "7",
    ] == seen[0]  # fmt: skip
    assert ["--record", "frames.jsonl"] == seen[1][-2:]


def test_simulate_refuses_a_scenario_that_is_not_there(call: Call) -> None:
    """With a usage error that names it."""
    assert 2 == call("simulate", "--scenario", "nowhere").exit_code


def test_the_demo_talks_to_its_own_broker_and_to_nothing_else() -> None:
    """Whatever the environment says about a real gateway."""
    settings = load_settings(
        environ={
            "IBKR_HOST": "192.0.2.1",
            "IBKR_PORT": "7496",
            "IBKR_ACCOUNTS": "U0000001",
            "IBKR_PIPELINE_MODE": "live",
        },
        overrides=overrides_for("127.0.0.1", 40001),
    )

    assert (Environment.SIMULATED, "127.0.0.1", 40001, ()) == (
        settings.mode,
        settings.ibkr.host,
        settings.ibkr.port,
        settings.ibkr.accounts,
    )


def test_the_ui_is_stopped_when_we_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """No web server is left behind."""
    started: list[object] = []
    popen = ui.subprocess.Popen

    def interrupting(*args: object, **options: object) -> object:
        child = popen(*args, **options)  # type: ignore[call-overload]  # passed on
        started.append(child)

        def wait(timeout: float | None = None) -> int:
            if timeout is None:
                raise Interrupted("SIGTERM")
            return int(popen.wait(child, timeout))

        child.wait = wait
        return child

    monkeypatch.setattr(ui.subprocess, "Popen", interrupting)
    code = ui._run((sys.executable, "-c", "import time; time.sleep(60)"), {}, Path.cwd())

    assert (0, True) == (code, started[0].poll() is not None)  # type: ignore[attr-defined]  # a child


def test_a_summary_names_what_failed_and_what_was_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """LIVE and PAPER are told apart; every reason is there."""
    summary = DatasetSummary(
        dataset=Dataset.ORDERS,
        subjects=(
            SubjectSummary(
                account_id=FIRST,
                status=LoadStatus.FAILED,
                kind="PAPER",
                kept_as_of=NIGHT,
                error="No end marker.",
            ),
            SubjectSummary(account_id="../x", status=LoadStatus.FAILED, error="no account"),
            SubjectSummary(account_id=SECOND, status=LoadStatus.UNSUPPORTED, error="read-only"),
        ),
        left_out={"U0000001": "not named with --account"},
        error=None,
    )
    write_summary(make_settings(tmp_path), [summary], run_id="abcdef0123", is_well=True)
    told = capsys.readouterr().out

    for line in (
        "orders of DU0000001: failed: No end marker. What is known from its last complete read of "
        "2026-04-13 20:30:00Z stays current.",
        "orders of '../x': failed: no account.\n",
        "orders of DU0000002: not supported by this gateway: read-only.",
        "left out: U0000001 (LIVE): not named with --account",
        "PAPER run abcdef01: FAILED; nothing new is in.",
    ):
        assert line in told


def test_a_reason_that_many_datasets_share_is_told_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Four lines of the same words hide that there is one cause."""
    summaries = [
        DatasetSummary(dataset=dataset, subjects=(), left_out={}, error="The port was 7496.")
        for dataset in (Dataset.ACCOUNTS, Dataset.ORDERS)
    ]
    write_summary(make_settings(tmp_path), summaries, run_id="abcdef0123", is_well=False)

    assert "accounts, orders: The port was 7496.\n" in capsys.readouterr().out


def test_a_reason_that_many_accounts_share_is_told_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A thousand lines of one cause scroll everything else away."""
    subjects = tuple(
        SubjectSummary(account_id=f"DU{n:07}", status=LoadStatus.FAILED, error="client id is taken")
        for n in range(1, 1001)
    )
    summary = DatasetSummary(dataset=Dataset.ACCOUNTS, subjects=subjects, left_out={})
    write_summary(make_settings(tmp_path), [summary], run_id="abcdef0123", is_well=False)
    told = capsys.readouterr().out

    assert "DU0000004, DU0000005 and 995 more: failed: client id is taken.\n" in told
    assert 1 == told.count("client id is taken")


def test_an_interruption_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    """The step that was running and the run both end with it."""
    failures = tuple(
        StepFailure(step=step, error_class="Interrupted", message="") for step in ("raw__x", "run")
    )
    tell_failures(LaunchResult(run_id="r", success=False, failures=failures, checks=()))

    assert 1 == capsys.readouterr().err.count("What was complete is kept")


@pytest.mark.parametrize("command", ["sync", "show"])
@pytest.mark.parametrize("code", ["", "  "])
def test_an_empty_account_is_a_usage_error_before_anything_is_done(
    call: Call, tmp_path: Path, command: str, code: str
) -> None:
    """An unset shell variable must not become a question about no account."""
    outcome = call(command, "positions", "--account", code, "--json")

    assert (2, 2) == (outcome.exit_code, outcome.document["error"]["exit_code"])
    assert "--account was empty" in outcome.stderr
    assert not (tmp_path / "data").exists()


def test_a_summary_of_very_many_accounts_shows_the_failed_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A thousand rows would hide the one that matters."""
    subjects = tuple(
        SubjectSummary(account_id=f"DU{number:07}", status=LoadStatus.COMPLETE)
        for number in range(100)
    )
    failed = SubjectSummary(account_id="DU9999999", status=LoadStatus.FAILED, error="lost")
    summary = DatasetSummary(dataset=Dataset.ACCOUNTS, subjects=(*subjects, failed), left_out={})
    write_summary(make_settings(tmp_path), [summary], run_id="abcdef0123", is_well=False)
    told = capsys.readouterr().out

    assert f"and {101 - MOST_ACCOUNTS} more accounts, all complete" in told
    assert "DU9999999" in told


def test_a_summary_counts_sections_without_rows_and_shows_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A statement has 15 sections for every account, and most nights most of them are empty."""
    sections = {"Trades": 3, "Transfers": 0, "PendingExercises": 0}
    subjects = tuple(
        SubjectSummary(account_id=FIRST, status=LoadStatus.COMPLETE, section=name, n_read=n_rows)
        for name, n_rows in sections.items()
    )
    refused = SubjectSummary(
        account_id=FIRST, status=LoadStatus.FAILED, section="CashReport", error="no currency"
    )
    summary = DatasetSummary(dataset=Dataset.FLEX, subjects=(*subjects, refused), left_out={})
    write_summary(make_settings(tmp_path), [summary], run_id="abcdef0123", is_well=False)
    told = capsys.readouterr().out

    assert "and 2 more sections without rows, all complete" in told
    assert "Trades" in told
    assert "flex of DU0000001/CashReport: failed: no currency." in told
    assert "Transfers" not in told


def test_a_summary_names_orders_whose_end_nobody_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A count alone would leave one looking for them."""
    subject = SubjectSummary(
        account_id=FIRST,
        status=LoadStatus.COMPLETE,
        n_gone=2,
        gone_orders=("perm:900001", "perm:900002"),
    )
    summary = DatasetSummary(dataset=Dataset.ORDERS, subjects=(subject,), left_out={})
    write_summary(make_settings(tmp_path), [summary], run_id="abcdef0123", is_well=True)

    assert "orders of DU0000001: perm:900001, perm:900002 were open" in capsys.readouterr().out
