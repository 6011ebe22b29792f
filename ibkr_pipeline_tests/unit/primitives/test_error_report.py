"""Every error ends as an exit code and words for a person."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator

import pytest

from ibkr_pipeline.primitives import errors
from ibkr_pipeline.primitives.error_report import report_error
from ibkr_pipeline.primitives.secrets_registry import forget_secrets, register_secret


@pytest.fixture(autouse=True)
def _no_secrets_stay() -> Iterator[None]:
    yield
    forget_secrets()


@pytest.mark.parametrize(
    ("error", "exit_code", "retryable", "expected"),
    [
        (errors.ConfigError("x"), 2, False, True),
        (errors.RawDataError("x"), 1, False, True),
        (errors.DiskFullError("x"), 1, False, True),
        (errors.BusyError("x", holder="process 1"), 75, True, True),
        (KeyboardInterrupt(), 130, True, True),
        (OSError(errno.ENOSPC, "No space left on device"), 1, False, True),
        (OSError(errno.EACCES, "Permission denied"), 1, False, False),
        (ZeroDivisionError("x"), 1, False, False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_each_kind_of_error_has_its_exit_code(
    error: BaseException, exit_code: int, retryable: bool, expected: bool
) -> None:
    """1 failed, 2 usage, 75 busy, 130 interrupted."""
    report = report_error(error)

    assert (exit_code, retryable, expected) == (
        report.exit_code,
        report.retryable,
        report.expected,
    )
    assert report.message


def test_our_own_words_are_passed_on_and_mistakes_are_called_so() -> None:
    """A person must see whether to change a setting or to report a mistake."""
    assert report_error(errors.ConfigError("port was 0")).message == "port was 0"
    assert report_error(KeyError("x")).message == "Unexpected KeyError: 'x'"
    assert "mistake in the program" in report_error(KeyError("x")).hint
    assert "free some space" in report_error(OSError(errno.ENOSPC, "full")).hint


@pytest.mark.parametrize(
    "error",
    [errors.ConfigError("token hunter22"), RuntimeError("hunter22"), OSError(1, "hunter22")],
)
def test_no_secret_is_told(error: BaseException) -> None:
    """Terminals are copied into forums."""
    register_secret("hunter22")

    assert "hunter22" not in report_error(error).message


@pytest.mark.parametrize("text", ["database or disk is full", "disk I/O error"])
def test_a_database_without_room_is_told_plainly_however_deep_it_lies(text: str) -> None:
    """A full disk reaches us through libraries that wrap it; it is no mistake in the program."""
    error = RuntimeError("[SQL: INSERT INTO runs …]")
    error.__cause__ = sqlite3.OperationalError(text)

    told = report_error(error)

    assert (1, True) == (told.exit_code, told.expected)
    assert text in told.message
    assert "SQL" not in told.message
    assert "Free some space" in told.hint
