"""What the reading side needs of a connection, as protocols.

What lives here: `Connection`, which `IBKRConnection` and the mock of the tests fulfil, and
`Wiring`, a connection with the inbox of one read. What must not: either of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ibkr_pipeline.brokers.ibkr.transport.receiver import Inbox
from ibkr_pipeline.models.requests import BrokerNotice


class Connection(Protocol):
    """A connection to one gateway."""

    epoch: str

    @property
    def address(self) -> str:
        """`host:port`."""
        ...

    @property
    def server_version(self) -> int:
        """TWS API version negotiated."""
        ...

    @property
    def managed_accounts(self) -> tuple[str, ...]:
        """Accounts the gateway said it manages."""
        ...

    @property
    def server_outage(self) -> str | None:
        """Why the gateway has lost IBKR at present; None while it has not."""
        ...

    @property
    def gateway_time(self) -> str:
        """The gateway's clock at the handshake."""
        ...

    @property
    def peer_host(self) -> str:
        """Address of the machine connected to."""
        ...

    @property
    def next_order_id(self) -> int:
        """Get and increment the next order id."""
        ...

    def connect(self) -> None:
        """Connect; returns once accounts and next order id were told."""
        ...

    def disconnect(self) -> None:
        """Close, whatever state it is in."""
        ...

    def is_connected(self) -> bool:
        """Say whether requests can be sent."""
        ...

    def new_request_id(self) -> int:
        """Return an id for a request."""
        ...

    def send(self, request: str, *arguments: object) -> None:
        """Send a reading request."""
        ...

    def open_inbox(self) -> Inbox:
        """Start collecting messages for one read."""
        ...

    def close_inbox(self) -> None:
        """Stop collecting messages."""
        ...

    def take_notices(self) -> tuple[BrokerNotice, ...]:
        """Return what the gateway said since the last call."""
        ...


@dataclass(frozen=True, slots=True)
class Wiring:
    """A connection and the inbox of the read that runs on it."""

    connection: Connection
    inbox: Inbox
