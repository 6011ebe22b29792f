"""Run every client that can be installed against the simulated broker and write the page.

Usage: `python -m interop`. Exit 0 when every installed client did everything it is not known to be
unable to do, else 1; what went wrong is on stderr. What must not live here: what is right.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from interop.clients import CLIENTS, Client
from interop.environments import Environment, NotInstalledError, prepare
from interop.page import Results, interop_page
from interop.runs import Run, run_client
from interop.verdicts import Verdict, judge

PAGE = Path(__file__).resolve().parents[1] / "docs/reference/interop.md"

#: The whole run, installation included, is over by then.
BUDGET_SECONDS = 230.0
_AT_ONCE = 2
_SHOWN = 5


def main(page: Path = PAGE) -> int:
    """Install, run, compare, write the page; return the exit code."""
    deadline = time.monotonic() + BUDGET_SECONDS
    with tempfile.TemporaryDirectory(prefix="interop-") as name:
        environments, missing = _install(CLIENTS, Path(name))
        runs = _run_all(environments, Path(name), deadline)
    verdicts = judge(runs)
    failed = [verdict for verdict in verdicts if verdict.differences]
    _tell(verdicts, missing)
    page.write_text(interop_page(Results(verdicts=verdicts, missing=missing)), encoding="utf-8")
    sys.stdout.write(f"Written: docs/reference/{page.name}\n")
    return 1 if failed else 0


def _install(clients: Sequence[Client], folder: Path) -> tuple[list[Environment], dict[str, str]]:
    """Return the environments that could be made, and why the others could not."""
    ready: list[Environment] = []
    missing: dict[str, str] = {}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        waiting = {client.name: pool.submit(prepare, client, folder) for client in clients}
        for name, future in waiting.items():
            try:
                ready.append(future.result())
            except NotInstalledError as error:
                missing[name] = error.reason
                sys.stderr.write(f"{name} was not installed: {error.reason}\n{error.output}\n")
    return ready, missing


def _run_all(environments: Sequence[Environment], folder: Path, deadline: float) -> list[Run]:
    jobs = [(e, version) for e in environments for version in e.client.gateways()]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        futures = [pool.submit(run_client, e, v, folder, deadline) for e, v in jobs]
        return [future.result() for future in futures]


def _tell(verdicts: Sequence[Verdict], missing: dict[str, str]) -> None:
    """Print a line per client, and on stderr the first differences of each failed operation."""
    for client in CLIENTS:
        mine = [v for v in verdicts if v.run.client == client]
        if client.name in missing:
            line = f"not installed: {missing[client.name]}"
        else:
            good = sum(not v.differences and not v.excused for v in mine)
            known = sum(not v.differences and bool(v.excused) for v in mine)
            bad = sum(bool(v.differences) for v in mine)
            line = f"{good} ok, {known} with a known limit, {bad} failed"
        sys.stdout.write(f"{client.name} {client.version}: {line}\n")
    for verdict in verdicts:
        run = verdict.run
        for difference in verdict.differences[:_SHOWN]:
            sys.stderr.write(
                f"{run.client.name} at server version {run.server_version}, "
                f"{verdict.operation.name}: {difference.text}\n"
            )


if __name__ == "__main__":
    sys.exit(main())
