"""YAML file and environment in, one frozen `Settings` out, and where each value came from.

What lives here: the settings as a whole, how they are loaded, and what contradicts what; the only
reader of the environment, and the one module to import settings from. What must not: the keys
below a heading (`primitives/setting_sections.py`), or anything that acts on a setting. Environment
beats file beats default. Secrets are read at call time.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, SecretStr

from ibkr_pipeline.primitives.enums import Environment
from ibkr_pipeline.primitives.setting_problems import SettingProblem, SettingsError, origin_of
from ibkr_pipeline.primitives.setting_sections import (
    GATEWAY_PAPER,
    LIVE_PORTS,
    POSTGRES_FORM,
    TWS_PAPER,
    CollectorSettings,
    DataStoreSettings,
    IbkrSettings,
    LogSettings,
    PortfolioSettings,
    Section,
    StrategySettings,
    postgres_address,
)
from ibkr_pipeline.primitives.setting_values import (
    checked,
    leaf_keys,
    put_value,
    refuse_sections_without_keys,
    without_empty_headings,
)
from ibkr_pipeline.primitives.setting_variables import (
    CONFIG_VARIABLE,
    ENVIRONMENT,
    unknown_variables,
)
from ibkr_pipeline.primitives.yaml_text import read_mapping

__all__ = [
    "CONFIG_VARIABLE",
    "ENVIRONMENT",
    "LIVE_PORTS",
    "POSTGRES_FORM",
    "TWS_PAPER",
    "CollectorSettings",
    "DataStoreSettings",
    "IbkrSettings",
    "LogSettings",
    "PortfolioSettings",
    "Settings",
    "StrategySettings",
    "child_environment",
    "contradictions",
    "is_loopback",
    "load_settings",
    "require_no_contradictions",
]

#: Keys whose values are lists of entries with keys of their own.
_LISTS = ("strategies", "portfolios")


class Settings(Section):
    """Everything that can be set.

    Attributes:
        config_file: The file values came from; None where there was none.
        origins: Dotted setting -> where its value came from; a default has no entry.
        unknown_variables: Environment variable that begins as ours do and that nothing reads ->
            the known one most like it, None where none is. A slip in a name is found by it.
    """

    mode: Environment = Environment.PAPER
    """Whose accounts may be read: `paper`, `live` or `simulated`."""
    data_dir: Path | None = None
    """Directory of raw files, control store and warehouse; unset means `./data` (paper),
    `./data/live`, `./data/simulated`."""
    lock_timeout: Annotated[float, Field(ge=0, le=86400)] = 60.0
    """Seconds a run waits for the lock of another before it ends with 75."""
    postgres_url: Annotated[SecretStr | None, AfterValidator(postgres_address)] = None
    """Database that takes the control store in place of SQLite; a secret."""
    dagster_home: Path | None = None
    """Directory of the `dagster.yaml` in force."""
    ibkr: IbkrSettings = IbkrSettings()
    data_store: DataStoreSettings = DataStoreSettings()
    collector: CollectorSettings = CollectorSettings()
    strategies: tuple[StrategySettings, ...] = ()
    portfolios: tuple[PortfolioSettings, ...] = ()
    log: LogSettings = LogSettings()
    config_file: Path | None = Field(default=None, exclude=True)
    origins: Mapping[str, str] = Field(default_factory=dict, repr=False, exclude=True)
    unknown_variables: Mapping[str, str | None] = Field(
        default_factory=dict, repr=False, exclude=True
    )

    @property
    def environment_dir(self) -> Path:
        """Directory of the warehouse, raw files and control store of this mode.

        A directory that was set is used as it is. The default differs by mode, so that simulated,
        paper and live rows never meet: `./data`, `./data/live`, `./data/simulated`.
        """
        chosen = self.data_dir or self.data_store.path
        if chosen is not None:
            return chosen.expanduser().absolute()
        base = Path("./data").absolute()
        return base if self.mode is Environment.PAPER else base / self.mode.value

    @property
    def run_history_dir(self) -> Path:
        """Directory of Dagster's run history: one for all modes, so that every run is in it."""
        base = self.data_dir or self.data_store.path or Path("./data")
        return base.expanduser().absolute() / "dagster"

    @property
    def log_path(self) -> Path:
        """The rotating log file, where one is written."""
        return self.environment_dir / "logs" / "ibkr-pipeline.log"

    @property
    def warehouse_path(self) -> Path:
        """The warehouse file; opened by `warehouse/` alone."""
        return self.environment_dir / "warehouse.duckdb"

    @property
    def control_path(self) -> Path:
        """The SQLite control store."""
        return self.environment_dir / "control.sqlite"

    @property
    def control_url(self) -> str | Path:
        """Where control is: Postgres where it is set, else the SQLite file.

        Simulated rows stay in the file: a demo must neither need nor touch a server.
        """
        if self.postgres_url is None or self.mode is Environment.SIMULATED:
            return self.control_path
        return self.postgres_url.get_secret_value()


