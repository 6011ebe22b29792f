"""The error tree and its two marks: worth another try, or not.

What lives here: errors that more than one room raises or catches. What must not: errors of one
room alone, which stand beside the code that raises them and derive from these.

A message says what was found, what was expected and what to do, and never holds a secret.
"""

from __future__ import annotations

from typing import ClassVar


class PipelineError(Exception):
    """Root of every error this package raises on purpose.

    `exit_code` is what the command line ends with when nothing caught the error: 1 something
    failed, 2 usage, 75 busy.
    """

    exit_code: ClassVar[int] = 1


class Retryable:
    """Mark of an error after which the same call may succeed. Retry policies read this mark."""


class Terminal:
    """Mark of an error that another try cannot mend; somebody has to change something first."""


class ConfigError(PipelineError, Terminal):
    """A setting is missing, malformed or contradicts another one."""

    exit_code = 2


class BusyError(PipelineError, Retryable):
    """A lock was still held by somebody else after the bounded wait.

    Attributes:
        holder: Who holds it, in plain words (process id, since when, doing what).
    """

    exit_code = 75

    def __init__(self, message: str, *, holder: str) -> None:
        super().__init__(message)
        self.holder = holder


class BrokerError(PipelineError):
    """Something between us and the broker did not work."""


class SchemaError(PipelineError, Terminal):
    """Rows do not fit the schema of the table they are meant for; nothing was written."""


class RawDataError(PipelineError, Terminal):
    """A raw file is missing, torn or not the one the manifest describes."""


class WarehouseMissingError(PipelineError, Terminal):
    """There is no warehouse, or no published read copy, where one was expected."""


class StaleDataError(PipelineError, Terminal):
    """What depends on an account was asked for while that account is not current."""


class DiskFullError(PipelineError, Terminal):
    """There was no room to write something; what was there before is intact.

    Attributes:
        bytes_needed: Size of what was to be written, where it is known.
    """

    def __init__(self, message: str, *, bytes_needed: int | None = None) -> None:
        super().__init__(message)
        self.bytes_needed = bytes_needed
