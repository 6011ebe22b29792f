"""A broker that exists in memory, and records to fill it with.

What lives here: `FakeBrokerAPI` and `make_simple_fake_*`, for tests of everything behind the
`BrokerAPI`. What must not: anything that imitates a vendor's wire; that is the simulator's work.
Its payload rows are its records as text, its mapper turns them back into the frames of
`schemas/broker.py`, so a fake read can be landed, applied and rebuilt like a real one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

from ibkr_pipeline.brokers.exceptions import AccountNotFoundError
from ibkr_pipeline.brokers.fake_rows import TABLES, map_fake, payload_of
from ibkr_pipeline.brokers.read import Read
from ibkr_pipeline.brokers.types import (
    AccountSnapshotData,
    ExecutionData,
    OptionEventData,
    OrderData,
    PositionData,
)
from ibkr_pipeline.models.requests import RequestProof, SubjectOutcome
from ibkr_pipeline.ports.budget import RequestBudget
from ibkr_pipeline.ports.clock import Clock
from ibkr_pipeline.primitives.clock import FixedClock
from ibkr_pipeline.primitives.enums import Dataset, Environment, LoadStatus
from ibkr_pipeline.primitives.identifiers import new_request_id
from ibkr_pipeline.settings import Settings

Record = TypeVar(
    "Record", AccountSnapshotData, PositionData, OrderData, ExecutionData, OptionEventData
)

FAKE_ACCOUNT = "DU0000001"
FAKE_NOW = datetime(2026, 4, 13, 20, 30, tzinfo=UTC)


class FakeBrokerAPI:
    """A `BrokerAPI` over records in memory.

    Args:
        accounts: Accounts it manages.
        account_snapshots, positions, orders, executions, option_events: What it tells; read anew
            at each fetch, so a test may change the lists in between.
        ledger: Cash rows by currency, as mappings of `broker.account_ledger` columns.
        failing: Account -> reason it fails with; `(dataset, account)` for one dataset alone.
        unsupported: Dataset -> reason the broker refuses it.
        connect_error: Raised when connecting.
        interrupted_by: Dataset -> exception its fetch raises, such as KeyboardInterrupt().
        environment: World its accounts live in.
        clock: When reads start and end.
    """

    broker = "fake"

    def __init__(  # noqa: PLR0913  # one argument per thing a test may script
        self,
        *,
        accounts: Sequence[str] = (FAKE_ACCOUNT,),
        account_snapshots: Sequence[AccountSnapshotData] = (),
        positions: Sequence[PositionData] = (),
        orders: Sequence[OrderData] = (),
        executions: Sequence[ExecutionData] = (),
        option_events: Sequence[OptionEventData] = (),
        ledger: Sequence[Mapping[str, object]] = (),
        failing: Mapping[str | tuple[Dataset, str], str] | None = None,
        unsupported: Mapping[Dataset, str] | None = None,
        connect_error: BaseException | None = None,
        interrupted_by: Mapping[Dataset, BaseException] | None = None,
        environment: Environment = Environment.PAPER,
        clock: Clock | None = None,
    ) -> None:
        self.environment = environment
        self.accounts = list(accounts)
        self.account_snapshots = list(account_snapshots)
        self.positions = list(positions)
        self.orders = list(orders)
        self.executions = list(executions)
        self.option_events = list(option_events)
        self.ledger = list(ledger)
        self.failing = dict(failing or {})
        self.unsupported = dict(unsupported or {})
        self.connect_error = connect_error
        self.interrupted_by = dict(interrupted_by or {})
        self.clock: Clock = clock or FixedClock(FAKE_NOW)
        self.fetches: list[tuple[Dataset, tuple[str, ...]]] = []
        self.is_connected = False
        self.connections = 0

    def __enter__(self) -> Self:
        """Connect."""
        self._connect()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Disconnect."""
        self.is_connected = False

    def managed_accounts(self) -> tuple[str, ...]:
        """Return the accounts it manages."""
        self._connect()
        return tuple(self.accounts)

    def fetch_account_snapshots(
        self, accounts: Sequence[str] | None = None
    ) -> Read[AccountSnapshotData]:
        """Read account snapshots."""
        return self._read(
            Dataset.ACCOUNTS, accounts, self.account_snapshots, AccountSnapshotData.from_row
        )

    def fetch_positions(self, accounts: Sequence[str] | None = None) -> Read[PositionData]:
        """Read positions."""
        return self._read(Dataset.POSITIONS, accounts, self.positions, PositionData.from_row)

    def fetch_open_orders(self, accounts: Sequence[str] | None = None) -> Read[OrderData]:
        """Read orders."""
        return self._read(Dataset.ORDERS, accounts, self.orders, OrderData.from_row)

    def fetch_executions(
        self, accounts: Sequence[str] | None = None, *, since: datetime | None = None
    ) -> Read[ExecutionData]:
        """Read executions, those before `since` left out."""
        told = [e for e in self.executions if since is None or e.event_ts >= since]
        return self._read(Dataset.EXECUTIONS, accounts, told, ExecutionData.from_row, since=since)

    def fetch_option_events(
        self,
        accounts: Sequence[str] | None = None,
        *,
        from_date: date | None = None,
        to_date: date | None = None,
    ) -> Read[OptionEventData]:
        """Read option events, those outside the window left out."""
        first, last = from_date or date.min, to_date or date.max
        told = [event for event in self.option_events if first <= event.event_date <= last]
        return self._read(Dataset.FLEX, accounts, told, OptionEventData.from_row)

    def _connect(self) -> None:
        if self.connect_error is not None:
            raise self.connect_error
        self.connections += 0 if self.is_connected else 1
        self.is_connected = True

    def _read(
        self,
        dataset: Dataset,
        accounts: Sequence[str] | None,
        records: Sequence[Record],
        build: Callable[[Mapping[str, Any]], Record],
        *,
        since: datetime | None = None,
    ) -> Read[Record]:
        self._connect()
        wanted = tuple(self.accounts if accounts is None else accounts)
        unknown = [account for account in wanted if account not in self.accounts]
        if unknown:
            raise AccountNotFoundError(
                f"Account {', '.join(map(repr, unknown))} is not among the accounts the fake "
                f"broker manages: {', '.join(self.accounts)}."
            )
        self.fetches.append((dataset, wanted))
        if dataset in self.interrupted_by:
            raise self.interrupted_by[dataset]
        payload = payload_of(
            dataset,
            [record for record in records if record.account_id in wanted],
            [row for row in self.ledger if row["account_id"] in wanted],
        )
        outcomes = tuple(self._outcome(dataset, account) for account in wanted)
        return Read(
            proof=self._proof(dataset, outcomes, since),
            outcomes=outcomes,
            payload=payload,
            to_frames=partial(map_fake, dataset),
            row_table=TABLES[dataset].name,
            to_row=build,
        )

    def _outcome(self, dataset: Dataset, account: str) -> SubjectOutcome:
        if dataset in self.unsupported:
            return SubjectOutcome(
                account_id=account,
                status=LoadStatus.UNSUPPORTED,
                reason=self.unsupported[dataset],
            )
        reason = self.failing.get((dataset, account)) or self.failing.get(account)
        if reason is None:
            return SubjectOutcome(account_id=account, status=LoadStatus.COMPLETE)
        return SubjectOutcome(
            account_id=account, status=LoadStatus.FAILED, reason=reason, retryable=False
        )

    def _proof(
        self, dataset: Dataset, outcomes: tuple[SubjectOutcome, ...], since: datetime | None
    ) -> RequestProof:
        now = self.clock.now()
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        is_window = dataset is Dataset.EXECUTIONS
        return RequestProof(
            request_id=new_request_id(now, dataset.value),
            broker=self.broker,
            environment=self.environment,
            dataset=dataset,
            started_at=now,
            ended_at=now,
            window_start=(since or midnight) if is_window else None,
            window_end=now if is_window else None,
            end_marker_seen=all(o.status is LoadStatus.COMPLETE for o in outcomes),
            server_version=178,
            connection_epoch=f"fake-{self.connections}",
            managed_accounts=tuple(self.accounts),
        )


