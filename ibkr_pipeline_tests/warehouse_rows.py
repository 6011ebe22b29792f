"""Loads, broker frames and a warehouse to put them in, for the tests of several rooms."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

import polars as pl

from ibkr_pipeline.models.requests import AppliedLoad, Load
from ibkr_pipeline.normalization.accounts import normalize_accounts
from ibkr_pipeline.normalization.executions import normalize_executions
from ibkr_pipeline.normalization.orders import normalize_orders
from ibkr_pipeline.normalization.positions import normalize_positions
from ibkr_pipeline.normalization.provenance import PROVENANCE, combine
from ibkr_pipeline.primitives.clock import FixedClock
from ibkr_pipeline.primitives.enums import Dataset, Environment, LoadStatus
from ibkr_pipeline.schemas import broker
from ibkr_pipeline.schemas.table import Table
from ibkr_pipeline.warehouse.apply import apply_loads
from ibkr_pipeline.warehouse.connection import Warehouse

#: 16:30 in New York, after the close of Wednesday 2026-11-18.
NOON = datetime(2026, 11, 18, 21, 30, tzinfo=UTC)
ACCOUNT = "DU0000001"
OTHER = "DU0000002"

Frames = Mapping[str, pl.DataFrame]

_NORMALIZERS = {
    Dataset.ACCOUNTS: normalize_accounts,
    Dataset.POSITIONS: normalize_positions,
    Dataset.ORDERS: normalize_orders,
    Dataset.EXECUTIONS: normalize_executions,
}
_TABLES: Mapping[Dataset, tuple[Table, ...]] = {
    Dataset.ACCOUNTS: (broker.ACCOUNTS, broker.ACCOUNT_LEDGER),
    Dataset.POSITIONS: (broker.POSITIONS,),
    Dataset.ORDERS: (broker.ORDERS, broker.ORDER_STATUSES),
    Dataset.EXECUTIONS: (broker.EXECUTIONS, broker.COMMISSIONS),
}


def minutes(number: int) -> datetime:
    """Return an instant that many minutes after `NOON`."""
    return NOON + timedelta(minutes=number)


def warehouse_in(directory: Path, *, clock: FixedClock | None = None) -> Warehouse:
    """Return a migrated warehouse whose clock stands at `NOON`, and that waits for nobody."""
    (directory / "warehouse.duckdb").write_bytes(_migrated())
    return Warehouse(directory, clock=clock or FixedClock(NOON), lock_timeout_seconds=0.0)


def warehouse_at(directory: Path) -> Warehouse:
    """Return the warehouse that is in a directory already."""
    return Warehouse(directory, clock=FixedClock(NOON), lock_timeout_seconds=5.0)


@lru_cache(maxsize=1)
def _migrated() -> bytes:
    """Return the bytes of a warehouse without rows; making one anew costs more than a test."""
    with tempfile.TemporaryDirectory() as directory:
        warehouse = Warehouse(Path(directory), clock=FixedClock(NOON), lock_timeout_seconds=0.0)
        with warehouse.write("an empty warehouse"):
            pass
        return warehouse.path.read_bytes()


def make_load(
    dataset: Dataset,
    *,
    account: str = ACCOUNT,
    at: datetime = NOON,
    request: str | None = None,
) -> Load:
    """Return a complete load of one account, available at `at`."""
    request_id = request or f"{at:%Y%m%dT%H%M%S%fZ}-{dataset.value}-abcdef"
    return Load(
        load_id=f"{request_id}:{account}",
        request_id=request_id,
        broker="ibkr",
        environment=Environment.PAPER,
        dataset=dataset,
        account_id=account,
        status=LoadStatus.COMPLETE,
        started_at=at,
        available_at=at,
    )


def provenance_of(loads: Sequence[Load]) -> pl.DataFrame:
    """Return the provenance frame of the loads of one request."""
    return pl.DataFrame(
        [
            (
                load.account_id,
                load.load_id,
                load.request_id,
                load.broker,
                load.environment.value,
                load.source,
                load.available_at,
            )
            for load in loads
        ],
        schema=dict(PROVENANCE),
        orient="row",
    )


def frame_of(table: Table, rows: Sequence[Mapping[str, object]]) -> pl.DataFrame:
    """Return a frame of the table's exact types; columns a row does not name are null."""
    complete = [{name: row.get(name) for name in table.schema} for row in rows]
    return pl.DataFrame(complete, schema=table.schema)


def frames_of(dataset: Dataset, **rows: Sequence[Mapping[str, object]]) -> dict[str, pl.DataFrame]:
    """Return every broker frame of a dataset; those not named have no rows.

    `frames_of(Dataset.POSITIONS, positions=[position(...)])`.
    """
    return {
        table.name: frame_of(table, rows.get(table.name.removeprefix("broker."), ()))
        for table in _TABLES[dataset]
    }


