"""Statement files before they are read."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ibkr_pipeline.brokers.exceptions import StatementError
from ibkr_pipeline.pipelines.statements.obtaining import HUGE, from_file
from ibkr_pipeline.primitives.clock import FixedClock

CLOCK = FixedClock(datetime(2026, 11, 19, 12, tzinfo=UTC))


def test_a_huge_file_that_is_no_xml_is_refused_at_its_first_bytes(tmp_path: Path) -> None:
    """Reading it all, to say in the end that its first byte was wrong, would take minutes."""
    path = tmp_path / "sparse.xml"
    with path.open("wb") as file:
        file.truncate(HUGE + 1)

    with pytest.raises(
        StatementError, match=r"sparse.xml begins with b''; expected XML"
    ) as refused:
        from_file(path, clock=CLOCK).obtain(tmp_path)

    assert (1, 1, 0) == (refused.value.line, refused.value.column, refused.value.offset)


@pytest.mark.parametrize("head", [b"<a/>", b"\xef\xbb\xbf\r\n <a/>", "\ufeff<a/>".encode("utf-16")])
def test_a_file_that_begins_as_xml_does_is_taken(tmp_path: Path, head: bytes) -> None:
    """In any encoding, with or without a byte-order mark, after blanks."""
    path = tmp_path / "statement.xml"
    path.write_bytes(head)

    assert len(head) == from_file(path, clock=CLOCK).obtain(tmp_path).n_bytes