def make_fake_client(
    settings: Settings,
    *,
    clock: Clock,
    budget: RequestBudget | None = None,
    on_progress: Callable[[str], None] | None = None,
    attempts: int | None = None,
) -> FakeBrokerAPI:
    """Return a fake with one account that holds one of everything."""
    del budget, on_progress, attempts
    return FakeBrokerAPI(
        account_snapshots=[make_simple_fake_account_snapshot()],
        positions=[make_simple_fake_position()],
        orders=[make_simple_fake_order()],
        executions=[make_simple_fake_execution()],
        option_events=[make_simple_fake_option_event()],
        environment=settings.mode,
        clock=clock,
    )


def make_simple_fake_account_snapshot(
    account_id: str = FAKE_ACCOUNT, **changes: object
) -> AccountSnapshotData:
    """Return the snapshot of a plain account with 100,000 USD, half of it in cash."""
    values: dict[str, Any] = {
        "account_id": account_id,
        "account_type": "INDIVIDUAL",
        "base_currency": "USD",
        "net_liquidation_value": Decimal(100000),
        "total_cash": Decimal(50000),
        "settled_cash": Decimal(50000),
        "buying_power": Decimal(200000),
        "available_funds": Decimal(75000),
        "excess_liquidity": Decimal(75000),
        "equity_with_loan_value": Decimal(100000),
        "gross_position_value": Decimal(50000),
        "initial_margin": Decimal(25000),
        "maintenance_margin": Decimal(25000),
        "is_ready": True,
    }
    return AccountSnapshotData(**(values | changes))


