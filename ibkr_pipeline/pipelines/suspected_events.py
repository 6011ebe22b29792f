"""Options that left a position without a trade: what two reads of positions let suspect.

What lives here: evidence of assignments, exercises and expirations from a change of positions, as
a pure function. What must not: what follows from it (`normalization/option_events.py`), an order
or a fill: nothing here is ever traded on, or counted as one.

The gateway has no message for these events. Between two complete reads of positions an option
that came closer to zero, and that no fill explains, was assigned (short) or exercised (long) if
the underlying moved by the quantity times the multiplier the way its right says; on or after its
expiration it expired if the underlying did not. Anything else is left unexplained.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import combinations
from typing import Any

import polars as pl

from ibkr_pipeline.normalization.delivered_legs import event_id
from ibkr_pipeline.normalization.statement_trades import OPTIONS
from ibkr_pipeline.pipelines.brackets import SnapshotPair
from ibkr_pipeline.pipelines.position_changes import CHANGES, Explanations
from ibkr_pipeline.pipelines.position_reconciliation import unexplained_changes
from ibkr_pipeline.pipelines.reconciliation_inputs import fetch_inputs
from ibkr_pipeline.pipelines.statement_reconciliation_coverage import previous_session
from ibkr_pipeline.pipelines.workspace import Workspace
from ibkr_pipeline.primitives.decimals import multiply
from ibkr_pipeline.primitives.enums import EventLeg, EvidenceKind, OptionEventType
from ibkr_pipeline.primitives.sessions import session_date
from ibkr_pipeline.schemas.statements import OPTION_EVENT_EVIDENCE

Row = dict[str, Any]
#: What `evidence_of_positions` needs to know of a contract.
TERMS = (
    "con_id",
    "symbol",
    "security_type",
    "currency",
    "expiry",
    "strike",
    "right",
    "multiplier",
)
#: Deliver one future each; everything else delivers the multiplier.
_ON_FUTURES = ("FOP", "FSFOP")
#: Options of one underlying that vanished together; more are not told apart.
_MOST_TRIED = 10
_CONTRACTS = f"""
    SELECT {", ".join(f'"{name}"' for name in TERMS)} FROM core.current_contracts
    WHERE con_id IN (SELECT unnest(?::BIGINT[]))
"""  # noqa: S608  # constants of this module
_EVIDENCE = {
    name: dtype
    for name, dtype in OPTION_EVENT_EVIDENCE.schema.items()
    if name not in ("version", "recorded_at")
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gone:
    """An option that came closer to zero, and what its assignment or exercise would deliver.

    Attributes:
        held: Position before, the executions since counted.
        change: What it changed by beside them.
    """

    terms: Row
    held: Decimal
    change: Decimal
    deliverable: Decimal | None


def evidence_of_positions(
    pairs: Sequence[SnapshotPair],
    positions: pl.DataFrame,
    executions: pl.DataFrame,
    contracts: pl.DataFrame,
    *,
    broker: str,
    environment: str,
    explained: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Return what two consecutive complete snapshots say of option events.

    Pairs that traded while they were read, or without executions reads around them, say nothing.
    Where several choices of options would fit the change of their underlying, nothing is
    suspected of any of them.

    Worked example: -2 calls (strike 290, multiplier 100) and 500 shares on Wednesday; no fills;
    0 calls and 300 shares on Thursday: 2 calls assigned on Wednesday, -200 shares at 290.

    Args:
        pairs: Pairs of snapshots.
        positions: Their rows: snapshot_id, con_id, quantity.
        executions: As for `reconcile_positions`.
        contracts: `TERMS` of every contract held.
        broker: Broker of the accounts.
        environment: World of the accounts.
        explained: What statements have told of changes of positions (`position_changes.CHANGES`):
            there is nothing left to suspect of a difference they explain.

    Returns:
        `core.option_event_evidence` without version and recorded_at.
    """
    terms = {row["con_id"]: row for row in contracts.select(TERMS).iter_rows(named=True)}
    owner = {"broker": broker, "environment": environment, "source": f"{broker}.wire"}
    explanations = Explanations(pl.DataFrame(schema=CHANGES) if explained is None else explained)
    rows = [
        {name: {**owner, **row}.get(name) for name in _EVIDENCE}
        for pair in pairs
        for row in _of_pair(pair, _left(pair, positions, executions, explanations), terms)
    ]
    return pl.DataFrame(rows, schema=_EVIDENCE, orient="row")


def suspect(workspace: Workspace, *, broker: str = "ibkr") -> pl.DataFrame:
    """Return the evidence of the last two position reads of every account of a workspace.

    Raises:
        WarehouseMissingError: If nothing was ever applied.
        BusyError: If the warehouse stayed locked.
    """
    found = fetch_inputs(workspace)
    held = sorted(found.positions.get_column("con_id").unique().to_list())
    with workspace.warehouse.read() as connection:
        contracts = connection.sql(_CONTRACTS, params=[held]).pl()
    return evidence_of_positions(
        found.pairs,
        found.positions,
        found.fills,
        contracts,
        broker=broker,
        environment=workspace.environment.value,
        explained=found.changes.filter(~pl.col("is_suspected")),
    )


def _left(
    pair: SnapshotPair,
    positions: pl.DataFrame,
    executions: pl.DataFrame,
    explanations: Explanations,
) -> dict[int, tuple[Decimal, Decimal]]:
    """Return the changes that neither an execution nor a statement explains."""
    changes = unexplained_changes(pair, positions, executions)
    return {
        con_id: (held, change)
        for con_id, (held, change) in changes.items()
        if explanations.of(pair, con_id, change) is None
    }


