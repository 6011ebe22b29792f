"""What a statement says of option events by not telling them, whichever statement came in first.

What lives here: pieces of evidence a newer section covering their day no longer tells, and those
a statement in core already told otherwise than an older one that arrives late. What must not: how
pieces are compared (`versions.py`), or what follows from them (`normalization/option_events.py`).

A piece told again is not stored again. So what a section in core said of a piece of its days is
the version in force when the section was made; where there is none, it did not tell the piece.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import polars as pl

from ibkr_pipeline.models.requests import Load
from ibkr_pipeline.primitives.enums import EvidenceKind
from ibkr_pipeline.schemas import core, statements
from ibkr_pipeline.warehouse.transaction import WriteTransaction

Row = dict[str, Any]
_EVIDENCE = statements.OPTION_EVENT_EVIDENCE
_OWNERS = ", ".join(core.OWNER)
#: Section -> kind of the evidence it tells.
_KINDS: Mapping[str, str] = {
    "OptionEAE": EvidenceKind.OPTION_EAE.value,
    "Trades": EvidenceKind.TRADE.value,
}
#: What a piece that is withdrawn does not say; its quantity is 0.
_AMOUNTS = ("price", "proceeds", "ib_commission", "cost_basis", "realized_pnl")
#: Condition of a version that says that the broker no longer tells the piece.
WITHDRAWN = " AND ".join(["signed_quantity = 0", *(f"{name} IS NULL" for name in _AMOUNTS)])


@dataclass(slots=True, kw_only=True)
class _Piece:
    """Versions of one piece of evidence in the broker's order, and those to append."""

    last_day: Any
    versions: list[Row]
    fresh: list[Row] = field(default_factory=list)

    def before(self, made: datetime, load_id: str) -> Row | None:
        """Return what was said last before a section; its own version aside."""
        older = [
            row
            for row in self.versions
            if row["generated_at"] <= made and row["load_id"] != load_id
        ]
        return older[-1] if older else None

    def after(self, made: datetime) -> datetime | None:
        """Return when something else was said next."""
        return next(
            (row["generated_at"] for row in self.versions if row["generated_at"] > made), None
        )

    def say(self, content: Row, header: Row) -> None:
        """Append what a section says of the piece."""
        row = {
            **content,
            "version": 1 + max(item["version"] for item in self.versions),
            "generated_at": header["generated_at"],
            "load_id": header["load_id"],
            "available_at": header["available_at"],
        }
        self.fresh.append(row)
        self.versions.append(row)
        self.versions.sort(key=lambda item: (item["generated_at"], item["version"]))


def append_untold(
    transaction: WriteTransaction,
    loads: Sequence[Load],
    made: Mapping[str, datetime],
    evidence: pl.DataFrame | None,
) -> int:
    """Append that sections no longer tell a piece of evidence of their days.

    Args:
        transaction: The open transaction; the evidence of the loads is in it already.
        loads: Complete loads of one statement, empty ones included; their headers are not in
            the transaction yet.
        made: load_id -> when the statement was made.
        evidence: What the loads tell, `evidence_of_statement`.

    Returns:
        How many versions were appended.
    """
    told: dict[str, set[str]] = {}
    if evidence is not None:
        for load_id, name in evidence.select("load_id", "evidence_id").iter_rows():
            told.setdefault(load_id, set()).add(name)
    fresh: list[Row] = []
    for load in loads:
        if load.section in _KINDS:
            header = _header(load, made[load.load_id])
            pieces = _pieces(transaction, load)
            later = _later_headers(transaction, load, header) if pieces else []
            for name, piece in pieces.items():
                _weigh(piece, header, later, is_told=name in told.get(load.load_id, set()))
            fresh.extend(row for piece in pieces.values() for row in piece.fresh)
    schema = {name: dtype for name, dtype in _EVIDENCE.schema.items() if name != "recorded_at"}
    rows = [{name: row[name] for name in schema} for row in fresh]
    return transaction.append(_EVIDENCE, pl.DataFrame(rows, schema=schema)) if rows else 0


