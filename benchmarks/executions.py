"""100,000 executions with commissions over TCP, from connect to commit.

Reference: a bare ib_async client making the same request with the library's defaults, which keeps
what it hears in memory and writes nothing. The simulated broker runs in a process of its own.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.harness import Claim, compare, measured, report
from ibkr_pipeline.simulator.process import SimulatorProcess

EXECUTIONS = 100_000
BOUND = 1.25


def claims() -> list[Claim]:
    """Measure and return the claim."""
    with SimulatorProcess(scenario="bulk_executions") as simulator:
        port = str(simulator.port)
        ours, reference = compare("benchmarks.executions", ["ours", port], ["bare", port])
    return [
        Claim(
            name=f"{EXECUTIONS:,} executions with commissions, connect to commit / bare client",
            ours=ours,
            reference=reference,
            bound=BOUND,
        )
    ]


def _ours(port: int) -> None:
    from benchmarks.work import apply, land
    from ibkr_pipeline.pipelines.workspace import open_workspace
    from ibkr_pipeline.primitives.enums import Dataset
    from ibkr_pipeline.settings import load_settings

    with TemporaryDirectory() as directory:
        settings = load_settings(
            environ={},
            overrides={"mode": "simulated", "data_dir": Path(directory), "ibkr.port": port},
        )
        with open_workspace(settings) as work, measured() as spent:
            land(work, Dataset.EXECUTIONS)
            new = apply(work, Dataset.EXECUTIONS)
    _expect(new, "new rows in core")
    report(spent(), new=new)


def _bare(port: int) -> None:
    # The reference is the bare library; the product itself reaches it through the transport alone.
    from ib_async import IB, StartupFetchNONE

    client = IB()
    with measured() as spent:
        client.connect("127.0.0.1", port, clientId=2, fetchFields=StartupFetchNONE)
        client.reqExecutions()
        fills = client.fills()
        client.disconnect()
    _expect(len(fills), "fills")
    report(spent(), fills=len(fills))


def _expect(found: int, what: str) -> None:
    if found != EXECUTIONS:
        raise RuntimeError(f"There were {found} {what}; expected {EXECUTIONS}.")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        {"ours": _ours, "bare": _bare}[sys.argv[2]](int(sys.argv[3]))
    else:
        for claim in claims():
            print(claim)
