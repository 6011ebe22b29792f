"""What can be read over the wire, and the checks before the first request.

What lives here: `IBKRTransport`: the connection with its mode check, and one method per dataset.
What must not: how a message is cut (`wire.py`), when a request has ended (`session.py`), or what
a value means (`mappers/`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from datetime import date, datetime

import polars as pl

from ibkr_pipeline.brokers.exceptions import (
    AccountNotFoundError,
    BrokerConnectionError,
    UnsupportedOperationError,
)
from ibkr_pipeline.brokers.ibkr.config import IBKRConnectionConfig
from ibkr_pipeline.brokers.ibkr.flex_option_events import read_option_events
from ibkr_pipeline.brokers.ibkr.pacing import InProcessBudget, Pacing
from ibkr_pipeline.brokers.ibkr.transport import asks
from ibkr_pipeline.brokers.ibkr.transport.connection import IBKRConnection
from ibkr_pipeline.brokers.ibkr.transport.mode_check import check_mode
from ibkr_pipeline.brokers.ibkr.transport.reading import Reading
from ibkr_pipeline.brokers.ibkr.transport.reads import RawRead
from ibkr_pipeline.brokers.ibkr.transport.session import Answer, Ask
from ibkr_pipeline.brokers.ibkr.transport.wiring import Connection
from ibkr_pipeline.brokers.statement_source import StatementSource
from ibkr_pipeline.ports.budget import RequestBudget
from ibkr_pipeline.ports.clock import Clock
from ibkr_pipeline.primitives.enums import Dataset, LoadStatus

logger = logging.getLogger(__name__)

#: Multi requests in flight at a time.
IN_FLIGHT = 10


class IBKRTransport:
    """Reads raw messages from one gateway.

    Each fetch opens its own inbox, sends its requests one at a time per kind, and hands back what
    was heard with a verdict per account. It raises only what concerns the whole connection.

    Args:
        config: Where and what.
        clock: For the instants of proofs.
        budget: Request budget; one of its own by default.
        connection: Connection to use; one to `config` by default.
        statements: Builds the client of the Flex web service, which alone tells option events.
        on_progress: Told about long work.
        monotonic, sleep: Clock and wait, for tests.
    """

    def __init__(
        self,
        config: IBKRConnectionConfig,
        *,
        clock: Clock,
        budget: RequestBudget | None = None,
        connection: Connection | None = None,
        statements: Callable[[], StatementSource] | None = None,
        on_progress: Callable[[str], None] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._config = config
        self._clock = clock
        self._monotonic = monotonic
        self._on_progress = on_progress
        self._statements = statements
        self._pacing = Pacing(
            budget or InProcessBudget(),
            prefix=f"ibkr:{config.address}",
            messages_per_second=config.max_messages_per_second,
            sleep=sleep,
        )
        self._connection: Connection = connection or IBKRConnection(
            config.host,
            config.port,
            config.client_id,
            connect_timeout_seconds=config.connect_timeout_seconds,
            max_messages_per_second=config.max_messages_per_second,
            clock=clock,
        )
        self._deadline: float | None = None
        self._is_tainted = False

    def connect(self) -> None:
        """Connect and check the mode, before anything is asked.

        A connection on which a read broke off is replaced by a new one.

        Raises:
            BrokerConnectionError, NotAGatewayError, ClientIdInUseError, GatewayNotReadyError: If
                there is no connection.
            ModeMismatchError: If the accounts there are not those of the mode.
        """
        if self._deadline is None:
            self._deadline = self._monotonic() + self._config.run_budget_seconds
        if self._is_tainted:
            # An answer that came too late would end the next request of its kind too early.
            self._connection.disconnect()
        self._connection.connect()
        self._is_tainted = False
        try:
            check_mode(self._config, self._connection.managed_accounts, self._connection.peer_host)
        except BaseException:
            self._connection.disconnect()
            raise

    def disconnect(self) -> None:
        """Close the connection; safe at any time."""
        self._connection.disconnect()

    def is_connected(self) -> bool:
        """Say whether requests can be sent."""
        return self._connection.is_connected()

    @property
    def next_order_id(self) -> int:
        """Get and increment the next order id. Reading never uses one."""
        return self._connection.next_order_id

    @property
    def managed_accounts(self) -> tuple[str, ...]:
        """Accounts the gateway said it manages, in its order.

        Raises:
            BrokerConnectionError: If not connected.
        """
        if not self.is_connected():
            raise BrokerConnectionError("Not connected; call connect() first.")
        return self._connection.managed_accounts

    @property
    def server_version(self) -> int:
        """TWS API version negotiated; 0 before."""
        return self._connection.server_version

    def fetch_raw_account_data(self, account_code: str | Sequence[str]) -> RawRead:
        """Read account values, cash by currency included, one download per account."""
        with self._reading(Dataset.ACCOUNTS, account_code) as reading:
            answers = self._download_accounts(reading)
            return reading.finish(answers, by_span=True)

    def fetch_raw_positions(self, account_code: str | Sequence[str]) -> RawRead:
        """Read positions, and the prices the gateway values them with where it tells them.

        Prices are advisory: failing to get them fails no position, the proof's details say so.
        """
        with self._reading(Dataset.POSITIONS, account_code) as reading:
            answers, is_multi = self._ask_positions(reading)
            reading.details["request"] = "positionsMulti" if is_multi else "positions"
            if not is_multi and all(answer.is_complete for answer in answers):
                self._ask_prices(reading)
            return reading.finish(answers)

    def fetch_raw_open_orders(self, account_code: str | Sequence[str]) -> RawRead:
        """Read the open orders of every client, then the orders completed today."""
        with self._reading(Dataset.ORDERS, account_code) as reading:
            seconds = self._config.request_timeout_seconds
            accounts = reading.accounts
            answers = reading.session.run(
                [
                    asks.open_orders(accounts, timeout_seconds=seconds),
                    asks.completed_orders(accounts, timeout_seconds=seconds),
                ]
            )
            for answer in answers:
                reading.details[answer.ask.kind] = (
                    "complete" if answer.is_complete else f"missing: {answer.reason}"
                )
            return reading.finish(answers)

    def fetch_raw_executions(
        self, account_code: str | Sequence[str], *, since: datetime | None = None
    ) -> RawRead:
        """Read the executions of the gateway's day, or since an instant, with commissions.

        Commission reports still missing after the end marker are waited for a moment; those that
        do not come stay pending.
        """
        with self._reading(Dataset.EXECUTIONS, account_code) as reading:
            ask = asks.executions(
                reading.accounts,
                self._connection.new_request_id(),
                since=since,
                timeout_seconds=self._config.request_timeout_seconds,
            )
            answers = reading.session.run([ask])
            if all(answer.is_complete for answer in answers):
                self._await_commissions(reading)
                if reading.session.outage is not None:
                    answers = [_lost_after(answers[0], reading.session.outage)]
            return reading.finish(answers, since=since)

    def fetch_raw_option_events(
        self,
        account_code: str | Sequence[str] = (),
        *,
        from_date: date | None = None,
        to_date: date | None = None,
    ) -> RawRead:
        """Read the option events of a statement; no message of the gateway tells of them.

        Nothing is asked of the gateway, so no connection is needed.

        Raises:
            UnsupportedOperationError: If this transport was made without a Flex client.
            ConfigError: If token or query of the Flex web service is not set.
            BrokerError: If no statement came, or none that can be read.
        """
        if self._statements is None:
            raise UnsupportedOperationError(
                "Option events were asked for, which only statements tell, and this transport has "
                "no client of the Flex web service. Set IBKR_FLEX_TOKEN and IBKR_FLEX_QUERY_ID."
            )
        accounts = (account_code,) if isinstance(account_code, str) else tuple(account_code)
        return read_option_events(
            self._statements(),
            accounts,
            environment=self._config.mode,
            clock=self._clock,
            from_date=from_date,
            to_date=to_date,
        )

    def _reading(self, dataset: Dataset, account_code: str | Sequence[str]) -> Reading:
        accounts = (account_code,) if isinstance(account_code, str) else tuple(account_code)
        self.connect()
        managed = self._connection.managed_accounts
        unknown = [account for account in accounts if account not in managed]
        if unknown:
            raise AccountNotFoundError(
                f"Account {', '.join(map(repr, unknown))} is not among the accounts the gateway "
                f"manages: {', '.join(managed)}. Compare the code, or log in to the gateway with "
                f"the user that manages it."
            )
        return Reading(
            dataset=dataset,
            accounts=accounts,
            config=self._config,
            connection=self._connection,
            clock=self._clock,
            pacing=self._pacing,
            deadline=self._deadline or self._monotonic() + self._config.run_budget_seconds,
            monotonic=self._monotonic,
            on_progress=self._on_progress,
            on_taint=self._taint,
        )

    def _taint(self) -> None:
        self._is_tainted = True

    def _is_many(self) -> bool:
        return len(self._connection.managed_accounts) > self._config.max_synced_accounts

    def _download_accounts(self, reading: Reading) -> list[Answer]:
        seconds = self._config.request_timeout_seconds
        if self._is_many():
            reading.details["request"] = "accountUpdatesMulti"
            return reading.session.run(
                [
                    asks.account_updates_multi(
                        account, self._connection.new_request_id(), timeout_seconds=seconds
                    )
                    for account in reading.accounts
                ],
                in_flight=IN_FLIGHT,
            )
        reading.details["request"] = "accountUpdates"
        return reading.session.run(
            [asks.account_updates(account, timeout_seconds=seconds) for account in reading.accounts]
        )

    def _ask_positions(self, reading: Reading) -> tuple[list[Answer], bool]:
        seconds = self._config.request_timeout_seconds
        if not self._is_many():
            answers = reading.session.run(
                [asks.positions(reading.accounts, timeout_seconds=seconds)]
            )
            if answers[0].code is None or answers[0].status is LoadStatus.UNSUPPORTED:
                return answers, False
            reading.details["positions_refused"] = answers[0].reason or ""
        many: list[Ask] = [
            asks.positions_multi(
                account, self._connection.new_request_id(), timeout_seconds=seconds
            )
            for account in reading.accounts
        ]
        return reading.session.run(many, in_flight=IN_FLIGHT), True

    def _ask_prices(self, reading: Reading) -> None:
        """Download the accounts that hold positions, for the prices beside them."""
        held = reading.heard().payload["position"]
        holders = held.filter(pl.col("position").cast(pl.Float64, strict=False) != 0)["account"]
        wanted = [account for account in reading.accounts if account in set(holders)]
        prices = reading.session.run(
            [
                asks.account_updates(account, timeout_seconds=self._config.price_timeout_seconds)
                for account in wanted
            ]
        )
        reading.prices = prices
        missing = [f"{a.ask.accounts[0]}: {a.reason}" for a in prices if not a.is_complete]
        if missing:
            reading.details["prices_missing"] = "; ".join(missing)

    def _await_commissions(self, reading: Reading) -> None:
        heard = reading.heard().payload
        missing = set(
            heard["execDetails"]
            .filter((pl.col("secType") != "BAG") & pl.col("account").is_in(reading.accounts))
            .join(heard["commissionReport"], on="execId", how="anti")["execId"]
        )
        if missing:
            reading.await_commissions(missing, seconds=self._config.commission_wait_seconds)


def _lost_after(answer: Answer, reason: str) -> Answer:
    return Answer(
        ask=answer.ask,
        start=answer.start,
        stop=answer.stop,
        status=LoadStatus.FAILED,
        reason=reason,
        retryable=True,
        lost=True,
    )
