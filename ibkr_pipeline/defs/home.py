"""Where Dagster keeps its run history, and which dagster.yaml is in force.

What lives here: the home directory of the instance. What must not: what runs on it (`launch.py`).

One history for every mode, so that demo, command line and UI show the same runs: `dagster/` in
the data directory, or the directory `DAGSTER_HOME` names. The dagster.yaml in force is the one
at the root of the project when the command is run there, else the package's own.
"""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path

from ibkr_pipeline.primitives.errors import ConfigError
from ibkr_pipeline.settings import Settings

INSTANCE_FILE = "dagster.yaml"
_MODULE = "ibkr_pipeline.definitions"


def ensure_dagster_home(settings: Settings, *, project: Path | None = None) -> Path:
    """Return the absolute home directory of the Dagster instance, ready for use.

    Args:
        settings: `dagster_home` (DAGSTER_HOME) wins over the data directory.
        project: Directory whose dagster.yaml is in force if it is this project's; the current
            one by default.

    Raises:
        ConfigError: If the directory cannot be made.
    """
    if settings.dagster_home is not None:
        home = settings.dagster_home.expanduser().absolute()
        _make(home)
        if not (home / INSTANCE_FILE).exists():
            _write(home / INSTANCE_FILE, _packaged())
        return home
    home = settings.run_history_dir
    _make(home)
    root_file = _project_file(Path.cwd() if project is None else project)
    if root_file is not None:
        _write(home / INSTANCE_FILE, root_file.read_text(encoding="utf-8"))
    elif not (home / INSTANCE_FILE).exists():
        _write(home / INSTANCE_FILE, _packaged())
    return home


def _project_file(directory: Path) -> Path | None:
    """Return the directory's dagster.yaml if it is the one of this project."""
    project, instance = directory / "pyproject.toml", directory / INSTANCE_FILE
    if not (project.is_file() and instance.is_file()):
        return None
    try:
        tool = tomllib.loads(project.read_text(encoding="utf-8")).get("tool", {})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return None
    return instance if tool.get("dagster", {}).get("module_name") == _MODULE else None


def _packaged() -> str:
    return resources.files("ibkr_pipeline.defs").joinpath(INSTANCE_FILE).read_text("utf-8")


def _make(home: Path) -> None:
    """Make the directory for its owner alone: run history names accounts."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"Run history directory {home} could not be made ({error.strerror}); set DAGSTER_HOME "
            f"or IBKR_PIPELINE_DATA to a directory you may write."
        ) from error


def _write(target: Path, text: str) -> None:
    if target.exists() and target.read_text(encoding="utf-8") == text:
        return
    temporary = target.with_name(f".{target.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(target)
