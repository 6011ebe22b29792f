"""What an answer of the Flex web service is, judged by its root element alone.

What lives here: telling a statement, an envelope and anything else apart while bytes arrive, and
reading the envelope. What must not: HTTP (`flex_http.py`), or what a statement says
(`flex_reader.py`). Flex never sends a DOCTYPE, so any is refused; nothing is expanded.
"""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import BinaryIO
from xml.parsers import expat

from ibkr_pipeline.brokers.ibkr.flex_errors import one_line
from ibkr_pipeline.primitives.secrets_registry import scrub

ENVELOPE_ROOT = "FlexStatementResponse"
STATEMENT_ROOT = "FlexQueryResponse"
#: The root element must begin within this many bytes, and an envelope must end within them.
HEAD_BYTES = 64 * 1024

_TITLE = re.compile(rb"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
_HTML = re.compile(rb"\s*(<!doctype\s+html|<html[\s>])", re.IGNORECASE)


class ForeignKind(StrEnum):
    """Kinds of answers that are neither statement nor envelope."""

    EMPTY = "empty"
    HTML = "html"
    CSV = "csv"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """The service's short answer. `<Url>` is not read: the address is ours to know."""

    status: str
    code: int | None
    message: str
    reference_code: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementBody:
    """A statement, written on as it came.

    Attributes:
        n_bytes: Bytes of the statement; 0 where nobody wanted it and it was not read.
        sha256: Hash of those bytes.
    """

    n_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """Something else.

    Attributes:
        found: What it is, in words that continue "The answer was …".
    """

    kind: ForeignKind
    found: str


Answer = Envelope | StatementBody | Foreign


def read_answer(chunks: Iterator[bytes], into: BinaryIO | None) -> Answer:
    """Read an answer to its end, or as far as it takes to know what it is not.

    Args:
        chunks: The decompressed body.
        into: Where a statement goes, byte for byte; None if none is wanted.
    """
    head, root = _until_root(chunks)
    if root == STATEMENT_ROOT:
        return _pass_on(head, chunks, into)
    for chunk in chunks:
        if len(head) > HEAD_BYTES:
            break
        head += chunk
    if root == ENVELOPE_ROOT:
        return _envelope(head)
    return _foreign(head, root)


class _RootFound(Exception):  # noqa: N818 - ends a parse early; it is no error
    """The first start tag was seen."""


class _DoctypeFound(Exception):  # noqa: N818 - as above
    """A DOCTYPE was seen."""


def _until_root(chunks: Iterator[bytes]) -> tuple[bytes, str | None]:
    """Return the bytes read so far and the root element, None if there is none to be found."""
    parser = expat.ParserCreate()
    roots: list[str] = []

    def start(name: str, _: dict[str, str]) -> None:
        roots.append(name)
        raise _RootFound

    parser.StartElementHandler = start
    parser.StartDoctypeDeclHandler = _refuse_doctype
    head = b""
    for chunk in chunks:
        room = HEAD_BYTES - len(head)
        head += chunk
        try:
            parser.Parse(chunk[:room])
        except (_RootFound, _DoctypeFound, expat.ExpatError):
            return head, roots[0] if roots else None
        if len(head) >= HEAD_BYTES:
            break
    return head, None


def _refuse_doctype(*_: object) -> None:
    raise _DoctypeFound


def _pass_on(head: bytes, chunks: Iterator[bytes], into: BinaryIO | None) -> StatementBody:
    digest = hashlib.sha256()
    if into is None:
        return StatementBody(n_bytes=0, sha256=digest.hexdigest())
    n_bytes, piece = 0, head
    while True:
        into.write(piece)
        digest.update(piece)
        n_bytes += len(piece)
        following = next(chunks, None)
        if following is None:
            return StatementBody(n_bytes=n_bytes, sha256=digest.hexdigest())
        piece = following


def _envelope(body: bytes) -> Envelope | Foreign:
    """Read the fields of an envelope; any that is not there is empty."""
    parser, fields, path = expat.ParserCreate(), dict[str, str](), list[str]()

    def start(name: str, _: dict[str, str]) -> None:
        path.append(name)

    def end(_: str) -> None:
        path.pop()

    def text(data: str) -> None:
        if len(path) == 2:
            fields[path[1]] = fields.get(path[1], "") + data

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = text
    try:
        parser.Parse(body[:HEAD_BYTES], True)
    except expat.ExpatError as error:
        return Foreign(
            kind=ForeignKind.OTHER,
            found=f"an envelope that cannot be read ({error}), perhaps cut short",
        )
    # Scrubbed here already: a service that repeats the token must not put it into a traceback.
    told = {name: scrub(words).strip() for name, words in fields.items()}
    code = told.get("ErrorCode", "")
    return Envelope(
        status=told.get("Status", ""),
        code=int(code) if code.isascii() and code.isdigit() and len(code) < 10 else None,
        message=told.get("ErrorMessage", ""),
        reference_code=told.get("ReferenceCode") or None,
    )


def _foreign(head: bytes, root: str | None) -> Foreign:
    if not head.strip():
        return Foreign(kind=ForeignKind.EMPTY, found="empty")
    if _HTML.match(head) or (root or "").lower() == "html":
        return Foreign(kind=ForeignKind.HTML, found=f"an HTML page{_title(head)}")
    if root is not None:
        return Foreign(kind=ForeignKind.OTHER, found=f"XML whose root is <{one_line(root)}>")
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if b"<!DOCTYPE" in head[:HEAD_BYTES]:
        found = "XML with a DOCTYPE, which Flex never sends"
    elif start.startswith(b"<"):
        found = "XML that cannot be read up to its first element"
    elif start.startswith((b"{", b"[")):
        found = "JSON"
    elif _looks_like_csv(start):
        return Foreign(kind=ForeignKind.CSV, found="CSV")
    else:
        found = "text"
    return Foreign(kind=ForeignKind.OTHER, found=found)


def _title(head: bytes) -> str:
    match = _TITLE.search(head)
    title = one_line(html.unescape(match.group(1).decode("utf-8", "replace"))) if match else ""
    return f" titled {title!r}" if title else ""


def _looks_like_csv(start: bytes) -> bool:
    """Say whether the first line has three fields or more, and is no sentence."""
    line = start.split(b"\n", 1)[0].rstrip()
    return any(
        len(fields) >= 3 and not any(field.startswith(b" ") for field in fields)
        for fields in (line.split(separator) for separator in (b",", b";", b"|", b"\t"))
    )
