"""`ibkr-pipeline doctor`: what works, what does not and how to mend it; changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ibkr_pipeline.cli.invocation import ConfigOption, JsonOption, begin
from ibkr_pipeline.cli.output import write_document, write_line, write_table
from ibkr_pipeline.cli.progress import progress
from ibkr_pipeline.primitives.errors import ConfigError

if TYPE_CHECKING:
    from ibkr_pipeline.pipelines.doctor import Examination

_STYLES = {"ok": "green", "warn": "yellow", "fail": "red"}


def doctor(
    context: typer.Context,
    *,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Look at settings, data directory and gateway; say in plain words what to mend.

    Ends with 0 when nothing failed, 1 when something did, 2 when the settings cannot be used.
    """
    examination = _examination(context, config, as_json=as_json)
    if as_json:
        write_document(examination.to_document())
    else:
        _write(examination)
    raise typer.Exit(examination.exit_code)


def _examination(context: typer.Context, config: Path | None, *, as_json: bool) -> Examination:
    from ibkr_pipeline.pipelines.doctor import examine, examine_unusable

    try:
        settings = begin(context, config, as_json=as_json)
    except ConfigError as error:
        return examine_unusable(error)
    with progress("looking at the installation") as tell:
        return examine(settings, on_progress=tell)


def _write(examination: Examination) -> None:
    if examination.settings:
        write_table("settings", ("setting", "value", "from"), examination.settings)
    for finding in examination.findings:
        level = finding.level.value
        write_line(f"{level:<5}{finding.check}: {finding.found}", style=_STYLES[level])
        if finding.mend is not None:
            write_line(f"     expected {finding.expected}")
            write_line(f"     {finding.mend}")
    n_failed = sum(finding.level.value == "fail" for finding in examination.findings)
    write_line(
        "Nothing failed."
        if examination.is_well
        else f"{n_failed} of {len(examination.findings)} checks failed.",
        style="green" if examination.is_well else "red",
    )
