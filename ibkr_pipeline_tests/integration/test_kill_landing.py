"""Fault 61: a publish that is killed leaves the old state or the new one, never a part.

The child ends itself with SIGKILL before the n-th system call that publishing makes; no clock and
no luck decide where.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from ibkr_pipeline.landing.raw_files import Landing
from ibkr_pipeline.primitives.clock import SystemClock
from ibkr_pipeline_tests.raw_requests import FIRST, make_complete, make_frame, make_proof
from ibkr_pipeline_tests.repository import ROOT

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL"),
    pytest.mark.usefixtures("unmeasured_children"),
]

CHILD = """
import os, signal, sys
from pathlib import Path
from ibkr_pipeline.landing.raw_files import Landing
from ibkr_pipeline_tests.raw_requests import FIRST, make_complete, make_frame, make_proof

left = int(sys.argv[2])

def deadly(original):
    def call(*args, **options):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **options)
    return call

os.fsync, os.replace = deadly(os.fsync), deadly(os.replace)
payload = {"position": make_frame([FIRST] * 1000, symbol=["X"] * 1000)}
Landing(Path(sys.argv[1])).publish(make_proof("r2"), make_complete(FIRST), payload)
print("published", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""

#: Sync, rename, folder sync of the raw file; the same of its sidecar; then the end.
CALLS = 6
#: The rename of the sidecar is the fifth call: from the sixth on the request is there.
LISTED_FROM = 6


@pytest.mark.parametrize("at", range(1, CALLS + 2))
def test_fault_61_a_killed_publish_is_there_whole_or_not_at_all(tmp_path: Path, at: int) -> None:
    """The next run must be able to trust what is listed, and to publish again."""
    payload = {"position": make_frame([FIRST], symbol=["OLD"])}
    Landing(tmp_path).publish(make_proof("r1"), make_complete(FIRST), payload)
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path), str(at)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    landing = Landing(tmp_path)

    assert child.returncode == -signal.SIGKILL, child.stderr
    assert (at > CALLS) == ("published" in child.stdout)
    assert (["r1", "r2"] if at >= LISTED_FROM else ["r1"]) == landing.requests()
    for request_id, n_rows in zip(landing.requests(), (1, 1000), strict=False):
        assert n_rows == landing.read(request_id)["position"].height
    assert all("has no sidecar" in problem for problem in landing.verify())
    landing.publish(make_proof("r3"), make_complete(FIRST), payload)
    landing.sweep(SystemClock().now() + timedelta(hours=2))
    assert [path for path in tmp_path.rglob("*.tmp-*") if path.is_file()] == []
