"""Snapshots of accounts and positions: headers, rows, and how they compare with the last ones.

What lives here: appending snapshots and counting what changed. What must not: which snapshot is
current (`views.py`), the rows' meaning, or the lists of open orders (`open_orders.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.primitives.sessions import session_dates
from ibkr_pipeline.schemas import core
from ibkr_pipeline.schemas.table import Table
from ibkr_pipeline.warehouse.spans import span_of
from ibkr_pipeline.warehouse.transaction import WriteTransaction

#: How far back the snapshot before is looked for first; an account not read for longer costs a
#: look at every header.
_RECENT = timedelta(days=10)
_OWNER = ", ".join(core.OWNER)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    """What a snapshot of a dataset consists of.

    Attributes:
        table: Table of the counted rows, one header's rows each.
        others: Tables that come along.
        key: Columns that identify a row from one snapshot to the next.
        compared: Columns whose change makes a row a changed one.
    """

    table: Table
    others: tuple[Table, ...]
    key: tuple[str, ...]
    compared: tuple[str, ...]


_SUBJECTS: Mapping[Dataset, _Subject] = {
    Dataset.ACCOUNTS: _Subject(
        table=core.ACCOUNTS,
        others=(core.ACCOUNT_LEDGER,),
        key=(),
        compared=tuple(
            column.name
            for column in core.ACCOUNTS.columns
            if column.kind in ("money", "rate", "flag") or column.name.startswith(("base", "acc"))
        ),
    ),
    Dataset.POSITIONS: _Subject(
        table=core.POSITIONS,
        others=(),
        key=("con_id", "model_code"),
        compared=("quantity", "avg_cost_raw", "market_price", "market_value"),
    ),
}


def append_snapshots(
    transaction: WriteTransaction,
    dataset: Dataset,
    normalized: Mapping[str, pl.DataFrame],
    loads: pl.DataFrame,
) -> pl.DataFrame:
    """Append headers and rows of the snapshots in `loads`; return the counts of each.

    A load without rows is a snapshot of an empty account and has its header all the same.

    Args:
        transaction: The open transaction.
        dataset: Accounts or positions.
        normalized: Frames of `normalize_accounts` or `normalize_positions`, these loads only.
        loads: One row per load (`apply.py`).

    Returns:
        load_id, n_read, n_new, n_changed, n_unchanged, n_gone. The counts compare with the
        snapshot before: the last of the account that was true earlier.
    """
    subject = _SUBJECTS[dataset]
    rows = normalized[subject.table.name]
    headers = headers_of(loads, rows)
    pairs = with_previous(transaction, dataset, headers)
    transaction.append(core.SNAPSHOTS, headers)
    for table in (subject.table, *subject.others):
        transaction.append(table, normalized[table.name])
    return _counts(transaction, subject, pairs)


def headers_of(loads: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the header of each load's snapshot, with `n_rows` of the rows that have its id."""
    sizes = rows.group_by("load_id").agg(pl.len().cast(pl.Int64).alias("n_rows"))
    return loads.join(sizes, on="load_id", how="left", maintain_order="left").with_columns(
        pl.col("n_rows").fill_null(0),
        session_dates(loads.get_column("available_at")).alias("session_date"),
        snapshot_id="load_id",
        as_of="available_at",
    )


def with_previous(
    transaction: WriteTransaction, dataset: Dataset, headers: pl.DataFrame
) -> pl.DataFrame:
    """Return the headers with `previous_id`, `previous_as_of` and `previous_rows`."""
    own = headers.select(*core.OWNER, "snapshot_id", "as_of", "n_rows")
    span = span_of(own.get_column("as_of"))
    found = _known_headers(transaction, dataset, own, span.condition("as_of", margin=_RECENT))
    strangers = own.join(found, on=core.OWNER, how="anti").unique(core.OWNER)
    if strangers.height:
        found = pl.concat([found, _known_headers(transaction, dataset, strangers, "TRUE")])
    return (
        pl.concat([found, own])
        .sort(*core.OWNER, "as_of", "snapshot_id")
        .with_columns(
            pl.col("snapshot_id").shift(1).over(core.OWNER).alias("previous_id"),
            pl.col("as_of").shift(1).over(core.OWNER).alias("previous_as_of"),
            pl.col("n_rows").shift(1).over(core.OWNER).alias("previous_rows"),
        )
        .join(own.select("snapshot_id"), on="snapshot_id", how="semi")
    )


def _known_headers(
    transaction: WriteTransaction, dataset: Dataset, owners: pl.DataFrame, bound: str
) -> pl.DataFrame:
    return transaction.query(
        f"""SELECT {_OWNER}, snapshot_id, as_of, n_rows FROM {core.SNAPSHOTS.name}
            SEMI JOIN owners USING ({_OWNER}) WHERE dataset = $dataset AND {bound}""",
        params={"dataset": dataset.value},
        owners=owners.select(core.OWNER),
    )


def _counts(transaction: WriteTransaction, subject: _Subject, pairs: pl.DataFrame) -> pl.DataFrame:
    compared = pairs.filter(pl.col("previous_id").is_not_null())
    empty = pl.DataFrame(
        schema={"snapshot_id": pl.String(), "matched": pl.Int64(), "n_changed": pl.Int64()}
    )
    matches = _matches(transaction, subject, compared) if compared.height else empty
    return pairs.join(matches, on="snapshot_id", how="left").select(
        pl.col("snapshot_id").alias("load_id"),
        pl.col("n_rows").alias("n_read"),
        (pl.col("n_rows") - pl.col("matched").fill_null(0)).alias("n_new"),
        pl.col("n_changed").fill_null(0),
        (pl.col("matched").fill_null(0) - pl.col("n_changed").fill_null(0)).alias("n_unchanged"),
        (pl.col("previous_rows").fill_null(0) - pl.col("matched").fill_null(0)).alias("n_gone"),
    )


def _matches(transaction: WriteTransaction, subject: _Subject, pairs: pl.DataFrame) -> pl.DataFrame:
    """Count the rows that both snapshots of a pair have, and those that differ.

    Both sides are bounded by `as_of`, so that only the row groups of these snapshots are read.
    """
    differs = " OR ".join(f"new.{name} IS DISTINCT FROM old.{name}" for name in subject.compared)
    same = "".join(f" AND new.{name} = old.{name}" for name in subject.key)
    new = _between(subject.table, pairs, "as_of")
    old = _between(subject.table, pairs, "previous_as_of")
    return transaction.query(
        f"""SELECT pairs.snapshot_id, count(*) AS matched,
                count(*) FILTER (WHERE {differs}) AS n_changed
            FROM pairs
            JOIN {new} AS new ON new.snapshot_id = pairs.snapshot_id
            JOIN {old} AS old ON old.snapshot_id = pairs.previous_id{same}
            GROUP BY pairs.snapshot_id""",
        pairs=pairs.select("snapshot_id", "previous_id"),
    )


def _between(table: Table, pairs: pl.DataFrame, instant: str) -> str:
    bound = span_of(pairs.get_column(instant)).condition("as_of")
    return f"(SELECT * FROM {table.name} WHERE {bound})"
