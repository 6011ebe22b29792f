"""The doctor's look at this machine: settings, directories, files.

What lives here: everything that needs no gateway. What must not: making or changing anything.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, SecretStr

from ibkr_pipeline import __version__
from ibkr_pipeline.landing.raw_files import Landing
from ibkr_pipeline.pipelines.data_directory import stamped_environment
from ibkr_pipeline.pipelines.doctor_findings import DoctorFinding, fail, ok, warn
from ibkr_pipeline.primitives.errors import ConfigError
from ibkr_pipeline.primitives.locks import holder_of
from ibkr_pipeline.primitives.setting_problems import origin_of
from ibkr_pipeline.primitives.setting_types import keys_of
from ibkr_pipeline.settings import Settings
from ibkr_pipeline.warehouse.connection import LOCK_NAME
from ibkr_pipeline.warehouse.read_copy import FILE_NAME as READ_COPY_NAME

#: Free space below which a run may not finish, and below which somebody should look; bytes.
LITTLE_SPACE = 100 * 1024**2
SOME_SPACE = 1024**3
_OTHERS = 0o077


def examine_installation(settings: Settings) -> tuple[DoctorFinding, ...]:
    """Look at versions, the configuration file and the directory of Dagster's run history."""
    python = ".".join(str(part) for part in sys.version_info[:3])
    return (
        ok("version", f"ibkr-pipeline {__version__} on Python {python}"),
        ok("configuration", _configuration(settings)),
        ok("mode", f"{settings.mode.value}: only {settings.mode.value} accounts are read"),
        *_unknown_variables(settings),
        _history(settings),
    )


def examine_data_directory(settings: Settings, *, now: datetime) -> tuple[DoctorFinding, ...]:
    """Look at the data directory of the mode: whose it is, room, permissions, raw files."""
    directory = settings.environment_dir
    if not directory.exists():
        return (_not_there_yet(directory), *_space(_nearest(directory)))
    return (
        *_stamp(directory, settings),
        *_space(directory),
        *_permissions(directory),
        *_lock(directory),
        *_warehouse(settings, now),
        *_raw_files(directory),
    )


def settings_with_origins(settings: Settings) -> tuple[tuple[str, str, str], ...]:
    """Return (setting, value, where it came from) of every setting; secrets are hidden."""
    return tuple(
        (name, value, _origin(settings, name)) for name, value in _leaves(settings) if name
    )


def _configuration(settings: Settings) -> str:
    if settings.config_file is None:
        return "no file; defaults and environment variables alone"
    return f"file {settings.config_file.absolute()}"


def _unknown_variables(settings: Settings) -> Iterator[DoctorFinding]:
    for name, near in settings.unknown_variables.items():
        yield warn(
            "environment",
            f"{name} is set, and nothing reads it",
            expected=f"{near}, the nearest there is" if near else "a variable of the reference",
            mend=f"rename it to {near}, or unset it"
            if near
            else "unset it, or leave it if another program reads it",
        )


def _history(settings: Settings) -> DoctorFinding:
    home = settings.dagster_home or settings.run_history_dir
    place = _nearest(home)
    if not os.access(place, os.W_OK):
        return fail(
            "run history",
            f"{place} cannot be written",
            expected=f"a run history in {home}",
            mend="set DAGSTER_HOME or IBKR_PIPELINE_DATA to a directory you may write",
        )
    there = "" if home.exists() else " (made by the first run)"
    return ok("run history", f"{home}{there}")


def _not_there_yet(directory: Path) -> DoctorFinding:
    parent = _nearest(directory)
    if os.access(parent, os.W_OK):
        return ok("data directory", f"{directory} (made by the first run)")
    return fail(
        "data directory",
        f"{directory} does not exist and {parent} cannot be written",
        expected="a directory that can be made",
        mend="set IBKR_PIPELINE_DATA to a directory you may write",
    )


