"""One invocation of the program: its common options, its settings, its logs.

What lives here: what every command does before its own work. What must not: the work.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Annotated, Any

import typer

from ibkr_pipeline.pipelines.data_directory import prepare_directory
from ibkr_pipeline.primitives.errors import ConfigError
from ibkr_pipeline.primitives.logs import configure_logging, log_event, register_secret
from ibkr_pipeline.settings import Settings, load_settings, require_no_contradictions

_log = logging.getLogger(__name__)

LOG_FILE = Path("logs") / "ibkr-pipeline.log"

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="YAML file; by default the one IBKR_PIPELINE_CONFIG names."),
]
AccountOption = Annotated[
    list[str] | None,
    typer.Option("--account", metavar="CODE", help="Only this account; may be repeated."),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="One JSON document on stdout instead of tables.")
]


@dataclass
class Invocation:
    """What the program was called with.

    Attributes:
        config_file: `--config` before the command.
        is_verbose: Whether every step is told on stderr.
        wants_json: Whether stdout is to hold one JSON document; set by the command.
    """

    config_file: Path | None = None
    is_verbose: bool = False
    wants_json: bool = False


def begin(
    context: typer.Context,
    config: Path | None,
    *,
    as_json: bool = False,
    overrides: Mapping[str, Any] | None = None,
    log_to_file: bool = False,
    accounts: Sequence[str] | None = None,
) -> Settings:
    """Return the settings of this invocation, with logs going where they say.

    Args:
        context: The command's context.
        config: `--config` of the command itself; wins over the one before it.
        as_json: Whether stdout is to hold one JSON document.
        overrides: Settings above everything else.
        log_to_file: Whether to log into the data directory too, which makes it: a command that
            reads the gateway does. A command that only looks leaves it alone.
        accounts: Account codes that were named.

    Raises:
        ConfigError: If the settings cannot be used, contradict the mode of a command that reads
            the gateway, an account code is empty, or the data directory is one of another
            environment.
    """
    invocation = context.ensure_object(Invocation)
    invocation.wants_json = as_json
    _refuse_empty(accounts or ())
    settings = load_settings(config or invocation.config_file, overrides=overrides)
    for secret in (settings.postgres_url, settings.ibkr.flex_token):
        if secret is not None:
            register_secret(secret.get_secret_value())
    if log_to_file:
        require_no_contradictions(settings)
        prepare_directory(settings)
    is_kept = log_to_file and settings.log.file
    configure_logging(
        level=settings.log.level,
        format=settings.log.format,
        file=settings.environment_dir / LOG_FILE if is_kept else None,
    )
    if not invocation.is_verbose:
        _quiet_stderr()
    _warn_of_unknown_variables(settings)
    return settings


def _warn_of_unknown_variables(settings: Settings) -> None:
    """Log one line on variables nothing reads: a slip in a name would be a default unnoticed."""
    told = [
        f"{name} (was {near} meant?)" if near else name
        for name, near in settings.unknown_variables.items()
    ]
    if told:
        log_event(_log, "unknown_variables", level=logging.WARNING, nothing_reads=", ".join(told))


def _refuse_empty(accounts: Sequence[str]) -> None:
    """Raise where an account code is empty, as an unset variable of a shell makes it."""
    if any(not code.strip() for code in accounts):
        raise ConfigError(
            "--account was empty; expected an account code such as DU0000001. Leave the option "
            "out to read every account that is allowed."
        )


def _quiet_stderr() -> None:
    """Leave only warnings and errors on stderr: the summary says the rest, the file has it all."""
    for handler in logging.getLogger().handlers:
        is_stream = isinstance(handler, logging.StreamHandler)
        if is_stream and not isinstance(handler, RotatingFileHandler):
            handler.setLevel(max(handler.level, logging.WARNING))


def is_terminal() -> bool:
    """Return whether somebody watches stderr."""
    return sys.stderr.isatty()
