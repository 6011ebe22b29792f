"""`ibkr-pipeline simulate`: the simulated broker, served on loopback until stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def simulate(
    port: Annotated[int, typer.Option(help="TWS port; 0 picks a free one.")] = 0,
    flex_port: Annotated[int, typer.Option(help="Flex port; 0 picks a free one.")] = 0,
    control_port: Annotated[int, typer.Option(help="Control port; 0 picks a free one.")] = 0,
    scenario: Annotated[
        str | None, typer.Option(metavar="FILE", help="YAML file or the name of a bundled one.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Replaces the seed of the scenario.")] = None,
    record: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Write every inbound frame there, one JSON line each."),
    ] = None,
) -> None:
    """Serve a simulated broker on 127.0.0.1; prints one READY line with its addresses."""
    from ibkr_pipeline.simulator.__main__ import main

    ports = {"--port": port, "--flex-port": flex_port, "--control-port": control_port}
    arguments = [text for name, number in ports.items() for text in (name, str(number))]
    if scenario is not None:
        arguments += ["--scenario", scenario]
    if seed is not None:
        arguments += ["--seed", str(seed)]
    if record is not None:
        arguments += ["--record", str(record)]
    raise typer.Exit(main(arguments))
