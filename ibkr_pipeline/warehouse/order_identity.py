"""Which messages speak of one order.

What lives here: the aliases of orders and how a message finds its order by them. What must not:
what the message says about it (`orders.py`).

A permId is one order. A message without one belongs to the order its client and order id named
within the connection, else to the order of its reference, as long as client and order id do not
say otherwise: references may be the same for every order of a program. A permId that is new joins
an order that has none yet, found the same way; so two permIds are always two orders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from ibkr_pipeline.schemas import core
from ibkr_pipeline.warehouse.transaction import WriteTransaction

NAMES = ("perm_name", "ref_name", "client_name")
_OWNER = list(core.OWNER)
_IDENTITY = [*_OWNER, *NAMES]
Owner = tuple[str, str, str]


def identify_orders(transaction: WriteTransaction, messages: pl.DataFrame) -> pl.DataFrame:
    """Append the aliases that are new and return `order_key` for each combination of names.

    Messages of one load that carry a permId are looked at first, so that the order of messages
    within a load does not matter.

    Args:
        transaction: The open transaction.
        messages: Owner, names, `event_seq`, `load_id`, `available_at` and `source`.

    Returns:
        Owner, names, load_id, order_key; null where a message names no order.
    """
    asked = (
        messages.sort("event_seq")
        .unique(subset=[*_IDENTITY, "load_id"], keep="first", maintain_order=True)
        .sort(
            "available_at",
            "load_id",
            pl.col("perm_name").is_null(),
            pl.col("ref_name").is_null(),
            "event_seq",
            maintain_order=True,
        )
    )
    books = _known(transaction, asked)
    keys: list[str | None] = []
    aliases: list[dict[str, object]] = []
    for row in asked.iter_rows(named=True):
        owner = (row["broker"], row["environment"], row["account_id"])
        book = books.setdefault(owner, _Book())
        key = book.find(row["perm_name"], row["ref_name"], row["client_name"])
        keys.append(key)
        fresh = book.name(key, [row[name] for name in NAMES])
        aliases.extend({**row, "alias": alias, "order_key": key} for alias in fresh)
    _append_aliases(transaction, aliases)
    found = pl.Series("order_key", keys, dtype=pl.String)
    return asked.select(*_IDENTITY, "load_id").with_columns(found)


@dataclass(slots=True)
class _Book:
    """The orders of one account, by name."""

    by_name: dict[str, list[str]] = field(default_factory=dict)
    ids: dict[str, set[str]] = field(default_factory=dict)
    with_perm: set[str] = field(default_factory=set)

    def find(self, perm: str | None, ref: str | None, client: str | None) -> str | None:
        """Return the key of the order a message names, a new one if it is not known."""
        if perm is None and ref is None and client is None:
            return None
        found = self._by_perm(perm, ref, client) if perm else self._without_perm(ref, client)
        return found or self._unused((perm, ref, client))

    def name(self, key: str | None, names: Sequence[str | None]) -> list[str]:
        """Remember the names of an order and return those that are new and worth keeping.

        An order that has its permId is found by that on the next connection. Its client and
        order id are kept once, to tell it from others of the same reference, and not again for
        every connection it is read over.
        """
        if key is None:
            return []
        fresh = [name for name in names if name and key not in self.by_name.get(name, [])]
        is_settled = any(name and name.startswith("perm:") for name in names)
        told = {
            name
            for name in fresh
            if is_settled and _is_client_name(name) and _client_and_id(name) in self._ids_of(key)
        }
        for name in fresh:
            self.by_name.setdefault(name, []).append(key)
            if name.startswith("perm:"):
                self.with_perm.add(key)
            if _is_client_name(name):
                self.ids.setdefault(key, set()).add(_client_and_id(name))
        return [name for name in fresh if name not in told]

    def _ids_of(self, key: str) -> set[str]:
        return self.ids.get(key, set())

    def _by_perm(self, perm: str, ref: str | None, client: str | None) -> str | None:
        if perm in self.by_name:
            return self.by_name[perm][0]
        waiting = [key for key in self._named(client) if key not in self.with_perm]
        if not waiting:
            waiting = [
                key
                for key in self._named(ref)
                if key not in self.with_perm and self._may_be(key, client)
            ]
        return waiting[-1] if waiting else None

    def _without_perm(self, ref: str | None, client: str | None) -> str | None:
        same_ids = self._named(client)
        if same_ids:
            return same_ids[-1]
        same_ref = [key for key in self._named(ref) if self._may_be(key, client)]
        return same_ref[-1] if same_ref and (len(same_ref) == 1 or client is None) else None

    def _unused(self, names: tuple[str | None, ...]) -> str:
        given = [name for name in names if name]
        return next((name for name in given if name not in self.by_name), given[-1])

    def _named(self, name: str | None) -> list[str]:
        return self.by_name.get(name, []) if name else []

    def _may_be(self, key: str, client: str | None) -> bool:
        known = self.ids.get(key)
        return not known or client is None or _client_and_id(client) in known


def _is_client_name(name: str) -> bool:
    return name.startswith("cid:")


def _client_and_id(name: str) -> str:
    """Return client and order id of a client name, without the connection."""
    return ":".join(name.split(":", 3)[1:3])


def _known(transaction: WriteTransaction, asked: pl.DataFrame) -> dict[Owner, _Book]:
    names = pl.concat(
        [asked.select(*_OWNER, pl.col(name).alias("alias")) for name in NAMES]
    ).drop_nulls()
    owner = ", ".join(_OWNER)
    aliases = core.ORDER_ALIASES.name
    known = transaction.query(
        f"""SELECT {owner}, alias, order_key FROM {aliases} SEMI JOIN (
                SELECT {owner}, order_key FROM {aliases} SEMI JOIN names USING ({owner}, alias)
            ) AS candidates USING ({owner}, order_key)
            ORDER BY available_at, recorded_at, order_key, alias""",
        names=names,
    )
    books: dict[Owner, _Book] = {}
    for broker, environment, account, alias, key in known.iter_rows():
        books.setdefault((broker, environment, account), _Book()).name(key, (alias,))
    return books


def _append_aliases(transaction: WriteTransaction, aliases: list[dict[str, object]]) -> None:
    wanted: Mapping[str, pl.DataType] = {
        name: dtype for name, dtype in core.ORDER_ALIASES.schema.items() if name != "recorded_at"
    }
    rows = pl.DataFrame([{name: row[name] for name in wanted} for row in aliases], schema=wanted)
    transaction.append(core.ORDER_ALIASES, rows, validate=False)
