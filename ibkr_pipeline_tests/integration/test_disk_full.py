"""Fault 57 for raw files: a real limit on file sizes (RLIMIT_FSIZE), which needs no root.

The limit is set in a child process, because it holds for a whole process. The kernel answers a
write beyond it with EFBIG, where a full disk answers ENOSPC; both take the same way. ENOSPC at
every single step is injected in `unit/landing/test_durable.py`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ibkr_pipeline.landing.raw_files import Landing
from ibkr_pipeline_tests.repository import ROOT

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no RLIMIT_FSIZE")

CHILD = """
import json, random, resource, sys
from pathlib import Path
from ibkr_pipeline.landing.raw_files import Landing
from ibkr_pipeline.primitives.errors import DiskFullError
from ibkr_pipeline_tests.raw_requests import FIRST, make_complete, make_frame, make_proof

landing = Landing(Path(sys.argv[1]))
limit = int(sys.argv[2])
noise = random.Random(1)
rows = [str(noise.random()) for _ in range(int(sys.argv[3]))]
payload = {"position": make_frame([FIRST] * len(rows), symbol=rows)}
landing.publish(make_proof("r1"), make_complete(FIRST), {})
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
try:
    landing.publish(make_proof("r2"), make_complete(FIRST), payload)
    error, needed = "none", 0
except DiskFullError as caught:
    error, needed = str(caught), caught.bytes_needed
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
raw = landing.publish(make_proof("r3"), make_complete(FIRST), payload)
print(json.dumps({"error": error, "needed": needed, "size": raw.n_bytes}))
"""


@pytest.mark.parametrize(
    ("limit", "n_rows", "which"),
    [(4096, 20_000, "r2.ndjson.zst"), (600, 1, "r2.json")],
    ids=["the raw file", "its sidecar"],
)
def test_fault_57_a_file_that_finds_no_room_leaves_nothing_behind(
    tmp_path: Path, limit: int, n_rows: int, which: str
) -> None:
    """The error says how much was missing; with room, the same request lands."""
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path), str(limit), str(n_rows)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    told = json.loads(child.stdout)

    assert which in told["error"]
    assert f"{told['needed']:,} bytes were needed" in told["error"]
    assert told["needed"] > limit
    if which.endswith(".zst"):
        assert told["size"] == told["needed"]
    assert Landing(tmp_path).requests() == ["r1", "r3"]
    assert Landing(tmp_path).verify() == []
    assert sum(path.is_file() for path in tmp_path.rglob("*")) == 4
