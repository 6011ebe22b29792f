"""Which rows of an append-only table are current: one selection per subject.

What lives here: the SQL that picks the winners, used as it is for the views `core.current_*` and
with a cut in time for as-of reads. What must not: running it (`reads.py`).

Winners follow the broker's own order where there is one (the revision of a fill) and
`available_at` elsewhere; never the order of arrival.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import duckdb

from ibkr_pipeline.primitives.enums import Dataset, OrderStatus
from ibkr_pipeline.schemas import core
from ibkr_pipeline.schemas.table import Table
from ibkr_pipeline.warehouse import fill_views
from ibkr_pipeline.warehouse.order_states import ENDED, FINAL
from ibkr_pipeline.warehouse.statement_views import STATEMENT_SELECTIONS

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

#: Subjects whose view has no `current_` before its name: nothing but the view has it.
OWN_NAMES = ("ordinary_executions", "fill_aliases")


def selection(name: str, *, cut: str = "TRUE") -> str:
    """Return the query of the current rows of a subject, among the rows the cut lets through.

    Args:
        name: A name of `SELECTIONS`.
        cut: SQL condition on `available_at` or `recorded_at`.
    """
    return SELECTIONS[name](cut)


def create_views(connection: duckdb.DuckDBPyConnection) -> None:
    """Create or replace the views `core.current_*`, and those of a name of their own."""
    for name in SELECTIONS:
        view = name if name in OWN_NAMES else f"current_{name}"
        connection.execute(f"CREATE OR REPLACE VIEW core.{view} AS {selection(name)}")


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
            WHERE {cut}"""

    return query


def _last(table: Table, partition: str, order: str) -> Callable[[str], str]:
    """One row per partition: the first in the given order."""

    def query(cut: str) -> str:
        return f"""
            SELECT {_columns(table)} FROM {table.name} WHERE {cut}
            QUALIFY row_number() OVER (PARTITION BY {partition} ORDER BY {order}) = 1"""

    return query


def _all(table: Table) -> Callable[[str], str]:
    """Every row."""

    def query(cut: str) -> str:
        return f"SELECT {_columns(table)} FROM {table.name} WHERE {cut}"

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
            ) AS merged"""

    return query


def _orders(cut: str) -> str:
    """One row per order: what was last told of it, unless a later read lists it no more.

    An order that was told as open, and that a later complete read of its account by the same
    route neither lists nor tells the end of, has ended between the two: `gone`. Which reads
    listed it stands in rows of its own, so that the way loads arrived makes no difference.
    """
    owner = " AND ".join(f"orders.{name} = reads.{name}" for name in (*core.OWNER, "source"))
    changed = {
        "status": f"CASE WHEN is_gone THEN '{OrderStatus.GONE.value}' ELSE status END",
        "is_open": f"CASE WHEN is_gone OR status IN {ENDED} THEN FALSE ELSE is_open END",
    }
    columns = ", ".join(
        f'{changed.get(column.name, f"orders.{column.name}")} AS "{column.name}"'
        for column in core.ORDERS.columns
    )
    return f"""
        SELECT {columns},
            CASE WHEN is_gone THEN told_open_at END AS ended_after,
            CASE WHEN is_gone THEN missed_at END AS ended_before
        FROM (
            SELECT orders.*, reads.as_of AS missed_at,
                reads.as_of IS NOT NULL AND orders.status NOT IN {ENDED}
                    AND coalesce(orders.is_open, orders.status NOT IN {FINAL}) AS is_gone
            FROM ({_told_orders(cut)}) AS orders
            ASOF LEFT JOIN (
                SELECT {_OWNER}, source, as_of FROM {core.SNAPSHOTS.name}
                WHERE dataset = '{Dataset.ORDERS.value}' AND {cut}
            ) AS reads ON {owner} AND orders.told_open_at < reads.as_of
        ) AS orders"""


def _told_orders(cut: str) -> str:
    """One row per order: what the last read said, completed by what only earlier ones knew.

    Loads may arrive in any order, so what a version carried over from the one before it is found
    here once more. `told_open_at` is when the order was last listed, or its state last changed.
    """
    place = "(available_at, version)"
    columns = ", ".join(
        f'arg_max{"" if column.name in _LASTING else "_null"}("{column.name}", {place})'
        f' AS "{column.name}"'
        for column in core.ORDERS.columns
        if column.name not in _ORDER
    )
    remaining = "coalesce(remaining_quantity, total_quantity - filled_quantity)"
    order = ", ".join(_ORDER)
    return f"""
        SELECT merged.* REPLACE ({remaining} AS remaining_quantity),
            greatest(merged.available_at, listed.as_of) AS told_open_at
        FROM (
            SELECT {order}, {columns} FROM {core.ORDERS.name} WHERE {cut} GROUP BY {order}
        ) AS merged
        LEFT JOIN (
            SELECT {order}, max(as_of) AS as_of FROM {core.OPEN_ORDERS.name} WHERE {cut}
            GROUP BY {order}
        ) AS listed USING ({order})"""


def _columns(table: Table) -> str:
    return ", ".join(f'"{column.name}"' for column in table.columns)


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
    "open_orders": _snapshot_rows(core.OPEN_ORDERS, "orders"),
    "order_aliases": _all(core.ORDER_ALIASES),
    "order_status_events": _all(core.ORDER_STATUS_EVENTS),
    "executions": fill_views.executions,
    "ordinary_executions": fill_views.ordinary_executions,
    "commissions": fill_views.commissions,
    "fill_aliases": fill_views.fill_aliases,
    **STATEMENT_SELECTIONS,
}
