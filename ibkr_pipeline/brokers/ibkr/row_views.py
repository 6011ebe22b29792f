"""Row views over frame rows: instants of the proof and the messages as they came.

What lives here: what the records of `brokers/types.py` have beside their frame row. What
must not: mapping; the frames are the contract, these are for code that reads a few rows by name.
Each function returns a builder that indexes the payload once, when the first row is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from functools import cache
from typing import Any

from ibkr_pipeline.brokers.ibkr.mappers.executions import map_executions
from ibkr_pipeline.brokers.types import (
    AccountSnapshotData,
    ExecutionData,
    OptionEventData,
    OrderData,
    PositionData,
)
from ibkr_pipeline.models.requests import Payload, RequestProof

Row = Mapping[str, Any]
Messages = tuple[Mapping[str, str | None], ...]


def account_rows(payload: Payload, proof: RequestProof) -> Callable[[Row], AccountSnapshotData]:
    """Return a builder of account snapshots, true at the end of the read."""
    values = cache(lambda: _index(payload, ("accountValue",), ("account",)))

    def build(row: Row) -> AccountSnapshotData:
        raw = values().get((row["account_id"],), ())
        return AccountSnapshotData.from_row({**row, "timestamp": proof.ended_at, "raw": raw})

    return build


def position_rows(payload: Payload, proof: RequestProof) -> Callable[[Row], PositionData]:
    """Return a builder of positions, true at the end of the read."""
    names = ("position", "portfolioValue")
    messages = cache(lambda: _index(payload, names, ("account", "conId")))

    def build(row: Row) -> PositionData:
        raw = messages().get((row["account_id"], str(row["con_id"])), ())
        return PositionData.from_row({**row, "timestamp": proof.ended_at, "raw": raw})

    return build


def order_rows(payload: Payload, proof: RequestProof) -> Callable[[Row], OrderData]:
    """Return a builder of order reports; their time is that of their end, else of the read."""
    messages = cache(lambda: _index(payload, ("openOrder", "completedOrder"), ("seq",)))

    def build(row: Row) -> OrderData:
        timestamp = row["completed_at"] or proof.ended_at
        raw = messages().get((row["event_seq"],), ())
        return OrderData.from_row({**row, "timestamp": timestamp, "raw": raw})

    return build


def execution_rows(payload: Payload, proof: RequestProof) -> Callable[[Row], ExecutionData]:
    """Return a builder of fills, with their commission where it was told."""
    messages = cache(lambda: _index(payload, ("execDetails",), ("seq",)))
    reports = cache(lambda: _index(payload, ("commissionReport",), ("execId",)))
    commissions = cache(lambda: _commissions(payload, proof))

    def build(row: Row) -> ExecutionData:
        exec_id = row["exec_id"]
        raw = messages().get((row["event_seq"],), ()) + reports().get((exec_id,), ())
        return ExecutionData.from_row({**row, **commissions().get(exec_id, {}), "raw": raw})

    return build


def option_event_rows(payload: Payload, _: RequestProof) -> Callable[[Row], OptionEventData]:
    """Return a builder of option events."""
    names = ("optionEAE", "trade")
    messages = cache(lambda: _index(payload, names, ("account", "con_id", "trade_id")))

    def build(row: Row) -> OptionEventData:
        place = (row["account_id"], str(row["con_id"]), row["trade_id"])
        return OptionEventData.from_row({**row, "raw": messages().get(place, ())})

    return build


def _index(
    payload: Payload, names: tuple[str, ...], key: tuple[str, ...]
) -> dict[tuple[Hashable, ...], Messages]:
    found: dict[tuple[Hashable, ...], Messages] = {}
    for name in names:
        frame = payload.get(name)
        if frame is None or frame.is_empty():
            continue
        for row in frame.iter_rows(named=True):
            place = tuple(row[column] for column in key)
            found[place] = (*found.get(place, ()), row)
    return found


def _commissions(payload: Payload, proof: RequestProof) -> dict[str, Row]:
    reports = {name: frame for name, frame in payload.items() if name == "commissionReport"}
    rows = map_executions(reports, proof)["broker.commissions"].iter_rows(named=True)
    return {
        row["exec_id"]: {
            "commission": row["commission"],
            "commission_currency": row["currency"],
            "realized_pnl": row["realized_pnl"],
        }
        for row in rows
    }
