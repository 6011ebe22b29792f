"""The simulator as a program: its READY line, its end, its complaints, its speed."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ibkr_pipeline.simulator import serving
from ibkr_pipeline.simulator.__main__ import main
from ibkr_pipeline.simulator.process import SimulatorProcess, SimulatorStartError
from ibkr_pipeline.simulator.serving import PortError
from ibkr_pipeline_tests.unit.simulator.raw_client import RawClient


def test_the_program_serves_records_and_ends_when_asked(tmp_path: Path) -> None:
    """One READY line, loopback only, every request in the file, gone with the context."""
    record = tmp_path / "requests.jsonl"
    with SimulatorProcess(scenario="empty", seed=3, record_path=record) as simulator:
        with RawClient(simulator.port, client_id=8) as client:
            client.started().ask(61, 1, end="62")
        state = simulator.control.call("state")
        lines = [json.loads(line) for line in record.read_text().splitlines()]
        pid = simulator.pid

    assert (simulator.host, state["ok"]) == ("127.0.0.1", True)
    assert [line["fields"] for line in lines] == [["71", "2", "8", ""], ["61", "1"]]
    assert pid > 0
    assert simulator.pid == 0


def test_the_program_ends_by_the_command_stop_and_by_sigterm() -> None:
    """Both with exit code 0 and nothing but the READY line on standard output."""
    command = [sys.executable, "-m", "ibkr_pipeline.simulator", "--scenario", "empty"]
    root = Path(__file__).resolve().parents[3]
    codes: list[int] = []
    for end in ("stop", "sigterm"):
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root)
        assert child.stdout is not None
        ready = child.stdout.readline()
        if end == "stop":
            port = int(ready.rpartition(":")[2])
            asyncio.run(_say(port, b'{"command": "stop"}\n'))
        else:
            child.send_signal(signal.SIGTERM)
        rest, _ = child.communicate(timeout=10)
        codes.append(child.returncode)
        assert ready.startswith("READY tws=127.0.0.1:")
        assert " flex=http://127.0.0.1:" in ready
        assert rest == ""

    assert codes == [0, 0]


def test_a_wrong_scenario_is_told_with_the_childs_own_words(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A child that dies at start must not leave its parent guessing."""
    with pytest.raises(SimulatorStartError, match="'no-such' cannot be read"):
        SimulatorProcess(scenario="no-such").start()

    assert main(["--scenario", "no-such"]) == 2
    assert "give a file or one of" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--port", "--control-port"])
@pytest.mark.parametrize("port", [70000, -1])
def test_a_port_that_cannot_be_is_a_usage_error(
    option: str, port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """In words, with the option that was wrong."""
    code = main(["--scenario", "empty", f"{option}={port}"])

    assert (2, f"{option} was {port}; expected a port from 1 to 65535, or 0 for a free one.\n") == (
        code,
        capsys.readouterr().err,
    )


@pytest.mark.parametrize("option", ["--port", "--control-port"])
def test_a_port_that_is_taken_is_no_usage_error(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same command works once the other program has ended."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code = main(["--scenario", "empty", option, str(port)])

    assert 1 == code
    assert f"{option} was {port}, which another program listens on" in capsys.readouterr().err


def test_a_port_for_the_administrator_alone_is_a_usage_error() -> None:
    """Another try as the same user never helps."""

    async def refused() -> None:
        raise PermissionError(13, "Permission denied")

    with pytest.raises(PortError, match="--port was 80, a port this user may not") as caught:
        asyncio.run(serving._opened("--port", 80, refused))

    assert 2 == caught.value.exit_code


async def _say(port: int, line: bytes) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(line)
    await writer.drain()
    writer.close()


def test_a_simulator_does_not_outlive_a_parent_that_was_killed() -> None:
    """A run that is killed leaves no server behind that holds a port and answers the next run."""
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time\n"
            "from ibkr_pipeline.simulator.process import SimulatorProcess\n"
            "with SimulatorProcess() as simulator:\n"
            "    print(simulator.port, flush=True)\n"
            "    sys.stdin.read()\n",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    port = int(parent.stdout.readline())
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        parent.kill()
        parent.wait(timeout=5)
        connection.settimeout(10)

        closed = connection.recv(1)

    assert closed == b""
    for pipe in (parent.stdin, parent.stdout):
        assert pipe is not None
        pipe.close()


def test_a_simulator_that_is_asked_to_stop_ends_well() -> None:
    """The thread that watches standard input must not disturb the interpreter's end."""
    simulator = SimulatorProcess()
    simulator.start()
    child = simulator._process
    assert child is not None

    simulator.stop()

    assert child.returncode == 0
    simulator.__exit__(None, None, None)
