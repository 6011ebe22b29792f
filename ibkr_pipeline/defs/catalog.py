"""Which asset stands for which table, and which assets belong together: the map of the graph.

What lives here: groups, asset keys, tags and descriptions. What must not: what materializes an
asset (`assets/`).

    raw/{dataset} -> core/{tables of the dataset} -> core/{shared tables} -> ops/read_copy
                                                                          -> ops/current_accounts
                                                                          -> ops/reconciliation
    raw/flex, raw/flex_statements -> core/{tables of statements} -> core/option_events
                                                                 -> ops/current_statements
                                                                 -> ops/statement_reconciliation
"""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg

from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.schemas import core, statements
from ibkr_pipeline.schemas.table import Table

#: Dataset -> the tables its loads alone write, in one transaction.
TABLES_OF: Mapping[Dataset, tuple[Table, ...]] = {
    Dataset.ACCOUNTS: (core.ACCOUNTS, core.ACCOUNT_LEDGER),
    Dataset.POSITIONS: (core.POSITIONS,),
    Dataset.ORDERS: (
        core.ORDERS,
        core.OPEN_ORDERS,
        core.ORDER_STATUS_EVENTS,
        core.ORDER_ALIASES,
    ),
    Dataset.EXECUTIONS: (core.EXECUTIONS, core.COMMISSIONS),
}
#: Dataset -> datasets whose loads its read lands beside its own: positions are read between two
#: looks at the executions.
ALSO_LANDED: Mapping[Dataset, tuple[Dataset, ...]] = {Dataset.POSITIONS: (Dataset.EXECUTIONS,)}
#: Tables the loads of several datasets write.
SHARED_TABLES = (core.SNAPSHOTS, core.INSTRUMENTS, core.IBKR_CONTRACTS, core.PORTFOLIOS)
#: Tables that follow from fills of every route and from what statements tell of exercises.
OPTION_TABLES = (
    statements.OPTION_EVENT_EVIDENCE,
    statements.OPTION_EVENTS,
    statements.FILL_ALIASES,
)
#: Tables the sections of a statement write, beside executions.
STATEMENT_TABLES = tuple(table for table in statements.TABLES if table not in OPTION_TABLES)

#: Statements by session, however they came.
FLEX_STATEMENTS = dg.AssetKey(["raw", "flex_statements"])

CURRENT_ACCOUNTS = dg.AssetKey(["ops", "current_accounts"])
CURRENT_STATEMENTS = dg.AssetKey(["ops", "current_statements"])
RECONCILIATION = dg.AssetKey(["ops", "reconciliation"])
STATEMENT_RECONCILIATION = dg.AssetKey(["ops", "statement_reconciliation"])
COVERAGE = dg.AssetKey(["ops", "coverage"])
EXPIRATIONS = dg.AssetKey(["ops", "expirations"])
BREAKS = dg.AssetKey(["ops", "breaks"])
READ_COPY = dg.AssetKey(["ops", "read_copy"])

NIGHTLY_TAG = "nightly"
ENVIRONMENT_TAG = "ibkr/environment"
OWNERS = ("team:data",)

RAW_DESCRIPTIONS: Mapping[Dataset, str] = {
    Dataset.ACCOUNTS: "Balances, margin and cash by currency, as the gateway told them.",
    Dataset.POSITIONS: "Open positions, as the gateway told them.",
    Dataset.ORDERS: "Open orders of every client and orders completed today, as told.",
    Dataset.EXECUTIONS: "Executions and commission reports of the gateway's day, as told.",
    Dataset.FLEX: (
        "Account statements of the Flex web service in the query's own window, or downloaded by "
        "hand, as original bytes. What they cover is marked on raw/flex_statements."
    ),
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


def option_keys() -> tuple[dg.AssetKey, ...]:
    """Return the keys of the tables that follow from fills and statements together."""
    return tuple(table_key(table) for table in OPTION_TABLES)


def statement_keys() -> tuple[dg.AssetKey, ...]:
    """Return the keys of the tables that sections of statements alone write."""
    return tuple(table_key(table) for table in STATEMENT_TABLES)


def keys_for(*datasets: Dataset) -> tuple[dg.AssetKey, ...]:
    """Return everything a run of some datasets materializes.

    Reconciliation compares datasets of the gateway with one another, so only the nightly run,
    which reads all of them, ends with it. Statements are reconciled whenever some are brought in.
    """
    told = [dataset for dataset in datasets if dataset in TABLES_OF]
    landed = dict.fromkeys(
        item for dataset in told for item in (dataset, *ALSO_LANDED.get(dataset, ()))
    )
    keys = (
        *(raw_key(dataset) for dataset in told),
        *(key for dataset in landed for key in core_keys(dataset)),
        *(option_keys() if Dataset.EXECUTIONS in landed else ()),
        *shared_keys(),
        READ_COPY,
        *((CURRENT_ACCOUNTS,) if told else ()),
        *(keys_for_statements() if Dataset.FLEX in datasets else ()),
    )
    return tuple(dict.fromkeys(keys))


def keys_for_statements() -> tuple[dg.AssetKey, ...]:
    """Return everything a run that brings in the newest statements materializes.

    Statements reconcile with what the gateway told before, so every such run ends with it.
    """
    return (
        raw_key(Dataset.FLEX),
        *statement_keys(),
        *core_keys(Dataset.EXECUTIONS),
        *option_keys(),
        *shared_keys(),
        COVERAGE,
        READ_COPY,
        CURRENT_STATEMENTS,
        STATEMENT_RECONCILIATION,
        EXPIRATIONS,
        BREAKS,
    )
