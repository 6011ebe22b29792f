"""A full disk, made without root by a limit on file size: acknowledged rows stay."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ibkr_pipeline_tests.warehouse_rows import warehouse_at, warehouse_in

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on file size")

#: Applies snapshots of 2,000 positions until there is no room, saying each that was committed,
#: and in the end what stopped it.
_WRITER = """
import resource, signal, sys
from pathlib import Path
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.primitives.errors import Retryable
from ibkr_pipeline.warehouse.errors import WarehouseFullError
from ibkr_pipeline_tests.warehouse_rows import *

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
warehouse = Warehouse(Path(sys.argv[1]), clock=FixedClock(NOON), lock_timeout_seconds=5.0)
for number in range(400):
    rows = [
        position(con_id, quantity=con_id * 7919 % 1000 + 1, symbol=str(hash((con_id, number))))
        for con_id in range(1, 2001)
    ]
    load = make_load(Dataset.POSITIONS, at=minutes(number))
    read = (frames_of(Dataset.POSITIONS, positions=rows), [load])
    try:
        apply_rows(warehouse, Dataset.POSITIONS, read)
    except WarehouseFullError as error:
        print("full", isinstance(error, Retryable), "Make room" in str(error), flush=True)
        break
    print(number, flush=True)
"""


def _counts(directory: Path) -> list[tuple[int, int]]:
    with warehouse_at(directory).read() as connection:
        return connection.execute(
            "SELECT count(DISTINCT snapshot_id), count(*) FROM core.positions"
        ).fetchall()


@pytest.mark.parametrize("room", [400_000, 2_500_000, 6_000_000], ids=["log", "both", "file"])
def test_fault_57_on_a_full_disk_no_acknowledged_row_is_lost(tmp_path: Path, room: int) -> None:
    """A clear error, and after room was made the next run goes on."""
    size = warehouse_in(tmp_path).path.stat().st_size
    ended = subprocess.run(
        [sys.executable, "-c", _WRITER, str(tmp_path), str(size + room)],
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    *acknowledged, last = ended.stdout.splitlines()
    assert last == "full True True"

    ((snapshots, rows),) = _counts(tmp_path)
    assert rows == 2000 * snapshots
    assert snapshots >= len(acknowledged)

    with warehouse_at(tmp_path).write("with room again"):
        pass
    assert _counts(tmp_path) == [(snapshots, rows)]
