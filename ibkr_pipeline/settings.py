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
    "DAGSTER_HOME": "dagster_home",
}
CONFIG_VARIABLE = "IBKR_PIPELINE_CONFIG"

TWS_PAPER, TWS_LIVE, GATEWAY_PAPER, GATEWAY_LIVE = 7497, 7496, 4002, 4001
LIVE_PORTS = (TWS_LIVE, GATEWAY_LIVE)


class _Section(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", str_strip_whitespace=True, use_attribute_docstrings=True
    )


class IbkrSettings(_Section):
    """Where the gateway is, who we are to it, which accounts we may read."""

    host: str = "127.0.0.1"
    """Where TWS or IB Gateway runs."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Its API port; unset means the paper port of TWS (7497), or of Gateway (4002)."""
    client_id: Annotated[int, Field(ge=0, le=2**31 - 1)] = 1
    """Number we connect under; one per program. 0 would also see manual orders."""
    use_gateway: bool = False
    """Whether IB Gateway is spoken to; decides the default port alone."""
    accounts: tuple[str, ...] = ()
    """Accounts that may be read, comma-separated; all the gateway manages when empty."""
    connect_timeout_seconds: Annotated[float, Field(gt=0, le=300)] = 15.0
    """From opening the socket to account list and next order id."""
    request_timeout_seconds: Annotated[float, Field(gt=0, le=3600)] = 60.0
    """For each request, from sending it to its end marker."""
    run_budget_seconds: Annotated[float, Field(gt=0, le=86400)] = 1800.0
    """For everything one run asks of the gateway."""
    max_messages_per_second: Annotated[int, Field(ge=1, le=50)] = 45
    """Messages sent per second; the gateway disconnects above 50."""
    read_attempts: Annotated[int, Field(ge=1, le=10)] = 3
    """How often a dataset is started anew when its connection was lost."""
    timezone: str = "America/New_York"
    timezone_aliases: Mapping[str, str] = Field(default_factory=dict)
    """Zone of the gateway where it writes times without one (IANA name)."""
    flex_token: SecretStr | None = None
    """Token of the Flex web service; a secret. Nothing in this version reads it."""
    flex_query_id: str | None = None
    """Flex query to fetch. Accepted and checked; nothing in this version reads it."""
    flex_url: str | None = None
    """Address of the Flex web service. Accepted and checked; nothing in this version reads it."""

    @property
    def effective_port(self) -> int:
        """Port to connect to: the one that was set, else the paper port of TWS or Gateway."""
        if self.port is not None:
            return self.port
        return GATEWAY_PAPER if self.use_gateway else TWS_PAPER


class DataStoreSettings(_Section):
    """Where bars, fundamentals, events, strategy state and the audit live."""

    backend: Literal["duckdb", "file", "postgres"] = "duckdb"
    """Accepted and checked; nothing in this version reads it."""
    path: Path | None = None
    """Data directory, where `data_dir` is not set."""


class CollectorSettings(_Section):
    """What is collected beside the account tables."""

    watchlist: tuple[str, ...] = ()
    """Accepted and checked; nothing in this version reads it."""
    fundamental_refresh_hours: Annotated[float, Field(gt=0)] = 24.0
    """Accepted and checked; nothing in this version reads it."""


class StrategySettings(_Section):
    """One strategy instance. Accepted and checked; nothing in this version reads it."""

    name: Annotated[str, Field(min_length=1)]
    """Name of the instance."""
    class_path: Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$")]
    """Dotted path of the strategy class."""
    allocated_capital: Annotated[float, Field(ge=0)] = 0.0
    """Capital it may use, in the account's base currency."""
    enabled: bool = True
    """Whether it is evaluated."""
    params: Mapping[str, Any] = Field(default_factory=dict)
    """Parameters of the strategy."""


class PortfolioSettings(_Section):
    """A portfolio and the accounts counted in it."""

    portfolio_id: Annotated[str, Field(min_length=1, pattern=r"^[\w.-]+$")]
    """Identifier the rows of its accounts carry."""
    name: str = ""
    """Name for people; the identifier when empty."""
    accounts: tuple[str, ...]
    """Accounts counted in it."""


class LogSettings(_Section):
    """How much is logged; where the rotating file goes is the data directory's `logs/`."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least severe line that is written."""
    format: Literal["text", "json"] = "text"
    """Lines for people, or one JSON object per line."""
    file: bool = True
    """Whether a rotating file is written beside stderr."""


class Settings(_Section):
    """Everything that can be set. `origins` says where each value came from."""

    mode: Environment = Environment.PAPER
    """Whose accounts may be read: `paper`, `live` or `simulated`."""
    data_dir: Path | None = None
    """Directory of raw files, control store and warehouse; unset means `./data` (paper),
    `./data/live`, `./data/simulated`."""
    lock_timeout_seconds: Annotated[float, Field(ge=0, le=86400)] = 60.0
    """How long a run waits for the lock of another before it ends with 75."""
    postgres_url: SecretStr | None = None
    """Database that takes the control store in place of SQLite; a secret."""
    dagster_home: Path | None = None
    """Directory of the `dagster.yaml` in force."""
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


def child_environment(settings: Settings, *, dagster_home: Path) -> dict[str, str]:
    """Return the environment of a child process that is to see the same settings.

    It is this process's own, with the configuration file made absolute, what came from the
    command line put into its variable, and `DAGSTER_HOME`. Secrets travel the way they came.
    """
    environ = dict(os.environ)
    if settings.config_file is not None:
        environ[CONFIG_VARIABLE] = str(settings.config_file.absolute())
    for variable, key in ENVIRONMENT.items():
        if settings.origins.get(key) == "command line":
            environ[variable] = _as_text(_value_of(settings, key))
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