def _of_pair(
    pair: SnapshotPair, changes: Mapping[int, tuple[Decimal, Decimal]], terms: Mapping[int, Row]
) -> Iterator[Row]:
    gone = _options_gone(changes, terms)
    for key in sorted({_underlying(option.terms) for option in gone}, key=str):
        same = [option for option in gone if _underlying(option.terms) == key]
        con_id, moved = _moved_underlying(same[0].terms, changes, terms)
        choices = _choices(same, moved)
        if len(choices) > 1:
            continue
        for option in same:
            if choices and option in choices[0] and con_id is not None:
                yield from _delivered(pair, option, terms[con_id])
            elif (day := _expired_on(pair, option.terms)) is not None:
                yield _option_row(pair, option, OptionEventType.EXPIRATION, day)


def _options_gone(
    changes: Mapping[int, tuple[Decimal, Decimal]], terms: Mapping[int, Row]
) -> list[_Gone]:
    """Return the options that came closer to zero, unexplained, by contract id."""
    found = []
    for con_id, (held, change) in sorted(changes.items()):
        option = terms.get(con_id)
        if option is None or option["security_type"] not in OPTIONS:
            continue
        if change * held < 0 and abs(change) <= abs(held):
            found.append(
                _Gone(
                    terms=option,
                    held=held,
                    change=change,
                    deliverable=_deliverable(option, change),
                )
            )
    return found


def _deliverable(option: Row, change: Decimal) -> Decimal | None:
    """Return the signed change of the underlying; a short position closes with a positive one."""
    per_contract = Decimal(1) if option["security_type"] in _ON_FUTURES else option["multiplier"]
    if per_contract is None or option["right"] not in ("C", "P"):
        return None
    amount = multiply(change, per_contract)
    return -amount if option["right"] == "C" else amount


def _underlying(option: Row) -> tuple[object, object]:
    return option["symbol"], option["currency"]


def _moved_underlying(
    option: Row, changes: Mapping[int, tuple[Decimal, Decimal]], terms: Mapping[int, Row]
) -> tuple[int | None, Decimal]:
    """Return the underlying that moved unexplained, and by how much; none if several did."""
    wanted = ("FUT",) if option["security_type"] in _ON_FUTURES else ("STK", "FUND")
    moved = [
        (con_id, change)
        for con_id, (_, change) in sorted(changes.items())
        if change != 0
        and (row := terms.get(con_id)) is not None
        and row["security_type"] in wanted
        and _underlying(row) == _underlying(option)
    ]
    return moved[0] if len(moved) == 1 else (None, Decimal(0))


def _choices(options: Sequence[_Gone], moved: Decimal) -> Sequence[Sequence[_Gone]]:
    """Return every choice of options whose deliveries add up to what the underlying moved."""
    able = [option for option in options if option.deliverable is not None]
    if moved == 0:
        return ()
    sizes = range(1, len(able) + 1) if len(able) <= _MOST_TRIED else [len(able)]
    return [
        chosen
        for size in sizes
        for chosen in combinations(able, size)
        if _sum(option.deliverable for option in chosen) == moved
    ]


def _sum(amounts: Iterable[Decimal | None]) -> Decimal:
    return sum((amount for amount in amounts if amount is not None), Decimal(0))


def _delivered(pair: SnapshotPair, option: _Gone, underlying: Row) -> Iterator[Row]:
    is_short = option.held < 0
    kind = OptionEventType.ASSIGNMENT if is_short else OptionEventType.EXERCISE
    day = _expired_on(pair, option.terms) or _night_before(pair)
    row = _option_row(pair, option, kind, day)
    yield row
    yield {
        **row,
        **{name: underlying[name] for name in ("con_id", "symbol", "security_type", "currency")},
        **dict.fromkeys(("multiplier", "strike", "expiry", "right")),
        "evidence_id": f"{row['evidence_id']}:delivery",
        "leg": EventLeg.DELIVERY.value,
        "signed_quantity": option.deliverable,
        "price": option.terms["strike"],
    }


def _option_row(pair: SnapshotPair, option: _Gone, kind: OptionEventType, day: date) -> Row:
    con_id = option.terms["con_id"]
    return {
        **option.terms,
        "account_id": pair.account_id,
        "evidence_id": f"position:{con_id}:{pair.after.snapshot_id}",
        "option_event_id": event_id(con_id, day, kind.value),
        "evidence_kind": EvidenceKind.POSITION_CHANGE.value,
        "leg": EventLeg.OPTION.value,
        "event_type": kind.value,
        "event_date": day,
        "option_con_id": con_id,
        "underlying_symbol": option.terms["symbol"],
        "signed_quantity": option.change,
        "price": Decimal(0),
        "load_id": pair.after.snapshot_id,
        "available_at": pair.after.available_at,
    }


def _expired_on(pair: SnapshotPair, option: Row) -> date | None:
    """Return the expiration if it fell before the later snapshot was read, else None."""
    expiry: date | None = option["expiry"]
    return (
        expiry if expiry is not None and expiry <= session_date(pair.after.available_at) else None
    )


def _night_before(pair: SnapshotPair) -> date:
    """Return the session an event of the night belongs to: the last before the later snapshot."""
    return previous_session(session_date(pair.after.available_at))
