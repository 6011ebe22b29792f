"""How to reach the Flex web service, and how patient to be with it.

What lives here: `FlexConfig`, checked before anything is sent, and the window of a statement. What
must not: the requests themselves (`flex_http.py`, `flex_client.py`). The token is a secret and is
shown nowhere.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import version
from urllib.parse import quote, quote_plus, urlsplit

from pydantic import SecretStr

from ibkr_pipeline.primitives.enums import Environment
from ibkr_pipeline.primitives.errors import ConfigError
from ibkr_pipeline.primitives.secrets_registry import register_secret
from ibkr_pipeline.settings import Settings, is_loopback

DEFAULT_FLEX_URL = "https://ndcdyn.interactivebrokers.com/AccountManagement/FlexWebService"
#: Longest window the service overrides a query with, first and last day counted.
MAX_WINDOW_DAYS = 365
#: Between two requests for the same statement of IBKR's service, seconds. The service counts to
#: ten a minute, and yet refuses a query that is asked for again and again within minutes.
LIVE_SPACING_SECONDS = 600.0

_SHORTEST_TOKEN = 4
_TOKEN = re.compile(r"[!-~]+")
_QUERY_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FlexConfig:
    """Everything the Flex client needs to know. All times are seconds.

    Attributes:
        token: Secret of the web service (Client Portal, Flex Web Configuration).
        query_id: Number of the Flex query.
        url: Address before `/SendRequest`; https, or http on this machine alone.
        connect_timeout_seconds: For opening the connection.
        read_timeout_seconds: For each wait for bytes.
        total_timeout_seconds: For one request, from its connection to its last byte.
        budget_seconds: For everything one call does, waiting included.
        max_bytes: Longest answer that is read, after decompression.
        max_requests: Most requests one call sends, whatever is answered.
        requests_per_second: Allowance of the token, every process counted; 0 sets no limit.
        requests_per_minute: Likewise, per minute.
        spacing_seconds: Between two requests for the same statement; None means 600 for IBKR's
            service and 0 for one on this machine.
        poll_seconds: Waits before asking again for a statement in the making; the last repeats.
        slow_retry_seconds: Waits before asking for a statement anew (1001, 1009); no more tries.
        backoff_seconds: Waits after a server error or a lost connection; no more tries.
        throttle_retries: How often "too many requests" (1018) is waited out.
        user_agent: Who we say we are; the service refuses requests without.
    """

    token: SecretStr
    query_id: str
    url: str = DEFAULT_FLEX_URL
    connect_timeout_seconds: float = 15.0
    read_timeout_seconds: float = 60.0
    total_timeout_seconds: float = 600.0
    budget_seconds: float = 900.0
    max_bytes: int = 1024**3
    max_requests: int = 60
    requests_per_second: int = 1
    requests_per_minute: int = 10
    spacing_seconds: float | None = None
    poll_seconds: tuple[float, ...] = (5.0, 10.0, 20.0, 30.0)
    slow_retry_seconds: tuple[float, ...] = (60.0, 120.0)
    backoff_seconds: tuple[float, ...] = (2.0, 5.0, 15.0, 30.0)
    throttle_retries: int = 2
    user_agent: str = field(default_factory=lambda: f"ibkr-pipeline/{version('ibkr-pipeline')}")

    def __post_init__(self) -> None:
        """Refuse what could not work or would send the token where it does not belong.

        Raises:
            ConfigError: Names the setting; never shows the token.
        """
        _require_token(self.token)
        if not _QUERY_ID.fullmatch(self.query_id):
            raise ConfigError(
                f"The Flex query id was {self.query_id!r}; expected its number as the Client "
                f"Portal shows it. Set IBKR_FLEX_QUERY_ID."
            )
        _require_address(self.url)
        _require_positive(self)

    @classmethod
    def from_settings(cls, settings: Settings) -> FlexConfig:
        """Return the configuration the settings ask for.

        Raises:
            ConfigError: If token or query is not set, or simulated mode would leave this machine.
        """
        ibkr = settings.ibkr
        if ibkr.flex_token is None or ibkr.flex_query_id is None:
            missing = "IBKR_FLEX_TOKEN" if ibkr.flex_token is None else "IBKR_FLEX_QUERY_ID"
            raise ConfigError(
                f"{missing} was not set; statements need the token of the Flex web service and "
                f"the number of a query. Set both, or load a file with --flex-file."
            )
        url = ibkr.flex_url or DEFAULT_FLEX_URL
        if settings.mode is not Environment.SIMULATED:
            return cls(
                token=ibkr.flex_token,
                query_id=ibkr.flex_query_id,
                url=url,
                budget_seconds=ibkr.flex_budget_seconds,
                spacing_seconds=ibkr.flex_spacing_seconds,
                max_bytes=ibkr.flex_max_bytes,
            )
        if not is_loopback(urlsplit(url).hostname or ""):
            raise ConfigError(
                f"The Flex address was that of {urlsplit(url).hostname!r} and the mode is "
                f"simulated, which only talks to this machine. Set IBKR_FLEX_URL to the simulated "
                f"service, or another mode."
            )
        return cls(
            token=ibkr.flex_token,
            query_id=ibkr.flex_query_id,
            url=url,
            budget_seconds=ibkr.flex_budget_seconds,
            spacing_seconds=ibkr.flex_spacing_seconds,
            max_bytes=ibkr.flex_max_bytes,
            requests_per_second=0,
            requests_per_minute=0,
            poll_seconds=(0.1, 0.5, 1.0, 5.0),
        )

    @property
    def is_local(self) -> bool:
        """Whether the service runs on this machine."""
        return is_loopback(urlsplit(self.url).hostname or "")

    @property
    def spacing(self) -> float:
        """Seconds between two requests for the same statement."""
        if self.spacing_seconds is not None:
            return self.spacing_seconds
        return 0.0 if self.is_local else LIVE_SPACING_SECONDS

    @property
    def token_digest(self) -> str:
        """Short hash that names the token's allowance; the token cannot be had back from it."""
        return hashlib.sha256(self.token.get_secret_value().encode()).hexdigest()[:12]


