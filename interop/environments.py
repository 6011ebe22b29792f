"""Throw-away environments with one client each.

What lives here: venv and pip for Python clients, npm for Node.js ones, in a folder the caller
removes. What must not: a way to install anything into the environment this runs in.
"""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

from interop.clients import Client

#: The programs import this package, so they run from here.
ROOT = Path(__file__).resolve().parents[1]

_INSTALL_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Where a client can be run.

    Attributes:
        client: The client.
        command: Program and first arguments; host, port and plan follow.
    """

    client: Client
    command: tuple[str, ...]


class NotInstalledError(RuntimeError):
    """A client cannot be installed on this machine.

    Args:
        reason: Why, in words that fit any machine.
        output: What the installer printed.
    """

    def __init__(self, reason: str, output: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.output = output


def prepare(client: Client, folder: Path) -> Environment:
    """Install a client below `folder` and return how to run it.

    Raises:
        NotInstalledError: If it cannot be installed, or cannot be loaded once it is.
    """
    home = folder / client.name.replace("/", "-").lstrip("@")
    if client.origin == "npm":
        return _prepare_node(client, home)
    python = sys.executable
    if client.origin == "here":
        _check_own(client)
    else:
        python = _install_python(client, home)
    command = (python, "-m", f"interop.programs.{client.program}", client.module)
    _run(command, "it cannot be loaded by this Python")
    return Environment(client=client, command=command)


def _check_own(client: Client) -> None:
    try:
        found = importlib.metadata.version(client.name)
    except importlib.metadata.PackageNotFoundError as error:
        raise NotInstalledError("it is missing from the environment of this project") from error
    if found != client.version:
        raise NotInstalledError("the environment of this project has another version")


def _install_python(client: Client, home: Path) -> str:
    venv.create(home, with_pip=False)
    python = home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    _run(
        (
            *(sys.executable, "-m", "pip", "--python", str(python), "install"),
            *("--quiet", "--disable-pip-version-check", "--no-input"),
            f"{client.name}=={client.version}",
            *client.also,
        ),
        "pip could not install it",
    )
    return str(python)


def _prepare_node(client: Client, home: Path) -> Environment:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise NotInstalledError("Node.js with npm was not found")
    home.mkdir(parents=True)
    _run(
        (
            *(npm, "install", "--prefix", str(home), "--ignore-scripts"),
            *("--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"),
            f"{client.name}@{client.version}",
        ),
        "npm could not install it",
    )
    command = (node, str(ROOT / "interop/programs" / client.program), str(home))
    return Environment(client=client, command=command)


def _run(command: tuple[str, ...], complaint: str) -> None:
    try:
        done = subprocess.run(  # noqa: S603 - names and versions are this package's own
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_INSTALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        text = f"No end after {_INSTALL_SECONDS} s: {' '.join(command)}"
        raise NotInstalledError(complaint, text) from error
    if done.returncode:
        raise NotInstalledError(complaint, done.stdout + done.stderr)