def _stamp(directory: Path, settings: Settings) -> Iterator[DoctorFinding]:
    try:
        stamped = stamped_environment(directory)
    except ConfigError as error:
        yield fail(
            "data directory",
            str(error),
            expected="a readable stamp",
            mend="restore the file, or use another directory",
        )
        return
    if stamped is None or stamped is settings.mode:
        world = stamped.value if stamped else "no rows yet"
        yield ok("data directory", f"{directory} ({world})")
        return
    yield fail(
        "data directory",
        f"{directory} holds rows of the {stamped.value} environment",
        expected=f"rows of {settings.mode.value}, the mode",
        mend=f"set IBKR_PIPELINE_MODE={stamped.value}, or IBKR_PIPELINE_DATA to another directory",
    )


def _space(place: Path) -> Iterator[DoctorFinding]:
    free = shutil.disk_usage(place).free
    found = f"{free / 1024**3:.1f} GiB free"
    if free >= SOME_SPACE:
        yield ok("free space", found)
        return
    finding = fail if free < LITTLE_SPACE else warn
    yield finding(
        "free space",
        found,
        expected="at least 1 GiB",
        mend="make room, or set IBKR_PIPELINE_DATA to another disk",
    )


def _permissions(directory: Path) -> Iterator[DoctorFinding]:
    if not os.access(directory, os.W_OK):
        yield fail(
            "permissions",
            f"{directory} cannot be written",
            expected="a directory you may write",
            mend=f"change its owner, or set IBKR_PIPELINE_DATA ({directory})",
        )
    elif os.name != "nt" and directory.stat().st_mode & _OTHERS:
        yield warn(
            "permissions",
            f"{directory} can be read by other users of this machine",
            expected="a directory for its owner alone: it holds balances",
            mend=f"chmod 700 {directory}",
        )
    else:
        yield ok("permissions", "for its owner alone")


def _lock(directory: Path) -> Iterator[DoctorFinding]:
    note = directory / f"{LOCK_NAME}.holder"
    if note.exists():
        yield warn(
            "lock",
            f"the warehouse is held by {holder_of(directory / LOCK_NAME)}",
            expected="nobody, unless a run is under way",
            mend="wait for that run to end; the lock of a process that died is free",
        )


def _warehouse(settings: Settings, now: datetime) -> Iterator[DoctorFinding]:
    copy = settings.environment_dir / READ_COPY_NAME
    if not settings.warehouse_path.exists():
        return
    if not copy.exists():
        yield warn(
            "warehouse",
            f"{settings.warehouse_path} has no read copy",
            expected=f"a read copy at {copy}",
            mend="run `ibkr-pipeline sync all`; it publishes one",
        )
    else:
        published = datetime.fromtimestamp(copy.stat().st_mtime, tz=UTC)
        hours = (now - published).total_seconds() / 3600
        yield ok("warehouse", f"{settings.warehouse_path}, read copy {hours:.1f} h old")


def _raw_files(directory: Path) -> Iterator[DoctorFinding]:
    landing = Landing(directory)
    problems = landing.verify()
    for problem in problems:
        yield fail(
            "raw files",
            problem,
            expected="every raw file as its sidecar describes it",
            mend="restore it from a backup, or move file and sidecar out of the raw folder",
        )
    if not problems:
        yield ok("raw files", f"{len(landing.requests())} requests, all as their sidecars say")


def _nearest(path: Path) -> Path:
    """Return the nearest directory on the way up that exists."""
    return next(item for item in (path, *path.parents) if item.exists())


def _origin(settings: Settings, name: str) -> str:
    return origin_of(tuple(name.split(".")), settings.origins)


def _leaves(section: BaseModel, prefix: str = "") -> Iterator[tuple[str, str]]:
    for name in keys_of(type(section)):
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", _shown(value)


def _shown(value: object) -> str:
    if value is None:
        return "not set"
    if isinstance(value, SecretStr):
        return "set, hidden"
    if isinstance(value, tuple):
        return ", ".join(getattr(item, "name", None) or str(item) for item in value) or "none"
    return str(value)
