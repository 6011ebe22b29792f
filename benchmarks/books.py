"""Books to measure with: payloads as the transport hands them over, and a broker that holds one.

What lives here: made-up messages in the wire's own fields and spelling. What must not: timing.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from types import TracebackType
from typing import Any, NoReturn, Self, TypeVar

import polars as pl

from ibkr_pipeline.brokers.read import Read
from ibkr_pipeline.brokers.registry import map_payload
from ibkr_pipeline.brokers.types import ExecutionData, PositionData
from ibkr_pipeline.models.requests import Payload, RequestProof, SubjectOutcome
from ibkr_pipeline.primitives.enums import Dataset, Environment, LoadStatus

Row = TypeVar("Row")

#: A Wednesday during the regular session in New York.
NOW = datetime(2026, 11, 18, 19, 0, tzinfo=UTC)


def account_codes(count: int) -> tuple[str, ...]:
    """Return `count` paper account codes."""
    return tuple(f"DU{1_000_000 + index}" for index in range(count))


def position_payload(accounts: Sequence[str], positions: int, *, seed: int = 7) -> Payload:
    """Return `position` messages: every account holds the same number of contracts."""
    rng = random.Random(seed)
    rows = [
        (account, str(100_000 + item), f"SIM{item:04}", str(rng.randint(1, 900)), rng.random())
        for account in accounts
        for item in range(positions)
    ]
    codes, con_ids, symbols, quantities, costs = zip(*rows, strict=True)
    blank = [""] * len(rows)
    return {
        "position": pl.DataFrame(
            {
                "seq": range(len(rows)),
                "account": codes,
                "reqId": ["9"] * len(rows),
                "conId": con_ids,
                "symbol": symbols,
                "secType": ["STK"] * len(rows),
                "lastTradeDateOrContractMonth": blank,
                "strike": ["0.0"] * len(rows),
                "right": blank,
                "multiplier": blank,
                "exchange": ["NASDAQ"] * len(rows),
                "currency": ["USD"] * len(rows),
                "localSymbol": symbols,
                "tradingClass": ["NMS"] * len(rows),
                "position": quantities,
                "avgCost": [f"{20 + 400 * cost:.6f}" for cost in costs],
                "modelCode": blank,
            },
            schema_overrides={"seq": pl.Int64},
        )
    }


def execution_payload(
    account: str, times: Sequence[datetime], *, first: int = 0, seed: int = 11
) -> Payload:
    """Return `execDetails` and `commissionReport` messages, one fill at each instant."""
    rng = random.Random(seed)
    count = len(times)
    ids = [f"{0xE0000 + (first + n) // 4096:08x}.{first + n:08x}.01.01" for n in range(count)]
    shares = [str(rng.randint(1, 300)) for _ in range(count)]
    prices = [f"{50 + 100 * rng.random():.2f}" for _ in range(count)]
    picks = [rng.randrange(200) for _ in range(count)]
    blank, zero = [""] * count, ["0"] * count
    fills = {
        "seq": range(0, 2 * count, 2),
        "account": [account] * count,
        "reqId": ["9"] * count,
        "orderId": [str(1 + n // 10) for n in range(count)],
        "conId": [str(100_000 + pick) for pick in picks],
        "symbol": [f"SIM{pick:04}" for pick in picks],
        "secType": ["STK"] * count,
        "lastTradeDateOrContractMonth": blank,
        "strike": ["0.0"] * count,
        "right": blank,
        "multiplier": blank,
        "exchange": ["NASDAQ"] * count,
        "currency": ["USD"] * count,
        "localSymbol": [f"SIM{pick:04}" for pick in picks],
        "tradingClass": ["NMS"] * count,
        "execId": ids,
        "time": [instant.strftime("%Y%m%d-%H:%M:%S") for instant in times],
        "acctNumber": [account] * count,
        "executionExchange": ["ISLAND"] * count,
        "side": [rng.choice(("BOT", "SLD")) for _ in range(count)],
        "shares": shares,
        "price": prices,
        "permId": [str(1_500_000_000 + (first + n) // 10) for n in range(count)],
        "clientId": ["1"] * count,
        "liquidation": zero,
        "cumQty": shares,
        "avgPrice": prices,
        "orderRef": blank,
        "evRule": blank,
        "evMultiplier": blank,
        "modelCode": blank,
        "lastLiquidity": ["2"] * count,
        "pendingPriceRevision": zero,
    }
    commissions = {
        "seq": range(1, 2 * count, 2),
        "account": [account] * count,
        "execId": ids,
        "commission": ["1.0"] * count,
        "currency": ["USD"] * count,
        "realizedPNL": ["1.7976931348623157E308"] * count,
        "yield": ["1.7976931348623157E308"] * count,
        "yieldRedemptionDate": blank,
    }
    return {
        "execDetails": pl.DataFrame(fills, schema_overrides={"seq": pl.Int64}),
        "commissionReport": pl.DataFrame(commissions, schema_overrides={"seq": pl.Int64}),
    }


def spread(count: int, start: datetime, end: datetime, *, seed: int = 3) -> list[datetime]:
    """Return `count` instants between two, in order."""
    rng = random.Random(seed)
    width = (end - start).total_seconds()
    return sorted(
        (start + timedelta(seconds=int(rng.random() * width))).astimezone(UTC) for _ in range(count)
    )


@dataclass(frozen=True, slots=True)
class HeldBroker:
    """A broker whose answers are already here: what follows the transport is measured alone."""

    accounts: tuple[str, ...]
    payloads: Mapping[Dataset, Payload]
    at: datetime = NOW
    broker: str = "ibkr"
    environment: Environment = Environment.SIMULATED

    def __enter__(self) -> Self:
        """Connect to nothing."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close nothing."""

    def managed_accounts(self) -> tuple[str, ...]:
        """Return the accounts of the book."""
        return self.accounts

    def fetch_positions(self, accounts: Sequence[str] | None = None) -> Read[PositionData]:
        """Return the held positions."""
        return self._read(Dataset.POSITIONS, accounts, "broker.positions", PositionData.from_row)

    def fetch_executions(
        self, accounts: Sequence[str] | None = None, *, since: datetime | None = None
    ) -> Read[ExecutionData]:
        """Return the held executions, those before `since` included: nothing is filtered."""
        del since
        return self._read(Dataset.EXECUTIONS, accounts, "broker.executions", ExecutionData.from_row)

    def fetch_account_snapshots(self, accounts: Sequence[str] | None = None) -> NoReturn:
        """Refuse: no benchmark reads balances."""
        raise NotImplementedError("This broker holds positions and executions alone.")

    def fetch_open_orders(self, accounts: Sequence[str] | None = None) -> NoReturn:
        """Refuse: no benchmark reads orders."""
        raise NotImplementedError("This broker holds positions and executions alone.")

    def fetch_option_events(
        self,
        accounts: Sequence[str] | None = None,
        *,
        from_date: date | None = None,
        to_date: date | None = None,
    ) -> NoReturn:
        """Refuse: statements are read from files."""
        raise NotImplementedError("This broker holds positions and executions alone.")

    def _read(
        self,
        dataset: Dataset,
        accounts: Sequence[str] | None,
        table: str,
        to_row: Callable[[Mapping[str, Any]], Row],
    ) -> Read[Row]:
        proof = RequestProof(
            request_id="held",
            broker=self.broker,
            environment=self.environment,
            dataset=dataset,
            started_at=self.at,
            ended_at=self.at,
            end_marker_seen=True,
            server_version=178,
            connection_epoch="held",
            managed_accounts=self.accounts,
        )
        return Read(
            proof=proof,
            outcomes=tuple(
                SubjectOutcome(account_id=account, status=LoadStatus.COMPLETE)
                for account in (self.accounts if accounts is None else accounts)
            ),
            payload=self.payloads[dataset],
            to_frames=lambda payload, proof: map_payload(self.broker, dataset, payload, proof),
            row_table=table,
            to_row=to_row,
        )
