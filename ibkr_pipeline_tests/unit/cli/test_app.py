"""What all commands share: help, settings, exit codes, errors in words."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ibkr_pipeline import __version__
from ibkr_pipeline.primitives.errors import BusyError
from ibkr_pipeline_tests.repository import ROOT
from ibkr_pipeline_tests.unit.cli.conftest import Call

COMMANDS = ("demo", "simulate", "sync", "backfill", "show", "rebuild", "doctor", "ui")
#: Stable names that are not built; a stub would be a lie.
NOT_BUILT = ("strategies", "orders", "backtest", "explain", "report", "optimize", "risk")


def test_help_names_every_command_that_works_and_no_other(call: Call) -> None:
    """What is listed can be used."""
    listed = call("--help").stdout

    assert set(COMMANDS) == {name for name in (*COMMANDS, *NOT_BUILT) if f" {name} " in listed}


def test_the_version_is_told(call: Call) -> None:
    """A bug report needs it."""
    assert f"ibkr-pipeline {__version__}" == call("--version").stdout.strip()


@pytest.mark.parametrize(
    "arguments",
    [("syncc",), ("sync", "trades"), ("sync",), ("show", "accounts", "--limit", "-1"), ("--nope",)],
    ids=" ".join,
)
def test_usage_errors_end_with_2(call: Call, arguments: tuple[str, ...]) -> None:
    """A script tells a mistyped command from a failed one."""
    assert 2 == call(*arguments).exit_code


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_every_command_takes_a_configuration_file(call: Call, tmp_path: Path, before: bool) -> None:
    """Wherever a person writes it."""
    file = tmp_path / "config.yaml"
    file.write_text("ibkr:\n  port: seven\n")
    option = ["--config", str(file)]
    arguments = [*option, "show", "loads"] if before else ["show", "loads", *option]
    outcome = call(*arguments)

    assert 2 == outcome.exit_code
    assert "ibkr.port" in outcome.stderr


@pytest.mark.parametrize(
    ("environ", "key"),
    [
        ({"IBKR_PORT": "7496"}, "ibkr.port was 7496"),
        ({"IBKR_PIPELINE_MODE": "simulated", "IBKR_HOST": "gateway"}, "ibkr.host was 'gateway'"),
    ],
    ids=["live-port", "foreign-host"],
)
def test_a_setting_that_contradicts_the_mode_ends_a_sync_with_2_before_its_run(
    call: Call,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    environ: dict[str, str],
    key: str,
) -> None:
    """The reason is in the document; no run is recorded, no directory made."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    outcome = call("sync", "accounts", "--json")

    assert (2, 2) == (outcome.exit_code, outcome.document["error"]["exit_code"])
    assert key in outcome.document["error"]["message"]
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("command", [("show", "positions"), ("rebuild",)], ids=" ".join)
def test_a_chosen_mode_is_refused_by_rows_of_another_environment(
    call: Call, filled: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    """The same words and the same code as a sync; without a chosen mode the rows decide."""
    unchosen = call(*command)
    monkeypatch.setenv("IBKR_PIPELINE_MODE", "simulated")
    outcome = call(*command, "--json")
    sync = call("sync", "positions", "--json")

    assert (0, 2) == (unchosen.exit_code, outcome.exit_code)
    assert "holds rows of the paper environment" in outcome.document["error"]["message"]
    assert sync.document["error"] == outcome.document["error"]


def test_a_variable_nothing_reads_is_told_once_and_stops_nothing(
    call: Call, filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may belong to another program; stdout stays one document."""
    monkeypatch.setenv("IBKR_PROT", "4002")
    monkeypatch.setenv("IBKR_USERNAME", "somebody")
    outcome = call("show", "positions", "--json")

    assert (0, 2) == (outcome.exit_code, len(outcome.document))
    assert 1 == len(outcome.stderr.splitlines())
    assert "IBKR_PROT (was IBKR_PORT meant?), IBKR_USERNAME" in outcome.stderr
    assert "somebody" not in outcome.stderr


def test_the_doctor_names_variables_nothing_reads(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the known one that was meant."""
    monkeypatch.setenv("IBKR_PROT", "4002")
    found = [
        item for item in call("doctor", "--json").document["findings"] if item["level"] == "warn"
    ]

    assert [
        ("environment", "IBKR_PROT is set, and nothing reads it", "IBKR_PORT, the nearest there is")
    ] == [(item["check"], item["found"], item["expected"]) for item in found]


@pytest.mark.parametrize("as_json", [True, False], ids=["json", "table"])
def test_the_doctor_tells_settings_that_cannot_be_used_as_findings(
    call: Call, monkeypatch: pytest.MonkeyPatch, as_json: bool
) -> None:
    """It is the one who is asked about settings; it must not die of them."""
    monkeypatch.setenv("IBKR_PORT", "abc")
    outcome = call("doctor", *(["--json"] if as_json else []))
    told = "ibkr.port was 'abc' (from environment IBKR_PORT)"

    assert 2 == outcome.exit_code
    if as_json:
        assert [told] == [item["found"] for item in outcome.document["findings"]]
    else:
        assert f"fail setting: {told}" in outcome.stdout


def test_an_error_is_told_in_words_and_as_a_document(call: Call) -> None:
    """Stdout holds one JSON document, also when something failed; stderr is for people."""
    outcome = call("show", "positions", "--json")

    assert 1 == outcome.exit_code
    assert "sync all" in outcome.document["error"]["message"]
    assert outcome.stderr.startswith("error: There is no read copy")


def test_a_busy_warehouse_ends_with_75_and_names_the_holder(
    call: Call, filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scheduler tries such a run again."""

    def busy(*_args: object, **_options: object) -> object:
        raise BusyError("Lock x was still held by process 4711 (a sync).", holder="process 4711")

    monkeypatch.setattr("ibkr_pipeline.pipelines.rebuild.rebuild", busy)
    outcome = call("rebuild", "--json")

    assert (75, True) == (outcome.exit_code, outcome.document["error"]["retryable"])
    assert "process 4711" in outcome.stderr


def test_an_interrupt_ends_with_130_and_a_clear_line(
    call: Call, filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No traceback for somebody who pressed Ctrl-C."""

    def interrupted(*_args: object, **_options: object) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr("ibkr_pipeline.pipelines.rebuild.rebuild", interrupted)
    outcome = call("rebuild")

    assert (130, True) == (outcome.exit_code, outcome.stderr.endswith("for the rest.\n"))


def test_an_unexpected_error_is_told_without_a_traceback_on_stdout(
    call: Call, filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is our mistake; the log has the details."""

    def broken(*_args: object, **_options: object) -> object:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("ibkr_pipeline.pipelines.rebuild.rebuild", broken)
    outcome = call("rebuild")

    assert (1, "") == (outcome.exit_code, outcome.stdout)
    assert "error: Unexpected ZeroDivisionError: division by zero" in outcome.stderr


@pytest.mark.parametrize(
    ("arguments", "forbidden"),
    [
        (["--help"], ("dagster", "ib_async", "polars", "duckdb")),
        (["sync", "--help"], ("dagster", "ib_async")),
        (["show", "loads", "--json"], ("dagster", "ib_async")),
        (["show", "positions", "--json"], ("dagster", "ib_async")),
    ],
    ids=["help", "sync-help", "show-loads", "show-positions"],
)
def test_imports_are_lazy(filled: Path, arguments: list[str], forbidden: tuple[str, ...]) -> None:
    """Help is there at once, and looking at rows needs neither Dagster nor a broker."""
    program = (
        "import sys, json\n"
        "sys.argv[1:] = json.loads(sys.argv[1])\n"
        "from ibkr_pipeline.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        "sys.stderr.write(' '.join(sorted({name.partition('.')[0] for name in sys.modules})))\n"
    )
    import json
    import os

    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps(arguments)],
        cwd=filled,
        env={**os.environ, "PYTHONPATH": str(ROOT), "IBKR_PIPELINE_DATA": str(filled)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert set() == set(forbidden) & set(done.stderr.split())


def test_python_dash_m_is_the_same_program() -> None:
    """For whoever has no scripts directory on the path."""
    done = subprocess.run(
        [sys.executable, "-m", "ibkr_pipeline", "--version"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"ibkr-pipeline {__version__}" == done.stdout.strip()
