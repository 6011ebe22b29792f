"""What the sections of one statement say of option events: Trades rows and OptionEAE rows.

What lives here: evidence rows, each with the event it belongs to where that can be told. What
must not: what follows from all evidence (`option_events.py`), or the matching of deliveries
(`delivered_legs.py`).

Both sections tell the same bookings. A row of the one never adds to a row of the other.
"""

from __future__ import annotations

import re
from typing import Any

import polars as pl

from ibkr_pipeline.normalization.delivered_legs import event_id, link_deliveries
from ibkr_pipeline.normalization.event_links import link_sections
from ibkr_pipeline.normalization.statement_contracts import with_contract_terms
from ibkr_pipeline.normalization.statement_provenance import StatementProvenance
from ibkr_pipeline.normalization.statement_trades import OPTIONS, normalize_trades
from ibkr_pipeline.primitives.enums import EventLeg, EvidenceKind, OptionEventType
from ibkr_pipeline.schemas import core
from ibkr_pipeline.schemas.statements import OPTION_EVENT_EVIDENCE

Row = dict[str, Any]
_SCHEMA = {
    name: dtype
    for name, dtype in OPTION_EVENT_EVIDENCE.schema.items()
    if name not in ("version", "recorded_at")
}
_CODES = {
    "A": OptionEventType.ASSIGNMENT.value,
    "Ex": OptionEventType.EXERCISE.value,
    "AEx": OptionEventType.EXERCISE.value,
    "MEx": OptionEventType.EXERCISE.value,
    "GEA": OptionEventType.EXERCISE.value,
    "Ep": OptionEventType.EXPIRATION.value,
}
_WORDS = {
    "assignment": OptionEventType.ASSIGNMENT.value,
    "exercise": OptionEventType.EXERCISE.value,
    "expiration": OptionEventType.EXPIRATION.value,
    "cash settlement": OptionEventType.CASH_SETTLEMENT.value,
}
#: Ids that mean there is none.
_NO_ID = (None, "", "0")
_CASH = OptionEventType.CASH_SETTLEMENT.value


def evidence_of_statement(
    trade_rows: pl.DataFrame,
    eae_rows: pl.DataFrame,
    *,
    trades: StatementProvenance | None,
    eae: StatementProvenance | None,
) -> pl.DataFrame:
    """Return what one account's statement says of option events.

    A delivered leg belongs to the event of the option booked with it: by positionActionID, by
    the tradeID the two sections share, else by day, underlying, quantity, strike and side, one
    to one. What stays without an event is kept with `option_event_id` null.

    Args:
        trade_rows: `event_rows` of the Trades section, in `flex.trades`.
        eae_rows: All rows of OptionEAE, in `flex.option_eae`.
        trades: Where the trades come from; None where the section is absent or failed.
        eae: The same of OptionEAE.

    Returns:
        `core.option_event_evidence` without version and recorded_at.
    """
    of_eae = _of_eae(eae_rows, eae) if eae is not None and not eae_rows.is_empty() else []
    told = {row["trade_id"]: row["event_type"] for row in of_eae if row["trade_id"]}
    by_booking = {_booking(row): row["event_type"] for row in of_eae if _is_option(row)}
    of_trades = (
        _of_trades(trade_rows, trades, told, by_booking)
        if trades is not None and not trade_rows.is_empty()
        else []
    )
    link_deliveries(of_trades)
    linked = {row["trade_id"]: row["option_event_id"] for row in of_trades if row["trade_id"]}
    for row in of_eae:
        if row["leg"] == EventLeg.DELIVERY.value:
            row["option_event_id"] = linked.get(row["trade_id"])
    link_deliveries(of_eae)
    _settle_types(of_trades)
    rows = [*of_eae, *of_trades]
    link_sections(rows)
    return pl.DataFrame(
        [{name: row.get(name) for name in _SCHEMA} for row in rows], schema=_SCHEMA, orient="row"
    )


def _of_trades(
    rows: pl.DataFrame,
    provenance: StatementProvenance,
    told: dict[str, str | None],
    by_booking: dict[tuple[object, ...], str | None],
) -> list[Row]:
    fills = normalize_trades(rows, provenance)[core.EXECUTIONS.name]
    named = with_contract_terms(rows).with_columns(
        *provenance.columns(), fills.get_column("fill_id"), fills.get_column("transaction_id")
    )
    found = []
    for row in _standing(named.to_dicts()):
        is_option = row["security_type"] in OPTIONS
        event_type = _type_of(row["code"])
        piece: Row = {
            **row,
            "evidence_kind": EvidenceKind.TRADE.value,
            "evidence_id": f"trade:{row['transaction_id'] or row['fill_id']}",
            "leg": (EventLeg.OPTION if is_option else EventLeg.DELIVERY).value,
            "event_date": row["trade_date"],
            "option_con_id": row["con_id"] if is_option else None,
        }
        if is_option:
            event_type = event_type or told.get(row["trade_id"]) or by_booking.get(_booking(piece))
        found.append(_with_event({**piece, "event_type": event_type}))
    return found


