"""How one simulated gateway behaves: version, formats and the switches real gateways have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

MINIMUM_VERSION = 157
MAXIMUM_VERSION = 178


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayOptions:
    """Switches of a gateway.

    Attributes:
        server_version: Highest version offered; a connection gets the lower of this and the
            client's maximum.
        time_format: How execution times are written, one of `wire.text.TIME_FORMATS`.
        time_zone_label: Name of the gateway's zone in times.
        ledger_prefix: `$LEDGER-` before per-currency account values (builds from 10.47).
        account_not_ready_first: Send AccountReady=false and empty values before the true ones.
        read_only: The Read-Only API setting: order requests are refused with 321.
        rate_limit: Requests per second before error 100; the third time disconnects. 0 is off.
        max_position_accounts: With more accounts than this reqPositions is refused; 0 is off.
        commission_order: `interleaved` (after each execution) or `after_executions` (all of them
            behind the last execution, before the end marker).
        master_client_id: Client that also hears of other clients' orders; -1 is nobody.
        advisor: Account id of the advisor's master account, empty without one.
        groups: Advisor account groups by name.
    """

    server_version: int = MAXIMUM_VERSION
    time_format: str = "zoned"
    time_zone_label: str = "US/Eastern"
    ledger_prefix: bool = False
    account_not_ready_first: bool = False
    read_only: bool = False
    rate_limit: int = 0
    max_position_accounts: int = 0
    commission_order: str = "interleaved"
    master_client_id: int = -1
    advisor: str = ""
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
