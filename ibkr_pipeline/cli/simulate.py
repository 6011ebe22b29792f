"""`ibkr-pipeline simulate`: the simulated broker, served on loopback until stopped."""

from __future__ import annotations

from typing import Annotated

import typer


def simulate(
    port: Annotated[int, typer.Option(help="TWS port; 0 picks a free one.")] = 0,
    control_port: Annotated[int, typer.Option(help="Control port; 0 picks a free one.")] = 0,
    scenario: Annotated[
        str | None, typer.Option(metavar="FILE", help="YAML file or the name of a bundled one.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Replaces the seed of the scenario.")] = None,
) -> None:
    """Serve a simulated broker on 127.0.0.1; prints one READY line with its addresses."""
    from ibkr_pipeline.simulator.__main__ import main

    arguments = ["--port", str(port), "--control-port", str(control_port)]
    if scenario is not None:
        arguments += ["--scenario", scenario]
    if seed is not None:
        arguments += ["--seed", str(seed)]
    raise typer.Exit(main(arguments))