def normalized(dataset: Dataset, frames: Frames, loads: Sequence[Load]) -> dict[str, pl.DataFrame]:
    """Return the normalized frames of one request."""
    return _NORMALIZERS[dataset](frames, provenance_of(loads))


def apply_rows(
    warehouse: Warehouse,
    dataset: Dataset,
    *reads: tuple[Frames, Sequence[Load]],
) -> list[AppliedLoad]:
    """Apply the reads, each one request, in one transaction."""
    frames = combine([normalized(dataset, frames, loads) for frames, loads in reads])
    loads = [load for _, read in reads for load in read]
    with warehouse.write("test") as transaction:
        return apply_loads(transaction, dataset, frames, loads)


def account_row(account: str = ACCOUNT, **changes: object) -> dict[str, object]:
    """Return a row of `broker.accounts`."""
    row = {
        "account_id": account,
        "account_role": "account",
        "base_currency": "USD",
        "net_liquidation_value": Decimal("100000.25"),
        "total_cash": Decimal("40000"),
    }
    return {**row, **changes}


def position(con_id: int, quantity: object = 100, **changes: object) -> dict[str, object]:
    """Return a row of `broker.positions`."""
    row = {
        "account_id": ACCOUNT,
        "model_code": "",
        "con_id": con_id,
        "symbol": f"S{con_id}",
        "security_type": "STK",
        "currency": "USD",
        "exchange": "SMART",
        "quantity": Decimal(str(quantity)),
        "avg_cost_raw": Decimal("10.5"),
    }
    return {**row, **changes}


def execution(exec_id: str = "0000e0d5.6543a1b2.01.01", **changes: object) -> dict[str, object]:
    """Return a row of `broker.executions`; fill id and revision follow from the exec id."""
    root, _, last = exec_id.rpartition(".")
    quantity = Decimal(str(changes.pop("quantity", 100)))
    side = changes.pop("side", "BUY")
    row = {
        "account_id": ACCOUNT,
        "event_seq": 1,
        "exec_id": exec_id,
        "fill_id": f"exec:{root}",
        "revision": int(last),
        "perm_id": 900001,
        "order_id": 11,
        "client_id": 1,
        "connection_epoch": "epoch-1",
        "con_id": 265598,
        "symbol": "AAPL",
        "security_type": "STK",
        "currency": "USD",
        "exchange": "SMART",
        "event_ts": NOON - timedelta(hours=2),
        "event_ts_text": "20261118-19:30:00",
        "side": side,
        "fill_quantity": quantity,
        "signed_quantity": quantity if side == "BUY" else -quantity,
        "price": Decimal("190.25"),
        "cum_quantity": quantity,
        "venue": "ARCA",
    }
    return {**row, **changes}


def commission(exec_id: str = "0000e0d5.6543a1b2.01.01", **changes: object) -> dict[str, object]:
    """Return a row of `broker.commissions`."""
    root, _, last = exec_id.rpartition(".")
    row = {
        "account_id": ACCOUNT,
        "event_seq": 2,
        "exec_id": exec_id,
        "fill_id": f"exec:{root}",
        "revision": int(last),
        "commission": Decimal("1.05"),
        "currency": "USD",
    }
    return {**row, **changes}


def order(**changes: object) -> dict[str, object]:
    """Return a row of `broker.orders`: a working limit order."""
    row = {
        "account_id": ACCOUNT,
        "event_seq": 1,
        "order_id": 11,
        "client_id": 1,
        "perm_id": 900001,
        "order_ref": None,
        "connection_epoch": "epoch-1",
        "con_id": 265598,
        "symbol": "AAPL",
        "security_type": "STK",
        "currency": "USD",
        "exchange": "SMART",
        "side": "BUY",
        "order_type": "LMT",
        "time_in_force": "DAY",
        "total_quantity": Decimal(100),
        "limit_price": Decimal("190.5"),
        "status": "submitted",
        "broker_status": "Submitted",
        "is_open": True,
    }
    return {**row, **changes}


def status(**changes: object) -> dict[str, object]:
    """Return a row of `broker.order_statuses`: working, nothing filled."""
    row = {
        "account_id": ACCOUNT,
        "event_seq": 2,
        "order_id": 11,
        "client_id": 1,
        "perm_id": 900001,
        "connection_epoch": "epoch-1",
        "status": "submitted",
        "broker_status": "Submitted",
        "filled_quantity": Decimal(0),
        "remaining_quantity": Decimal(100),
        "avg_fill_price": Decimal(0),
    }
    return {**row, **changes}
