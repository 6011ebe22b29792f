"""YAML file and environment in, one frozen `Settings` out, and where each value came from.

What lives here: every setting, its default and its check; the only reader of the environment.
What must not: anything that acts on a setting. Environment beats file beats default. Secrets are
`SecretStr` and are read at call time.
"""

from __future__ import annotations

import ipaddress
import itertools
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
)

from ibkr_pipeline.primitives.enums import Environment
from ibkr_pipeline.primitives.setting_problems import (
    SettingProblem,
    SettingsError,
    nearest,
    origin_of,
    problems_of,
)
from ibkr_pipeline.primitives.setting_types import is_secret, keys_of, model_of
from ibkr_pipeline.primitives.yaml_text import read_mapping

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
#: Keys whose values are lists of entries with keys of their own.
_LISTS = ("strategies", "portfolios")

TWS_PAPER, TWS_LIVE, GATEWAY_PAPER, GATEWAY_LIVE = 7497, 7496, 4002, 4001
LIVE_PORTS = (TWS_LIVE, GATEWAY_LIVE)
POSTGRES_FORM = "postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
_POSTGRES = re.compile(r"postgres(ql)?(\+\w+)?://", re.IGNORECASE)


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        near = nearest(name, available_timezones()) or "America/New_York"
        raise ValueError(f"the IANA name of a time zone, such as {near}") from None
    return name


def _postgres(url: SecretStr | None) -> SecretStr | None:
    if url is not None and not _POSTGRES.match(url.get_secret_value()):
        raise ValueError(f"{POSTGRES_FORM}, special characters of the password percent-encoded")
    return url


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
    timezone: Annotated[str, AfterValidator(_zone)] = "America/New_York"
    """Zone of the gateway where it writes times without one (IANA name)."""
    timezone_aliases: Mapping[str, Annotated[str, AfterValidator(_zone)]] = Field(
        default_factory=dict
    )
    """Zone label as the gateway writes it, such as `CST` -> the IANA name it stands for."""
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

    name: Annotated[str, Field(min_length=1, examples=["value"])]
    """Name of the instance."""
    class_path: Annotated[
        str,
        Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$", examples=["my_strategies.value.Value"]),
    ]
    """Dotted path of the strategy class."""
    allocated_capital: Annotated[float, Field(ge=0)] = 0.0
    """Capital it may use, in the account's base currency."""
    enabled: bool = True
    """Whether it is evaluated."""
    params: Mapping[str, Any] = Field(default_factory=dict)
    """Parameters of the strategy."""


class PortfolioSettings(_Section):
    """A portfolio and the accounts counted in it."""

    portfolio_id: Annotated[
        str, Field(min_length=1, pattern=r"^[\w.-]+$", examples=["retirement-2050"])
    ]
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
    postgres_url: Annotated[SecretStr | None, AfterValidator(_postgres)] = None
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
    values = _without_empty_headings(read_mapping(path, origin=origin)) if path else {}
    origins = dict.fromkeys(_leaves(values), f"file {path}")
    _refuse_what_has_no_keys(values, origins)
    for variable, key in ENVIRONMENT.items():
        text = environ.get(variable)
        if text:
            _set(values, key, _split(text) if key == "ibkr.accounts" else text)
            origins[key] = f"environment {variable}"
    for key, value in (overrides or {}).items():
        _set(values, key, value)
        origins[key] = "command line"
    return _checked(values, path=path, origins=origins)


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
    own = [name for name in ("config_file", "origins") if name in values]
    if own:
        known = f"one of {', '.join(keys_of(Settings))}"
        raise SettingsError(
            [
                SettingProblem(
                    key=name, found="is no setting", origin=f"file {path}", expected=known
                )
                for name in own
            ]
        )
    try:
        return Settings.model_validate({**values, "config_file": path, "origins": origins})
    except ValidationError as error:
        problems = problems_of(error, Settings, origins=origins, secrets=_secrets(values, Settings))
    raise SettingsError(problems)


def _contradiction(key: str, found: str, expected: str, settings: Settings) -> SettingProblem:
    origin = origin_of(tuple(key.split(".")), settings.origins)
    return SettingProblem(key=key, found=found, origin=origin, expected=expected)


def _without_empty_headings(values: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out headings with nothing below them, as when every line is commented out."""
    kinds = keys_of(Settings)
    headings = {name for name, kind in kinds.items() if model_of(kind) or name in _LISTS}
    return {
        key: value
        for key, value in values.items()
        if key not in headings or (value is not None and value != {})
    }


def _refuse_what_has_no_keys(values: Mapping[str, Any], origins: Mapping[str, str]) -> None:
    """Raise if a section of the file is a value: nothing could be merged into it."""
    flat = {key: value for key, value in values.items() if not isinstance(value, dict)}
    sections = [key for key, kind in keys_of(Settings).items() if model_of(kind) and key in flat]
    try:
        Settings.model_validate({key: flat[key] for key in sections})
    except ValidationError as error:
        problems = problems_of(error, Settings, origins=origins, secrets=())
    else:
        return
    raise SettingsError(problems)


def _secrets(values: object, kind: object) -> tuple[str, ...]:
    """Return every secret among the values, and the password of one that is an address."""
    model = model_of(kind)
    if model is not None and isinstance(values, Mapping):
        keys = keys_of(model)
        below = (_secrets(values[name], keys[name]) for name in keys if name in values)
        return tuple(itertools.chain.from_iterable(below))
    if not is_secret(kind) or not values:
        return ()
    text = str(values)
    password = re.search(r":([^:@/]+)@", text)
    return (text, password[1]) if password else (text,)


def _leaves(values: Mapping[str, Any], prefix: str = "") -> list[str]:
    found: list[str] = []
    for key, value in values.items():
        name = f"{prefix}{key}"
        is_nested = isinstance(value, Mapping) and value
        found += _leaves(value, f"{name}.") if is_nested else [name]
    return found


def _set(values: dict[str, Any], dotted: str, value: object) -> None:
    *parents, last = dotted.split(".")
    for parent in parents:
        values = values.setdefault(parent, {})
    values[last] = value


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
