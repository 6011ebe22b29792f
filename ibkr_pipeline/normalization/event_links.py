"""Which trade belongs to which row of OptionEAE where the two sections give other dates.

What lives here: the event of a trade, from all pieces of evidence at hand. What must not:
deliveries (`delivered_legs.py`), or what follows from an event (`option_events.py`).

The date of OptionEAE is the event's. A trade is linked with its row by the tradeID both bear;
where one of them bears none, by contract, type and quantity, up to three days apart and one to
one. Where several fit, none is linked: reconciliation tells that the sections differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from ibkr_pipeline.normalization.delivered_legs import event_id
from ibkr_pipeline.primitives.enums import EventLeg, EvidenceKind
from ibkr_pipeline.schemas import core
from ibkr_pipeline.schemas.statements import OPTION_EVENT_EVIDENCE

Row = dict[str, Any]
_APART = timedelta(days=3)


def link_sections(rows: Sequence[Row]) -> None:
    """Write into each row told under a trade's date the event OptionEAE tells it under.

    Args:
        rows: Evidence of one account, of both sections; those that are not withdrawn.
    """
    booked = [row for row in _options(rows, EvidenceKind.TRADE) if row["event_type"]]
    told = [row for row in _options(rows, EvidenceKind.OPTION_EAE) if row["option_event_id"]]
    of_trade = {(row["trade_id"], row["con_id"]): row for row in told if row["trade_id"]}
    targets: dict[str, list[str | None]] = {}
    by_action: dict[str, str] = {}
    linked: list[tuple[Row, str]] = []
    by_terms = _by_terms(booked, told, of_trade)
    for row in booked:
        match = of_trade.get((row["trade_id"], row["con_id"]))
        own = _own_event(row)
        target = match["option_event_id"] if match else by_terms.get(own)
        targets.setdefault(own, []).append(target)
        if target is not None:
            linked.append((row, target))
            if action := row.get("position_action_id"):
                by_action[action] = target
    names = {row["option_event_id"] for row in told}
    aliases = {
        own: found[0]
        for own, found in targets.items()
        if found[0] is not None and len(set(found)) == 1 and own not in names
    }
    _follow(rows, aliases, by_action)
    for row, target in linked:
        row["option_event_id"] = target


def relinked(evidence: pl.DataFrame) -> pl.DataFrame:
    """Return new versions of the pieces that belong to another event than they name.

    Sections of different statements are linked here. A version says so from the instant on at
    which both were known.

    Args:
        evidence: Every version of the pieces, `core.option_event_evidence`.

    Returns:
        Rows of the table without recorded_at.
    """
    pieces: dict[tuple[str, ...], list[Row]] = {}
    for row in evidence.iter_rows(named=True):
        owner = tuple(row[name] for name in core.OWNER)
        pieces.setdefault((*owner, row["evidence_id"]), []).append(row)
    groups: dict[tuple[object, ...], list[tuple[Row, Row]]] = {}
    for key, versions in sorted(pieces.items()):
        before = _current(versions)
        if not is_withdrawn(before):
            groups.setdefault(key[:3], []).append((before, dict(before)))
    fresh = [row for pairs in groups.values() for row in _moved(pairs)]
    schema = {
        name: dtype for name, dtype in OPTION_EVENT_EVIDENCE.schema.items() if name != "recorded_at"
    }
    rows = [{name: row[name] for name in schema} for row in fresh]
    return pl.DataFrame(rows, schema=schema, orient="row")


def is_withdrawn(row: Row) -> bool:
    """Say whether a version says that the broker no longer tells the piece."""
    amounts = ("price", "proceeds", "ib_commission", "cost_basis", "realized_pnl")
    return row["signed_quantity"] == 0 and all(row[name] is None for name in amounts)


def _moved(pairs: Sequence[tuple[Row, Row]]) -> Iterator[Row]:
    """Link one account's pieces, (as they are, a copy); yield those that moved."""
    link_sections([after for _, after in pairs])
    known_at: dict[str, datetime] = {}
    for before, _ in pairs:
        if before["evidence_kind"] == EvidenceKind.OPTION_EAE.value:
            name, at = before["option_event_id"], before["available_at"]
            known_at[name] = max(at, known_at.get(name, at))
    for before, after in pairs:
        if before["option_event_id"] != after["option_event_id"]:
            at = before["available_at"]
            yield {
                **after,
                "version": after["highest"] + 1,
                "available_at": max(at, known_at.get(after["option_event_id"], at)),
            }


def _follow(rows: Sequence[Row], aliases: Mapping[str, str], by_action: Mapping[str, str]) -> None:
    """Name the other pieces, and deliveries by their own booking first, as the options are."""
    for row in rows:
        action = row.get("position_action_id")
        if row["leg"] == EventLeg.DELIVERY.value and action and action in by_action:
            row["option_event_id"] = by_action[action]
        else:
            row["option_event_id"] = aliases.get(row["option_event_id"], row["option_event_id"])


def _by_terms(
    booked: Sequence[Row], told: Sequence[Row], of_trade: Mapping[tuple[Any, Any], Row]
) -> dict[str, str]:
    """Return the events of OptionEAE by the events of the trades that fit no other, nor they."""
    loose = [row for row in booked if (row["trade_id"], row["con_id"]) not in of_trade]
    own = {_own_event(row) for row in booked}
    shared = {row["trade_id"] for row in booked}
    names = {row["option_event_id"] for row in told}
    alone = [
        row
        for row in told
        if row["option_event_id"] not in own and not (row["trade_id"] and row["trade_id"] in shared)
    ]
    of_eae = _grouped(alone, lambda row: str(row["option_event_id"]))
    trades = _grouped([row for row in loose if _own_event(row) not in names], _own_event)
    fits = [
        (first, second)
        for first, rows in trades.items()
        for second, others in of_eae.items()
        if _fit(rows, others)
    ]
    firsts, seconds = [first for first, _ in fits], [second for _, second in fits]
    return {
        first: second
        for first, second in fits
        if firsts.count(first) == 1 and seconds.count(second) == 1
    }


def _grouped(rows: Sequence[Row], name_of: Callable[[Row], str]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(name_of(row), []).append(row)
    return groups


def _fit(trades: Sequence[Row], told: Sequence[Row]) -> bool:
    first, second = trades[0], told[0]
    both_named = all(row["trade_id"] for row in [*trades, *told])
    return (
        not both_named
        and first["con_id"] == second["con_id"]
        and first["event_type"] == second["event_type"]
        and _quantity(trades) == _quantity(told)
        and abs(first["event_date"] - second["event_date"]) <= _APART
    )


def _quantity(rows: Sequence[Row]) -> Decimal:
    return sum((Decimal(row["signed_quantity"]) for row in rows), Decimal(0))


def _options(rows: Sequence[Row], kind: EvidenceKind) -> list[Row]:
    return [
        row
        for row in rows
        if row["leg"] == EventLeg.OPTION.value and row["evidence_kind"] == kind.value
    ]


def _own_event(row: Row) -> str:
    return event_id(row["con_id"], row["event_date"], row["event_type"])


def _current(versions: Sequence[Row]) -> Row:
    """Return the version told last, with the event named last and the highest version."""
    ordered = sorted(
        versions, key=lambda row: (row["generated_at"] or row["available_at"], row["version"])
    )
    named = [row["option_event_id"] for row in ordered if row["option_event_id"]]
    return {
        **ordered[-1],
        "option_event_id": named[-1] if named else None,
        "highest": max(row["version"] for row in versions),
    }
