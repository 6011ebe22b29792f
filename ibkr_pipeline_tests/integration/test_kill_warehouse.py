"""Kill -9 while loads are applied: what was acknowledged is there, whole, and nothing else."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from ibkr_pipeline.primitives import crashpoints
from ibkr_pipeline.warehouse.acknowledged import acknowledge
from ibkr_pipeline.warehouse.errors import WarehouseDamagedError
from ibkr_pipeline_tests.warehouse_rows import NOON, warehouse_at, warehouse_in

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL"),
    pytest.mark.usefixtures("unmeasured_children"),
]

#: Applies snapshot after snapshot of 50 positions, saying each load on stdout once it is
#: committed; arms a crash point for the one it is told to.
_WRITER = """
import os, signal, sys
from pathlib import Path
from ibkr_pipeline.primitives import crashpoints
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline_tests.warehouse_rows import *

directory, first, last, point = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
warehouse = Warehouse(directory, clock=FixedClock(NOON), lock_timeout_seconds=5.0)
for number in range(first, last):
    if point and number == last - 1:
        crashpoints.arm(point, lambda: os.kill(os.getpid(), signal.SIGKILL))
    rows = [position(con_id) for con_id in range(1, 51)]
    load = make_load(Dataset.POSITIONS, at=minutes(number))
    apply_rows(warehouse, Dataset.POSITIONS, (frames_of(Dataset.POSITIONS, positions=rows), [load]))
    print(number, flush=True)
"""


def _write(directory: Path, first: int, last: int, point: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(directory), str(first), str(last), point],
        stdout=subprocess.PIPE,
        text=True,
    )


def _snapshots(directory: Path) -> list[tuple[int, int]]:
    """Return minute and rows of each snapshot, which must be whole."""
    warehouse = warehouse_at(directory)
    with warehouse.read() as connection:
        return connection.execute(
            """SELECT (epoch(headers.as_of) - epoch($noon::TIMESTAMPTZ))::BIGINT // 60,
                   count(rows.con_id)
               FROM core.snapshots AS headers JOIN core.applied_loads AS loads USING (load_id)
               LEFT JOIN core.positions AS rows USING (snapshot_id)
               GROUP BY ALL ORDER BY 1""",
            {"noon": NOON},
        ).fetchall()


@pytest.mark.parametrize(
    ("point", "survives"),
    [(crashpoints.IN_TRANSACTION, 2), (crashpoints.AFTER_COMMIT, 3)],
)
def test_fault_56_after_a_kill_the_next_run_heals(
    tmp_path: Path, point: str, survives: int
) -> None:
    """Before the commit nothing of the load is there, after it everything; both go on."""
    warehouse_in(tmp_path)
    writer = _write(tmp_path, 0, 3, point)
    said, _ = writer.communicate(timeout=60)
    assert (writer.returncode, said.split()) == (-signal.SIGKILL, ["0", "1"])
    assert _snapshots(tmp_path) == [(number, 50) for number in range(survives)]

    healed = _write(tmp_path, 0, 4)
    healed.communicate(timeout=60)

    assert healed.returncode == 0
    assert _snapshots(tmp_path) == [(number, 50) for number in range(4)]


def _kill_at_random(directory: Path, *, kills: int, seed: int) -> None:
    """Kill writers at random moments and check after each that nothing was lost or halved."""
    dice = random.Random(seed)  # repeatable, no secret
    warehouse_in(directory)
    begun = 0
    for _ in range(kills):
        writer = _write(directory, begun, begun + 25)
        assert writer.stdout is not None
        for _ in range(dice.randint(0, 6)):
            writer.stdout.readline()
        time.sleep(dice.uniform(0.0, 0.05))  # somewhere inside the next transaction
        writer.kill()
        acknowledged = [int(line) for line in writer.communicate()[0].split()]
        found = _snapshots(directory)
        assert {rows for _, rows in found} <= {50}
        assert set(acknowledged) <= {minute for minute, _ in found}
        begun = max((minute for minute, _ in found), default=-1) + 1


def test_fault_56_random_kills_lose_and_halve_nothing(tmp_path: Path) -> None:
    """A few kills in every run of the suite."""
    _kill_at_random(tmp_path, kills=3, seed=20261118)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(20))
def test_fault_56_many_random_kills_lose_and_halve_nothing(tmp_path: Path, seed: int) -> None:
    """Two hundred kills, ten per warehouse."""
    _kill_at_random(tmp_path, kills=10, seed=seed)


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse whose last commit was acknowledged and is in the write-ahead log alone."""
    directory = tmp_path_factory.mktemp("crashed")
    warehouse = warehouse_in(directory)
    _write(directory, 0, 1).communicate(timeout=60)
    _write(directory, 1, 2, crashpoints.AFTER_COMMIT).communicate(timeout=60)
    acknowledge(warehouse.path, NOON + timedelta(microseconds=1))
    return directory


@pytest.mark.parametrize("damage", ["flip", "cut", "zeros", "zero tail", "empty", "gone"])
def test_fault_58_a_damaged_log_is_refused_and_never_deleted(
    crashed: Path, tmp_path: Path, damage: str
) -> None:
    """DuckDB itself reads a cut or emptied log up to the cut, in silence, and deletes it."""
    for name in ("warehouse.duckdb", "warehouse.duckdb.wal", "warehouse.acknowledged"):
        shutil.copy(crashed / name, tmp_path / name)
    log = tmp_path / "warehouse.duckdb.wal"
    broken = _damaged(log.read_bytes(), damage)
    log.unlink()
    if broken is not None:
        log.write_bytes(broken)

    warehouse = warehouse_at(tmp_path)
    for use in (lambda: warehouse.write("run"), warehouse.read):
        with pytest.raises(WarehouseDamagedError, match="rebuild"), use():
            pass
    with pytest.raises(WarehouseDamagedError, match="rebuild"):
        warehouse.publish_read_copy()

    assert (log.read_bytes() if log.exists() else None) == broken


def test_fault_58_a_sound_log_is_replayed(crashed: Path, tmp_path: Path) -> None:
    """What the refusals above are measured against."""
    shutil.copytree(crashed, tmp_path / "copy")

    assert _snapshots(tmp_path / "copy") == [(0, 50), (1, 50)]


def _damaged(log: bytes, damage: str) -> bytes | None:
    half = len(log) // 2
    flipped = bytes([log[half] ^ 0xFF])
    return {
        "flip": log[:half] + flipped + log[half + 1 :],
        "cut": log[:half],
        "zeros": bytes(len(log)),
        "zero tail": log[:half] + bytes(len(log) - half),
        "empty": b"",
        "gone": None,
    }[damage]
