"""Option events: what follows from all evidence of each, and how it changed.

What lives here: `resolve`. What must not: what counts as evidence (`statement_evidence.py`,
`wire_evidence.py`), or what core holds already.

An event may be told by OptionEAE, by trades, by the gateway's fills and by a change of positions.
It is counted once: quantities come from the strongest kind that tells them, never from two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from ibkr_pipeline.normalization.event_links import is_withdrawn
from ibkr_pipeline.normalization.statement_evidence import evidence_of_statement
from ibkr_pipeline.primitives.enums import (
    EventLeg,
    EvidenceKind,
    OptionEventState,
    OptionEventType,
)
from ibkr_pipeline.schemas import core
from ibkr_pipeline.schemas.statements import OPTION_EVENTS

__all__ = ["evidence_of_statement", "resolve"]

Row = dict[str, Any]
_KINDS = tuple(kind.value for kind in EvidenceKind)
_TELLING = {EvidenceKind.OPTION_EAE.value, EvidenceKind.TRADE.value}
#: A booking may be reported a session later than it happened; until then nothing is refuted.
_REPORTED_WITHIN = timedelta(days=4)
_TERMS = (
    "symbol",
    "security_type",
    "currency",
    "underlying_con_id",
    "underlying_symbol",
    "multiplier",
    "strike",
    "expiry",
    "right",
)


@dataclass(frozen=True, slots=True)
class _Covered:
    """A section of a statement that would tell of an event of its days."""

    owner: tuple[str, ...]
    section: str
    from_date: date
    to_date: date
    available_at: datetime
    load_id: str


def resolve(evidence: pl.DataFrame, coverage: pl.DataFrame) -> pl.DataFrame:
    """Return the history of each event: what was to be said of it from each instant on.

    `confirmed` by any statement; `suspected` from the gateway or positions alone; `refuted` where
    statements cover its day and days after it, and tell of no such event, or take it back.

    Args:
        evidence: Every version of every piece, `core.option_event_evidence`.
        coverage: Owner, section, from_date, to_date, available_at, load_id of the statements'
            sections that tell of option events.

    Returns:
        `core.option_events` without version and recorded_at, ordered by event and available_at.
    """
    covered = [
        _Covered(
            tuple(row[name] for name in core.OWNER),
            row["section"],
            row["from_date"],
            row["to_date"],
            row["available_at"],
            row["load_id"],
        )
        for row in coverage.iter_rows(named=True)
    ]
    pieces: dict[tuple[str, ...], list[Row]] = {}
    for row in evidence.iter_rows(named=True):
        pieces.setdefault((*_owner(row), row["evidence_id"]), []).append(row)
    events: dict[tuple[str, ...], list[list[Row]]] = {}
    for versions in pieces.values():
        for event_id in {row["option_event_id"] for row in versions if row["option_event_id"]}:
            events.setdefault((*_owner(versions[0]), event_id), []).append(versions)
    history = [
        row
        for key in sorted(events)
        for row in _history(key, events[key], [item for item in covered if item.owner == key[:3]])
    ]
    schema = {
        name: dtype
        for name, dtype in OPTION_EVENTS.schema.items()
        if name not in ("version", "recorded_at")
    }
    return pl.DataFrame(history, schema=schema, orient="row")


def _history(
    key: tuple[str, ...], pieces: Sequence[Sequence[Row]], covered: Sequence[_Covered]
) -> Iterator[Row]:
    """Yield what is to be said of an event from each instant on at which something changed."""
    instants = {row["available_at"] for versions in pieces for row in versions}
    first = min(instants)
    instants |= {item.available_at for item in covered if item.available_at > first}
    before: Row | None = None
    for at in sorted(instants):
        known = [row for versions in pieces if (row := _newest(versions, at)) is not None]
        own = [row for row in known if row["option_event_id"] == key[3]]
        past = [row for versions in pieces for row in versions if row["available_at"] <= at]
        told = own or [row for row in past if row["option_event_id"] == key[3]]
        if not told or (before is None and not own):
            continue
        heard = [item for item in covered if item.available_at <= at]
        said = _said(key, told, is_current=bool(own), covered=heard)
        if before is None or any(said[name] != before[name] for name in said if name != "reason"):
            before = said
            latest = max([*told, *_as_rows(heard, said)], key=_by_arrival)
            yield {**said, "load_id": latest["load_id"], "available_at": at}


def _newest(versions: Sequence[Row], at: datetime) -> Row | None:
    """Return the last version by the broker's own order; an event once named stays named."""
    known = [row for row in versions if row["available_at"] <= at]
    if not known:
        return None
    known.sort(key=lambda row: (row["generated_at"] or row["available_at"], row["version"]))
    named = [row["option_event_id"] for row in known if row["option_event_id"]]
    return {**known[-1], "option_event_id": named[-1] if named else None}


