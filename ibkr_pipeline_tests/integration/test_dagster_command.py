"""Dagster's own commands, as CI and a person at a shell use them, against the simulated broker."""

import os
import shutil
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from ibkr_pipeline.primitives.sessions import sessions_between
from ibkr_pipeline.simulator.testing import SimulatorThread
from ibkr_pipeline_tests.repository import ROOT

pytestmark = pytest.mark.usefixtures("unmeasured_children")

CI_LINE = ("asset", "materialize", "--select", "tag:nightly", "-m", "ibkr_pipeline.definitions")
#: Planted where secrets are kept; they may turn up nowhere else.
CANARIES = ("canary-flex-8c1f", "canary-dsn-77aa")


@pytest.fixture(name="environ")
def _environ(tmp_path: Path) -> dict[str, str]:
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(ROOT / "dagster.yaml", home / "dagster.yaml")
    return {
        **os.environ,
        "DAGSTER_HOME": str(home),
        "IBKR_PIPELINE_MODE": "simulated",
        "IBKR_PIPELINE_DATA": str(tmp_path / "data"),
        "IBKR_FLEX_TOKEN": CANARIES[0],
        "IBKR_PIPELINE_POSTGRES_URL": f"postgresql+psycopg2://u:{CANARIES[1]}@127.0.0.1:1/none",
    }


def _dagster(environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dagster", *arguments],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )


def test_the_line_in_ci_materializes_the_night_and_keeps_its_secrets(
    environ: dict[str, str], tmp_path: Path
) -> None:
    """Exit 0, the environment on the run, and not one canary in what it wrote or printed."""
    with SimulatorThread() as simulator:
        ended = _dagster({**environ, "IBKR_PORT": str(simulator.port)}, *CI_LINE)

    assert 0 == ended.returncode, ended.stderr
    with dg.DagsterInstance.from_config(environ["DAGSTER_HOME"]) as instance:
        [stored] = instance.get_runs()
        copied = instance.get_latest_materialization_event(dg.AssetKey(["ops", "read_copy"]))
    assert (dg.DagsterRunStatus.SUCCESS, "simulated") == (
        stored.status,
        stored.tags["ibkr/environment"],
    )
    assert copied is not None
    printed = ended.stdout + ended.stderr
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert 10 < len(files)
    for canary in CANARIES:
        assert canary not in printed
        assert [] == [path for path in files if canary.encode() in path.read_bytes()]


def test_the_line_in_ci_fails_when_an_account_failed(environ: dict[str, str]) -> None:
    """A red run must be red in CI too."""
    with SimulatorThread() as simulator:
        # The end of an account's values (frame 54) is left out for one of two accounts.
        simulator.arm("omit", message=54, account="DU0000002", times=99)
        settings = Path(environ["DAGSTER_HOME"]) / "ibkr.yaml"
        settings.write_text(
            "ibkr: {request_timeout_seconds: 1, read_attempts: 1}\n", encoding="utf-8"
        )
        ended = _dagster(
            {
                **environ,
                "IBKR_PORT": str(simulator.port),
                "IBKR_PIPELINE_CONFIG": str(settings),
            },
            *CI_LINE,
        )

    assert 1 == ended.returncode
    assert "Materialization failed" in ended.stderr
    assert "every_account_current" in ended.stderr
    assert "DU0000001" not in _failed_verdict(environ)
    assert "accounts of DU0000002: failed" in _failed_verdict(environ)


def test_one_line_fetches_the_statement_of_a_session(
    environ: dict[str, str], tmp_path: Path
) -> None:
    """`--partition YYYY-MM-DD` over the real protocol; the token is in nothing that was left."""
    # Partitions are the sessions before today, so the simulated exchange is at the last of them.
    today = datetime.now(tz=ZoneInfo("America/New_York")).date()
    published, current = sessions_between(today - timedelta(days=14), today - timedelta(days=1))[
        -2:
    ]
    scenario = {
        "name": "one_session",
        "clock": {"session": current.isoformat()},
        "accounts": [{"account": "DU0000001", "cash": {"USD": "1000"}}],
        "flex": {"tokens": {CANARIES[0]: "valid"}},
    }
    with SimulatorThread(scenario) as simulator:
        ended = _dagster(
            {
                **environ,
                "IBKR_FLEX_QUERY_ID": "1",
                "IBKR_FLEX_URL": simulator.flex_url,
            },
            *("asset", "materialize", "--select", "raw/flex_statements"),
            *("--partition", published.isoformat(), "-m", "ibkr_pipeline.definitions"),
        )

    assert 0 == ended.returncode, ended.stderr
    key = dg.AssetKey(["raw", "flex_statements"])
    with dg.DagsterInstance.from_config(environ["DAGSTER_HOME"]) as instance:
        assert {published.isoformat()} == set(instance.get_materialized_partitions(key))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert CANARIES[0] not in ended.stdout + ended.stderr
    assert [] == [path for path in files if CANARIES[0].encode() in path.read_bytes()]


def _failed_verdict(environ: dict[str, str]) -> str:
    with dg.DagsterInstance.from_config(environ["DAGSTER_HOME"]) as instance:
        [stored] = instance.get_runs()
        records = instance.all_logs(
            stored.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
        )
    verdicts = [
        record.dagster_event.asset_check_evaluation_data
        for record in records
        if record.dagster_event is not None
    ]
    [verdict] = [item for item in verdicts if item.check_name == "every_account_current"]
    assert not verdict.passed
    return str(verdict.description)
