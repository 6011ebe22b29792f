"""Statement files before they are read: downloaded, or named by a person.

What lives here: the record of a file in hand, and the two ways one is had. What must not: what it
says (`staging.py`).
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

from ibkr_pipeline.brokers.exceptions import StatementError
from ibkr_pipeline.brokers.statement_source import StatementSource
from ibkr_pipeline.ports.clock import Clock
from ibkr_pipeline.primitives.errors import ConfigError

#: Where a statement came from, in `StatementFile.details`.
ORIGIN = "origin"
WEB_SERVICE, FILE = "Flex web service", "file"
_PIECE = 1 << 20
#: Bytes from which on a file is looked at before it is read.
HUGE = 1 << 30
#: Bytes in which the first mark of a document has to be.
_HEAD = 4096
_BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_DOWNLOAD = "statement.xml"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementFile:
    """A statement's bytes in a file.

    Attributes:
        path: The file; it stays as it is while it is worked with.
        n_bytes, sha256: Its length and hash.
        received_at: When its last byte was here, UTC: what its rows are available at.
        details: What a reader of the proof wants to know.
    """

    path: Path
    n_bytes: int
    sha256: str
    received_at: datetime
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementRoute:
    """A way to get one statement.

    Attributes:
        name: What a person knows it by.
        obtain: Brings it; may use the folder, which is gone afterwards.
    """

    name: str
    obtain: Callable[[Path], StatementFile]


def from_service(
    source: StatementSource, *, from_date: date | None = None, to_date: date | None = None
) -> StatementRoute:
    """Return the way to download a statement of a window, or of the query's own window."""

    def obtain(folder: Path) -> StatementFile:
        path = folder / _DOWNLOAD
        with path.open("w+b") as into:
            download = source.fetch(into, from_date, to_date)
        return StatementFile(
            path=path,
            n_bytes=download.n_bytes,
            sha256=download.sha256,
            received_at=download.received_at,
            details={ORIGIN: WEB_SERVICE, **download.details},
        )

    name = WEB_SERVICE if from_date is None else f"{WEB_SERVICE}, {from_date} to {to_date}"
    return StatementRoute(name=name, obtain=obtain)


def from_file(path: Path, *, clock: Clock) -> StatementRoute:
    """Return the way to take a statement that was downloaded by hand, where it lies."""

    def obtain(_folder: Path) -> StatementFile:
        _require_markup(path)
        sha256, n_bytes = _hash_of(path)
        return StatementFile(
            path=path,
            n_bytes=n_bytes,
            sha256=sha256,
            received_at=clock.now(),
            details={ORIGIN: FILE, "file_name": path.name},
        )

    return StatementRoute(name=path.name, obtain=obtain)


def require_readable(path: Path) -> Path:
    """Return the path of a statement somebody named.

    Raises:
        ConfigError: If there is no file that can be read.
    """
    try:
        # Asked first: opening a pipe waits for its writer.
        if stat.S_ISREG(path.stat().st_mode):
            path.open("rb").close()
            return path
    except OSError as error:
        raise ConfigError(_unreadable(path, f"which cannot be read ({error.strerror})")) from error
    raise ConfigError(_unreadable(path, "which is no regular file"))


def _require_markup(path: Path) -> None:
    """Look at the first bytes of a huge file: one that is no XML is not worth reading."""
    if path.stat().st_size <= HUGE:
        return
    with path.open("rb") as file:
        head = file.read(_HEAD).replace(b"\0", b"")
    for mark in _BYTE_ORDER_MARKS:
        head = head.removeprefix(mark)
    if not head.lstrip().startswith(b"<"):
        raise StatementError(
            f"{path.name} begins with {head[:20]!r}; expected XML, which begins with '<'. Set the "
            f"format of the Flex query to XML and download the statement again.",
            line=1,
            column=1,
            offset=0,
        )


def _unreadable(path: Path, found: str) -> str:
    return (
        f"--flex-file was {str(path)!r}, {found}; expected a statement in XML as the Client Portal "
        f"downloads it."
    )


def _hash_of(path: Path) -> tuple[str, int]:
    digest, n_bytes = hashlib.sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
            n_bytes += len(piece)
    return digest.hexdigest(), n_bytes
