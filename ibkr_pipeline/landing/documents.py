"""Documents as they came: packed into a raw file and back, piece by piece.

What lives here: compression and both hashes of a document that may be larger than memory. What
must not: places, sidecars, what the document says.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import zstandard

from ibkr_pipeline.landing.durable import write_durably
from ibkr_pipeline.models.requests import RawFile
from ibkr_pipeline.primitives.errors import RawDataError

#: Statements shrink to a tenth at the fastest level; higher ones cost more than they save.
LEVEL = 1
#: Bytes read at a time.
PIECE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedDocument:
    """A document, compressed.

    Attributes:
        path: The compressed file.
        n_bytes, sha256: Its size and hash.
        content_bytes, content_sha256: Those of the document.
    """

    path: Path
    n_bytes: int
    sha256: str
    content_bytes: int
    content_sha256: str


def pack(document: Path, path: Path) -> PackedDocument:
    """Compress a document into a file, durably; it is never whole in memory.

    Raises:
        DiskFullError: If there is no room; `path` is as it was.
        RawDataError: If it cannot be written for another reason.
    """
    packing = Packing(document)
    write_durably(path, packing, n_bytes=packing.size)
    return PackedDocument(
        path=path,
        n_bytes=packing.n_bytes,
        sha256=packing.sha256,
        content_bytes=packing.content_bytes,
        content_sha256=packing.content_sha256,
    )


class Packing:
    """The compressed pieces of a document; the hashes are known once all have been taken.

    Attributes:
        size: Bytes of the document when it was opened; more than its pieces will have.
        content_sha256, content_bytes: Of the document. Set at the end.
        sha256, n_bytes: Of the pieces. Set at the end.
    """

    def __init__(self, document: Path) -> None:
        self._document = document
        self.size = document.stat().st_size
        self.content_sha256 = self.sha256 = ""
        self.content_bytes = self.n_bytes = 0

    def __iter__(self) -> Iterator[bytes]:
        """Yield the pieces."""
        content, packed = hashlib.sha256(), hashlib.sha256()
        self.content_bytes = self.n_bytes = 0
        compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).compressobj()
        with self._document.open("rb") as file:
            while piece := file.read(PIECE):
                content.update(piece)
                self.content_bytes += len(piece)
                yield from self._counted(compressor.compress(piece), packed)
        yield from self._counted(compressor.flush(), packed)
        self.content_sha256, self.sha256 = content.hexdigest(), packed.hexdigest()

    def _counted(self, piece: bytes, packed: hashlib._Hash) -> Iterator[bytes]:
        if piece:
            packed.update(piece)
            self.n_bytes += len(piece)
            yield piece


@contextmanager
def unpacked(path: Path, raw: RawFile, *, mend: str) -> Iterator[BinaryIO]:
    """Open the document of a raw file.

    Args:
        path: The raw file.
        raw: What its sidecar says of it.
        mend: What to do when it is broken; ends every message.

    Raises:
        RawDataError: If it is missing, torn or changed. A change may be found out only at the
            end: the rest of the document is read on leaving.
    """
    try:
        with path.open("rb") as file:
            checked = _Checked(zstandard.ZstdDecompressor().stream_reader(file))
            yield io.BufferedReader(checked, buffer_size=PIECE)
            found = checked.finish()
    except (OSError, zstandard.ZstdError) as error:
        raise RawDataError(f"Raw file {path} cannot be read: {error}. {mend}") from error
    if found != (raw.content_sha256, raw.content_bytes):
        raise RawDataError(
            f"Raw file {path} holds a document of {found[1]} bytes with sha256 {found[0]}; its "
            f"sidecar expects {raw.content_bytes} and {raw.content_sha256}. It was changed after "
            f"publishing. {mend}"
        )


class _Checked(io.RawIOBase):
    """A stream that hashes what is read from it."""

    def __init__(self, stream: zstandard.ZstdDecompressionReader) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()
        self._n_bytes = 0

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill the buffer; return how many bytes it got."""
        n_bytes = self._stream.readinto(buffer)
        self._hash.update(memoryview(buffer)[:n_bytes])
        self._n_bytes += n_bytes
        return n_bytes

    def finish(self) -> tuple[str, int]:
        """Read what is left; return hash and size of everything."""
        buffer = memoryview(bytearray(PIECE))
        while self.readinto(buffer):
            pass
        return self._hash.hexdigest(), self._n_bytes