def _weigh(piece: _Piece, header: Row, later: Sequence[Row], *, is_told: bool) -> None:
    """Add what a section says of a piece, and what the next one in core said of it before."""
    made = header["generated_at"]
    before = piece.before(made, header["load_id"])
    own = next((row for row in piece.versions if row["load_id"] == header["load_id"]), None)
    if is_told and own is None:
        return
    if not is_told:
        if before is None or _is_withdrawn(before) or not _covers(header, piece):
            return
        if before["generated_at"] == made:
            return
        own = _withdrawn(before)
        piece.say(own, header)
    until = piece.after(made)
    for item in later:
        if until is not None and item["generated_at"] >= until:
            return
        if _covers(item, piece) and own is not None:
            piece.say(_withdrawn(own) if before is None else before, item)
            return


def _covers(header: Row, piece: _Piece) -> bool:
    first = piece.versions[0]["event_date"]
    return bool(header["from_date"] <= first and piece.last_day <= header["to_date"])


def _withdrawn(row: Row) -> Row:
    return {**row, "signed_quantity": 0 * row["signed_quantity"], **dict.fromkeys(_AMOUNTS)}


def _is_withdrawn(row: Row) -> bool:
    return row["signed_quantity"] == 0 and all(row[name] is None for name in _AMOUNTS)


def _header(load: Load, made: datetime) -> Row:
    return {
        "load_id": load.load_id,
        "from_date": load.from_date,
        "to_date": load.to_date,
        "generated_at": made,
        "available_at": load.available_at,
    }


def _pieces(transaction: WriteTransaction, load: Load) -> dict[str, _Piece]:
    """Return the pieces of a section's kind and days, and those it brought, by evidence_id.

    A trade is covered where the day it was reported is, too: statements are cut by that day.
    """
    found = transaction.query(
        f"""WITH named AS (
            SELECT DISTINCT {_OWNERS}, evidence_id FROM {_EVIDENCE.name}
            WHERE broker = $broker AND environment = $environment AND account_id = $account_id
                AND evidence_kind = $kind AND source NOT LIKE '%.flex_confirms'
                AND (event_date BETWEEN $from_date AND $to_date OR load_id = $load_id)
        ), pieces AS (
            SELECT * FROM {_EVIDENCE.name} SEMI JOIN named USING ({_OWNERS}, evidence_id)
            WHERE source NOT LIKE '%.flex_confirms' AND generated_at IS NOT NULL
        )
        SELECT pieces.*, greatest(event_date, reported.last_day) AS last_day FROM pieces
        LEFT JOIN (
            SELECT {_OWNERS}, fill_id, max(report_date) AS last_day
            FROM {core.EXECUTIONS.name} SEMI JOIN pieces USING ({_OWNERS}, fill_id)
            GROUP BY {_OWNERS}, fill_id
        ) AS reported USING ({_OWNERS}, fill_id)
        ORDER BY evidence_id, generated_at, version""",
        params={
            "broker": load.broker,
            "environment": load.environment.value,
            "account_id": load.account_id,
            "kind": _KINDS[load.section],
            "from_date": load.from_date,
            "to_date": load.to_date,
            "load_id": load.load_id,
        },
    )
    return {
        rows[0]["evidence_id"]: _Piece(
            last_day=max(row["last_day"] for row in rows), versions=list(rows)
        )
        for rows in _by_piece(found)
    }


def _by_piece(found: pl.DataFrame) -> Iterator[list[Row]]:
    for frame in found.partition_by("evidence_id", maintain_order=True):
        yield frame.to_dicts()


def _later_headers(transaction: WriteTransaction, load: Load, header: Row) -> list[Row]:
    """Return the sections of the kind in core that were made later, the first one first."""
    found = transaction.query(
        f"""SELECT load_id, from_date, to_date, generated_at, available_at
        FROM {statements.FLEX_STATEMENTS.name}
        WHERE broker = $broker AND environment = $environment AND account_id = $account_id
            AND section = $section AND generated_at > $made
        ORDER BY generated_at, load_id""",
        params={
            "broker": load.broker,
            "environment": load.environment.value,
            "account_id": load.account_id,
            "section": load.section,
            "made": header["generated_at"],
        },
    )
    return found.to_dicts()
