"""The settings of each subject: type, default, check and meaning of every key.

What lives here: one model per heading of the configuration file. What must not: where values come
from, or what follows from several headings together (`settings.py`). Secrets are `SecretStr`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from ibkr_pipeline.primitives.setting_problems import nearest

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


def postgres_address(url: SecretStr | None) -> SecretStr | None:
    """Return the address of a Postgres database as it is.

    Raises:
        ValueError: If it is none.
    """
    if url is not None and not _POSTGRES.match(url.get_secret_value()):
        raise ValueError(f"{POSTGRES_FORM}, special characters of the password percent-encoded")
    return url


class Section(BaseModel):
    """Keys that stand together; frozen, and none but the known ones."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", str_strip_whitespace=True, use_attribute_docstrings=True
    )


class IbkrSettings(Section):
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
    """Token of the Flex web service; a secret. With a query it switches statements on."""
    flex_query_id: str | None = None
    """Number of the Activity Flex Query to fetch."""
    flex_url: str | None = None
    """Address of the Flex web service; IBKR's own by default."""
    flex_budget_seconds: Annotated[float, Field(gt=0, le=86400)] = 900.0
    """For one statement, from asking for it to its last byte, all tries included."""
    flex_spacing_seconds: Annotated[float, Field(ge=0, le=86400)] | None = None
    """Between two requests for the same statement; 600, and 0 on this machine, by default."""
    flex_max_bytes: Annotated[int, Field(ge=1024)] = 1024**3
    """Longest statement that is downloaded, bytes."""

    @property
    def effective_port(self) -> int:
        """Port to connect to: the one that was set, else the paper port of TWS or Gateway."""
        if self.port is not None:
            return self.port
        return GATEWAY_PAPER if self.use_gateway else TWS_PAPER


class DataStoreSettings(Section):
    """Where bars, fundamentals, events, strategy state and the audit live."""

    backend: Literal["duckdb", "file", "postgres"] = "duckdb"
    """Accepted and checked; nothing in this version reads it."""
    path: Path | None = None
    """Data directory, where `data_dir` is not set."""


class CollectorSettings(Section):
    """What is collected beside the account tables."""

    watchlist: tuple[str, ...] = ()
    """Accepted and checked; nothing in this version reads it."""
    fundamental_refresh_hours: Annotated[float, Field(gt=0)] = 24.0
    """Accepted and checked; nothing in this version reads it."""


class StrategySettings(Section):
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


class PortfolioSettings(Section):
    """A portfolio and the accounts counted in it."""

    portfolio_id: Annotated[
        str, Field(min_length=1, pattern=r"^[\w.-]+$", examples=["retirement-2050"])
    ]
    """Identifier the rows of its accounts carry."""
    name: str = ""
    """Name for people; the identifier when empty."""
    accounts: tuple[str, ...]
    """Accounts counted in it."""


class LogSettings(Section):
    """How much is logged; where the rotating file goes is the data directory's `logs/`."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least severe line that is written."""
    format: Literal["text", "json"] = "text"
    """Lines for people, or one JSON object per line."""
    file: bool = True
    """Whether a rotating file is written beside stderr."""
