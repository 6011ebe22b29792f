"""The protocol every broker is read through. Reading only: nothing here can send an order."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from types import TracebackType
from typing import Protocol, Self

from ibkr_pipeline.brokers.read import Read
from ibkr_pipeline.brokers.types import (
    AccountSnapshotData,
    ExecutionData,
    OptionEventData,
    OrderData,
    PositionData,
)
from ibkr_pipeline.primitives.enums import Environment


class BrokerAPI(Protocol):
    """Reads a broker.

    Used as a context manager, one connection serves every fetch inside; outside one, each fetch
    connects and disconnects on its own. `accounts=None` means every account the settings allow
    of those the broker manages. A fetch returns its `Read` also when accounts failed; it raises
    only what concerns the whole connection (refused, wrong mode, unknown account).
    """

    @property
    def broker(self) -> str:
        """Name the broker is registered under."""
        ...

    @property
    def environment(self) -> Environment:
        """World whose accounts it reads."""
        ...

    def __enter__(self) -> Self:
        """Open the connection."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection, whatever happened."""
        ...

    def managed_accounts(self) -> tuple[str, ...]:
        """Return every account the broker says it manages, in its order."""
        ...

    def fetch_account_snapshots(
        self, accounts: Sequence[str] | None = None
    ) -> Read[AccountSnapshotData]:
        """Read balances and margin, and cash by currency."""
        ...

    def fetch_positions(self, accounts: Sequence[str] | None = None) -> Read[PositionData]:
        """Read open positions."""
        ...

    def fetch_open_orders(self, accounts: Sequence[str] | None = None) -> Read[OrderData]:
        """Read the open orders of every client, and the orders completed today."""
        ...

    def fetch_option_events(
        self,
        accounts: Sequence[str] | None = None,
        *,
        from_date: date | None = None,
        to_date: date | None = None,
    ) -> Read[OptionEventData]:
        """Read exercises, assignments, expirations and cash settlements from a statement.

        Args:
            accounts: Accounts to read.
            from_date: First session date; None, with `to_date`, leaves the window to the query.
            to_date: Last session date, included.
        """
        ...

    def fetch_executions(
        self, accounts: Sequence[str] | None = None, *, since: datetime | None = None
    ) -> Read[ExecutionData]:
        """Read the executions of the broker's day, with their commissions.

        Args:
            accounts: Accounts to read.
            since: Leave out what happened before this instant.
        """
        ...
