"""`ibkr-pipeline ui`: the Dagster UI on the same run history, on loopback alone."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Annotated

import typer

from ibkr_pipeline.cli.invocation import ConfigOption, begin
from ibkr_pipeline.cli.output import write_line

#: Seconds the UI and its helpers get to end before they are ended.
STOP_SECONDS = 15.0


def ui(
    context: typer.Context,
    *,
    port: Annotated[
        int | None, typer.Option(help="Port on 127.0.0.1; 3000, or the next free one.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Open the Dagster UI on 127.0.0.1: lineage, runs, checks, schedules and sensors."""
    settings = begin(context, config)
    from ibkr_pipeline.defs.launch import heal_run_history
    from ibkr_pipeline.defs.web_ui import ui_command

    heal_run_history(settings)
    command = ui_command(settings, port=port)
    write_line(f"Dagster UI ({settings.mode.value}) on {command.address}; Ctrl-C ends it.")
    raise typer.Exit(_run(command.arguments, dict(command.environment), command.directory))


def _run(arguments: tuple[str, ...], environment: dict[str, str], directory: Path) -> int:
    """Run the child until it ends; when we are stopped, it is stopped first."""
    child = subprocess.Popen(  # noqa: S603  # our own arguments
        arguments, env=environment, cwd=directory
    )
    try:
        return child.wait()
    except KeyboardInterrupt:
        _stop(child)
        return 0


def _stop(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(timeout=STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
