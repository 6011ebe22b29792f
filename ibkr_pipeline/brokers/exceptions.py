"""What can go wrong at a broker, each marked worth another try or not."""

from __future__ import annotations

from collections.abc import Mapping

from ibkr_pipeline.primitives.errors import BrokerError, Retryable, Terminal


class UnsupportedBrokerError(BrokerError, Terminal):
    """No broker of that name is registered."""


class UnsupportedOperationError(BrokerError, Terminal):
    """The broker, or its settings, do not allow this read (Read-Only API, for one)."""


class BrokerConnectionError(BrokerError, Retryable):
    """No connection, or it was lost."""


class NotAGatewayError(BrokerError, Terminal):
    """Something answers at that address, but not as a TWS or Gateway does: wrong port, or API off.

    Attributes:
        heard: First bytes it sent; empty where it said nothing.
    """

    def __init__(self, message: str, *, heard: bytes = b"") -> None:
        super().__init__(message)
        self.heard = heard


class ClientIdInUseError(BrokerError, Retryable):
    """The gateway says another client holds this client id (error 326)."""


class GatewayNotReadyError(BrokerError, Retryable):
    """Connected, but the gateway named no account, or no next order id, in time."""


class ModeMismatchError(BrokerError, Terminal):
    """The accounts behind the gateway are not those the mode allows (live behind paper)."""


class AccountNotFoundError(BrokerError, Terminal):
    """An account that was asked for is not among those the gateway manages."""


class RequestTimeoutError(BrokerError, Retryable):
    """A request got no end marker within its time."""


class RequestRefusedError(BrokerError, Terminal):
    """The gateway answered a request with an error code.

    Attributes:
        code: The gateway's error code.
    """

    def __init__(self, message: str, *, code: int) -> None:
        super().__init__(message)
        self.code = code


class DecodeError(BrokerError, Terminal):
    """A message could not be understood; the read it belongs to is not complete."""


class PacingError(BrokerError, Retryable):
    """The request budget was used up for longer than we may wait."""


class IncompleteReadError(BrokerError, Retryable):
    """Rows were asked of a read that is not complete.

    Attributes:
        failed: Account code -> reason.
    """

    def __init__(self, message: str, *, failed: Mapping[str, str]) -> None:
        super().__init__(message)
        self.failed = dict(failed)


class TradeDataError(BrokerError, Terminal):
    """A record of the broker holds a value that cannot be right; names record.field and value."""


class OrderDataError(TradeDataError):
    """An order report cannot be right."""


class ExecutionDataError(TradeDataError):
    """An execution or commission report cannot be right."""


class OptionEventDataError(TradeDataError):
    """An exercise, assignment or expiration cannot be right."""


class AccountDataError(TradeDataError):
    """An account value cannot be right."""


class PositionDataError(TradeDataError):
    """A position or its price cannot be right."""


class StatementNotPublishedError(BrokerError, Retryable):
    """The broker has no statement of that window yet; one that ends earlier may be there."""


class StatementError(BrokerError, Terminal):
    """A file is no account statement, or not all of one: nothing of it may be used.

    Attributes:
        line: Line where reading ended, 1 for the first.
        column: Column on that line, 1 for the first.
        offset: Bytes before that place.
    """

    def __init__(self, message: str, *, line: int, column: int, offset: int) -> None:
        super().__init__(message)
        self.line = line
        self.column = column
        self.offset = offset
