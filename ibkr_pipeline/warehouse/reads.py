"""Reads of core as of an instant.

What lives here: the two time axes a reader may ask on. What must not: which row wins
(`views.py`).

On the *available* basis a read at T answers what could be known at T: rows that became available
later never change it. On the *recorded* basis it answers what this warehouse held at T: nothing
ever changes it. Backtests read on the first, audits on the second.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import duckdb
import polars as pl

from ibkr_pipeline.schemas import statements
from ibkr_pipeline.warehouse.errors import WarehouseVersionError
from ibkr_pipeline.warehouse.migrations import MIGRATIONS, version_of
from ibkr_pipeline.warehouse.views import SELECTIONS, selection

Basis = Literal["available", "recorded"]

#: Subjects -> order of the rows that are returned.
_ORDER = {
    "snapshots": "broker, environment, account_id, dataset",
    "accounts": "broker, environment, account_id",
    "account_ledger": "broker, environment, account_id, currency",
    "positions": "broker, environment, account_id, con_id, model_code",
    "instruments": "instrument_key",
    "contracts": "con_id",
    "portfolios": "broker, environment, account_id",
    "orders": "broker, environment, account_id, order_key",
    "open_orders": "broker, environment, account_id, order_key",
    "order_aliases": "broker, environment, account_id, alias, order_key",
    "order_status_events": "broker, environment, account_id, order_key, available_at, version",
    "executions": "broker, environment, account_id, event_ts, fill_id",
    "ordinary_executions": "broker, environment, account_id, event_ts, fill_id",
    "commissions": "broker, environment, account_id, exec_id",
    "fill_aliases": "broker, environment, account_id, alias, fill_id",
    "flex_statements": "broker, environment, account_id, section, generated_at, load_id",
    "option_event_evidence": "broker, environment, account_id, event_date, evidence_id",
    "option_events": "broker, environment, account_id, event_date, option_event_id",
    **{
        table.name.removeprefix("core."): "broker, environment, account_id, source_id"
        for table in statements.TABLE_OF_SECTION.values()
    },
}
#: Subjects that belong to no account.
_SHARED = ("instruments", "contracts")


def as_of(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    *,
    at: datetime | None = None,
    basis: Basis = "available",
    accounts: Sequence[str] | None = None,
) -> pl.DataFrame:
    """Return the rows of a subject that were current at an instant.

    Snapshots (`accounts`, `account_ledger`, `positions`, `open_orders`) are those of the last
    complete snapshot of each account, also when it is empty. `orders` that were open and that a
    later read lists no more are `gone`, between `ended_after` and `ended_before`. `executions`
    have the highest revision of each fill that was not cancelled, with its commission, `pending`
    where none was told. Subjects of statements are as the newest statement tells them.
    `portfolios` come from the configuration and are cut by `recorded_at` on either basis.

    Args:
        connection: The warehouse or a read copy.
        table: A subject: `accounts`, `positions`, `account_ledger`, `orders`, `executions`,
            `commissions`, `snapshots`, `instruments`, `contracts`, `portfolios`,
            `open_orders`, `order_aliases`, `order_status_events`, `ordinary_executions`,
            `fill_aliases`, `flex_statements`, `option_events`, `option_event_evidence`, or a
            table of statements (`cash_transactions`, `nav`, …).
        at: The instant, timezone-aware; by default whatever is there.
        basis: Which of the two instants of a row counts.
        accounts: Only these accounts; of no effect on instruments and contracts.

    Raises:
        ValueError: If the subject or the basis is unknown, or `at` is naive.
        WarehouseVersionError: If a read copy of an older version lacks what the subject needs.
    """
    if table not in SELECTIONS:
        raise ValueError(f"Subject was {table!r}; expected one of {', '.join(SELECTIONS)}.")
    conditions: list[str] = []
    parameters: dict[str, object] = {}
    if accounts is not None and table not in _SHARED:
        conditions.append("account_id IN (SELECT unnest($accounts::VARCHAR[]))")
        parameters["accounts"] = list(accounts)
    if at is not None:
        conditions.append(f"{_instant(table, basis)} <= $at::TIMESTAMPTZ")
        parameters["at"] = _aware(at)
    cut = " AND ".join(conditions) or "TRUE"
    query = f"SELECT * FROM ({selection(table, cut=cut)}) ORDER BY {_ORDER[table]}"
    try:
        found: pl.DataFrame = connection.sql(query, params=parameters or None).pl()
    except duckdb.CatalogException as error:
        if version_of(connection) >= MIGRATIONS[-1].version:
            raise
        raise _too_old(connection, table) from error
    return found


def _too_old(connection: duckdb.DuckDBPyConnection, table: str) -> WarehouseVersionError:
    found, known = version_of(connection), MIGRATIONS[-1].version
    return WarehouseVersionError(
        f"The read copy was version {found}, which lacks what {table} are made of; expected "
        f"version {known}. Run `ibkr-pipeline sync orders`, which brings the warehouse up to date "
        f"and publishes it again.",
        found=found,
        known=known,
    )


def _instant(table: str, basis: Basis) -> str:
    if basis not in ("available", "recorded"):
        raise ValueError(f"Basis was {basis!r}; expected available or recorded.")
    return "recorded_at" if table == "portfolios" else f"{basis}_at"


def _aware(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError(f"{at!r} was naive; expected a timezone-aware instant.")
    return at
