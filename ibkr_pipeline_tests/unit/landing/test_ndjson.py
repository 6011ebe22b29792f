"""The bytes of a raw file are plain NDJSON that any other tool can read."""

from __future__ import annotations

import io
import json

import pytest
import zstandard

from ibkr_pipeline.landing.ndjson import Block, decode, encode, rows_by_account
from ibkr_pipeline.primitives.errors import RawDataError
from ibkr_pipeline_tests.raw_requests import FIRST, SECOND, make_frame


def test_each_message_is_one_object_with_its_own_fields() -> None:
    """Kinds share a file but not their fields."""
    pieces, _ = encode(
        {
            "position": make_frame([FIRST], symbol=["A"]),
            "positionEnd": make_frame([""], first_seq=1),
        }
    )

    text = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(b"".join(pieces))).read()
    assert [json.loads(line) for line in text.splitlines()] == [
        {"message": "position", "seq": 0, "account": FIRST, "symbol": "A"},
        {"message": "positionEnd", "seq": 1, "account": ""},
    ]


def test_more_rows_than_a_chunk_come_back_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks bound memory and are not seen from outside."""
    monkeypatch.setattr("ibkr_pipeline.landing.ndjson.ROWS_PER_CHUNK", 2)
    frame = make_frame([FIRST] * 5, symbol=list("abcde"))
    pieces, blocks = encode({"position": frame})

    assert decode(b"".join(pieces), blocks)["position"].equals(frame)


@pytest.mark.parametrize(
    ("change", "flaw"),
    [
        ({"n_rows": 3}, "2 'position' messages, 3 were expected"),
        ({"n_bytes": 10}, "not JSON lines|more than"),
        ({"n_bytes": 10_000}, "10000 were expected"),
    ],
    ids=["rows", "fewer bytes", "more bytes"],
)
def test_bytes_that_are_not_what_was_described_are_refused(
    change: dict[str, int], flaw: str
) -> None:
    """A count that disagrees means one of the two is wrong."""
    pieces, (block,) = encode({"position": make_frame([FIRST, SECOND], symbol=["A", "B"])})
    wrong = Block(
        name=block.name,
        columns=block.columns,
        n_rows=change.get("n_rows", block.n_rows),
        n_bytes=change.get("n_bytes", block.n_bytes),
    )

    with pytest.raises(RawDataError, match=flaw):
        decode(b"".join(pieces), [wrong])


def test_bytes_that_are_no_zstd_are_refused() -> None:
    """Decompression errors are ours to explain."""
    block = Block(name="position", columns=("seq", "account"), n_rows=1, n_bytes=5)

    with pytest.raises(RawDataError, match="cannot be decompressed"):
        decode(b"not zstd at all", [block])


def test_messages_nothing_describes_are_refused() -> None:
    """A sidecar that lost a kind must not lose its messages in silence."""
    pieces, blocks = encode({"a": make_frame([FIRST]), "b": make_frame([FIRST], first_seq=1)})

    with pytest.raises(RawDataError, match="more than the messages"):
        decode(b"".join(pieces), blocks[:1])


def test_rows_are_counted_by_account_over_all_kinds() -> None:
    """FIRST: two in a, one in b; SECOND: one in b."""
    payload = {
        "a": make_frame([FIRST, FIRST]),
        "b": make_frame([SECOND, FIRST], first_seq=2),
        "c": make_frame([]),
    }

    assert rows_by_account(payload) == {FIRST: 3, SECOND: 1}