def _standing(rows: list[Row]) -> list[Row]:
    """Return the rows without cancels and what they take back: both speak for nothing.

    A cancel names its booking by transactionID or tradeID; quantity and price are the booking's,
    which was made before. A cancel whose booking is not among the rows stays.
    """
    left = sorted(rows, key=lambda row: int(row["transaction_id"] or 0))
    for cancel in [row for row in left if _is_cancel(row)]:
        before = left[: left.index(cancel)]
        taken = next((row for row in before if _takes_back(cancel, row)), None)
        if taken is not None:
            left.remove(taken)
            left.remove(cancel)
    places = {id(row) for row in left}
    return [row for row in rows if id(row) in places]


def _is_cancel(row: Row) -> bool:
    return row["transaction_type"] in ("TradeCancel", "FracShareCancel") or "(Ca.)" in (
        row["buy_sell"] or ""
    )


def _takes_back(cancel: Row, booking: Row) -> bool:
    if _is_cancel(booking) or booking["con_id"] != cancel["con_id"]:
        return False
    if (transaction := cancel["orig_transaction_id"]) not in _NO_ID:
        is_named = booking["transaction_id"] == transaction
    else:
        original = cancel["orig_trade_id"]
        name = cancel["trade_id"] if original in _NO_ID else original
        is_named = name not in _NO_ID and booking["trade_id"] == name
    is_opposite = booking["signed_quantity"] == -cancel["signed_quantity"]
    return bool(is_named and is_opposite and booking["price"] == cancel["price"])


def _of_eae(rows: pl.DataFrame, provenance: StatementProvenance) -> list[Row]:
    # Rows of equal terms are numbered; their order in the statement means nothing.
    named = (
        with_contract_terms(rows)
        .with_columns(*provenance.columns())
        .sort("trade_id", "realized_pnl", "proceeds", "cost_basis", "mtm_pnl", maintain_order=True)
    )
    found: list[Row] = []
    occurrences: dict[str, int] = {}
    for row in named.iter_rows(named=True):
        event_type = _WORDS.get((row["transaction_type"] or "").strip().lower())
        is_option = row["security_type"] in OPTIONS or event_type is not None
        leg = EventLeg.OPTION if is_option else EventLeg.DELIVERY
        if event_type == _CASH:
            leg = EventLeg.CASH
        name = (
            f"eae:{row['event_date']:%Y%m%d}:{row['con_id']}:"
            f"{(row['transaction_type'] or '').lower()}:{row['signed_quantity'].normalize():f}:"
            f"{'' if row['price'] is None else format(row['price'].normalize(), 'f')}"
        )
        occurrences[name] = occurrences.get(name, 0) + 1
        found.append(
            _with_event(
                {
                    **row,
                    "evidence_kind": EvidenceKind.OPTION_EAE.value,
                    "evidence_id": f"{name}#{occurrences[name]}",
                    "leg": leg.value,
                    "event_type": event_type,
                    "option_con_id": row["con_id"] if is_option else None,
                }
            )
        )
    _join_cash(found)
    return found


def _join_cash(rows: list[Row]) -> None:
    """Count a cash settlement with the exercise or assignment it settles."""
    events = {
        (row["con_id"], row["event_date"]): row
        for row in rows
        if row["leg"] == EventLeg.OPTION.value and row["event_type"] is not None
    }
    for row in rows:
        event = events.get((row["con_id"], row["event_date"]))
        if row["leg"] == EventLeg.CASH.value and event is not None:
            row["event_type"] = event["event_type"]
            row["option_event_id"] = event["option_event_id"]


def _settle_types(rows: list[Row]) -> None:
    """Tell what a booking without code and without OptionEAE row was by what it delivered.

    A short position that was closed against a delivery was assigned, a long one exercised; what
    delivered nothing expired.
    """
    for row in rows:
        if row["leg"] == EventLeg.OPTION.value and row["event_type"] is None:
            row["event_type"] = OptionEventType.EXPIRATION.value
            _with_event(row)


def _with_event(row: Row) -> Row:
    """Name the event of an option's own row; a delivery is named when it is matched."""
    is_own = row["leg"] != EventLeg.DELIVERY.value
    row["option_event_id"] = (
        event_id(row["con_id"], row["event_date"], row["event_type"])
        if is_own and row["event_type"] is not None
        else None
    )
    return row


def _type_of(codes: str | None) -> str | None:
    for code in re.split(r"[;,]", codes or ""):
        if code.strip() in _CODES:
            return _CODES[code.strip()]
    return None


def _is_option(row: Row) -> bool:
    return bool(row["leg"] == EventLeg.OPTION.value)


def _booking(row: Row) -> tuple[object, ...]:
    return row["con_id"], row["event_date"], row["signed_quantity"]
