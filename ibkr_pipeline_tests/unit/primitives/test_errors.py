"""Each error is worth another try, or is not, and ends the program with a known code."""

from __future__ import annotations

import pytest

from ibkr_pipeline.brokers import exceptions
from ibkr_pipeline.control import errors as control_errors
from ibkr_pipeline.primitives import errors
from ibkr_pipeline.primitives.errors import PipelineError, Retryable, Terminal


def all_errors() -> list[type[PipelineError]]:
    """Return every error class of the rooms that have some."""
    return [
        item
        for module in (errors, exceptions, control_errors)
        for item in vars(module).values()
        if isinstance(item, type) and issubclass(item, PipelineError)
    ]


@pytest.mark.parametrize(
    "kind",
    [kind for kind in dict.fromkeys(all_errors()) if not kind.__subclasses__()],
    ids=lambda kind: kind.__name__,
)
def test_every_error_that_is_raised_is_retryable_or_terminal_and_never_both(
    kind: type[PipelineError],
) -> None:
    """Retry policies read the mark; an unmarked error would be guessed at."""
    assert issubclass(kind, Retryable) != issubclass(kind, Terminal)


def test_exit_codes_are_those_the_command_line_promises() -> None:
    """1 failed, 2 usage, 75 busy."""
    assert (errors.ConfigError.exit_code, errors.BusyError.exit_code) == (2, 75)
    assert {1} == {
        kind.exit_code
        for kind in all_errors()
        if not issubclass(kind, errors.ConfigError | errors.BusyError)
    }


def test_errors_carry_what_their_readers_need() -> None:
    """As attributes, so that nobody has to parse a message."""
    assert errors.BusyError("x", holder="process 1").holder == "process 1"
    assert errors.DiskFullError("x", bytes_needed=10).bytes_needed == 10
    assert None is errors.DiskFullError("x").bytes_needed
