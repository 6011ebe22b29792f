"""What the doctor says of the control store, and that it leaves it as it was."""

from __future__ import annotations

import hashlib
import socket
from pathlib import Path

import pytest

from ibkr_pipeline.control.migrations import CURRENT
from ibkr_pipeline.control.store import ControlStore
from ibkr_pipeline.pipelines.doctor_control import examine_control
from ibkr_pipeline.pipelines.doctor_findings import DoctorFinding, Level
from ibkr_pipeline.pipelines.positions_sync import sync_positions
from ibkr_pipeline.pipelines.workspace import Workspace
from ibkr_pipeline.primitives.clock import FixedClock
from ibkr_pipeline.primitives.enums import Environment
from ibkr_pipeline.settings import Settings
from ibkr_pipeline_tests.pipeline_runs import NIGHT, make_settings
from ibkr_pipeline_tests.postgres import running_postgres

PASSWORD = "hunter22"


def control_finding(settings: Settings) -> DoctorFinding:
    """Return the finding about the store itself."""
    return next(item for item in examine_control(settings) if item.check == "control store")


def warehouse_finding(settings: Settings) -> DoctorFinding:
    """Return the finding about a warehouse that is not there."""
    return next(item for item in examine_control(settings) if item.check == "warehouse")


def closed_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def contents(folder: Path) -> dict[str, str]:
    """Return file name -> digest of everything in a folder but SQLite's index in memory."""
    files = (item for item in folder.rglob("*") if item.is_file())
    return {
        str(item): "" if item.suffix == ".sqlite-shm" else _digest(item) for item in sorted(files)
    }


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_store_that_is_not_there_yet_is_well_and_stays_away(tmp_path: Path) -> None:
    """The first run makes it."""
    finding = control_finding(make_settings(tmp_path / "data"))

    assert (Level.OK, []) == (finding.level, list(tmp_path.iterdir()))


def test_a_store_is_told_with_its_loads_and_not_touched(workspace: Workspace) -> None:
    """In use or closed; two accounts, positions between two reads of executions."""
    sync_positions(workspace)
    in_use = contents(workspace.directory)
    finding = control_finding(workspace.settings)
    assert in_use == contents(workspace.directory)
    workspace.control.close()
    closed = contents(workspace.directory)
    again = control_finding(workspace.settings)

    assert closed == contents(workspace.directory)
    assert finding == again
    assert Level.OK is finding.level
    assert f"version {CURRENT}, 6 loads, 0 of them failed" in finding.found


def test_a_file_that_is_no_store_fails(tmp_path: Path) -> None:
    """Found by looking, before a night is lost."""
    settings = make_settings(tmp_path)
    settings.control_path.write_bytes(b"no database at all, and long enough to be one" * 40)
    finding = control_finding(settings)

    assert Level.FAIL is finding.level
    assert "not a database" in finding.found
    assert "rebuild" in str(finding.mend)


def test_a_store_of_another_environment_fails(tmp_path: Path) -> None:
    """Rows of two worlds never share a store."""
    settings = make_settings(tmp_path)
    with ControlStore.open(settings.control_path, clock=FixedClock(NIGHT)) as store:
        store.claim_environment(Environment.LIVE)
    finding = control_finding(settings)

    assert Level.FAIL is finding.level
    assert "IBKR_PIPELINE_MODE=live" in str(finding.mend)


def test_a_postgres_that_does_not_answer_fails_without_its_address(tmp_path: Path) -> None:
    """A closed port is found here, not at night; the password is never told."""
    url = f"postgresql://somebody:{PASSWORD}@127.0.0.1:{closed_port()}/d?sslpassword={PASSWORD}"
    finding = control_finding(make_settings(tmp_path, postgres_url=url))

    assert Level.FAIL is finding.level
    assert "does not answer" in finding.found
    assert "IBKR_PIPELINE_POSTGRES_URL" in str(finding.mend)
    assert PASSWORD not in f"{finding}"
    assert "postgresql" not in finding.found


@pytest.mark.parametrize("scheme", ["postgresql+nosuchdriver", "postgresql+asyncpg"])
def test_a_driver_that_is_not_there_fails(tmp_path: Path, scheme: str) -> None:
    """Said in words, without the address."""
    url = f"{scheme}://somebody:{PASSWORD}@127.0.0.1/d"
    finding = control_finding(make_settings(tmp_path, postgres_url=url))

    assert (Level.FAIL, False) == (finding.level, PASSWORD in f"{finding}")
    assert "driver" in str(finding.expected)


def test_a_demo_does_not_ask_postgres(tmp_path: Path) -> None:
    """Its store is a file, whatever the variable says."""
    url = f"postgresql://127.0.0.1:{closed_port()}/d"
    settings = make_settings(tmp_path, mode="simulated", postgres_url=url)

    assert Level.OK is control_finding(settings).level


def test_a_postgres_that_answers_is_well_and_gets_no_tables(tmp_path: Path) -> None:
    """Looking makes nothing; after a run it tells what is there."""
    with running_postgres(tmp_path / "pg") as server:
        settings = make_settings(tmp_path / "data", postgres_url=server.get_uri())
        before = [control_finding(settings), control_finding(settings)]
        with ControlStore.open(server.get_uri(), clock=FixedClock(NIGHT)):
            after = control_finding(settings)

    assert [Level.OK] * 3 == [finding.level for finding in (*before, after)]
    assert all("made by the first run" in finding.found for finding in before)
    assert f"version {CURRENT}, 0 loads" in after.found


def test_a_warehouse_that_is_gone_fails(workspace: Workspace) -> None:
    """Control knows what was in it; a run would refuse to begin an empty one."""
    before = warehouse_finding(workspace.settings)
    sync_positions(workspace)
    workspace.warehouse.path.unlink()
    after = warehouse_finding(workspace.settings)

    assert (Level.OK, Level.FAIL) == (before.level, after.level)
    assert "is gone, and control knows of" in after.found
    assert "rebuild --replace" in str(after.mend)
