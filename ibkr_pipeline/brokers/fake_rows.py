"""The fake broker's payload: its records as text, and back into typed frames.

What lives here: the text form of records of `brokers/types.py` and its mapper. What must not: the
fake itself (`testing.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import UTC, date, datetime

import polars as pl

from ibkr_pipeline.brokers.read import Frames
from ibkr_pipeline.brokers.types import (
    AccountSnapshotData,
    ExecutionData,
    OptionEventData,
    OrderData,
    PositionData,
)
from ibkr_pipeline.models.requests import Payload, RequestProof
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.schemas import broker as schemas
from ibkr_pipeline.schemas.table import Table

Record = AccountSnapshotData | PositionData | OrderData | ExecutionData | OptionEventData

#: Dataset -> table its records become rows of.
TABLES: Mapping[Dataset, Table] = {
    Dataset.ACCOUNTS: schemas.ACCOUNTS,
    Dataset.POSITIONS: schemas.POSITIONS,
    Dataset.ORDERS: schemas.ORDERS,
    Dataset.EXECUTIONS: schemas.EXECUTIONS,
    Dataset.FLEX: schemas.OPTION_EVENTS,
}
#: Dataset -> tables its frames must hold beside, and what fills them.
_BESIDE: Mapping[Dataset, tuple[Table, ...]] = {
    Dataset.ACCOUNTS: (schemas.ACCOUNT_LEDGER,),
    Dataset.POSITIONS: (),
    Dataset.ORDERS: (schemas.ORDER_STATUSES,),
    Dataset.EXECUTIONS: (schemas.COMMISSIONS,),
    Dataset.FLEX: (),
}
_COMMISSION_FIELDS = {
    "exec_id": "exec_id",
    "fill_id": "fill_id",
    "revision": "revision",
    "commission": "commission",
    "currency": "commission_currency",
    "realized_pnl": "realized_pnl",
}


def payload_of(
    dataset: Dataset, records: Sequence[Record], ledger: Sequence[Mapping[str, object]]
) -> Payload:
    """Return records as text, one row each; executions bring their commission reports."""
    table = TABLES[dataset]
    rows = [{**_as_row(record, table), "account": record.account_id} for record in records]
    payload = {table.name: _as_texts(rows, table)}
    if dataset is Dataset.ACCOUNTS:
        cash = [{**row, "account": row["account_id"]} for row in ledger]
        payload[schemas.ACCOUNT_LEDGER.name] = _as_texts(cash, schemas.ACCOUNT_LEDGER)
    if dataset is Dataset.EXECUTIONS:
        told = [_commission_of(r) for r in records if isinstance(r, ExecutionData)]
        reports = [row for row in told if row["commission"] is not None]
        payload[schemas.COMMISSIONS.name] = _as_texts(reports, schemas.COMMISSIONS)
    return payload


def map_fake(dataset: Dataset, payload: Payload, _: RequestProof) -> Frames:
    """Return the typed frames of a fake payload."""
    tables = (TABLES[dataset], *_BESIDE[dataset])
    return {table.name: _as_frame(payload.get(table.name), table) for table in tables}


def _as_row(record: Record, table: Table) -> dict[str, object]:
    names = {item.name for item in fields(record)} & set(table.schema)
    return {name: value for name, value in asdict(record).items() if name in names}


def _commission_of(record: ExecutionData) -> dict[str, object]:
    values = asdict(record)
    row = {column: values[name] for column, name in _COMMISSION_FIELDS.items()}
    return {**row, "account_id": record.account_id, "account": record.account_id}


def _as_texts(rows: Sequence[Mapping[str, object]], table: Table) -> pl.DataFrame:
    texts = {
        name: pl.Series([_text(row.get(name)) for row in rows], dtype=pl.String)
        for name in ("account", *table.schema)
        if name != "event_seq"
    }
    return pl.DataFrame({"seq": pl.Series(range(len(rows)), dtype=pl.Int64), **texts})


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    return value.isoformat() if isinstance(value, date) else str(value)


def _as_frame(texts: pl.DataFrame | None, table: Table) -> pl.DataFrame:
    if texts is None:
        return table.empty()
    return texts.select(
        pl.col("seq").alias("event_seq")
        if name == "event_seq"
        else (_parsed(name, dtype) if name in texts.columns else pl.lit(None, dtype).alias(name))
        for name, dtype in table.schema.items()
    )


def _parsed(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if dtype == pl.Boolean:
        return pl.when(column.is_not_null()).then(column == "true").alias(name)
    if dtype == pl.Datetime("us", "UTC"):
        return column.str.to_datetime(time_unit="us", time_zone="UTC", format="%+")
    if dtype == pl.Date:
        return column.str.to_date("%Y-%m-%d")
    return column.cast(dtype)
