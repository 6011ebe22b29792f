"""Why a connection did not come about, in words that say what to do.

What lives here: the errors of connecting, from what was seen until then. What must not: sockets.
"""

from __future__ import annotations

from dataclasses import dataclass

from ibkr_pipeline.brokers.exceptions import (
    BrokerConnectionError,
    ClientIdInUseError,
    GatewayNotReadyError,
    NotAGatewayError,
)
from ibkr_pipeline.primitives.errors import BrokerError

#: First bytes of what is often met on a wrong port -> what it is.
_STRANGERS = (
    (b"HTTP/", " (a web server)"),
    (b"SSH-", " (an SSH server)"),
    (b"220 ", " (a mail or file server)"),
    (b"\x15\x03", " (a server that wants TLS)"),
)
#: As much of its first line as is quoted.
MOST_QUOTED = 40
_PORTS = "(paper: TWS 7497, Gateway 4002; live: TWS 7496, Gateway 4001)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What was seen of an attempt to connect.

    Attributes:
        address, client_id: Where and as whom.
        timeout_seconds: How long it was given.
        server_version: Version told at the handshake, if it is one we speak; else 0.
        is_accepted: Whether the connection was accepted.
        has_handshake: Whether the handshake was answered as a TWS does, whatever the version.
        heard: First bytes that came before the handshake was answered.
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
    is_accepted: bool
    has_handshake: bool
    heard: bytes
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
    if attempt.heard and not attempt.has_handshake:
        return _a_stranger(attempt)
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


def _a_stranger(attempt: Attempt) -> BrokerError:
    heard = attempt.heard
    kind = next((words for begin, words in _STRANGERS if heard.startswith(begin)), "")
    first = ascii(heard.splitlines()[0][:MOST_QUOTED].decode("latin-1"))
    return NotAGatewayError(
        f"Something answered on {attempt.address}, but not as a TWS or Gateway: it began with "
        f"{first}{kind}. Compare IBKR_HOST and IBKR_PORT with the API settings of TWS or Gateway "
        f"{_PORTS}.",
        heard=heard,
    )


def _closed_early(attempt: Attempt) -> BrokerError:
    if not attempt.has_handshake:
        return NotAGatewayError(
            f"Something answered on {attempt.address}, but not as a TWS or Gateway: it closed the "
            f"connection without a word. If it is one, enable the API there and add this machine "
            f"to its trusted IPs; else change IBKR_PORT {_PORTS}."
        )
    if not attempt.server_version:
        return BrokerConnectionError(
            f"{attempt.address} cannot be spoken to: {attempt.reason or 'its version is unknown'}."
        )
    return GatewayNotReadyError(
        f"{attempt.address} closed the connection before it named accounts and next order id: "
        f"{attempt.reason or 'it may still be logging in, or the client id is in use'}. Look at "
        f"its window or log, then try again."
    )


def _too_late(attempt: Attempt) -> BrokerError:
    waited = f"within {attempt.timeout_seconds:g} s"
    if attempt.is_accepted and not attempt.server_version:
        return NotAGatewayError(
            f"Something answered on {attempt.address}, but not as a TWS or Gateway: it accepted "
            f"the connection and said nothing {waited} (ibkr.connect_timeout_seconds). If a TWS or "
            f"Gateway runs there, look for a dialog that waits for an answer; else change "
            f"IBKR_PORT {_PORTS}."
        )
    if not attempt.server_version:
        return BrokerConnectionError(
            f"{attempt.address} accepted no connection {waited} (ibkr.connect_timeout_seconds). "
            f"Compare IBKR_HOST and IBKR_PORT with the machine TWS or Gateway runs on, and look "
            f"for a firewall between the two."
        )
    missing = "next order id" if attempt.has_accounts else "account"
    return GatewayNotReadyError(
        f"{attempt.address} (API version {attempt.server_version}) named no {missing} {waited}. "
        f"Wait until its log-in is finished, then try again."
    )
