"""Documents nothing may read: kept as they came, with why beside them.

What lives here: the `quarantine` folder of a data directory. What must not: raw files
(`raw_files.py`); what is here was never published and no load knows it.

A document is named by the hash of its bytes, so that the same one again is kept once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from ibkr_pipeline.landing.documents import PIECE
from ibkr_pipeline.landing.durable import write_durably
from ibkr_pipeline.models.request_json import instant_from_text, instant_to_text
from ibkr_pipeline.primitives.errors import RawDataError

FOLDER = "quarantine"
DOCUMENT_SUFFIX, NOTE_SUFFIX = ".xml", ".json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """One document in quarantine.

    Attributes:
        path: The document.
        request_id: The last request that brought it.
        reason: Why nothing of it may be used.
        line, column, offset: Where reading ended: line and column from 1, bytes before it.
        sha256, n_bytes: Of the document.
        quarantined_at: When it was put here last.
    """

    path: Path
    request_id: str
    reason: str
    line: int
    column: int
    offset: int
    sha256: str
    n_bytes: int
    quarantined_at: datetime


def quarantine(
    root: Path,
    document: Path,
    *,
    request_id: str,
    reason: str,
    line: int,
    column: int,
    offset: int,
    at: datetime,
) -> Quarantined:
    """Keep a document that cannot be read, byte by byte, and say beside it where and why.

    Args:
        root: The data directory.
        document: The document, in a file that stays as it is meanwhile.
        request_id: The request that brought it.
        reason: Why nothing of it may be used.
        line: Line where reading ended, 1 for the first.
        column: Column on that line, 1 for the first.
        offset: Bytes before that place.
        at: Now.

    Raises:
        DiskFullError: If there is no room; the document is where it was.
        RawDataError: If it cannot be written for another reason.
    """
    sha256, n_bytes = _hash_of(document)
    path = root / FOLDER / f"{sha256}{DOCUMENT_SUFFIX}"
    kept = Quarantined(
        path=path,
        request_id=request_id,
        reason=reason,
        line=line,
        column=column,
        offset=offset,
        sha256=sha256,
        n_bytes=n_bytes,
        quarantined_at=at,
    )
    if not path.exists():
        write_durably(path, _pieces(document), n_bytes=n_bytes)
    note = orjson.dumps(_to_mapping(kept), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    write_durably(path.with_suffix(NOTE_SUFFIX), [note])
    return kept


def quarantined(root: Path) -> list[Quarantined]:
    """Return what is in quarantine, newest first.

    Raises:
        RawDataError: If a note cannot be read; names it.
    """
    notes = (root / FOLDER).glob(f"*{NOTE_SUFFIX}")
    found = [_from_note(note) for note in notes if not note.name.startswith(".")]
    return sorted(found, key=lambda item: item.quarantined_at, reverse=True)


def _hash_of(document: Path) -> tuple[str, int]:
    digest, n_bytes = hashlib.sha256(), 0
    for piece in _pieces(document):
        digest.update(piece)
        n_bytes += len(piece)
    return digest.hexdigest(), n_bytes


def _pieces(document: Path) -> Iterator[bytes]:
    with document.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece


def _to_mapping(kept: Quarantined) -> dict[str, Any]:
    return {
        "request_id": kept.request_id,
        "reason": kept.reason,
        "line": kept.line,
        "column": kept.column,
        "offset": kept.offset,
        "sha256": kept.sha256,
        "n_bytes": kept.n_bytes,
        "quarantined_at": instant_to_text(kept.quarantined_at),
    }


def _from_note(note: Path) -> Quarantined:
    try:
        told = orjson.loads(note.read_bytes())
        at = instant_from_text(told.pop("quarantined_at"))
        return Quarantined(path=note.with_suffix(DOCUMENT_SUFFIX), quarantined_at=at, **told)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise RawDataError(
            f"The note {note} of a document in quarantine was not readable ({error}); expected "
            f"the JSON that was written beside it. Move it and its document away."
        ) from error
