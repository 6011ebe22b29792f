"""Statements as the reader hands them over, and how they enter core, for several tests."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl

from ibkr_pipeline.models.requests import AppliedLoad, Load
from ibkr_pipeline.normalization.event_links import relinked
from ibkr_pipeline.normalization.option_events import evidence_of_statement, resolve
from ibkr_pipeline.normalization.statement_provenance import provenance_of_load
from ibkr_pipeline.normalization.statement_rows import normalize_section
from ibkr_pipeline.normalization.statement_trades import event_rows
from ibkr_pipeline.normalization.wire_evidence import evidence_of_wire
from ibkr_pipeline.primitives.enums import Dataset, Environment, LoadStatus
from ibkr_pipeline.schemas import flex
from ibkr_pipeline.schemas.table import Table
from ibkr_pipeline.warehouse.apply import apply_loads
from ibkr_pipeline.warehouse.connection import Warehouse
from ibkr_pipeline.warehouse.option_events import (
    append_evidence,
    append_option_events,
    append_relinked,
    facts_to_resolve,
    wire_candidates,
)
from ibkr_pipeline.warehouse.staging import StagedRows
from ibkr_pipeline.warehouse.statements import HEADERS, append_statement
from ibkr_pipeline.warehouse.transaction import WriteTransaction
from ibkr_pipeline_tests.warehouse_rows import ACCOUNT, Frames, frame_of, minutes, normalized

Row = Mapping[str, object]

#: Section -> frame of its rows.
SECTIONS: Mapping[str, Table] = {
    "Trades": flex.TRADES,
    "TradeConfirms": flex.TRADES,
    "OptionEAE": flex.OPTION_EAE,
    "OpenPositions": flex.OPEN_POSITIONS,
    "CashTransactions": flex.CASH_TRANSACTIONS,
    "EquitySummaryInBase": flex.NAV,
    "StmtFunds": flex.STATEMENT_OF_FUNDS,
    "PendingExercises": flex.PENDING_EXERCISES,
    "SecuritiesInfo": flex.SECURITIES,
}
#: A Wednesday.
DAY = date(2026, 11, 18)


@dataclass(frozen=True, kw_only=True)
class Statement:
    """A statement of one account.

    Attributes:
        made: Minute it was made, after noon.
        received: Minute we received it; by default as it was made.
        sections: Section -> rows, an empty list for one without rows.
    """

    made: int
    sections: Mapping[str, Sequence[Row]]
    received: int | None = None
    from_date: date = DAY
    to_date: date = DAY
    account: str = ACCOUNT
    number: int = 0
    chunk: int = 25_000
    loads: list[Load] = field(default_factory=list)


def apply_statement(warehouse: Warehouse, statement: Statement) -> list[AppliedLoad]:
    """Apply a statement in a transaction of its own, option events included."""
    with (
        tempfile.TemporaryDirectory() as folder,
        warehouse.write("a statement") as transaction,
    ):
        return enter_statement(transaction, statement, Path(folder) / "parts")


def enter_statement(
    transaction: WriteTransaction, statement: Statement, folder: Path
) -> list[AppliedLoad]:
    """Apply a statement in an open transaction."""
    staged = StagedRows(folder)
    loads = loads_of(statement)
    made_at = minutes(statement.made)
    for load in loads.values():
        provenance = provenance_of_load(load, generated_at=made_at)
        table = SECTIONS[load.section]
        frame = _frame(statement, load.section)
        for chunk in frame.iter_slices(statement.chunk):
            for name, rows in normalize_section(chunk, table.name, provenance).items():
                staged.add(name, load.load_id, rows)
    headers = pl.DataFrame(
        [
            (
                load.load_id,
                made_at,
                "nightly",
                "AF",
                "0" * 64,
                provenance_of_load(load, generated_at=made_at).source,
            )
            for load in loads.values()
        ],
        schema=dict(HEADERS),
        orient="row",
    )
    applied = append_statement(
        transaction,
        staged,
        list(loads.values()),
        headers,
        evidence=_evidence(statement, loads, made_at),
    )
    settle_option_events(transaction)
    staged.close()
    return applied


def apply_wire(warehouse: Warehouse, frames: Frames, loads: Sequence[Load]) -> list[AppliedLoad]:
    """Apply a read of executions in a transaction of its own, option events included."""
    with warehouse.write("executions") as transaction:
        applied = apply_loads(
            transaction,
            Dataset.EXECUTIONS,
            normalized(Dataset.EXECUTIONS, frames, loads),
            loads,
        )
        append_evidence(transaction, evidence_of_wire(wire_candidates(transaction)))
        settle_option_events(transaction)
        return applied


def settle_option_events(transaction: WriteTransaction) -> None:
    """Say anew what follows for the option events the transaction touched."""
    facts = facts_to_resolve(transaction)
    if append_relinked(transaction, relinked(facts.evidence)):
        facts = facts_to_resolve(transaction)
    append_option_events(transaction, resolve(facts.evidence, facts.coverage))


def loads_of(statement: Statement) -> dict[str, Load]:
    """Return the complete load of each section."""
    received = minutes(statement.made if statement.received is None else statement.received)
    request = f"{received:%Y%m%dT%H%M%S%fZ}-flex-{statement.number:06x}"
    return {
        section: Load(
            load_id=f"{request}:{statement.account}:{section}",
            request_id=request,
            broker="ibkr",
            environment=Environment.PAPER,
            dataset=Dataset.FLEX,
            account_id=statement.account,
            section=section,
            from_date=statement.from_date,
            to_date=statement.to_date,
            status=LoadStatus.COMPLETE,
            started_at=received,
            available_at=received,
            n_rows=len(rows),
        )
        for section, rows in statement.sections.items()
    }


def trade(number: int, **changes: object) -> dict[str, object]:
    """Return a row of `flex.trades`: 100 AAPL bought at 190.25 on the exchange."""
    quantity = Decimal(str(changes.pop("quantity", 100)))
    row: dict[str, object] = {
        "level_of_detail": "EXECUTION",
        "currency": "USD",
        "con_id": 265598,
        "symbol": "AAPL",
        "security_type": "STK",
        "underlying_symbol": "AAPL",
        "multiplier": Decimal(1),
        "trade_id": str(5_000_000 + number),
        "transaction_id": str(30_000_000_000 + number),
        "exec_id": f"0000e0d5.{0x65430000 + number:08x}.01.01",
        "broker_order_id": "900001",
        "event_ts": datetime(2026, 11, 18, 19, 30, tzinfo=UTC),
        "event_ts_text": "20261118;143000",
        "trade_date": DAY,
        "report_date": DAY,
        "transaction_type": "ExchTrade",
        "buy_sell": "BUY" if quantity > 0 else "SELL",
        "signed_quantity": quantity,
        "price": Decimal("190.25"),
        "ib_commission": Decimal("-1.05"),
        "commission_currency": "USD",
    }
    return {**row, **changes}


def booking(number: int, **changes: object) -> dict[str, object]:
    """Return a row of `flex.trades` that no execution stands behind: an assigned short call."""
    row = {
        "exec_id": None,
        "transaction_type": "BookTrade",
        "con_id": 700001,
        "symbol": "AAPL  261120C00190000",
        "security_type": "OPT",
        "underlying_con_id": 265598,
        "multiplier": Decimal(100),
        "strike": Decimal(190),
        "right": "C",
        "expiry": date(2026, 11, 20),
        "quantity": 1,
        "price": Decimal(0),
        "code": "A;C",
        "event_ts": datetime(2026, 11, 18, 21, 20, tzinfo=UTC),
        "ib_commission": Decimal(0),
    }
    return trade(number, **{**row, **changes})


def delivery(number: int, **changes: object) -> dict[str, object]:
    """Return the delivered leg of `booking`: 100 AAPL sold at the strike."""
    row = {
        "exec_id": None,
        "transaction_type": "BookTrade",
        "quantity": -100,
        "price": Decimal(190),
        "code": "A",
        "event_ts": datetime(2026, 11, 18, 21, 20, tzinfo=UTC),
        "ib_commission": Decimal(0),
    }
    return trade(number, **{**row, **changes})


def eae(transaction_type: str, **changes: object) -> dict[str, object]:
    """Return a row of `flex.option_eae` of the option of `booking`."""
    row: dict[str, object] = {
        "currency": "USD",
        "con_id": 700001,
        "symbol": "AAPL  261120C00190000",
        "security_type": "OPT",
        "underlying_con_id": 265598,
        "underlying_symbol": "AAPL",
        "multiplier": Decimal(100),
        "strike": Decimal(190),
        "right": "C",
        "expiry": date(2026, 11, 20),
        "event_date": DAY,
        "transaction_type": transaction_type,
        "signed_quantity": Decimal(1),
        "price": Decimal(0),
    }
    return {**row, **changes}


def eae_delivery(**changes: object) -> dict[str, object]:
    """Return the delivered leg of `eae("Assignment")`."""
    row = {
        "con_id": 265598,
        "symbol": "AAPL",
        "security_type": "STK",
        "underlying_con_id": None,
        "multiplier": Decimal(1),
        "strike": None,
        "right": None,
        "expiry": None,
        "signed_quantity": Decimal(-100),
        "price": Decimal(190),
    }
    return eae("Sell", **{**row, **changes})


def overnight(days: int) -> datetime:
    """Return an instant of the night after a day: 02:30 in New York."""
    return datetime(2026, 11, 19, 7, 30, tzinfo=UTC) + timedelta(days=days)


def _frame(statement: Statement, section: str) -> pl.DataFrame:
    rows = [
        {"account_id": statement.account, "row_number": place, **row}
        for place, row in enumerate(statement.sections[section], start=1)
    ]
    return frame_of(SECTIONS[section], rows)


def _evidence(statement: Statement, loads: Mapping[str, Load], made_at: datetime) -> pl.DataFrame:
    def rows(section: str) -> pl.DataFrame:
        held = section in statement.sections
        return _frame(statement, section) if held else SECTIONS[section].empty()

    origins = {
        section: provenance_of_load(load, generated_at=made_at) for section, load in loads.items()
    }
    return evidence_of_statement(
        event_rows(rows("Trades")),
        rows("OptionEAE"),
        trades=origins.get("Trades"),
        eae=origins.get("OptionEAE"),
    )