def load_settings(
    config_file: Path | str | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """Read the configuration file and the environment into one checked `Settings`.

    Args:
        config_file: YAML file; by default the one `IBKR_PIPELINE_CONFIG` names, if any.
        environ: Environment to read; the process's own by default.
        overrides: Dotted setting -> value, above everything else (command-line options).

    Raises:
        SettingsError: If a key is unknown or a value is illegal; it names every such setting.
        ConfigError: If the file is missing or is no YAML.
    """
    environ = os.environ if environ is None else environ
    named = config_file or environ.get(CONFIG_VARIABLE)
    path = Path(named) if named else None
    origin = "" if config_file else f" (named by {CONFIG_VARIABLE})"
    read = read_mapping(path, origin=origin) if path else {}
    values = without_empty_headings(read, Settings, lists=_LISTS)
    origins = dict.fromkeys(leaf_keys(values), f"file {path}")
    refuse_sections_without_keys(values, Settings, origins=origins)
    for variable, key in ENVIRONMENT.items():
        text = environ.get(variable)
        if text:
            put_value(values, key, _split(text) if key == "ibkr.accounts" else text)
            origins[key] = f"environment {variable}"
    for key, value in (overrides or {}).items():
        put_value(values, key, value)
        origins[key] = "command line"
    facts = {
        "config_file": path,
        "origins": origins,
        "unknown_variables": unknown_variables(environ),
    }
    return checked(values, Settings, origins=origins, known=facts)


def contradictions(settings: Settings) -> tuple[SettingProblem, ...]:
    """Return the settings that contradict the mode; a gateway must not be asked with them.

    In paper mode the ports of live accounts are refused; in simulated mode every host but this
    machine is. Commands that only look at rows do not mind.
    """
    ibkr, mode = settings.ibkr, settings.mode
    if mode is Environment.PAPER and ibkr.effective_port in LIVE_PORTS:
        found = f"was {ibkr.effective_port}, where live accounts are served, and the mode is paper"
        expected = (
            f"the paper port ({TWS_PAPER} TWS, {GATEWAY_PAPER} Gateway), or "
            f"IBKR_PIPELINE_MODE=live to read live accounts"
        )
        return (_contradiction("ibkr.port", found, expected, settings),)
    if mode is Environment.SIMULATED and not is_loopback(ibkr.host):
        found = f"was {ibkr.host!r}, and the mode is simulated, which only talks to this machine"
        expected = "127.0.0.1, or another mode in IBKR_PIPELINE_MODE"
        return (_contradiction("ibkr.host", found, expected, settings),)
    return ()


def require_no_contradictions(settings: Settings) -> None:
    """Raise if a setting contradicts the mode.

    Raises:
        SettingsError: If one does.
    """
    found = contradictions(settings)
    if found:
        raise SettingsError(found)


def is_loopback(host: str) -> bool:
    """Say whether a host name or address can only be this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def child_environment(settings: Settings, *, dagster_home: Path) -> dict[str, str]:
    """Return the environment of a child process that is to see the same settings.

    It is this process's own, with the configuration file and the data directory made absolute
    (the child may run in another folder), what came from the command line put into its variable,
    and `DAGSTER_HOME`. Secrets travel the way they came.
    """
    environ = dict(os.environ)
    if settings.config_file is not None:
        environ[CONFIG_VARIABLE] = str(settings.config_file.absolute())
    for variable, key in ENVIRONMENT.items():
        if settings.origins.get(key) == "command line":
            environ[variable] = _as_text(_value_of(settings, key))
    environ["IBKR_PIPELINE_DATA"] = str(settings.environment_dir)
    environ["DAGSTER_HOME"] = str(dagster_home)
    return environ


def _value_of(settings: Settings, dotted: str) -> object:
    value: object = settings
    for part in dotted.split("."):
        value = getattr(value, part)
    return value


def _as_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Path):
        return str(value.absolute())
    if isinstance(value, tuple):
        return ",".join(str(part) for part in value)
    return str(value)


def _contradiction(key: str, found: str, expected: str, settings: Settings) -> SettingProblem:
    origin = origin_of(tuple(key.split(".")), settings.origins)
    return SettingProblem(key=key, found=found, origin=origin, expected=expected)


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
