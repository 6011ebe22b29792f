"""The program: its commands, what all of them share, and how errors become exit codes.

What lives here: the Typer application. What must not: any command's work.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ibkr_pipeline import __version__
from ibkr_pipeline.cli import backfill, demo, doctor, rebuild, show, simulate, sync, ui
from ibkr_pipeline.cli.invocation import Invocation
from ibkr_pipeline.cli.output import write_document, write_error
from ibkr_pipeline.primitives.error_report import report_error
from ibkr_pipeline.primitives.errors import PipelineError

_log = logging.getLogger(__name__)


class Program(TyperGroup):
    """The group of commands; tells every error in words and ends with its exit code."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401  # as the class it derives from
        """Run the command."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            _forget_stdout()
            raise typer.Exit(1) from error
        except (Exception, KeyboardInterrupt) as error:
            if not _is_ours_to_tell(error):
                raise
            raise typer.Exit(_tell(error, ctx.obj)) from error


def _forget_stdout() -> None:
    """Whoever read our output is gone (`| head`): write what is left nowhere, without a word."""
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


app = typer.Typer(
    cls=Program,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A warehouse for Interactive Brokers accounts that can be trusted.",
)

app.command("demo")(demo.demo)
app.command("simulate")(simulate.simulate)
app.command("sync")(sync.sync)
app.command("backfill")(backfill.backfill)
app.command("show")(show.show)
app.command("rebuild")(rebuild.rebuild)
app.command("doctor")(doctor.doctor)
app.command("ui")(ui.ui)


def _show_version(*, is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"ibkr-pipeline {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    *,
    config: Annotated[
        Path | None,
        typer.Option("--config", help="YAML file; by default the one IBKR_PIPELINE_CONFIG names."),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Tell every step on stderr.")
    ] = False,
    version: Annotated[  # noqa: ARG001  # handled by its callback
        bool,
        typer.Option(
            "--version",
            is_eager=True,
            callback=lambda value: _show_version(is_wanted=bool(value)),
            help="Show the version and exit.",
        ),
    ] = False,
) -> None:
    """Options that stand before the command."""
    context.obj = Invocation(config_file=config, is_verbose=verbose)


def _is_ours_to_tell(error: BaseException) -> bool:
    """Return whether an error is not one Typer itself raises and tells."""
    if isinstance(error, PipelineError):
        return True
    is_usage = hasattr(error, "show") and hasattr(error, "exit_code")
    return not (is_usage or isinstance(error, typer.Exit | typer.Abort))


def _tell(error: BaseException, invocation: Invocation | None) -> int:
    report = report_error(error)
    if not report.expected:
        _log.error("unexpected_error", exc_info=error)
    write_error(report.message, report.hint)
    if invocation is not None and invocation.wants_json:
        write_document(
            {
                "error": {
                    "message": report.message,
                    "hint": report.hint or None,
                    "exit_code": report.exit_code,
                    "retryable": report.retryable,
                }
            }
        )
    return report.exit_code
