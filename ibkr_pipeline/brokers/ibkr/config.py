"""How to reach a gateway and what may be read behind it.

What lives here: `IBKRConnectionConfig`, made from the settings and checked before anything is
sent. What must not: the connection itself (`transport/`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ibkr_pipeline.primitives.enums import Environment
from ibkr_pipeline.primitives.errors import ConfigError
from ibkr_pipeline.settings import (
    LIVE_PORTS,
    TWS_PAPER,
    Settings,
    is_loopback,
    require_no_contradictions,
)

#: reqPositions and reqAccountUpdates serve at most this many accounts.
MAX_SYNCED_ACCOUNTS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class IBKRConnectionConfig:
    """Everything the transport needs to know.

    Attributes:
        host, port, client_id, use_gateway: Where the gateway is and who we are to it.
        mode: World whose accounts may be read.
        accounts: Accounts that may be read; all that the gateway manages when empty.
        connect_timeout_seconds: From opening the socket to account list and next order id.
        request_timeout_seconds: For each request, from sending it to its end marker.
        run_budget_seconds: For everything one transport does, from its first connection on.
        max_messages_per_second: Messages sent per second; 0 sets no limit (tests alone).
        read_attempts: How often a dataset is started anew when its connection was lost.
        backoff_seconds: First wait before a new connection; doubles, with jitter.
        commission_wait_seconds: How long to wait for commissions after the executions ended.
        price_timeout_seconds: How long to wait for one account's prices; they are advisory.
        max_synced_accounts: Above this many accounts the Multi requests are used.
        timezone: Zone of the gateway where it writes times without one (IANA name).
        timezone_aliases: Zone label as the gateway writes it -> IANA name.
    """

    host: str = "127.0.0.1"
    port: int = TWS_PAPER
    client_id: int = 1
    use_gateway: bool = False
    mode: Environment = Environment.PAPER
    accounts: tuple[str, ...] = ()
    connect_timeout_seconds: float = 15.0
    request_timeout_seconds: float = 60.0
    run_budget_seconds: float = 1800.0
    max_messages_per_second: int = 45
    read_attempts: int = 3
    backoff_seconds: float = 1.0
    commission_wait_seconds: float = 2.0
    price_timeout_seconds: float = 10.0
    max_synced_accounts: int = MAX_SYNCED_ACCOUNTS
    timezone: str = "America/New_York"
    timezone_aliases: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what contradicts the mode before a socket is opened.

        Raises:
            ConfigError: If a live port is named in paper mode, a host that is not this machine
                in simulated mode, or a time zone that does not exist.
        """
        if self.mode is Environment.PAPER and self.port in LIVE_PORTS:
            raise ConfigError(
                f"The port was {self.port}, where TWS and Gateway serve live accounts, and the "
                f"mode is paper. Set IBKR_PORT to the paper port (7497 TWS, 4002 Gateway), or "
                f"IBKR_PIPELINE_MODE=live to read live accounts."
            )
        if self.mode is Environment.SIMULATED and not is_loopback(self.host):
            raise ConfigError(
                f"The host was {self.host!r} and the mode is simulated, which only talks to this "
                f"machine. Set IBKR_HOST=127.0.0.1, or another mode."
            )
        for zone in (self.timezone, *self.timezone_aliases.values()):
            _require_zone(zone)

    @classmethod
    def from_settings(cls, settings: Settings) -> IBKRConnectionConfig:
        """Return the configuration the settings ask for.

        Raises:
            SettingsError: If the settings contradict the mode.
        """
        require_no_contradictions(settings)
        ibkr = settings.ibkr
        return cls(
            host=ibkr.host,
            port=ibkr.effective_port,
            client_id=ibkr.client_id,
            use_gateway=ibkr.use_gateway,
            mode=settings.mode,
            accounts=ibkr.accounts,
            connect_timeout_seconds=ibkr.connect_timeout_seconds,
            request_timeout_seconds=ibkr.request_timeout_seconds,
            run_budget_seconds=ibkr.run_budget_seconds,
            max_messages_per_second=ibkr.max_messages_per_second,
            read_attempts=ibkr.read_attempts,
            timezone=ibkr.timezone,
            timezone_aliases=dict(ibkr.timezone_aliases),
        )

    @property
    def address(self) -> str:
        """`host:port`, for messages and budget buckets."""
        return f"{self.host}:{self.port}"


def _require_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(
            f"The time zone was {name!r}; expected an IANA name such as America/New_York. "
            f"Set ibkr.timezone (or the value in ibkr.timezone_aliases)."
        ) from error