def make_simple_fake_position(account_id: str = FAKE_ACCOUNT, **changes: object) -> PositionData:
    """Return 100 shares of AAPL bought at 150 and valued at 180."""
    values: dict[str, Any] = {
        "account_id": account_id,
        "con_id": 265598,
        "symbol": "AAPL",
        "local_symbol": "AAPL",
        "security_type": "STK",
        "trading_class": "NMS",
        "exchange": "NASDAQ",
        "primary_exchange": "NASDAQ",
        "currency": "USD",
        "quantity": Decimal(100),
        "avg_cost_raw": Decimal(150),
        "avg_price": Decimal(150),
        "market_price": Decimal(180),
        "market_value": Decimal(18000),
        "unrealized_pnl": Decimal(3000),
        "realized_pnl": Decimal(0),
    }
    return PositionData(**(values | changes))


def make_simple_fake_order(account_id: str = FAKE_ACCOUNT, **changes: object) -> OrderData:
    """Return a working limit order to buy 100 AAPL at 170."""
    values: dict[str, Any] = {
        "account_id": account_id,
        "status": "submitted",
        "broker_status": "Submitted",
        "order_id": 7,
        "client_id": 1,
        "perm_id": 1000001,
        "order_ref": "ref-1",
        "con_id": 265598,
        "symbol": "AAPL",
        "security_type": "STK",
        "currency": "USD",
        "exchange": "SMART",
        "side": "BUY",
        "order_type": "LMT",
        "time_in_force": "DAY",
        "total_quantity": Decimal(100),
        "filled_quantity": Decimal(0),
        "limit_price": Decimal(170),
    }
    return OrderData(**(values | changes))


def make_simple_fake_execution(account_id: str = FAKE_ACCOUNT, **changes: object) -> ExecutionData:
    """Return a fill of 100 AAPL bought at 150, commission 1 USD."""
    values: dict[str, Any] = {
        "account_id": account_id,
        "exec_id": "0000e0d5.69dd7411.01.01",
        "fill_id": "exec:0000e0d5.69dd7411.01",
        "revision": 1,
        "order_id": 7,
        "client_id": 1,
        "perm_id": 1000001,
        "order_ref": "ref-1",
        "con_id": 265598,
        "symbol": "AAPL",
        "security_type": "STK",
        "currency": "USD",
        "event_ts": datetime(2026, 4, 13, 19, 27, 4, tzinfo=UTC),
        "event_ts_text": "20260413 15:27:04 US/Eastern",
        "side": "BUY",
        "fill_quantity": Decimal(100),
        "signed_quantity": Decimal(100),
        "price": Decimal(150),
        "cum_quantity": Decimal(100),
        "avg_order_price": Decimal(150),
        "venue": "ISLAND",
        "commission": Decimal(1),
        "commission_currency": "USD",
    }
    return ExecutionData(**(values | changes))


def make_simple_fake_option_event(
    account_id: str = FAKE_ACCOUNT, **changes: object
) -> OptionEventData:
    """Return the assignment of one short AAPL 150 put: 100 shares were bought at 150."""
    values: dict[str, Any] = {
        "account_id": account_id,
        "event_type": "assignment",
        "event_date": date(2026, 4, 10),
        "con_id": 700000001,
        "symbol": "AAPL  260410P00150000",
        "security_type": "OPT",
        "currency": "USD",
        "underlying_con_id": 265598,
        "underlying_symbol": "AAPL",
        "multiplier": Decimal(100),
        "strike": Decimal(150),
        "expiry": date(2026, 4, 10),
        "right": "P",
        "signed_quantity": Decimal(1),
        "price": Decimal(0),
        "proceeds": Decimal(0),
        "realized_pnl": Decimal(0),
        "trade_id": "1234567",
    }
    return OptionEventData(**(values | changes))
