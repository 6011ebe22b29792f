"""Files written so that a kill or a full disk leaves the old state or the new one.

What lives here: temp file beside its place, flush, fsync, rename, fsync of the folder. What must
not: what the bytes mean.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ibkr_pipeline.landing.layout import TEMP_MARK
from ibkr_pipeline.primitives.errors import DiskFullError, PipelineError, RawDataError

DIRECTORY_MODE = 0o700
FILE_MODE = 0o600
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def write_durably(path: Path, chunks: Iterable[bytes], *, n_bytes: int | None = None) -> None:
    """Make `path` hold `chunks`, durably.

    Args:
        path: Where.
        chunks: What, in pieces; read once, so that it need not be in memory at once.
        n_bytes: How many they are at most, where that is known; for the message of a full disk.

    When it raises, `path` holds what it held before, or all of `chunks` where only the folder's
    sync failed; never a part.

    Raises:
        DiskFullError: If there is no room.
        RawDataError: If the operating system refuses for another reason.
    """
    progress = _Progress()
    temp = path.with_name(f".{path.name}{TEMP_MARK}{os.getpid()}-{secrets.token_hex(4)}")
    try:
        make_private_folder(path.parent)
        _write_and_sync(temp, chunks, progress)
        temp.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise _explained(error, path, n_bytes or progress.n_bytes) from error
    finally:
        with suppress(OSError):
            temp.unlink()


def move_durably(source: Path, path: Path) -> None:
    """Give a file that was written durably its place, on the same file system.

    Raises:
        DiskFullError: If there is no room for the name.
        RawDataError: If the operating system refuses for another reason.
    """
    try:
        make_private_folder(path.parent)
        source.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise _explained(error, path, 0) from error


def make_private_folder(folder: Path) -> None:
    """Create a folder and its missing parents, readable by their owner alone, durably."""
    if folder.is_dir():
        return
    make_private_folder(folder.parent)
    folder.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make renames in a folder survive a power cut, where the system knows how (not Windows)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _Progress:
    """Bytes handed over so far."""

    n_bytes = 0


def _write_and_sync(temp: Path, chunks: Iterable[bytes], progress: _Progress) -> None:
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(temp, flags, FILE_MODE), "wb") as file:
        for chunk in chunks:
            progress.n_bytes += len(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())


def _explained(error: OSError, path: Path, n_bytes: int) -> PipelineError:
    if error.errno in _NO_ROOM:
        return DiskFullError(
            f"There was no room for {path}: {n_bytes:,} bytes were needed and {_free(path)} were "
            f"free ({error.strerror}). What was published before is intact. Free some space or "
            "lift the file size limit, then run again.",
            bytes_needed=n_bytes,
        )
    return RawDataError(
        f"{path} could not be written: {error.strerror or error}. What was published before is "
        "intact. Check the permissions of the data directory, then run again."
    )


def _free(path: Path) -> str:
    for folder in path.parents:
        with suppress(OSError):
            return f"{shutil.disk_usage(folder).free:,}"
    return "an unknown number"
