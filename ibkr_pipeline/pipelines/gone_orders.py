"""Which orders a run was the first to miss, by key.

What lives here: the look-up in the read copy. What must not: when an order counts as gone
(`warehouse/open_orders.py`, `warehouse/views.py`), or how many there are, which control knows.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime

import polars as pl

from ibkr_pipeline.models.requests import LoadRow
from ibkr_pipeline.primitives.enums import OrderStatus
from ibkr_pipeline.primitives.errors import PipelineError
from ibkr_pipeline.primitives.logs import log_event
from ibkr_pipeline.settings import Settings
from ibkr_pipeline.warehouse.opening import open_read_copy
from ibkr_pipeline.warehouse.read_copy import FILE_NAME
from ibkr_pipeline.warehouse.reads import as_of

_log = logging.getLogger(__name__)


def gone_orders(settings: Settings, loads: Sequence[LoadRow]) -> Mapping[str, tuple[str, ...]]:
    """Return account code -> keys of the orders these loads missed, as the read copy tells them.

    A read copy that cannot be read leaves the keys out, with a warning in the log: they say more
    about counts that stand without them.

    Args:
        settings: Where the read copy is.
        loads: Loads of orders.
    """
    missed: dict[datetime, list[str]] = {}
    for load in loads:
        if load.n_gone and load.available_at is not None:
            missed.setdefault(load.available_at, []).append(load.account_id)
    if not missed:
        return {}
    try:
        found = _read(settings, missed)
    except PipelineError as error:
        log_event(_log, "gone_orders_unknown", level=logging.WARNING, reason=error)
        return {}
    keys: dict[str, tuple[str, ...]] = {}
    for account, key in found.select("account_id", "order_key").iter_rows():
        keys[account] = (*keys.get(account, ()), key)
    return keys


def _read(settings: Settings, missed: Mapping[datetime, Sequence[str]]) -> pl.DataFrame:
    connection = open_read_copy(settings.environment_dir / FILE_NAME)
    try:
        return pl.concat(
            as_of(connection, "orders", at=at, accounts=accounts).filter(
                pl.col("environment") == settings.mode.value,
                pl.col("status") == OrderStatus.GONE.value,
                pl.col("ended_before") == at,
            )
            for at, accounts in sorted(missed.items())
        )
    finally:
        connection.close()
