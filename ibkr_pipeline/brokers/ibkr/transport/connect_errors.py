"""Why a connection did not come about, in words that say what to do.

What lives here: the errors of connecting, from what was seen until then. What must not: sockets.
"""

from __future__ import annotations

from dataclasses import dataclass

from ibkr_pipeline.brokers.exceptions import (
    BrokerConnectionError,
    ClientIdInUseError,
    GatewayNotReadyError,
)
from ibkr_pipeline.primitives.errors import BrokerError


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What was seen of an attempt to connect.

    Attributes:
        address, client_id: Where and as whom.
        timeout_seconds: How long it was given.
        server_version: Version told at the handshake; 0 if it never was.
        has_accounts: Whether accounts were told.
        is_id_in_use: Whether the gateway said error 326.
        is_closed: Whether the gateway closed the connection.
        reason: Why, as far as the library knows.
        cause: Error of the socket, if there was one.
    """

    address: str
    client_id: int
    timeout_seconds: float
    server_version: int
    has_accounts: bool
    is_id_in_use: bool
    is_closed: bool
    reason: str
    cause: BaseException | None


def explain(attempt: Attempt) -> BrokerError:
    """Return the error to raise."""
    if attempt.is_id_in_use:
        return ClientIdInUseError(
            f"Client id {attempt.client_id} is in use at {attempt.address} (error 326). Close the "
            f"other client, or set IBKR_CLIENT_ID to a number no other program uses. After a "
            f"gateway restart the old session may linger for a minute."
        )
    if attempt.cause is not None:
        return _not_reached(attempt)
    return _closed_early(attempt) if attempt.is_closed else _too_late(attempt)


def _not_reached(attempt: Attempt) -> BrokerError:
    if isinstance(attempt.cause, ConnectionRefusedError):
        return BrokerConnectionError(
            f"Nothing listens on {attempt.address}. Start TWS or Gateway and log in, enable "
            f"'ActiveX and Socket Clients' in its API settings, and compare the port "
            f"(paper: TWS 7497, Gateway 4002)."
        )
    return BrokerConnectionError(
        f"{attempt.address} could not be reached: {attempt.cause}. Compare IBKR_HOST and IBKR_PORT "
        f"with the machine TWS or Gateway runs on."
    )


def _closed_early(attempt: Attempt) -> BrokerError:
    if not attempt.server_version:
        reason = f" ({attempt.reason})" if attempt.reason else ""
        return BrokerConnectionError(
            f"{attempt.address} closed the connection before it said which API version it "
            f"speaks{reason}. Enable the API there and add this machine to its trusted IPs; if it "
            f"is no TWS or Gateway, change IBKR_PORT."
        )
    return GatewayNotReadyError(
        f"{attempt.address} closed the connection before it told accounts and next order id: "
        f"{attempt.reason or 'it may still be logging in, or the client id is in use'}. Look at "
        f"its window or log, then try again."
    )


def _too_late(attempt: Attempt) -> BrokerError:
    waited = f"within {attempt.timeout_seconds:g} s"
    if not attempt.server_version:
        return GatewayNotReadyError(
            f"{attempt.address} accepted no connection or no handshake {waited}. If a TWS or "
            f"Gateway runs there, look for a dialog that waits for an answer."
        )
    missing = "the next order id" if attempt.has_accounts else "its accounts"
    return GatewayNotReadyError(
        f"{attempt.address} (API version {attempt.server_version}) did not tell {missing} "
        f"{waited}. Wait until its log-in is finished, then try again."
    )
