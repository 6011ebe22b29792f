"""Frames: whole, in pieces, too large, not ASCII."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_pipeline.simulator.wire.fields import FieldReader, RequestError
from ibkr_pipeline.simulator.wire.framing import (
    FrameError,
    FrameReader,
    encode_body,
    frame,
    split_fields,
)
from ibkr_pipeline.simulator.wire.text import double, money, number, optional_double

plain = st.text(st.characters(min_codepoint=1, max_codepoint=126), max_size=12)


@given(st.lists(st.lists(plain, min_size=1, max_size=5), max_size=5), st.integers(1, 40))
def test_frames_come_out_as_they_went_in_however_they_are_cut(
    messages: list[list[str]], size: int
) -> None:
    """TCP cuts where it likes."""
    stream = b"".join(frame(encode_body(fields)) for fields in messages)
    reader = FrameReader()
    found: list[list[str]] = []

    for start in range(0, len(stream), size):
        reader.feed(stream[start : start + size])
        while (body := reader.next_body()) is not None:
            found.append(split_fields(body))

    assert found == messages


def test_text_that_is_not_ascii_is_escaped_in_utf_16_units() -> None:
    """Gateways write Java escapes; a character beyond the first plane takes two."""
    assert encode_body(["MOËT", "a😀"]) == b"MO\\u00cbT\0a\\ud83d\\ude00\0"


def test_frames_and_greetings_have_a_limit() -> None:
    """What announces too much, or is no greeting, is refused before it is collected."""
    reader, greedy, stranger = FrameReader(limit=10), FrameReader(), FrameReader()
    reader.feed(b"\x00\x00\x00\x0b")
    greedy.feed(b"API\0\x00\x01\x00\x00")
    stranger.feed(b"GET / HTTP/1.1")

    with pytest.raises(FrameError, match="11 bytes"):
        reader.next_body()
    with pytest.raises(FrameError, match="65536 bytes"):
        greedy.next_greeting()
    with pytest.raises(FrameError, match="GET"):
        stranger.next_greeting()


def test_a_greeting_is_read_once_it_is_whole() -> None:
    """Byte by byte; what follows stays for the frames."""
    reader = FrameReader()
    answers = []
    for byte in b"API\0\x00\x00\x00\x09v157..178\x00\x00\x00\x00":
        reader.feed(bytes([byte]))
        answers.append(reader.next_greeting() if "v157..178" not in answers else None)

    assert answers.count("v157..178") == 1
    assert reader.next_body() == b""


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        (Decimal("100"), ("100", "100.0", "100.00")),
        (Decimal("1E+2"), ("100", "100.0", "100.00")),
        (Decimal("0.50"), ("0.5", "0.5", "0.50")),
        (Decimal("-0.00"), ("0", "0.0", "-0.00")),
        (Decimal("231.4833333"), ("231.4833333", "231.4833333", "231.48")),
    ],
)
def test_numbers_are_written_plainly(value: Decimal, texts: tuple[str, str, str]) -> None:
    """No exponents; a Java double always has a decimal."""
    assert (number(value), double(value), money(value)) == texts
    assert optional_double(None) == "1.7976931348623157E308"


@pytest.mark.parametrize("text", ["abc", "nan", "Infinity", "1e400", "9" * 30, "1e-40"])
def test_numbers_that_make_no_sense_are_refused(text: str) -> None:
    """With error 320 and the gateway's words, not with an exception deeper inside."""
    with pytest.raises(RequestError, match="Unable to parse field: 'Quantity'"):
        FieldReader([text]).decimal("Quantity")
    with pytest.raises(RequestError, match="320"):
        FieldReader([text]).integer("Order Id")


def test_unset_numbers_are_read_as_none() -> None:
    """Empty and both spellings of the sentinel."""
    values = ["", "1.7976931348623157E308", "1.7976931348623157e+308", "2147483647"]

    assert [FieldReader([v]).decimal("x") for v in values] == [None] * 4
