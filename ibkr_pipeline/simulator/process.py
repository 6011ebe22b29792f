"""Runs a simulator in a process of its own and talks to its control port.

What lives here: the child process, the bounded wait for its READY line, and the control client.
What must not: the simulator itself; nothing of it is imported here.
"""

from __future__ import annotations

import json
import queue
import re
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

# The child imports the package from where this file is, installed or not.
_IMPORT_ROOT = Path(__file__).resolve().parents[2]
_READY = re.compile(r"^READY tws=([\d.]+):(\d+) flex=(\S+) control=([\d.]+):(\d+)$")


class SimulatorStartError(RuntimeError):
    """The simulator did not announce that it is ready in time."""


class ControlError(RuntimeError):
    """The control port refused a command."""


class ControlClient:
    """Sends commands to a simulator's control port.

    Args:
        host: Address of the control port.
        port: Its TCP port.
        timeout: Seconds to wait for an answer.
    """

    def __init__(self, host: str, port: int, timeout: float = 10.0) -> None:
        self.host = host
        self.port = port
        self._timeout = timeout

    def send(self, document: object) -> dict[str, object]:
        """Send one JSON document and return the answer as it is."""
        address = (self.host, self.port)
        with socket.create_connection(address, timeout=self._timeout) as connection:
            connection.sendall(json.dumps(document).encode() + b"\n")
            with connection.makefile("rb") as stream:
                answer = json.loads(stream.readline())
        if not isinstance(answer, dict):
            raise ControlError(f"The control port answered {answer!r}, expected an object.")
        return answer

    def call(self, command: str, **arguments: object) -> dict[str, object]:
        """Run a command and return its answer.

        Raises:
            ControlError: If the simulator answers `ok: false`.
        """
        answer = self.send({"command": command, **arguments})
        if answer.get("ok") is not True:
            raise ControlError(f"Control command {command} failed: {answer.get('error')}")
        return answer

    def fault(self, name: str, **parameters: object) -> dict[str, object]:
        """Arm a scripted fault."""
        return self.call("fault", name=name, **parameters)

    def flex_requests(self) -> list[dict[str, object]]:
        """Return the recorded Flex requests; their tokens are masked."""
        found = self.call("flex_requests")["requests"]
        return list(found) if isinstance(found, list) else []

    def requests(self, message_id: int | None = None) -> list[dict[str, object]]:
        """Return the recorded requests, of one kind or all."""
        answer = self.call("requests", message_id=message_id)
        found = answer["requests"]
        return list(found) if isinstance(found, list) else []


class SimulatorProcess:
    """A simulator in a child process; a context manager that ends the child by its id.

    Args:
        scenario: YAML file or bundled name; None is the default scenario.
        seed: Replaces the seed of the scenario.
        port: TWS port; 0 picks a free one.
        flex_port: Flex port; 0 picks a free one.
        record_path: Where inbound requests are recorded; None uses a temporary file.
        ready_timeout: Seconds to wait for the READY line.
    """

    def __init__(
        self,
        *,
        scenario: str | Path | None = None,
        seed: int | None = None,
        port: int = 0,
        flex_port: int = 0,
        record_path: Path | None = None,
        ready_timeout: float = 30.0,
    ) -> None:
        self._scenario = scenario
        self._seed = seed
        self._wanted_port = port
        self._wanted_flex_port = flex_port
        self._ready_timeout = ready_timeout
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[str] | None = None
        self._record_path = record_path
        self._complaints: IO[str] | None = None
        self.host = "127.0.0.1"
        self.port = 0
        self.flex_url = ""
        self.control = ControlClient(self.host, 0)

    @property
    def record_path(self) -> Path:
        """The file of recorded requests, one JSON line each."""
        if self._record_path is None:
            self._folder = tempfile.TemporaryDirectory(prefix="simulator-")
            self._record_path = Path(self._folder.name) / "requests.jsonl"
        return self._record_path

    @property
    def pid(self) -> int:
        """Process id of the running child; 0 when there is none."""
        return self._process.pid if self._process is not None else 0

    def start(self) -> None:
        """Start the child and wait for its READY line.

        Raises:
            SimulatorStartError: If the line does not come in time; the child has been ended.
        """
        self._complaints = tempfile.TemporaryFile(mode="w+")  # noqa: SIM115 - closed on exit
        process = subprocess.Popen(  # noqa: S603 - our own module, no shell
            self._command(),
            cwd=_IMPORT_ROOT,
            # Held open and never written to: it closes when this process ends, however it ends.
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            text=True,
        )
        self._process = process
        line = _first_line(process, self._ready_timeout)
        match = _READY.match(line)
        if match is None:
            self.stop()
            self._complaints.seek(0)
            complaint = self._complaints.read()
            self._tidy(process)
            raise SimulatorStartError(
                f"The simulator said {line!r} within {self._ready_timeout} s, expected its READY "
                f"line. It complained: {complaint.strip() or 'nothing'}"
            )
        self.host, self.port, self.flex_url = match[1], int(match[2]), match[3]
        self.control = ControlClient(match[4], int(match[5]))

    def stop(self) -> None:
        """End the child: asked first, then killed."""
        process = self._process
        self._process = None
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=5)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        process = self._process
        self.stop()
        self._tidy(process)

    def _command(self) -> Sequence[str]:
        command = [sys.executable, "-m", "ibkr_pipeline.simulator"]
        command += ["--port", str(self._wanted_port), "--control-port", "0"]
        command += ["--flex-port", str(self._wanted_flex_port)]
        command += ["--stop-with-stdin", "--record", str(self.record_path.resolve())]
        if self._scenario is not None:
            given = Path(self._scenario)
            command += ["--scenario", str(given.resolve() if given.exists() else given)]
        if self._seed is not None:
            command += ["--seed", str(self._seed)]
        return command

    def _tidy(self, process: subprocess.Popen[str] | None) -> None:
        pipes = (process.stdin, process.stdout) if process else ()
        for stream in (*pipes, self._complaints):
            if stream is not None:
                stream.close()
        if self._folder is not None:
            self._folder.cleanup()


def _first_line(process: subprocess.Popen[str], timeout: float) -> str:
    """Return the first line the child prints, or nothing when it takes too long or ends."""
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        if process.stdout is not None:
            lines.put(process.stdout.readline())

    threading.Thread(target=read, daemon=True).start()
    try:
        return lines.get(timeout=timeout).rstrip("\n")
    except queue.Empty:
        return ""
