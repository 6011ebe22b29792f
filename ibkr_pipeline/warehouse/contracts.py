"""Contracts and instruments: a new version when an attribute changed.

What lives here: what is compared and appended. What must not: which row is current (`views.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from ibkr_pipeline.schemas import core
from ibkr_pipeline.schemas.table import Table
from ibkr_pipeline.warehouse.transaction import WriteTransaction
from ibkr_pipeline.warehouse.versions import new_versions

_KEYS = {core.IBKR_CONTRACTS: "con_id", core.INSTRUMENTS: "instrument_key"}
#: Stored, but no change of itself: messages spell the same expiry with and without a time.
_SPELLING = ("expiry_code",)


def append_contracts(transaction: WriteTransaction, normalized: Mapping[str, pl.DataFrame]) -> None:
    """Append what is new about contracts and instruments.

    An attribute a message does not tell (null) is not a change.

    Args:
        transaction: The open transaction.
        normalized: Frames that may hold `core.ibkr_contracts` and `core.instruments`.
    """
    for table, key in _KEYS.items():
        incoming = normalized.get(table.name)
        if incoming is not None and not incoming.is_empty():
            known = transaction.query(
                f'SELECT * FROM {table.name} SEMI JOIN incoming USING ("{key}")',
                incoming=incoming.select(key),
            )
            content = _content(table, key)
            fresh = new_versions(known, incoming, key=[key], content=content, carried=content)
            transaction.append(table, fresh)


def _content(table: Table, key: str) -> list[str]:
    aside = (key, "version", *core.PROVENANCE, *_SPELLING)
    return [name for name in table.schema if name not in aside]
