"""A write that fails at any step leaves what was there before.

The faults are injected where the operating system is asked (`os.fsync`, `Path.replace`, …);
`integration/test_disk_full.py` makes a real file size limit hit.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from ibkr_pipeline.landing.durable import write_durably
from ibkr_pipeline.landing.raw_files import Landing
from ibkr_pipeline.primitives.errors import DiskFullError, RawDataError
from ibkr_pipeline_tests.raw_requests import FIRST, make_complete, make_frame, make_proof


class FailingCall:
    """Stands for a system call that fails the n-th time it is made."""

    def __init__(self, original: object, *, at: int, code: int = errno.ENOSPC) -> None:
        self.original = original
        self.left = at
        self.code = code

    def __call__(self, *args: object, **options: object) -> object:
        """Make the call, or fail if it is its turn."""
        self.left -= 1
        if self.left == 0:
            raise OSError(self.code, os.strerror(self.code))
        return self.original(*args, **options)  # type: ignore[operator]  # the real call


#: Calls publish makes into a folder that exists: temp file, sync, rename, folder sync; twice.
STEPS = [
    *(("open", n) for n in (1, 2, 3, 4)),
    *(("fsync", n) for n in (1, 2, 3)),
    *(("replace", n) for n in (1, 2)),
]


@pytest.mark.parametrize(("call", "at"), STEPS, ids=[f"{call} {at}" for call, at in STEPS])
def test_a_full_disk_at_any_step_leaves_the_published_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, at: int
) -> None:
    """Fault 57 for raw files: nothing half-written is listed, no temp file stays."""
    landing = Landing(tmp_path)
    payload = {"position": make_frame([FIRST], symbol=["X"])}
    landing.publish(make_proof("r1"), make_complete(FIRST), payload)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with monkeypatch.context() as patch:
        patch.setattr(os, call, FailingCall(getattr(os, call), at=at))
        with pytest.raises(DiskFullError) as caught:
            landing.publish(make_proof("r2"), make_complete(FIRST), payload)

    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert before == after
    assert caught.value.bytes_needed
    assert f"{caught.value.bytes_needed:,} bytes were needed" in str(caught.value)
    assert caught.value.exit_code == 1
    landing.publish(make_proof("r2"), make_complete(FIRST), payload)
    assert Landing(tmp_path).requests() == ["r1", "r2"]


def test_another_refusal_is_no_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Freeing space would not help."""
    monkeypatch.setattr(os, "fsync", FailingCall(os.fsync, at=1, code=errno.EACCES))

    with pytest.raises(RawDataError, match="Permission denied"):
        write_durably(tmp_path / "x", [b"1"])


def test_pieces_are_written_in_order(tmp_path: Path) -> None:
    """The file is their concatenation and replaces what was there."""
    (tmp_path / "x").write_bytes(b"old")
    write_durably(tmp_path / "x", [b"a", b"bc"])

    assert (tmp_path / "x").read_bytes() == b"abc"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
