"""Which rows of an append-only table are current: one selection per subject.

What lives here: the SQL that picks the winners, used as it is for the views `core.current_*` and
with a cut in time for as-of reads. What must not: running it (`reads.py`).

Winners follow the broker's own order where there is one (the revision of a fill) and
`available_at` elsewhere; never the order of arrival.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import duckdb

from ibkr_pipeline.schemas import core
from ibkr_pipeline.schemas.table import Table

_OWNER = ", ".join(core.OWNER)
_ORIGIN = ("version", *core.PROVENANCE)
_ORDER = (*core.OWNER, "order_key")
#: Of an order, what some messages do not know and what is never taken back.
_LASTING = (
    "order_id",
    "client_id",
    "perm_id",
    "parent_perm_id",
    "order_ref",
    "connection_epoch",
    "total_quantity",
    "filled_quantity",
    "con_id",
    "symbol",
    "security_type",
    "currency",
    "side",
    "order_type",
    "time_in_force",
)


def selection(name: str, *, cut: str = "TRUE") -> str:
    """Return the query of the current rows of a subject, among the rows the cut lets through.

    Args:
        name: A name of `SELECTIONS`.
        cut: SQL condition on `available_at` or `recorded_at`.
    """
    return SELECTIONS[name](cut)


def create_views(connection: duckdb.DuckDBPyConnection) -> None:
    """Create or replace the views `core.current_*`."""
    for name in SELECTIONS:
        connection.execute(f"CREATE OR REPLACE VIEW core.current_{name} AS {selection(name)}")


def _snapshot_rows(table: Table, dataset: str) -> Callable[[str], str]:
    """Rows of the last snapshot of each account; none where that snapshot is empty."""

    def query(cut: str) -> str:
        return f"""
            SELECT {_columns(table)} FROM {table.name} SEMI JOIN (
                SELECT snapshot_id FROM {core.SNAPSHOTS.name}
                WHERE dataset = '{dataset}' AND {cut}
                QUALIFY row_number() OVER (
                    PARTITION BY {_OWNER} ORDER BY as_of DESC, available_at DESC, snapshot_id DESC
                ) = 1
            ) AS latest USING (snapshot_id)
            WHERE {cut}"""  # noqa: S608  # constants of this package

    return query


def _last(table: Table, partition: str, order: str) -> Callable[[str], str]:
    """One row per partition: the first in the given order."""

    def query(cut: str) -> str:
        return f"""
            SELECT {_columns(table)} FROM {table.name} WHERE {cut}
            QUALIFY row_number() OVER (PARTITION BY {partition} ORDER BY {order}) = 1"""  # noqa: S608

    return query


def _all(table: Table) -> Callable[[str], str]:
    """Every row."""

    def query(cut: str) -> str:
        return f"SELECT {_columns(table)} FROM {table.name} WHERE {cut}"  # noqa: S608

    return query


def _merged(table: Table, key: str) -> Callable[[str], str]:
    """One row per key, with the last known value of each attribute."""
    attributes = ", ".join(
        f'arg_max("{column.name}", (available_at, version)) AS "{column.name}"'
        for column in table.columns
        if column.name not in (key, *_ORIGIN)
    )
    origin = ", ".join(f"arg_max({name}, (available_at, version)) AS {name}" for name in _ORIGIN)
    names = ", ".join(f'merged."{column.name}"' for column in table.columns)

    def query(cut: str) -> str:
        return f"""
            SELECT {names} FROM (
                SELECT {key}, {attributes}, {origin} FROM {table.name} WHERE {cut} GROUP BY {key}
            ) AS merged"""  # noqa: S608

    return query


def _orders(cut: str) -> str:
    """One row per order: what the last read said, completed by what only earlier ones knew.

    Loads may arrive in any order, so what a version carried over from the one before it is found
    here once more.
    """
    place = "(available_at, version)"
    columns = ", ".join(
        f'arg_max{"" if column.name in _LASTING else "_null"}("{column.name}", {place})'
        f' AS "{column.name}"'
        for column in core.ORDERS.columns
        if column.name not in _ORDER
    )
    remaining = "coalesce(remaining_quantity, total_quantity - filled_quantity)"
    return f"""
        SELECT {_columns(core.ORDERS)} FROM (
            SELECT * REPLACE ({remaining} AS remaining_quantity) FROM (
                SELECT {", ".join(_ORDER)}, {columns}
                FROM {core.ORDERS.name} WHERE {cut} GROUP BY {", ".join(_ORDER)}
            ) AS merged
        ) AS orders"""  # noqa: S608  # constants of this package


def _executions(cut: str) -> str:
    """One row per fill: its highest revision, its commission if told, its order's own key."""
    fills = ", ".join(
        f'fills."{column.name}"' for column in core.EXECUTIONS.columns if column.name != "order_key"
    )
    owner = " AND ".join(f"fills.{name} = {{0}}.{name}" for name in core.OWNER)
    return f"""
        SELECT {fills}, coalesce(names.order_key, fills.order_key) AS order_key,
            fees.commission, fees.currency AS commission_currency,
            coalesce(fees.commission_status, 'pending') AS commission_status,
            fees.realized_pnl, fees.bond_yield, fees.yield_redemption_date
        FROM (
            {_last(core.EXECUTIONS, f"{_OWNER}, fill_id", "revision DESC")(cut)}
        ) AS fills
        LEFT JOIN (
            {_COMMISSIONS(cut)}
        ) AS fees ON {owner.format("fees")} AND fills.exec_id = fees.exec_id
        LEFT JOIN (
            SELECT {_OWNER}, alias, any_value(order_key) AS order_key
            FROM {core.ORDER_ALIASES.name} WHERE {cut}
            GROUP BY {_OWNER}, alias HAVING count(DISTINCT order_key) = 1
        ) AS names ON {owner.format("names")} AND fills.order_key = names.alias"""  # noqa: S608


def _columns(table: Table) -> str:
    return ", ".join(f'"{column.name}"' for column in table.columns)


_COMMISSIONS = _last(core.COMMISSIONS, f"{_OWNER}, exec_id", "available_at DESC, version DESC")

#: Subject -> query of its current rows, given a cut.
SELECTIONS: Mapping[str, Callable[[str], str]] = {
    "snapshots": _last(
        core.SNAPSHOTS, f"{_OWNER}, dataset", "as_of DESC, available_at DESC, snapshot_id DESC"
    ),
    "accounts": _snapshot_rows(core.ACCOUNTS, "accounts"),
    "account_ledger": _snapshot_rows(core.ACCOUNT_LEDGER, "accounts"),
    "positions": _snapshot_rows(core.POSITIONS, "positions"),
    "instruments": _merged(core.INSTRUMENTS, "instrument_key"),
    "contracts": _merged(core.IBKR_CONTRACTS, "con_id"),
    "portfolios": _last(core.PORTFOLIOS, _OWNER, "recorded_at DESC"),
    "orders": _orders,
    "order_aliases": _all(core.ORDER_ALIASES),
    "order_status_events": _all(core.ORDER_STATUS_EVENTS),
    "executions": _executions,
    "commissions": _COMMISSIONS,
}