def window_parameters(from_date: date | None, to_date: date | None) -> dict[str, str]:
    """Return the parameters that override the window of a query; none for the query's own.

    Raises:
        ValueError: If one end is missing, the ends are the wrong way round, or the window is
            longer than 365 days with both ends counted.
    """
    if from_date is None and to_date is None:
        return {}
    if from_date is None or to_date is None:
        raise ValueError(f"The window was {from_date} to {to_date}; expected both ends or neither.")
    n_days = (to_date - from_date).days + 1
    if not 1 <= n_days <= MAX_WINDOW_DAYS:
        raise ValueError(
            f"The window {from_date} to {to_date} has {n_days} days; expected 1 to "
            f"{MAX_WINDOW_DAYS}. Ask for it in parts."
        )
    return {"fd": f"{from_date:%Y%m%d}", "td": f"{to_date:%Y%m%d}"}


def _require_token(secret: SecretStr) -> None:
    if not _registered(secret):
        raise ConfigError(
            f"The Flex token had {len(secret)} characters (it is a secret and is not shown); "
            f"expected at least {_SHORTEST_TOKEN}, without spaces. Copy it again from the Client "
            f"Portal into IBKR_FLEX_TOKEN."
        )


def _registered(secret: SecretStr) -> bool:
    """Make the token known to the scrubber, also as an address and a host spell it."""
    token = secret.get_secret_value()
    for spelling in (token, quote_plus(token), quote(token), quote(token, safe=""), token.lower()):
        register_secret(spelling)
    return len(token) >= _SHORTEST_TOKEN and _TOKEN.fullmatch(token) is not None


def _require_address(url: str) -> None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise ConfigError(
            f"The Flex address could not be read ({error}); expected one like "
            f"{DEFAULT_FLEX_URL}. Set IBKR_FLEX_URL."
        ) from error
    if parts.username or parts.password or parts.query or parts.fragment:
        found = "held a user, a password or parameters, which may be secrets and are not shown"
    elif not host:
        found = "named no host"
    elif parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        found = f"was {parts.scheme or 'no scheme'}:// on {host}, which would send the token open"
    else:
        return
    raise ConfigError(
        f"The Flex address {found}; expected https, or http on this machine, such as "
        f"{DEFAULT_FLEX_URL}. Correct or unset IBKR_FLEX_URL."
    )


def _require_positive(config: FlexConfig) -> None:
    for name in (
        "connect_timeout_seconds",
        "read_timeout_seconds",
        "total_timeout_seconds",
        "budget_seconds",
        "max_bytes",
        "max_requests",
    ):
        if getattr(config, name) <= 0:
            raise ConfigError(f"{name} was {getattr(config, name)}; expected more than 0.")
    if not config.poll_seconds or min(config.poll_seconds) <= 0:
        raise ConfigError(
            f"poll_seconds was {config.poll_seconds}; expected one wait or more, above 0."
        )
