"""An answer is what its root element says, whatever its header, status or text claim."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator

import pytest

from ibkr_pipeline.brokers.ibkr.flex_answers import (
    HEAD_BYTES,
    Answer,
    Envelope,
    Foreign,
    ForeignKind,
    StatementBody,
    read_answer,
)
from ibkr_pipeline_tests.unit.brokers.flex.scripted_service import STATEMENT, promise, refusal


def read(body: bytes, *, piece: int = 7, into: io.BytesIO | None = None) -> Answer:
    """Read a body that arrives in small pieces."""
    return read_answer((body[at : at + piece] for at in range(0, len(body), piece)), into)


@pytest.mark.parametrize("piece", [1, 7, 10_000])
@pytest.mark.parametrize(
    "prefix",
    [b"", b"\xef\xbb\xbf", b"<!-- FlexStatementResponse -->"],
    ids=["plain", "byte order mark", "comment"],
)
def test_a_statement_goes_on_byte_for_byte(piece: int, prefix: bytes) -> None:
    """The bytes are the evidence; the hash is of what was written."""
    body = prefix + (STATEMENT if not prefix else STATEMENT.split(b"\n", 1)[1])
    into = io.BytesIO()

    answer = read(body, piece=piece, into=into)

    assert StatementBody(n_bytes=len(body), sha256=hashlib.sha256(body).hexdigest()) == answer
    assert body == into.getvalue()


def test_a_statement_in_utf_16_is_one() -> None:
    """The declaration decides, not our habits."""
    body = '<?xml version="1.0" encoding="UTF-16"?><FlexQueryResponse/>'.encode("utf-16")
    into = io.BytesIO()

    assert isinstance(read(body, into=into), StatementBody)
    assert body == into.getvalue()


def test_a_statement_nobody_wants_is_not_read() -> None:
    """A gigabyte in answer to the wrong question must not be waited for."""
    taken = []

    def pieces() -> Iterator[bytes]:
        for piece in (STATEMENT, b"more", b"more"):
            taken.append(piece)
            yield piece

    answer = read_answer(pieces(), None)

    assert isinstance(answer, StatementBody)
    assert 1 == len(taken)


def test_an_envelope_is_read_field_by_field() -> None:
    """The address in it is ignored: a token follows no foreign address."""
    assert Envelope(status="Success", code=None, message="", reference_code="900001") == read(
        promise().body
    )
    assert Envelope(status="Warn", code=1019, message="Not <yet>", reference_code=None) == read(
        refusal(1019, "Not &lt;yet>", status="Warn").body
    )


@pytest.mark.parametrize("code", ["", "abc", "-5", "٣", "9" * 50])
def test_a_code_that_is_no_number_is_none(code: str) -> None:
    """The words of the service are shown all the same."""
    answer = read(refusal(code).body)

    assert isinstance(answer, Envelope)
    assert answer.code is None


def test_the_name_of_a_statement_inside_an_envelope_does_not_make_it_one() -> None:
    """A search for the word would."""
    answer = read(refusal(1019, "FlexQueryResponse").body, into=io.BytesIO())

    assert isinstance(answer, Envelope)


def test_an_envelope_cut_short_is_no_envelope() -> None:
    """Half a refusal may lack its code."""
    answer = read(promise().body[:-8])

    assert isinstance(answer, Foreign)
    assert "cut short" in answer.found


@pytest.mark.parametrize(
    ("body", "kind", "found"),
    [
        (b"", ForeignKind.EMPTY, "empty"),
        (b" \r\n ", ForeignKind.EMPTY, "empty"),
        (
            b"<!DOCTYPE html><html><head><title> We are\nsorry &amp; so on </title>",
            ForeignKind.HTML,
            "an HTML page titled 'We are sorry & so on'",
        ),
        (b"<html><body>no title", ForeignKind.HTML, "an HTML page"),
        (b"<HTML lang='en'>", ForeignKind.HTML, "an HTML page"),
        (b"<!-- x --><html xmlns='y'>", ForeignKind.HTML, "an HTML page"),
        (b'"ClientAccountID","CurrencyPrimary","Symbol"\n', ForeignKind.CSV, "CSV"),
        (b"\xef\xbb\xbfBOF|U0000001|all|1\n", ForeignKind.CSV, "CSV"),
        (b'{"error": "x"}', ForeignKind.OTHER, "JSON"),
        (b"Please wait, then ask, or not.", ForeignKind.OTHER, "text"),
        (b"<FlexReport/>", ForeignKind.OTHER, "XML whose root is <FlexReport>"),
        (b"<flexQueryResponse/>", ForeignKind.OTHER, "XML whose root is <flexQueryResponse>"),
        (b"\n<?xml version='1.0'?><FlexQueryResponse/>", ForeignKind.OTHER, "XML that cannot"),
        (b"<a><FlexQueryResponse/></a>", ForeignKind.OTHER, "XML whose root is <a>"),
    ],
)
def test_anything_else_is_named_for_what_it_is(body: bytes, kind: ForeignKind, found: str) -> None:
    """A person who reads `CSV` knows which box to change."""
    into = io.BytesIO()

    answer = read(body, into=into)

    assert isinstance(answer, Foreign)
    assert kind is answer.kind
    assert answer.found.startswith(found)
    assert b"" == into.getvalue()


@pytest.mark.parametrize(
    "declarations",
    [
        '<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">',
        '<!ENTITY x SYSTEM "file:///etc/hostname">',
    ],
    ids=["entity bomb", "outside entity"],
)
def test_a_doctype_is_refused_before_anything_is_written(declarations: str) -> None:
    """Flex never sends one; what it could declare is never read."""
    body = (
        f"<!DOCTYPE FlexQueryResponse [{declarations}]><FlexQueryResponse>&b;</FlexQueryResponse>"
    )
    into = io.BytesIO()

    answer = read(body.encode(), into=into)

    assert isinstance(answer, Foreign)
    assert "DOCTYPE" in answer.found
    assert b"" == into.getvalue()


@pytest.mark.parametrize(
    "start", [b"<!-- ", b"<FlexQueryResponse a='", b"<html>", b"<FlexStatementResponse>", b"text"]
)
def test_no_more_is_read_than_it_takes(start: bytes) -> None:
    """A first tag that never ends must not fill the memory."""
    n_read = 0

    def endless() -> Iterator[bytes]:
        nonlocal n_read
        yield start
        while True:
            n_read += 1000
            yield b"x" * 1000

    answer = read_answer(endless(), io.BytesIO())

    assert isinstance(answer, Foreign)
    assert n_read <= HEAD_BYTES + 2000
