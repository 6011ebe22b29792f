"""What the gateway's fills say of option events: little, and never for certain.

What lives here: which fills look like bookings of the night, as evidence. What must not: what
follows from it (`option_events.py`).

The gateway has no message for an assignment, an exercise or an expiration. Overnight it may tell
a fill of the option at no price, and one of the underlying at the strike that no order asked for.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import polars as pl

from ibkr_pipeline.normalization.delivered_legs import event_id, link_deliveries
from ibkr_pipeline.normalization.statement_trades import OPTIONS
from ibkr_pipeline.primitives.enums import EventLeg, EvidenceKind, OptionEventType
from ibkr_pipeline.primitives.sessions import DEFAULT_CALENDAR, session_dates
from ibkr_pipeline.schemas.statements import OPTION_EVENT_EVIDENCE

Row = dict[str, Any]
#: What is told after midnight happened the day before: the session of twelve hours earlier.
_NIGHT = pl.duration(hours=12)
_SCHEMA = {
    name: dtype
    for name, dtype in OPTION_EVENT_EVIDENCE.schema.items()
    if name not in ("version", "recorded_at")
}


def evidence_of_wire(candidates: pl.DataFrame, *, calendar: str = DEFAULT_CALENDAR) -> pl.DataFrame:
    """Return what fills without an order say of option events.

    A fill of an option at no price is an assignment or exercise if a delivery fits it, else an
    expiration. Fills that fit no option are no evidence.

    Args:
        candidates: `wire_candidates` of the warehouse: fills with the terms of their contract.
        calendar: Exchange calendar of the event's date.

    Returns:
        `core.option_event_evidence` without version and recorded_at. A row is available when
        the last of the fills it was told from is.
    """
    if candidates.is_empty():
        return pl.DataFrame(schema=_SCHEMA)
    days = session_dates(
        candidates.select(pl.col("event_ts") - _NIGHT).to_series(), calendar=calendar
    )
    dated = candidates.with_columns(days.alias("event_date"))
    found: list[Row] = []
    for _, rows in dated.group_by("broker", "environment", "account_id", maintain_order=True):
        found.extend(_of_account([_piece(row) for row in rows.iter_rows(named=True)]))
    return pl.DataFrame(
        [{name: row.get(name) for name in _SCHEMA} for row in found], schema=_SCHEMA, orient="row"
    )


def _of_account(rows: list[Row]) -> list[Row]:
    link_deliveries(rows)
    for row in rows:
        if row["leg"] == EventLeg.OPTION.value and row["event_type"] is None:
            expired = OptionEventType.EXPIRATION.value
            row["event_type"] = expired
            row["option_event_id"] = event_id(row["con_id"], row["event_date"], expired)
    linked = [row for row in rows if row["option_event_id"]]
    known_at: dict[str, Any] = {}
    for row in linked:
        event = row["option_event_id"]
        known_at[event] = max(known_at.get(event, row["available_at"]), row["available_at"])
    return [{**row, "available_at": known_at[row["option_event_id"]]} for row in linked]


def _piece(row: Row) -> Row:
    is_option = row["security_type"] in OPTIONS
    return {
        **row,
        "evidence_kind": EvidenceKind.WIRE_EXECUTION.value,
        "evidence_id": f"wire:{row['fill_id']}",
        "leg": (EventLeg.OPTION if is_option else EventLeg.DELIVERY).value,
        "event_date": _not_after_expiry(row),
        "event_type": None,
        "option_event_id": None,
        "option_con_id": row["con_id"] if is_option else None,
    }


def _not_after_expiry(row: Row) -> date:
    """Return the event's date: an option told after its expiry, over a weekend, expired then."""
    told: date = row["event_date"]
    expiry: date | None = row["expiry"]
    is_late = expiry is not None and expiry < told <= expiry + timedelta(days=4)
    return expiry if is_late and expiry is not None else told
