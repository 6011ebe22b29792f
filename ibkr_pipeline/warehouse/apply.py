"""Loads into core: the one entrance, for every dataset.

What lives here: what all datasets have in common (which loads are due, the mark that they were
applied, the counts). What must not: the rules of one subject, which stand in its own module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from ibkr_pipeline.models.requests import AppliedLoad, Load
from ibkr_pipeline.primitives.enums import Dataset, LoadStatus
from ibkr_pipeline.schemas import core
from ibkr_pipeline.warehouse.contracts import append_contracts
from ibkr_pipeline.warehouse.executions import append_executions
from ibkr_pipeline.warehouse.orders import append_orders
from ibkr_pipeline.warehouse.portfolios import NamedPortfolio, append_portfolios
from ibkr_pipeline.warehouse.snapshots import append_snapshots
from ibkr_pipeline.warehouse.transaction import WriteTransaction

_LOADS = {
    "load_id": pl.String(),
    "request_id": pl.String(),
    "broker": pl.String(),
    "environment": pl.String(),
    "account_id": pl.String(),
    "dataset": pl.String(),
    "source": pl.String(),
    "available_at": pl.Datetime("us", "UTC"),
}


def apply_loads(
    transaction: WriteTransaction,
    dataset: Dataset,
    normalized: Mapping[str, pl.DataFrame],
    loads: Sequence[Load],
    *,
    portfolio_of: Mapping[str, NamedPortfolio] | None = None,
) -> list[AppliedLoad]:
    """Append the rows of every load that is not in core yet, and mark it applied.

    Applying a load again changes nothing and is no error; it is left out of the result. Rows of
    other loads in the frames are left out too.

    Args:
        transaction: The open transaction; nothing is kept unless it commits.
        dataset: Dataset of all the loads.
        normalized: Frames of the dataset's normalizer, of one request or of several combined.
        loads: Complete loads, with the instant they became available.
        portfolio_of: Account code -> portfolio, kept in `core.portfolios`.

    Returns:
        What each load did, in the order of `available_at`.

    Raises:
        ValueError: If a load is of another dataset, not complete, or without its instant.
        SchemaError: If rows do not fit their table. Nothing of any load is written then.
    """
    _check(dataset, loads)
    due = not_applied(transaction, loads)
    if not due:
        return []
    facts = _facts(due)
    frames = _only(normalized, facts)
    counts = _append(transaction, dataset, frames, facts)
    append_contracts(transaction, frames)
    _append_portfolios(transaction, due, portfolio_of or {})
    _mark(transaction, facts, counts)
    return [
        AppliedLoad(recorded_at=transaction.recorded_at, **row)
        for row in facts.select("load_id")
        .join(counts, on="load_id", how="left", maintain_order="left")
        .iter_rows(named=True)
    ]


def not_applied(transaction: WriteTransaction, loads: Sequence[Load]) -> list[Load]:
    """Return the loads that are not in core, by `available_at` and id, each once."""
    if not loads:
        return []
    asked = pl.DataFrame(
        {"load_id": [load.load_id for load in loads]}, schema={"load_id": pl.String}
    )
    # Ids begin with the instant of their request, so the bounds leave most of the table unread.
    known = transaction.query(
        f"""SELECT load_id FROM {core.APPLIED_LOADS.name} SEMI JOIN asked USING (load_id)
            WHERE load_id BETWEEN $first AND $last""",
        params={"first": asked["load_id"].min(), "last": asked["load_id"].max()},
        asked=asked,
    )
    applied = set(known.get_column("load_id"))
    due = {load.load_id: load for load in loads if load.load_id not in applied}
    return sorted(
        due.values(), key=lambda load: (load.available_at or load.started_at, load.load_id)
    )


def _check(dataset: Dataset, loads: Sequence[Load]) -> None:
    for load in loads:
        if load.dataset is not dataset:
            raise ValueError(f"Load {load.load_id} was of {load.dataset}; expected {dataset}.")
        if load.status is not LoadStatus.COMPLETE or load.available_at is None:
            raise ValueError(
                f"Load {load.load_id} was {load.status}; only a complete load, with the instant "
                f"it became available, may enter core."
            )


def _append(
    transaction: WriteTransaction,
    dataset: Dataset,
    frames: Mapping[str, pl.DataFrame],
    facts: pl.DataFrame,
) -> pl.DataFrame:
    if dataset is Dataset.EXECUTIONS:
        return append_executions(transaction, frames, facts)
    if dataset is Dataset.ORDERS:
        return append_orders(transaction, frames, facts)
    return append_snapshots(transaction, dataset, frames, facts)


def _facts(due: Sequence[Load]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            (
                load.load_id,
                load.request_id,
                load.broker,
                load.environment.value,
                load.account_id,
                load.dataset.value,
                load.source,
                load.available_at,
            )
            for load in due
        ],
        schema=_LOADS,
        orient="row",
    )


def _only(normalized: Mapping[str, pl.DataFrame], facts: pl.DataFrame) -> dict[str, pl.DataFrame]:
    due = facts.get_column("load_id").implode()
    return {name: frame.filter(pl.col("load_id").is_in(due)) for name, frame in normalized.items()}


def _append_portfolios(
    transaction: WriteTransaction,
    due: Sequence[Load],
    portfolio_of: Mapping[str, NamedPortfolio],
) -> None:
    groups: dict[tuple[str, str], dict[str, NamedPortfolio]] = {}
    for load in due:
        if load.account_id in portfolio_of:
            group = groups.setdefault((load.broker, load.environment.value), {})
            group[load.account_id] = portfolio_of[load.account_id]
    for (broker, environment), accounts in groups.items():
        append_portfolios(transaction, accounts, broker=broker, environment=environment)


def _mark(transaction: WriteTransaction, facts: pl.DataFrame, counts: pl.DataFrame) -> None:
    read = counts.select("load_id", pl.col("n_read").alias("n_rows"))
    transaction.append(
        core.APPLIED_LOADS, facts.join(read, on="load_id", how="left", maintain_order="left")
    )
