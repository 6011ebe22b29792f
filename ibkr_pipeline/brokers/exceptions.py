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


class ClientIdInUseError(BrokerError, Retryable):
    """The gateway says another client holds this client id (error 326)."""


class GatewayNotReadyError(BrokerError, Retryable):
    """Connected, but the gateway did not say accounts and next order id in time."""


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


class AccountDataError(TradeDataError):
    """An account value cannot be right."""


class PositionDataError(TradeDataError):
    """A position or its price cannot be right."""
