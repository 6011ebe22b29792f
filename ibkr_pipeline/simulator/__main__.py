"""`python -m ibkr_pipeline.simulator`: serve a simulated broker on loopback until stopped."""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from ibkr_pipeline.simulator.document import ScenarioError
from ibkr_pipeline.simulator.gateway.recording import Recorder
from ibkr_pipeline.simulator.gateway.simulator import Simulator
from ibkr_pipeline.simulator.scenario import bundled_scenarios, load_simulator
from ibkr_pipeline.simulator.serving import PortError, Ports, RunningSimulator


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM, SIGINT or the control command `stop`; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        with Recorder(options.record) as recorder:
            simulator = load_simulator(options.scenario, seed=options.seed, recorder=recorder)
            # A large book lives as long as the program: the collector need not walk it.
            gc.freeze()
            ports = Ports(tws=options.port, flex=options.flex_port, control=options.control_port)
            asyncio.run(
                serve_until_stopped(simulator, ports, stop_with_stdin=options.stop_with_stdin)
            )
    except PortError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except (ScenarioError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


async def serve_until_stopped(
    simulator: Simulator, ports: Ports, *, stop_with_stdin: bool = False
) -> None:
    """Open the ports, print the READY line and serve until a signal or `stop` arrives.

    Args:
        simulator: What to serve.
        ports: Where.
        stop_with_stdin: Stop as well when standard input closes, so that a simulator somebody
            started does not outlive them, also when they were killed.
    """
    running = RunningSimulator(simulator, ports)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, running.stopping.set)
        except NotImplementedError:
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(running.stopping.set))
    if stop_with_stdin:
        _when_stdin_closes(lambda: loop.call_soon_threadsafe(running.stopping.set))
    await running.start()
    sys.stdout.write(running.ready_line() + "\n")
    sys.stdout.flush()
    await running.stopping.wait()
    await running.stop()


def _when_stdin_closes(act: Callable[[], object]) -> None:
    # The bare descriptor: a thread inside sys.stdin holds a lock the interpreter wants at its end.
    descriptor = sys.stdin.fileno()

    def wait() -> None:
        while os.read(descriptor, 4096):
            pass
        act()

    threading.Thread(target=wait, daemon=True).start()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ibkr_pipeline.simulator",
        description="Serve a simulated Interactive Brokers gateway on 127.0.0.1.",
    )
    parser.add_argument("--port", type=int, default=0, help="TWS port; 0 picks a free one")
    parser.add_argument("--flex-port", type=int, default=0, help="Flex port; 0 picks a free one")
    parser.add_argument("--control-port", type=int, default=0, help="control port; 0 picks one")
    parser.add_argument(
        "--scenario",
        help=f"YAML file, or one of: {', '.join(bundled_scenarios())} (default: default)",
    )
    parser.add_argument("--seed", type=int, help="replaces the seed of the scenario")
    parser.add_argument(
        "--record", type=Path, help="write every inbound frame to this file, one JSON line each"
    )
    parser.add_argument(
        "--stop-with-stdin", action="store_true", help="stop when standard input closes"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