def _said(
    key: tuple[str, ...], rows: Sequence[Row], *, is_current: bool, covered: Sequence[_Covered]
) -> Row:
    """Return the event as its evidence tells it, as far as it is not withdrawn."""
    was_withdrawn = any(map(is_withdrawn, rows))
    rows = [row for row in rows if not is_withdrawn(row)] or rows
    option = _strongest(rows, EventLeg.OPTION) or _strongest(rows, EventLeg.CASH)
    delivery, cash = _strongest(rows, EventLeg.DELIVERY), _strongest(rows, EventLeg.CASH)
    of_money = _strongest_with_money(rows)
    anchor = (option or list(rows))[0]
    con_id, day, event_type = key[3].split(":", 2)
    quantity = _total(option, "signed_quantity") or Decimal(0)
    event_date = date(int(day[:4]), int(day[4:6]), int(day[6:8]))
    state, reason = _state(
        rows,
        option,
        event_date,
        event_type,
        is_current=is_current,
        was_withdrawn=was_withdrawn,
        covered=covered,
    )
    times = [row["event_ts"] for row in rows if row["event_ts"]]
    return {
        **dict(zip(core.OWNER, key[:3], strict=True)),
        "option_event_id": key[3],
        "event_type": event_type,
        "state": state,
        "reason": reason,
        "event_date": event_date,
        "event_ts": max(times) if times else None,
        "con_id": int(con_id),
        **{name: _first_known(_option_rows(rows, anchor), name) for name in _TERMS},
        "signed_quantity": quantity,
        "delivered_con_id": delivery[0]["con_id"] if delivery else None,
        "delivered_quantity": _total(delivery, "signed_quantity"),
        "delivered_price": delivery[0]["price"] if delivery else None,
        "cash_amount": _total(cash, "proceeds"),
        "realized_pnl": _total(of_money, "realized_pnl"),
        "ib_commission": _total(of_money, "ib_commission"),
        "sources": ",".join(sorted({row["evidence_kind"] for row in rows})),
    }


def _state(
    rows: Sequence[Row],
    option: Sequence[Row],
    event_date: date,
    event_type: str,
    *,
    is_current: bool,
    was_withdrawn: bool,
    covered: Sequence[_Covered],
) -> tuple[str, str]:
    kinds = {row["evidence_kind"] for row in rows}
    told = sorted({row["evidence_kind"] for row in rows if not is_withdrawn(row)} & _TELLING)
    if not is_current:
        return OptionEventState.REFUTED.value, "What spoke for it now speaks of another event."
    is_in_cash = event_type == OptionEventType.CASH_SETTLEMENT.value
    if told and option and not is_in_cash and not _total(option, "signed_quantity"):
        return OptionEventState.REFUTED.value, "The broker took the booking back."
    if was_withdrawn and not told:
        return OptionEventState.REFUTED.value, "The broker took the booking back."
    if told:
        return OptionEventState.CONFIRMED.value, f"Told by a statement ({', '.join(told)})."
    if _is_covered(event_date, covered):
        return (
            OptionEventState.REFUTED.value,
            f"Statements cover {event_date} and days after it and tell of no such event.",
        )
    return (
        OptionEventState.SUSPECTED.value,
        f"Told by {', '.join(sorted(kinds))} alone; no statement has told of it yet.",
    )


def _is_covered(event_date: date, covered: Sequence[_Covered]) -> bool:
    for section in sorted({item.section for item in covered}):
        spans = [item for item in covered if item.section == section]
        of_day = any(item.from_date <= event_date <= item.to_date for item in spans)
        later = any(
            item.to_date > event_date and item.from_date <= event_date + _REPORTED_WITHIN
            for item in spans
        )
        if of_day and later:
            return True
    return False


def _strongest(rows: Sequence[Row], leg: EventLeg) -> list[Row]:
    """Return the legs of the strongest kind that tells any, in a stable order."""
    for kind in _KINDS:
        found = [row for row in rows if row["leg"] == leg.value and row["evidence_kind"] == kind]
        if found:
            return sorted(found, key=lambda row: row["evidence_id"])
    return []


def _strongest_with_money(rows: Sequence[Row]) -> list[Row]:
    for kind in _KINDS:
        found = [row for row in rows if row["evidence_kind"] == kind]
        if any(row["realized_pnl"] is not None for row in found):
            return found
    return []


def _option_rows(rows: Sequence[Row], anchor: Row) -> list[Row]:
    """Return the rows of the option itself, those of the strongest kind first."""
    own = [row for row in rows if row["con_id"] == anchor["con_id"]]
    return sorted(own, key=lambda row: (_KINDS.index(row["evidence_kind"]), row["evidence_id"]))


def _total(rows: Sequence[Row], name: str) -> Decimal | None:
    values = [row[name] for row in rows if row[name] is not None]
    return sum(values, Decimal(0)) if values else None


def _first_known(rows: Sequence[Row], name: str) -> object:
    return next((row[name] for row in rows if row[name] is not None), None)


def _as_rows(covered: Sequence[_Covered], said: Row) -> list[Row]:
    """Return the statements that refuted an event, as far as they did."""
    if said["state"] != OptionEventState.REFUTED.value:
        return []
    return [{"load_id": item.load_id, "available_at": item.available_at} for item in covered]


def _by_arrival(row: Row) -> tuple[datetime, str]:
    return row["available_at"], row["load_id"]


def _owner(row: Row) -> tuple[str, ...]:
    return tuple(row[name] for name in core.OWNER)
