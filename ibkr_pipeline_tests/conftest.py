"""What every test runs under: no settings of this machine, no network beyond loopback.

What lives here: guards and profiles for the whole suite. What must not: fixtures of one subject,
which stand in the `conftest.py` beside its tests.
"""

from __future__ import annotations

import atexit
import ipaddress
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

#: Files in memory, where the system offers it, and the room the tests want there.
_MEMORY, _ROOM_BYTES = Path("/dev/shm"), 4 * 1024**3

# Before anything is imported or started: a developer's own gateway, account list or Dagster home
# must never be reached by a test, nor by a process a test starts.
for _name in [name for name in os.environ if name.startswith(("IBKR_", "DAGSTER_"))]:
    del os.environ[_name]


def _keep_files_in_memory() -> None:
    """Put temporary files where a sync to disk costs nothing: the tests wait for thousands.

    They are gone with the process that runs the tests; with TMPDIR set they stay, and lie there.
    """
    if "TMPDIR" in os.environ or not _MEMORY.is_dir():
        return
    programs_may_run = not os.statvfs(_MEMORY).f_flag & os.ST_NOEXEC
    if programs_may_run and shutil.disk_usage(_MEMORY).free >= _ROOM_BYTES:
        folder = tempfile.mkdtemp(prefix="pytest-", dir=_MEMORY)
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ["TMPDIR"] = tempfile.tempdir = folder


_keep_files_in_memory()

settings.register_profile(
    "suite",
    deadline=None,
    derandomize=True,
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "soak", parent=settings.get_profile("suite"), derandomize=False, max_examples=2000
)
settings.load_profile("suite")


@pytest.fixture(autouse=True, scope="session")
def _loopback_only() -> Iterator[None]:
    """A test that needs the outside world fails by name instead of passing by luck."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_loopback(address):
            raise PermissionError(f"A test tried to reach {address!r}; only loopback is allowed.")
        connect(self, address)  # type: ignore[arg-type]  # passed on as it came

    socket.socket.connect = guarded  # type: ignore[method-assign,assignment]  # guard, put back
    yield
    socket.socket.connect = connect  # type: ignore[method-assign]  # the original


@pytest.fixture(scope="module")
def unmeasured_children() -> Iterator[None]:
    """Leave coverage out of processes that only use the program, or are killed.

    Measuring makes a process half as slow again, and one that is killed writes nothing of it.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
        yield


def _is_loopback(address: object) -> bool:
    host = address[0] if isinstance(address, tuple) and address else ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(str(host)).is_loopback
    except ValueError:
        return False
