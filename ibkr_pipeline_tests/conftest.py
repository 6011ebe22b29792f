"""What every test runs under: no settings of this machine, no network beyond loopback.

What lives here: guards and profiles for the whole suite. What must not: fixtures of one subject,
which stand in the `conftest.py` beside its tests.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# Before anything is imported or started: a developer's own gateway, account list or Dagster home
# must never be reached by a test, nor by a process a test starts.
for _name in [name for name in os.environ if name.startswith(("IBKR_", "DAGSTER_"))]:
    del os.environ[_name]

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


def _is_loopback(address: object) -> bool:
    host = address[0] if isinstance(address, tuple) and address else ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(str(host)).is_loopback
    except ValueError:
        return False
