"""The command that opens the Dagster UI on the run history of the command line.

What lives here: the arguments, environment, folder and port of that command. What must not:
running it (`cli/ui.py`).
"""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ibkr_pipeline.defs.home import ensure_dagster_home
from ibkr_pipeline.defs.launch import MODULE
from ibkr_pipeline.primitives.errors import ConfigError
from ibkr_pipeline.settings import Settings, child_environment

LOOPBACK = "127.0.0.1"
#: Port a person expects the UI on, and how many after it are tried before any free one is taken.
USUAL_PORT = 3000
PORTS_TRIED = 20
#: `dg dev`, which Dagster names instead, is a package of its own that this project does not need.
_CHOSEN_KNOWINGLY = "ignore:Function `dev_command` is superseded"


@dataclass(frozen=True, slots=True, kw_only=True)
class UiCommand:
    """A command that serves the UI.

    Attributes:
        arguments, environment: What to run, and what it needs to see.
        directory: Folder to run it in: Dagster's home, because Dagster remarks on a dagster.yaml
            in any other. Every path of the settings is absolute in the environment.
        address: Where the UI will be.
    """

    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    directory: Path
    address: str


def ui_command(settings: Settings, *, port: int | None = None) -> UiCommand:
    """Return the command that opens the Dagster UI on the same run history, on loopback alone.

    The web server asks for no password, so it never listens anywhere else.

    Args:
        settings: What the UI's runs are to see.
        port: Port to listen on; by default 3000, or the next one that is free.

    Raises:
        ConfigError: If the port is taken or cannot be, or the run history cannot be made.
    """
    chosen = _usual_or_free() if port is None else _required(port)
    home = ensure_dagster_home(settings).resolve()
    arguments = [sys.executable, "-m", "dagster", "dev", "-h", LOOPBACK, "-p", str(chosen)]
    arguments += ["-m", MODULE, "-d", str(Path.cwd())]
    environment = child_environment(settings, dagster_home=home)
    silenced = (environment.get("PYTHONWARNINGS"), _CHOSEN_KNOWINGLY)
    environment["PYTHONWARNINGS"] = ",".join(item for item in silenced if item)
    return UiCommand(
        arguments=tuple(arguments),
        environment=environment,
        directory=home,
        address=f"http://{LOOPBACK}:{chosen}",
    )


def _usual_or_free() -> int:
    usual = range(USUAL_PORT, USUAL_PORT + PORTS_TRIED)
    return next((port for port in usual if _is_free(port)), None) or _any_free()


def _required(port: int) -> int:
    if not 1 <= port <= 65535:
        raise ConfigError(f"--port was {port}; expected a port from 1 to 65535.")
    if not _is_free(port):
        raise ConfigError(
            f"--port was {port}, which another program listens on or this user may not; choose "
            f"another, or leave the option out for the first free one from {USUAL_PORT} on."
        )
    return port


def _any_free() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    """Say whether a web server could listen on a port of the loopback."""
    with socket.socket() as probe:
        if os.name != "nt":  # elsewhere a port just closed would count as taken for a minute
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True
