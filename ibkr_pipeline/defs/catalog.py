"""Which asset stands for which table, and which assets belong together: the map of the graph.

What lives here: groups, asset keys, tags and descriptions. What must not: what materializes an
asset (`assets/`).

    raw/{dataset} -> core/{tables of the dataset} -> core/{shared tables} -> ops/read_copy
                                                                          -> ops/current_accounts
                                                                          -> ops/reconciliation
"""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg

from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.schemas import core
from ibkr_pipeline.schemas.table import Table

#: Dataset -> the tables its loads alone write, in one transaction.
TABLES_OF: Mapping[Dataset, tuple[Table, ...]] = {
    Dataset.ACCOUNTS: (core.ACCOUNTS, core.ACCOUNT_LEDGER),
    Dataset.POSITIONS: (core.POSITIONS,),
    Dataset.ORDERS: (core.ORDERS, core.ORDER_STATUS_EVENTS, core.ORDER_ALIASES),
    Dataset.EXECUTIONS: (core.EXECUTIONS, core.COMMISSIONS),
}
#: Dataset -> datasets whose loads its read lands beside its own: positions are read between two
#: looks at the executions.
ALSO_LANDED: Mapping[Dataset, tuple[Dataset, ...]] = {Dataset.POSITIONS: (Dataset.EXECUTIONS,)}
#: Tables the loads of several datasets write.
SHARED_TABLES = (core.SNAPSHOTS, core.INSTRUMENTS, core.IBKR_CONTRACTS, core.PORTFOLIOS)

CURRENT_ACCOUNTS = dg.AssetKey(["ops", "current_accounts"])
RECONCILIATION = dg.AssetKey(["ops", "reconciliation"])
READ_COPY = dg.AssetKey(["ops", "read_copy"])

NIGHTLY_TAG = "nightly"
ENVIRONMENT_TAG = "ibkr/environment"
OWNERS = ("team:data",)

RAW_DESCRIPTIONS: Mapping[Dataset, str] = {
    Dataset.ACCOUNTS: "Balances, margin and cash by currency, as the gateway told them.",
    Dataset.POSITIONS: "Open positions, as the gateway told them.",
    Dataset.ORDERS: "Open orders of every client and orders completed today, as told.",
    Dataset.EXECUTIONS: "Executions and commission reports of the gateway's day, as told.",
}


def raw_key(dataset: Dataset) -> dg.AssetKey:
    """Return the key of the raw asset of a dataset."""
    return dg.AssetKey(["raw", dataset.value])


def table_key(table: Table) -> dg.AssetKey:
    """Return the key of a table's asset: `schema/table`."""
    return dg.AssetKey(table.name.split("."))


def core_keys(dataset: Dataset) -> tuple[dg.AssetKey, ...]:
    """Return the keys of the tables a dataset alone writes."""
    return tuple(table_key(table) for table in TABLES_OF[dataset])


def shared_keys() -> tuple[dg.AssetKey, ...]:
    """Return the keys of the tables several datasets write."""
    return tuple(table_key(table) for table in SHARED_TABLES)


def keys_for(*datasets: Dataset) -> tuple[dg.AssetKey, ...]:
    """Return everything a run of some datasets materializes, without reconciliation.

    Reconciliation compares datasets with one another, so only the nightly run, which reads all
    of them, ends with it.
    """
    landed = dict.fromkeys(
        item for dataset in datasets for item in (dataset, *ALSO_LANDED.get(dataset, ()))
    )
    return (
        *(raw_key(dataset) for dataset in datasets),
        *(key for dataset in landed for key in core_keys(dataset)),
        *shared_keys(),
        READ_COPY,
        CURRENT_ACCOUNTS,
    )
