"""Scratch folders go with the process that made them."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ibkr_pipeline.pipelines.statements.scratch import LONGEST_LIFE, make_scratch, sweep_scratch


def now() -> datetime:
    """Return the instant the folders were made at, as the file system tells it."""
    return datetime.now(tz=UTC)


def gone(_pid: int, _started: str) -> bool:
    """Say that a process has ended."""
    return False


def test_a_folder_of_a_living_process_stays(tmp_path: Path) -> None:
    """Another run may be in the middle of a download."""
    folder = make_scratch(tmp_path)

    assert 0 == sweep_scratch(tmp_path, now=now())
    assert folder.exists()


def test_a_folder_of_a_process_that_is_gone_is_removed(tmp_path: Path) -> None:
    """Whatever it held was never promised to anybody."""
    folder = make_scratch(tmp_path)
    (folder / "statement.xml").write_bytes(b"half")

    assert 1 == sweep_scratch(tmp_path, now=now(), alive=gone)
    assert not folder.exists()


def test_a_folder_of_another_host_stays_for_a_day(tmp_path: Path) -> None:
    """Its process cannot be asked about."""
    folder = make_scratch(tmp_path)
    owner = json.loads((folder / "owner.json").read_text())
    (folder / "owner.json").write_text(json.dumps({**owner, "host": "elsewhere"}))
    os.utime(folder, (0, 0))
    made = datetime.fromtimestamp(0, tz=UTC)

    assert 0 == sweep_scratch(tmp_path, now=made + LONGEST_LIFE, alive=gone)
    later = made + LONGEST_LIFE + timedelta(seconds=1)
    assert 1 == sweep_scratch(tmp_path, now=later, alive=gone)


def test_no_folder_is_readable_by_others(tmp_path: Path) -> None:
    """It holds statements."""
    folder = make_scratch(tmp_path)

    assert 0o700 == folder.stat().st_mode & 0o777


def test_without_any_scratch_folder_there_is_nothing_to_sweep(tmp_path: Path) -> None:
    """A new data directory."""
    assert 0 == sweep_scratch(tmp_path, now=now())
