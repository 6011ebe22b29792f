"""Where raw files are: names and places, made of nothing a broker said.

What lives here: request id and broker name checks, paths, the walk over what is there. What must
not: file contents.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

from ibkr_pipeline.models.requests import RequestProof
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.primitives.errors import RawDataError

RAW = "raw"
DATA_SUFFIX = ".ndjson.zst"
#: Datasets whose answer is a document that is kept as it came, and the suffix it is kept under.
DOCUMENT_SUFFIXES = {Dataset.FLEX.value: ".xml.zst"}
SIDECAR_SUFFIX = ".json"
TEMP_MARK = ".tmp-"

_DATA_SUFFIXES = (DATA_SUFFIX, *DOCUMENT_SUFFIXES.values())
_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_BROKER = re.compile(r"[a-z][a-z0-9_]{0,31}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the two files of one request are."""

    data: Path
    sidecar: Path


def check_request_id(request_id: str) -> str:
    """Return `request_id` if it may name a file.

    Raises:
        RawDataError: If it holds anything but letters, digits, `_` and `-`.
    """
    if _REQUEST_ID.fullmatch(request_id) is None:
        raise RawDataError(
            f"Request id was {request_id[:200]!r}; expected 1 to 128 letters, digits, `_` or `-`, "
            "as `new_request_id` makes them. Use an id that `requests()` lists."
        )
    return request_id


def place_of(root: Path, proof: RequestProof) -> Place:
    """Return where a request's files belong: by broker, dataset and UTC date of its start.

    Raises:
        RawDataError: If the request id or the broker's name may not name a file, or the place is
            outside `root` (a folder on the way is a link).
    """
    request_id = check_request_id(proof.request_id)
    if _BROKER.fullmatch(proof.broker) is None:
        raise RawDataError(
            f"Broker name was {proof.broker[:200]!r}; expected a lower-case word such as `ibkr`."
        )
    day = proof.started_at.astimezone(UTC).date().isoformat()
    folder = root / RAW / proof.broker / proof.dataset.value / day
    if not folder.resolve().is_relative_to(root.resolve()):
        raise RawDataError(
            f"Raw folder {folder} leads to {folder.resolve()}, outside of {root}; expected a "
            "folder inside. Replace the link on the way by a folder."
        )
    return place_in(folder, request_id)


def place_in(folder: Path, request_id: str) -> Place:
    """Return the two files of a request in the folder of its day, which is in its dataset's."""
    suffix = DOCUMENT_SUFFIXES.get(folder.parent.name, DATA_SUFFIX)
    return Place(
        data=folder / f"{request_id}{suffix}",
        sidecar=folder / f"{request_id}{SIDECAR_SUFFIX}",
    )


def listed(root: Path) -> dict[str, Place]:
    """Return request id -> place of every request that has a sidecar, by day, then by id."""
    found = sorted(
        (path for path in walk(root) if is_sidecar(path)),
        key=lambda path: (path.parent.name, path.name),
    )
    return {request_id_of(path): place_in(path.parent, request_id_of(path)) for path in found}


def walk(root: Path) -> Iterator[Path]:
    """Yield every file below the raw folder, in no particular order."""
    for folder, _, names in os.walk(root / RAW):
        for name in names:
            yield Path(folder) / name


def is_sidecar(path: Path) -> bool:
    """Tell whether a file has the name of a sidecar."""
    return path.name.endswith(SIDECAR_SUFFIX) and not is_temp(path)


def is_data(path: Path) -> bool:
    """Tell whether a file has the name of a raw file."""
    return path.name.endswith(_DATA_SUFFIXES) and not is_temp(path)


def is_temp(path: Path) -> bool:
    """Tell whether a file is one that was being written."""
    return path.name.startswith(".") and TEMP_MARK in path.name


def request_id_of(path: Path) -> str:
    """Return the request id of a sidecar or raw file."""
    name = path.name.removesuffix(SIDECAR_SUFFIX)
    for suffix in _DATA_SUFFIXES:
        name = name.removesuffix(suffix)
    return name
