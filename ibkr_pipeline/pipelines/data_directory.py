"""The data directory and the stamp that says which world its rows are from.

What lives here: making the directory, stamping it, refusing one that belongs to another
environment. What must not: what is kept inside (`landing/`, `control/`, `warehouse/`).
"""

from __future__ import annotations

import json
from pathlib import Path

from ibkr_pipeline.primitives.enums import Environment
from ibkr_pipeline.primitives.errors import ConfigError
from ibkr_pipeline.settings import Settings

STAMP_NAME = "environment.json"


def prepare_directory(settings: Settings) -> Path:
    """Return the data directory of the mode, made and stamped if it was not there.

    It is readable by its owner alone: it will hold balances.

    Raises:
        ConfigError: If it cannot be made, or holds rows of another environment.
    """
    directory = settings.environment_dir
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"Data directory {directory} could not be made ({error.strerror}); set "
            f"IBKR_PIPELINE_DATA to a directory you may write."
        ) from error
    require_environment(directory, settings.mode)
    stamp = directory / STAMP_NAME
    if not stamp.exists():
        temporary = directory / f".{STAMP_NAME}.tmp"
        temporary.write_text(json.dumps({"environment": settings.mode.value}), encoding="utf-8")
        temporary.replace(stamp)
    return directory


def with_stamped_mode(settings: Settings) -> Settings:
    """Return the settings in the mode of the directory's stamp, for commands that only read it.

    What is in a directory is of one environment: where nobody chose a mode, the stamp does. A
    mode somebody chose (environment, file or option) is a statement about the rows they expect,
    and is never overruled.

    Raises:
        ConfigError: If a mode was chosen and the rows are of another environment.
    """
    directory = settings.environment_dir
    if "mode" in settings.origins:
        require_environment(directory, settings.mode)
        return settings
    stamped = stamped_environment(directory)
    if stamped is None or stamped is settings.mode:
        return settings
    return settings.model_copy(update={"mode": stamped, "data_dir": directory})


def require_environment(directory: Path, mode: Environment) -> None:
    """Raise unless the directory is unstamped or stamped with `mode`.

    Raises:
        ConfigError: If its rows are from another environment.
    """
    stamped = stamped_environment(directory)
    if stamped is not None and stamped is not mode:
        raise ConfigError(
            f"Data directory {directory} holds rows of the {stamped.value} environment, and the "
            f"mode was {mode.value}. Rows of two environments never share a directory: set "
            f"IBKR_PIPELINE_MODE={stamped.value}, or IBKR_PIPELINE_DATA to another directory."
        )


def stamped_environment(directory: Path) -> Environment | None:
    """Return the environment the directory is stamped with, None when it has no stamp.

    Raises:
        ConfigError: If the stamp cannot be read.
    """
    stamp = directory / STAMP_NAME
    try:
        found = json.loads(stamp.read_text(encoding="utf-8"))
        return Environment(found["environment"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ConfigError(
            f"{stamp} was not readable as the stamp of a data directory ({error}); expected "
            f'{{"environment": "paper" | "live" | "simulated"}}. Restore it, or use another '
            f"directory."
        ) from error
