"""YAML file and environment in, one frozen `Settings` out, and where each value came from.

What lives here: every setting, its default and its check; the only reader of the environment.
What must not: anything that acts on a setting. Environment beats file beats default. Secrets are
`SecretStr` and are read at call time.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from ibkr_pipeline.primitives.enums import Environment
from ibkr_pipeline.primitives.errors import ConfigError

#: Environment variable -> dotted setting it overrides.
ENVIRONMENT: Mapping[str, str] = {
    "IBKR_HOST": "ibkr.host",
    "IBKR_PORT": "ibkr.port",
    "IBKR_CLIENT_ID": "ibkr.client_id",
    "IBKR_USE_GATEWAY": "ibkr.use_gateway",
    "IBKR_ACCOUNTS": "ibkr.accounts",
    "IBKR_FLEX_TOKEN": "ibkr.flex_token",
    "IBKR_FLEX_QUERY_ID": "ibkr.flex_query_id",
    "IBKR_FLEX_URL": "ibkr.flex_url",
    "IBKR_PIPELINE_DATA": "data_dir",
    "IBKR_PIPELINE_MODE": "mode",
    "IBKR_PIPELINE_POSTGRES_URL": "postgres_url",
}
CONFIG_VARIABLE = "IBKR_PIPELINE_CONFIG"

TWS_PAPER, TWS_LIVE, GATEWAY_PAPER, GATEWAY_LIVE = 7497, 7496, 4002, 4001
LIVE_PORTS = (TWS_LIVE, GATEWAY_LIVE)


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class IbkrSettings(_Section):
    """Where the gateway is, who we are to it, which accounts we may read."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    client_id: Annotated[int, Field(ge=0, le=2**31 - 1)] = 1
    use_gateway: bool = False
    accounts: tuple[str, ...] = ()
    connect_timeout_seconds: Annotated[float, Field(gt=0, le=300)] = 15.0
    request_timeout_seconds: Annotated[float, Field(gt=0, le=3600)] = 60.0
    run_budget_seconds: Annotated[float, Field(gt=0, le=86400)] = 1800.0
    max_messages_per_second: Annotated[int, Field(ge=1, le=50)] = 45
    read_attempts: Annotated[int, Field(ge=1, le=10)] = 3
    timezone: str = "America/New_York"
    flex_token: SecretStr | None = None
    flex_query_id: str | None = None
    flex_url: str | None = None

    @property
    def effective_port(self) -> int:
        """Port to connect to: the one that was set, else the paper port of TWS or Gateway."""
        if self.port is not None:
            return self.port
        return GATEWAY_PAPER if self.use_gateway else TWS_PAPER


class DataStoreSettings(_Section):
    """Where bars, fundamentals, events, strategy state and the audit live."""

    backend: Literal["duckdb", "file", "postgres"] = "duckdb"
    path: Path | None = None


class CollectorSettings(_Section):
    """What is collected beside the account tables."""

    watchlist: tuple[str, ...] = ()
    fundamental_refresh_hours: Annotated[float, Field(gt=0)] = 24.0


class StrategySettings(_Section):
    """One strategy instance as the configuration names it."""

    name: Annotated[str, Field(min_length=1)]
    class_path: Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$")]
    allocated_capital: Annotated[float, Field(ge=0)] = 0.0
    enabled: bool = True
    params: Mapping[str, Any] = Field(default_factory=dict)


class PortfolioSettings(_Section):
    """A portfolio and the accounts counted in it."""

    portfolio_id: Annotated[str, Field(min_length=1, pattern=r"^[\w.-]+$")]
    name: str = ""
    accounts: tuple[str, ...]


class LogSettings(_Section):
    """How much is logged; where the rotating file goes is the data directory's `logs/`."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    format: Literal["text", "json"] = "text"
    file: bool = True


class Settings(_Section):
    """Everything that can be set. `origins` says where each value came from."""

    mode: Environment = Environment.PAPER
    data_dir: Path | None = None
    lock_timeout_seconds: Annotated[float, Field(ge=0, le=86400)] = 60.0
    postgres_url: SecretStr | None = None
    ibkr: IbkrSettings = IbkrSettings()
    data_store: DataStoreSettings = DataStoreSettings()
    collector: CollectorSettings = CollectorSettings()
    strategies: tuple[StrategySettings, ...] = ()
    portfolios: tuple[PortfolioSettings, ...] = ()
    log: LogSettings = LogSettings()
    config_file: Path | None = None
    origins: Mapping[str, str] = Field(default_factory=dict, repr=False)

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
    def warehouse_path(self) -> Path:
        """The warehouse file; opened by `warehouse/` alone."""
        return self.environment_dir / "warehouse.duckdb"

    @property
    def control_path(self) -> Path:
        """The SQLite control store."""
        return self.environment_dir / "control.sqlite"


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
        ConfigError: If a file is missing or malformed, a key is unknown or a value is illegal.
    """
    environ = os.environ if environ is None else environ
    named = config_file or environ.get(CONFIG_VARIABLE)
    path = Path(named) if named else None
    values: dict[str, Any] = _read_yaml(path) if path else {}
    origins = dict.fromkeys(_leaves(values), f"file {path}")
    for variable, key in ENVIRONMENT.items():
        text = environ.get(variable)
        if text:
            _set(values, key, _split(text) if key == "ibkr.accounts" else text)
            origins[key] = f"environment {variable}"
    for key, value in (overrides or {}).items():
        _set(values, key, value)
        origins[key] = "command line"
    return _checked(values, path=path, origins=origins)


def _checked(values: dict[str, Any], *, path: Path | None, origins: dict[str, str]) -> Settings:
    if "origins" in values or "config_file" in values:
        raise ConfigError("`origins` and `config_file` are no settings; remove them from the file.")
    try:
        return Settings.model_validate({**values, "config_file": path, "origins": origins})
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}"
            for item in error.errors(include_input=False, include_url=False)
        )
        raise ConfigError(
            f"The settings cannot be used: {problems}. Where each value came from: "
            f"`ibkr-pipeline doctor`."
        ) from None


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(
            f"Configuration file {path} does not exist; create it or unset it."
        ) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"Configuration file {path} cannot be read as YAML: {error}") from error
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise ConfigError(
            f"Configuration file {path} held a {type(loaded).__name__}; expected keys."
        )
    return loaded


def _leaves(values: Mapping[str, Any], prefix: str = "") -> list[str]:
    found: list[str] = []
    for key, value in values.items():
        name = f"{prefix}{key}"
        found += _leaves(value, f"{name}.") if isinstance(value, Mapping) else [name]
    return found


def _set(values: dict[str, Any], dotted: str, value: object) -> None:
    *parents, last = dotted.split(".")
    for parent in parents:
        inner = values.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"Setting {parent} was {inner!r}; expected keys below it.")
        values = inner
    values[last] = value


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
