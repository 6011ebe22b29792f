"""Do all sources tell the same of each option event, and does what was delivered fit?

What lives here: the comparison, as a pure function. What must not: which evidence belongs to
which event (`normalization/`), or SQL (`statement_reconciliation_inputs.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import polars as pl

from ibkr_pipeline.pipelines.findings import Finding, Verdict, quantity_text, to_frame
from ibkr_pipeline.primitives.enums import (
    EventLeg,
    EvidenceKind,
    OptionEventState,
    OptionEventType,
)

Row = dict[str, Any]
#: Options on futures deliver one future each, whatever the multiplier of both.
ONE_FOR_ONE = ("FOP", "FSFOP")
_KINDS = tuple(kind.value for kind in EvidenceKind)
_DELIVERING = (OptionEventType.ASSIGNMENT.value, OptionEventType.EXERCISE.value)


def reconcile_option_events(
    events: pl.DataFrame, evidence: pl.DataFrame, adjusted: frozenset[int] = frozenset()
) -> pl.DataFrame:
    """Compare what each source says of each option event.

    Of each event: every source that tells the option's leg tells the same quantity; the delivery
    is the quantity times the multiplier, at the strike. Pieces that belong to no event are
    breaks of their own. A cash settlement delivers nothing; an option whose deliverable was
    adjusted by a corporate action delivers what nobody here can compute: not comparable.

    Worked example: 2 short calls, multiplier 100, strike 290, assigned: +2 calls by OptionEAE
    and by Trades, and -200 shares at 290.

    Args:
        events: Current option events (`core.option_events`).
        evidence: Current evidence (`core.option_event_evidence`), with and without an event.
        adjusted: Contract ids of options a corporate action has touched.
    """
    pieces: dict[tuple[str, str], list[Row]] = {}
    loose: list[Row] = []
    for row in evidence.iter_rows(named=True):
        if row["option_event_id"] is None:
            loose.append(row)
        else:
            pieces.setdefault((row["account_id"], row["option_event_id"]), []).append(row)
    findings = [
        finding
        for event in events.sort("account_id", "option_event_id").iter_rows(named=True)
        if event["state"] != OptionEventState.REFUTED.value
        for finding in _of_event(
            event, pieces.get((event["account_id"], event["option_event_id"]), []), adjusted
        )
    ]
    unlinked = sorted(loose, key=lambda row: (row["account_id"], row["evidence_id"]))
    return to_frame([*findings, *(_unlinked(row) for row in unlinked)])


def _of_event(event: Row, pieces: Sequence[Row], adjusted: frozenset[int]) -> Iterator[Finding]:
    yield _same_quantity(event, pieces)
    if event["event_type"] not in _DELIVERING:
        return
    is_cash = any(row["leg"] == EventLeg.CASH.value for row in pieces)
    if event["delivered_con_id"] is None and event["cash_amount"] is None and not is_cash:
        yield _no_delivery(event, pieces)
        return
    if event["delivered_con_id"] is not None:
        yield _delivery(event, pieces, adjusted)


def _same_quantity(event: Row, pieces: Sequence[Row]) -> Finding:
    told: dict[str, Decimal] = {}
    for row in pieces:
        if row["leg"] == EventLeg.OPTION.value:
            kind = row["evidence_kind"]
            told[kind] = told.get(kind, Decimal(0)) + row["signed_quantity"]
    quantity = event["signed_quantity"]
    others = {kind: amount for kind, amount in told.items() if amount != quantity}
    if others:
        kind = min(others, key=_KINDS.index)
        return _finding(
            event,
            "quantity",
            Verdict.BREAK,
            expected=quantity,
            found=others[kind],
            why=f"{kind} tells another quantity than "
            f"{min(told.keys() - others.keys(), key=_KINDS.index, default='the event')}",
        )
    return _finding(
        event,
        "quantity",
        Verdict.OK,
        expected=quantity,
        found=quantity,
        why=f"told by {', '.join(sorted(told, key=_KINDS.index)) or 'cash alone'}",
        is_suspected=event["state"] == OptionEventState.SUSPECTED.value,
    )


def _no_delivery(event: Row, pieces: Sequence[Row]) -> Finding:
    """Return the finding on an event of which nobody told what it delivered.

    Trades do not tell the cash of an option on an index, so only OptionEAE proves a gap.
    """
    if event["state"] == OptionEventState.SUSPECTED.value:
        verdict, why = Verdict.NOT_COMPARABLE, "no statement has told of it yet"
    elif all(row["evidence_kind"] != EvidenceKind.OPTION_EAE.value for row in pieces):
        verdict, why = (
            Verdict.NOT_COMPARABLE,
            "it may have been settled in cash; only the section OptionEAE would tell",
        )
    else:
        verdict, why = (
            Verdict.BREAK,
            "nothing was delivered and no cash was settled; look among the unlinked legs",
        )
    return _finding(
        event, "delivery", verdict, expected=_deliverable(event), found=Decimal(0), why=why
    )


def _delivery(event: Row, pieces: Sequence[Row], adjusted: frozenset[int]) -> Finding:
    expected, found = _deliverable(event), event["delivered_quantity"]
    why_not = _why_adjusted(event, pieces, adjusted)
    if why_not or expected is None or found is None:
        return _finding(
            event,
            "delivery",
            Verdict.NOT_COMPARABLE,
            expected=expected,
            found=found,
            why=why_not or "the multiplier, the right or the delivered quantity is not told",
        )
    price, strike = event["delivered_price"], event["strike"]
    if found != expected:
        verdict, why = Verdict.BREAK, "the delivery is not the quantity times the multiplier"
    elif price is None or strike is None:
        verdict, why = Verdict.NOT_COMPARABLE, "the price of the delivery or the strike is not told"
    elif price != strike and event["security_type"] not in ONE_FOR_ONE:
        verdict = Verdict.BREAK
        why = f"delivered at {quantity_text(price)}; the strike is {quantity_text(strike)}"
    else:
        verdict, why = Verdict.OK, f"delivered at {quantity_text(price)}"
    return _finding(event, "delivery", verdict, expected=expected, found=found, why=why)


def _deliverable(event: Row) -> Decimal | None:
    """Return the signed change of the underlying an assignment or exercise brings.

    Short positions close with a positive quantity. A short call takes the underlying, a short
    put brings it; long ones do the opposite.
    """
    quantity, right = event["signed_quantity"], event["right"]
    per_contract = Decimal(1) if event["security_type"] in ONE_FOR_ONE else event["multiplier"]
    if per_contract is None or right not in ("C", "P"):
        return None
    amount: Decimal = quantity * per_contract
    return -amount if right == "C" else amount


def _why_adjusted(event: Row, pieces: Sequence[Row], adjusted: frozenset[int]) -> str | None:
    """Return why the deliverable may be another than the multiplier says, if it may."""
    delivered = {row["con_id"] for row in pieces if row["leg"] == EventLeg.DELIVERY.value}
    root = (event["symbol"] or "").split(" ")[0]
    underlying = event["underlying_symbol"] or ""
    if event["con_id"] in adjusted:
        return "a corporate action has adjusted what the option delivers"
    if len(delivered) > 1:
        return "it delivered several contracts, as an adjusted option does"
    if event["cash_amount"]:
        return "it delivered cash besides, as an adjusted option does"
    if underlying and root[-1:].isdigit() and not underlying[-1:].isdigit():
        return f"its symbol {root} is that of an adjusted option"
    return None


def _unlinked(row: Row) -> Finding:
    return Finding(
        account_id=row["account_id"],
        verdict=Verdict.BREAK,
        con_id=row["con_id"],
        subject=f"unlinked {row['leg']} {row['evidence_id']}",
        expected="an option event it belongs to",
        found="none",
        difference=quantity_text(row["signed_quantity"]),
        why="several events of that day would fit, or none: ids, quantity, price or side do not "
        "agree; the legs are in core.option_event_evidence",
        symbol=row["symbol"],
        session_date=row["event_date"],
    )


def _finding(
    event: Row,
    what: str,
    verdict: Verdict,
    *,
    expected: Decimal | None,
    found: Decimal | None,
    why: str,
    is_suspected: bool = False,
) -> Finding:
    apart = found - expected if found is not None and expected is not None else None
    return Finding(
        account_id=event["account_id"],
        verdict=verdict,
        con_id=event["con_id"],
        subject=f"{what} of {event['option_event_id']}",
        expected=None if expected is None else quantity_text(expected),
        found=None if found is None else quantity_text(found),
        difference=None if apart is None else quantity_text(apart),
        why=why,
        symbol=event["symbol"],
        session_date=event["event_date"],
        is_suspected=is_suspected,
    )
