"""Documents nothing may read are kept byte by byte, with where and why."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path

import pytest

from ibkr_pipeline.landing.quarantine import Quarantined, quarantine, quarantined
from ibkr_pipeline.primitives.errors import RawDataError
from ibkr_pipeline_tests.raw_requests import NOON


def keep(root: Path, data: bytes, *, request_id: str = "r1", hours: float = 0) -> Quarantined:
    """Put a document into quarantine."""
    path = root / "incoming.xml"
    path.write_bytes(data)
    return quarantine(
        root,
        path,
        request_id=request_id,
        reason="it ends too early",
        line=3,
        column=14,
        offset=59,
        at=NOON + timedelta(hours=hours),
    )


def test_a_document_is_kept_byte_by_byte_with_its_place(tmp_path: Path) -> None:
    """Somebody will want to look at line 3, column 14."""
    kept = keep(tmp_path, b"<a>\x00\xff")

    assert b"<a>\x00\xff" == kept.path.read_bytes()
    assert hashlib.sha256(b"<a>\x00\xff").hexdigest() == kept.sha256
    assert [kept] == quarantined(tmp_path)
    assert (3, 14, 59, "it ends too early") == (kept.line, kept.column, kept.offset, kept.reason)


def test_the_same_document_again_is_kept_once(tmp_path: Path) -> None:
    """A service that sends the same page every night does not fill the disk."""
    keep(tmp_path, b"page")
    keep(tmp_path, b"page", request_id="r2", hours=24)
    (kept,) = quarantined(tmp_path)

    assert ("r2", NOON + timedelta(hours=24)) == (kept.request_id, kept.quarantined_at)


def test_the_newest_comes_first(tmp_path: Path) -> None:
    """It is the one somebody asks about."""
    keep(tmp_path, b"old")
    newer = keep(tmp_path, b"new", hours=1)

    assert newer == quarantined(tmp_path)[0]


def test_a_data_directory_without_quarantine_has_nothing_in_it(tmp_path: Path) -> None:
    """And none is made by looking."""
    assert [] == quarantined(tmp_path)
    assert [] == list(tmp_path.iterdir())


def test_a_note_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Silence would hide the document."""
    kept = keep(tmp_path, b"page")
    kept.path.with_suffix(".json").write_text("{")

    with pytest.raises(RawDataError, match=kept.sha256):
        quarantined(tmp_path)
