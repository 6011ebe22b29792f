"""The sidecar of a raw file: what it holds, the request's proof and its verdicts, sealed.

What lives here: the document beside every raw file. What must not: the raw file's own bytes. The
manifest of a data directory is the set of its sidecars; raw can be read without anything else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from ibkr_pipeline.landing.ndjson import Block
from ibkr_pipeline.models.request_json import (
    outcome_from_mapping,
    outcome_to_mapping,
    proof_from_mapping,
    proof_to_mapping,
    raw_file_from_mapping,
    raw_file_to_mapping,
)
from ibkr_pipeline.models.requests import RawFile, RequestProof, SubjectOutcome
from ibkr_pipeline.primitives.errors import RawDataError

FORMAT = 1
_SEAL = "seal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sidecar:
    """What stands beside a raw file."""

    raw: RawFile
    blocks: tuple[Block, ...]
    proof: RequestProof
    outcomes: tuple[SubjectOutcome, ...]


def to_bytes(sidecar: Sidecar) -> bytes:
    """Return the document, readable by people, sealed with a hash of itself."""
    document: dict[str, Any] = {
        "format": FORMAT,
        "raw": raw_file_to_mapping(sidecar.raw),
        "messages": [
            {"name": b.name, "columns": list(b.columns), "n_rows": b.n_rows, "n_bytes": b.n_bytes}
            for b in sidecar.blocks
        ],
        "proof": proof_to_mapping(sidecar.proof),
        "outcomes": [outcome_to_mapping(outcome) for outcome in sidecar.outcomes],
    }
    document[_SEAL] = _seal_of(document)
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def from_bytes(data: bytes) -> Sidecar:
    """Return what a document says.

    Raises:
        RawDataError: If it is torn, changed or of a newer format. The message lacks the file's
            name, which only the caller knows.
    """
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise RawDataError(f"it is not JSON ({error}; {len(data)} bytes)") from error
    if not isinstance(document, dict):
        raise RawDataError("it is no JSON object")
    seal = document.pop(_SEAL, None)
    if seal != _seal_of(document):
        raise RawDataError("its seal does not fit what it says: it was changed after publishing")
    if document.get("format") != FORMAT:
        raise RawDataError(
            f"its format is {document.get('format')!r}, this version reads {FORMAT}: "
            "upgrade ibkr-pipeline"
        )
    return _parsed(document)


def _parsed(document: Mapping[str, Any]) -> Sidecar:
    try:
        return Sidecar(
            raw=raw_file_from_mapping(document["raw"]),
            blocks=tuple(
                Block(
                    name=item["name"],
                    columns=tuple(item["columns"]),
                    n_rows=item["n_rows"],
                    n_bytes=item["n_bytes"],
                )
                for item in document["messages"]
            ),
            proof=proof_from_mapping(document["proof"]),
            outcomes=tuple(outcome_from_mapping(item) for item in document["outcomes"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RawDataError(f"it lacks something: {error!r}") from error


def _seal_of(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()
