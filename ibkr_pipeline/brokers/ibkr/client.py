"""`IBKRClient`: Interactive Brokers as a `BrokerAPI`.

What lives here: which accounts are read, starting a lost read anew, and checking that what was
heard can be mapped before it is called complete. What must not: the wire (`transport/`), what a
field means (`mappers/`), storing anything.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from functools import partial
from types import TracebackType
from typing import Any, Self

from ibkr_pipeline.brokers.exceptions import AccountNotFoundError, TradeDataError
from ibkr_pipeline.brokers.ibkr import row_views
from ibkr_pipeline.brokers.ibkr.account_codes import is_group
from ibkr_pipeline.brokers.ibkr.config import IBKRConnectionConfig
from ibkr_pipeline.brokers.ibkr.mappers.mapping import map_ibkr
from ibkr_pipeline.brokers.ibkr.mappers.orders import unknown_status_words
from ibkr_pipeline.brokers.ibkr.transport.connection import backoff_seconds
from ibkr_pipeline.brokers.ibkr.transport.reads import RawRead
from ibkr_pipeline.brokers.ibkr.transport.transport import IBKRTransport
from ibkr_pipeline.brokers.read import Read, restrict
from ibkr_pipeline.brokers.types import (
    AccountSnapshotData,
    ExecutionData,
    OptionEventData,
    OrderData,
    PositionData,
)
from ibkr_pipeline.models.requests import BrokerNotice, Payload, RequestProof, SubjectOutcome
from ibkr_pipeline.primitives.enums import Dataset, Environment, LoadStatus
from ibkr_pipeline.primitives.errors import BrokerError, Retryable

logger = logging.getLogger(__name__)

BROKER = "ibkr"

#: Makes row views of a payload.
_Rows = Callable[[Payload, RequestProof], Callable[[Mapping[str, Any]], Any]]


class IBKRClient:
    """Reads Interactive Brokers.

    Args:
        transport: How the gateway is reached.
        config: Mode, allow-list and how often a lost read is started anew.
        sleep, jitter: Wait and its jitter, for tests.
    """

    broker = BROKER

    def __init__(
        self,
        transport: IBKRTransport,
        config: IBKRConnectionConfig,
        *,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._transport = transport
        self._config = config
        self._sleep = sleep
        self._jitter = jitter
        self._is_inside = False
        self.environment: Environment = config.mode

    def __enter__(self) -> Self:
        """Open the connection all fetches inside share."""
        self._transport.connect()
        self._is_inside = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection, whatever happened."""
        self._is_inside = False
        self._transport.disconnect()

    @property
    def transport(self) -> IBKRTransport:
        """The transport, for the doctor."""
        return self._transport

    def managed_accounts(self) -> tuple[str, ...]:
        """Return every account the gateway says it manages, in its order."""
        try:
            self._transport.connect()
            return self._transport.managed_accounts
        finally:
            self._leave()

    def fetch_account_snapshots(
        self, accounts: Sequence[str] | None = None
    ) -> Read[AccountSnapshotData]:
        """Read balances and margin, and cash by currency."""
        raw = self._fetch(accounts, self._transport.fetch_raw_account_data)
        return self._read(raw, "broker.accounts", row_views.account_rows)

    def fetch_positions(self, accounts: Sequence[str] | None = None) -> Read[PositionData]:
        """Read open positions, with prices where the gateway tells them."""
        raw = self._fetch(accounts, self._transport.fetch_raw_positions)
        return self._read(raw, "broker.positions", row_views.position_rows)

    def fetch_open_orders(self, accounts: Sequence[str] | None = None) -> Read[OrderData]:
        """Read the open orders of every client, and the orders completed today."""
        raw = self._fetch(accounts, self._transport.fetch_raw_open_orders)
        return self._read(raw, "broker.orders", row_views.order_rows)

    def fetch_executions(
        self, accounts: Sequence[str] | None = None, *, since: datetime | None = None
    ) -> Read[ExecutionData]:
        """Read the executions of the gateway's day, or since an instant, with commissions."""
        raw = self._fetch(accounts, partial(self._transport.fetch_raw_executions, since=since))
        return self._read(raw, "broker.executions", row_views.execution_rows)

    def fetch_option_events(
        self,
        accounts: Sequence[str] | None = None,
        *,
        from_date: date | None = None,
        to_date: date | None = None,
    ) -> Read[OptionEventData]:
        """Read exercises, assignments and expirations off a statement of the Flex web service."""
        wanted = self._allowed(accounts)
        raw = self._transport.fetch_raw_option_events(wanted, from_date=from_date, to_date=to_date)
        return self._read(raw, "broker.option_events", row_views.option_event_rows)

    def _allowed(self, accounts: Sequence[str] | None) -> tuple[str, ...]:
        """Return the accounts a statement is read of; none means all it speaks of."""
        allowed = self._config.accounts
        wanted = tuple(dict.fromkeys(allowed if accounts is None else accounts))
        self._refuse(wanted)
        return wanted

    def _refuse(self, wanted: Sequence[str]) -> None:
        allowed = self._config.accounts
        refused = [account for account in wanted if allowed and account not in allowed]
        if refused:
            raise AccountNotFoundError(
                f"Account {', '.join(map(repr, refused))} is not on the allow-list ibkr.accounts "
                f"({', '.join(allowed)}). Add it there to read it."
            )

    def _fetch(
        self, accounts: Sequence[str] | None, ask: Callable[[Sequence[str]], RawRead]
    ) -> RawRead:
        """Ask, starting anew on a new connection while the read is lost and attempts are left."""
        try:
            self._transport.connect()
            wanted, missing = self._choose(accounts)
            raw = ask(wanted)
            attempt = 1
            while raw.is_lost and attempt < self._config.read_attempts:
                self._wait_before(attempt, raw)
                attempt += 1
                try:
                    self._transport.connect()
                    raw = ask(wanted)
                except BrokerError as error:
                    if not isinstance(error, Retryable):
                        raise
                    raw = _still_lost(raw, error)
            return _with_attempts(raw, attempt, missing)
        finally:
            self._leave()

    def _wait_before(self, attempt: int, raw: RawRead) -> None:
        delay = backoff_seconds(attempt, first=self._config.backoff_seconds, jitter=self._jitter)
        logger.warning(
            "read_lost dataset=%s attempt=%d of=%d retry_in=%.1f",
            raw.proof.dataset.value,
            attempt,
            self._config.read_attempts,
            delay,
        )
        self._transport.disconnect()
        self._sleep(delay)

    def _choose(self, accounts: Sequence[str] | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the accounts to read, and those of the allow-list the gateway lacks.

        Without a choice, groups are left out: they add up accounts that are read one by one.

        Raises:
            AccountNotFoundError: If an account that was asked for is not managed or not allowed.
        """
        managed, allowed = self._transport.managed_accounts, self._config.accounts
        if accounts is None:
            if allowed:
                return (
                    tuple(account for account in managed if account in allowed),
                    tuple(account for account in allowed if account not in managed),
                )
            return tuple(account for account in managed if not is_group(account)), ()
        wanted = tuple(dict.fromkeys(accounts))
        self._refuse(wanted)
        unknown = [account for account in wanted if account not in managed]
        if unknown:
            raise AccountNotFoundError(
                f"Account {', '.join(map(repr, unknown))} is not among the accounts the gateway "
                f"manages: {', '.join(managed)}. Compare the code, or log in to the gateway with "
                f"the user that manages it."
            )
        return wanted, ()

    def _leave(self) -> None:
        if not self._is_inside:
            self._transport.disconnect()

    def _read(self, raw: RawRead, table: str, rows: _Rows) -> Read[Any]:
        dataset = raw.proof.dataset
        outcomes = _verified(raw)
        proof = raw.proof
        if dataset is Dataset.ORDERS:
            words = unknown_status_words(raw.payload)
            proof = replace(proof, notices=(*proof.notices, *_about(words, proof.ended_at)))
        return Read(
            proof=proof,
            outcomes=outcomes,
            payload=raw.payload,
            to_frames=partial(map_ibkr, dataset),
            row_table=table,
            to_row=rows(raw.payload, proof),
        )


def _verified(raw: RawRead) -> tuple[SubjectOutcome, ...]:
    """Fail the accounts whose messages cannot be mapped: better now than when they are applied."""
    complete = tuple(o.account_id for o in raw.outcomes if o.status is LoadStatus.COMPLETE)
    if _problem(raw, complete) is None:
        return raw.outcomes
    return tuple(_verdict(raw, outcome) for outcome in raw.outcomes)


def _verdict(raw: RawRead, outcome: SubjectOutcome) -> SubjectOutcome:
    if outcome.status is not LoadStatus.COMPLETE:
        return outcome
    problem = _problem(raw, (outcome.account_id,))
    if problem is None:
        return outcome
    return replace(outcome, status=LoadStatus.FAILED, reason=problem)


def _problem(raw: RawRead, accounts: tuple[str, ...]) -> str | None:
    try:
        map_ibkr(raw.proof.dataset, restrict(raw.payload, accounts), raw.proof)
    except TradeDataError as error:
        return str(error)
    return None


def _still_lost(raw: RawRead, error: BaseException) -> RawRead:
    outcomes = tuple(
        replace(outcome, reason=f"{outcome.reason}; then: {error}") for outcome in raw.outcomes
    )
    return replace(raw, outcomes=outcomes)


def _with_attempts(raw: RawRead, attempts: int, missing: tuple[str, ...]) -> RawRead:
    details = {**raw.proof.details, "attempts": str(attempts)}
    absent = tuple(
        SubjectOutcome(
            account_id=account,
            status=LoadStatus.FAILED,
            reason="the account is on the allow-list ibkr.accounts and the gateway does not "
            "manage it; compare the code, or log in with the user that manages it",
        )
        for account in missing
    )
    return replace(
        raw, proof=replace(raw.proof, details=details), outcomes=(*raw.outcomes, *absent)
    )


def _about(words: tuple[str, ...], at: datetime) -> tuple[BrokerNotice, ...]:
    return tuple(
        BrokerNotice(
            at=at,
            code=0,
            message=f"order status {word!r} is not one we know; its orders are `unknown`",
            severity="warning",
        )
        for word in words
    )
