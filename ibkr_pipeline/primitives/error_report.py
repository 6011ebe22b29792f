"""Any exception as what a person is told: exit code, message, what to do.

What lives here: the translation of errors for the command line and the run page. What must not:
printing. Secrets never pass; account codes do, because the user owns the terminal.
"""

from __future__ import annotations

import errno
import sqlite3
from dataclasses import dataclass

from ibkr_pipeline.primitives.errors import PipelineError, Retryable
from ibkr_pipeline.primitives.secrets_registry import scrub

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorReport:
    """What to tell about an error.

    Attributes:
        exit_code: What the program ends with.
        message: What happened, in one paragraph.
        hint: What to do, where the message does not say it itself.
        retryable: Whether the same call may succeed later.
        expected: Whether it is one of our own errors; if not, the log has the traceback.
    """

    exit_code: int
    message: str
    hint: str
    retryable: bool
    expected: bool


def report_error(error: BaseException) -> ErrorReport:
    """Return what to tell about an error."""
    if isinstance(error, PipelineError):
        return ErrorReport(
            exit_code=error.exit_code,
            message=scrub(str(error)),
            hint="The same command may work when run again."
            if isinstance(error, Retryable)
            else "",
            retryable=isinstance(error, Retryable),
            expected=True,
        )
    if isinstance(error, KeyboardInterrupt):
        return ErrorReport(
            exit_code=EXIT_INTERRUPTED,
            message="Interrupted.",
            hint="What was complete is kept; run the same command again for the rest.",
            retryable=True,
            expected=True,
        )
    if isinstance(error, OSError):
        return _system(error)
    if (database := _database_without_room(error)) is not None:
        return ErrorReport(
            exit_code=EXIT_FAILED,
            message=scrub(f"A database of the data directory could not be written: {database}."),
            hint="The disk is full or failing. Free some space where the data directory and the "
            "run history are (`ibkr-pipeline doctor` shows both), then run again; what was "
            "committed before is intact.",
            retryable=False,
            expected=True,
        )
    return ErrorReport(
        exit_code=EXIT_FAILED,
        message=scrub(f"Unexpected {type(error).__name__}: {error}"),
        hint="This is a mistake in the program. The log file has the details.",
        retryable=False,
        expected=False,
    )


def _system(error: OSError) -> ErrorReport:
    full = error.errno in _NO_ROOM
    return ErrorReport(
        exit_code=EXIT_FAILED,
        message=scrub(f"The operating system refused: {error}"),
        hint="The disk is full: free some space, then run again."
        if full
        else "Check the path and its permissions. The log file has the details.",
        retryable=False,
        expected=full,
    )


def _database_without_room(error: BaseException) -> str | None:
    """Return what SQLite said, here or in what led here, if it found no room or a bad disk."""
    link: BaseException | None = error
    while link is not None:
        for told in (link, getattr(link, "orig", None)):
            text = str(told)
            if isinstance(told, sqlite3.Error) and ("is full" in text or "disk I/O" in text):
                return text
        link = link.__cause__ or link.__context__
    return None
