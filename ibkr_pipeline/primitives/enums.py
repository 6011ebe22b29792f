"""Closed vocabularies shared by several rooms. Values are what is stored, shown and parsed."""

from __future__ import annotations

from enum import StrEnum


class Environment(StrEnum):
    """Which world an account lives in; part of every account key."""

    PAPER = "paper"
    LIVE = "live"
    SIMULATED = "simulated"


class Dataset(StrEnum):
    """What can be read from a broker, in the order a nightly run reads it.

    `flex` is an account statement of the Flex web service; its loads are of one section each.
    """

    ACCOUNTS = "accounts"
    POSITIONS = "positions"
    ORDERS = "orders"
    EXECUTIONS = "executions"
    FLEX = "flex"


#: What the gateway tells. A nightly run reads all of them; each account has one load per request.
WIRE_DATASETS = (Dataset.ACCOUNTS, Dataset.POSITIONS, Dataset.ORDERS, Dataset.EXECUTIONS)


class LoadStatus(StrEnum):
    """Life of one load: one subject of one request.

    `complete` has its proof; `failed` says why; `unsupported` is what the gateway refuses by its
    own settings (Read-Only API); `abandoned` was `started` by a process that is gone.
    """

    STARTED = "started"
    COMPLETE = "complete"
    FAILED = "failed"
    UNSUPPORTED = "unsupported"
    ABANDONED = "abandoned"


class SecurityType(StrEnum):
    """Security types as the industry and IBKR spell them."""

    STOCK = "STK"
    OPTION = "OPT"
    FUTURE = "FUT"
    FUTURE_OPTION = "FOP"
    CURRENCY = "CASH"
    BOND = "BOND"
    FUND = "FUND"
    INDEX = "IND"
    WARRANT = "WAR"
    CFD = "CFD"
    COMMODITY = "CMDTY"
    CRYPTO = "CRYPTO"
    COMBO = "BAG"
    EVENT_CONTRACT = "EC"


class Side(StrEnum):
    """Direction of an order or a fill."""

    BUY = "BUY"
    SELL = "SELL"


class OrderStatus(StrEnum):
    """Status of an order as we understand it; the broker's own word stands beside it.

    `unknown` is a state to reconcile, not an error. Working: pending_submit, presubmitted,
    submitted, pending_cancel. Final: filled, cancelled, rejected, expired, inactive. `gone` is
    no word of the broker's: the order is listed as open no more, and its end was not read.
    """

    PENDING_SUBMIT = "pending_submit"
    PRESUBMITTED = "presubmitted"
    SUBMITTED = "submitted"
    PENDING_CANCEL = "pending_cancel"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    EXPIRED = "expired"
    INACTIVE = "inactive"
    GONE = "gone"
    UNKNOWN = "unknown"


class CommissionStatus(StrEnum):
    """Whether the broker has told the commission of a fill."""

    PENDING = "pending"
    FINAL = "final"


class OptionEventType(StrEnum):
    """What may happen to an option other than being traded."""

    ASSIGNMENT = "assignment"
    EXERCISE = "exercise"
    EXPIRATION = "expiration"
    CASH_SETTLEMENT = "cash_settlement"


class OptionEventState(StrEnum):
    """Life of an option event: a statement has the last word."""

    SUSPECTED = "suspected"
    CONFIRMED = "confirmed"
    REFUTED = "refuted"


class EvidenceKind(StrEnum):
    """Where evidence of an option event comes from, the strongest first."""

    OPTION_EAE = "option_eae"
    TRADE = "trade"
    WIRE_EXECUTION = "wire_execution"
    POSITION_CHANGE = "position_change"


class EventLeg(StrEnum):
    """Part of an option event: the option itself, what was delivered, or cash."""

    OPTION = "option"
    DELIVERY = "delivery"
    CASH = "cash"


class BreakState(StrEnum):
    """Life of a reconciliation break. A closed one says what explained it."""

    OPEN = "open"
    CLOSED = "closed"
