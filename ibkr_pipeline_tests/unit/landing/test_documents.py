"""A document comes back byte for byte, whatever its size, and a changed one is found out."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from ibkr_pipeline.landing import documents
from ibkr_pipeline.landing.raw_files import Landing
from ibkr_pipeline.models.requests import RawFile, RequestProof, SubjectOutcome
from ibkr_pipeline.primitives.enums import Dataset, LoadStatus
from ibkr_pipeline.primitives.errors import DiskFullError, RawDataError
from ibkr_pipeline_tests.raw_requests import FIRST, SECOND, make_proof

DOCUMENT = b"\xef\xbb\xbf<FlexQueryResponse>\r\n" + b"0123456789" * 250_000


def statement_proof(request_id: str = "r1") -> RequestProof:
    """Return the proof of a statement."""
    return make_proof(request_id, dataset=Dataset.FLEX)


def outcome(account_id: str, section: str, n_rows: int) -> SubjectOutcome:
    """Return a verdict on a section."""
    return SubjectOutcome(
        account_id=account_id, section=section, status=LoadStatus.COMPLETE, n_rows=n_rows
    )


OUTCOMES = (
    outcome(FIRST, "Trades", 3),
    outcome(FIRST, "OptionEAE", 2),
    outcome(SECOND, "Trades", 0),
)


def publish(root: Path, content: bytes = DOCUMENT) -> tuple[Landing, RawFile]:
    """Publish a document."""
    file = root / "download"
    file.write_bytes(content)
    landing = Landing(root / "data")
    return landing, landing.publish_document(statement_proof(), OUTCOMES, file)


@pytest.mark.parametrize("content", [b"", b"x", DOCUMENT], ids=["empty", "one byte", "2.5 MB"])
def test_a_document_comes_back_byte_for_byte(tmp_path: Path, content: bytes) -> None:
    """Marks, line ends and encoding are facts."""
    landing, raw = publish(tmp_path, content)

    with landing.open_document("r1") as stream:
        assert content == stream.read()

    assert raw.content_bytes == len(content)
    assert raw.content_sha256 == hashlib.sha256(content).hexdigest()


def test_rows_are_counted_by_account_over_its_sections(tmp_path: Path) -> None:
    """An account without any rows is absent, as in every raw file."""
    _, raw = publish(tmp_path)

    assert (raw.n_rows, raw.rows_by_account) == (5, {FIRST: 5})


def test_another_process_finds_the_document_and_its_verdicts(tmp_path: Path) -> None:
    """The sidecar is the manifest; nothing else is needed."""
    _, raw = publish(tmp_path)
    fresh = Landing(tmp_path / "data")

    assert fresh.requests() == ["r1"]
    assert fresh.proof("r1") == (statement_proof(), OUTCOMES, raw)
    assert fresh.verify() == []


def test_a_changed_document_is_found_out_at_its_end(tmp_path: Path) -> None:
    """Bytes that were swapped under the sidecar are never taken for the published ones."""
    landing, raw = publish(tmp_path)
    (tmp_path / "other").write_bytes(DOCUMENT[:-1] + b"X")
    (tmp_path / "data" / raw.path).write_bytes(b"".join(documents.Packing(tmp_path / "other")))

    with (
        pytest.raises(RawDataError, match="was changed after publishing"),
        landing.open_document("r1") as stream,
    ):
        stream.read(10)


def test_a_torn_document_names_its_file(tmp_path: Path) -> None:
    """Half a download on disk is not a statement."""
    landing, raw = publish(tmp_path)
    path = tmp_path / "data" / raw.path
    path.write_bytes(path.read_bytes()[:-20])

    with pytest.raises(RawDataError, match=raw.path), landing.open_document("r1") as stream:
        stream.read()


def test_a_document_is_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement may be larger than memory."""
    monkeypatch.setattr(documents, "PIECE", 1000)
    file = tmp_path / "download"
    file.write_bytes(DOCUMENT)

    assert all(len(piece) <= 200_000 for piece in documents.Packing(file))


def test_a_full_disk_leaves_no_document_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message says how much room the document may need."""

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ibkr_pipeline.landing.durable.os.fsync", full)

    with pytest.raises(DiskFullError, match=f"{len(DOCUMENT):,} bytes were needed"):
        publish(tmp_path)

    assert [path for path in (tmp_path / "data").rglob("*") if path.is_file()] == []
