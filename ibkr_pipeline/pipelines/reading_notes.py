"""What a person wants to know beside the rows: which contract, never read, how many corrected.

What lives here: questions about rows of the read copy that no table answers alone. What must not:
the rows themselves (`reading.py`), or output (`cli/`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

import duckdb
import polars as pl

from ibkr_pipeline.control.store import ControlStore
from ibkr_pipeline.pipelines.reading import open_read_copy
from ibkr_pipeline.primitives.clock import SystemClock
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.schemas import core
from ibkr_pipeline.schemas.statements import FLEX_STATEMENTS
from ibkr_pipeline.settings import Settings
from ibkr_pipeline.warehouse.reads import Basis, as_of

#: Table that is shown -> dataset whose loads bring its rows.
_DATASETS = {
    "accounts": Dataset.ACCOUNTS,
    "account_ledger": Dataset.ACCOUNTS,
    "positions": Dataset.POSITIONS,
    "orders": Dataset.ORDERS,
    "executions": Dataset.EXECUTIONS,
}
#: Table of statements that is shown -> sections any of which brings its rows.
_SECTIONS = {
    "option-events": ("OptionEAE", "Trades"),
    "option-event-evidence": ("OptionEAE", "Trades"),
    "cash": ("CashTransactions",),
    "nav": ("EquitySummaryInBase",),
    "statement-positions": ("OpenPositions",),
    "corporate-actions": ("CorporateActions",),
    "transfers": ("Transfers",),
    "conversion-rates": ("ConversionRates",),
    "nav-changes": ("ChangeInNAV",),
    "cash-reports": ("CashReport",),
    "fx-positions": ("FxPositions",),
    "statement-of-funds": ("StmtFunds",),
    "pending-exercises": ("PendingExercises",),
}
EVERY_ACCOUNT = "every account"


def unread(
    settings: Settings,
    table: str,
    *,
    at: datetime | None = None,
    basis: Basis = "available",
    accounts: Sequence[str] | None = None,
) -> tuple[str, ...]:
    """Return the accounts of which nothing was known, so that no rows does not mean none held.

    Args:
        settings: Where the data directory is.
        table: The table that is shown; of one that belongs to no account nothing is unread.
        at: The instant that is looked at; now by default.
        basis: Which of the two instants of a load counts.
        accounts: The accounts that were asked for; where none was, `EVERY_ACCOUNT` is returned
            if nothing was known of any.
    """
    if table in _DATASETS:
        source, condition = core.APPLIED_LOADS.name, "dataset = $told"
        told: object = _DATASETS[table].value
    elif table in _SECTIONS:
        source, condition = FLEX_STATEMENTS.name, "section IN (SELECT unnest($told::VARCHAR[]))"
        told = list(_SECTIONS[table])
    else:
        return ()
    cut = "" if at is None else f" AND {basis}_at <= $at::TIMESTAMPTZ"
    query = f"SELECT DISTINCT account_id FROM {source} WHERE {condition}"  # noqa: S608  # constants
    parameters = {"told": told} | ({} if at is None else {"at": at})
    with _read_copy(settings) as connection:
        known = {row[0] for row in connection.execute(query + cut, parameters).fetchall()}
    if accounts is None:
        return () if known else (EVERY_ACCOUNT,)
    return tuple(account for account in dict.fromkeys(accounts) if account not in known)


def with_local_symbol(settings: Settings, frame: pl.DataFrame) -> pl.DataFrame:
    """Return rows with the contract's own name: options share their underlying's symbol.

    Where the contract was never told whole, the symbol stands for it.

    Args:
        settings: Where the data directory is.
        frame: Rows with a `con_id`; any others are returned as they are.
    """
    if "con_id" not in frame.columns or "local_symbol" in frame.columns:
        return frame
    with _read_copy(settings) as connection:
        names = as_of(connection, "contracts").select("con_id", "local_symbol")
    named = frame.join(names, on="con_id", how="left", validate="m:1", maintain_order="left")
    if "symbol" not in frame.columns:
        return named
    return named.with_columns(local_symbol=pl.coalesce("local_symbol", "symbol"))


def n_corrections(settings: Settings, run_id: str) -> int:
    """Return how many executions a run brought that correct a fill known by an earlier revision."""
    with ControlStore.open(settings.control_url, clock=SystemClock()) as control:
        loads = [row.load_id for row in control.loads(run_id=run_id, dataset=Dataset.EXECUTIONS)]
    same = " AND ".join(f"earlier.{name} = later.{name}" for name in (*core.OWNER, "fill_id"))
    query = f"""
        SELECT count(*) FROM {core.EXECUTIONS.name} AS later
        WHERE later.load_id IN (SELECT unnest($loads::VARCHAR[])) AND EXISTS (
            SELECT 1 FROM {core.EXECUTIONS.name} AS earlier
            WHERE {same} AND earlier.revision < later.revision
        )"""  # noqa: S608  # constants of this package
    with _read_copy(settings) as connection:
        ((found,),) = connection.execute(query, {"loads": loads}).fetchall()
    return int(found)


@contextmanager
def _read_copy(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = open_read_copy(settings.environment_dir)
    try:
        yield connection
    finally:
        connection.close()
