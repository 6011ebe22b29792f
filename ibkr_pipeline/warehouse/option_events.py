"""Evidence of option events and the events themselves: what is new, and what to look at again.

What lives here: reading and appending. What must not: what counts as evidence of what, or what
follows from it (`normalization/option_events.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from ibkr_pipeline.schemas import core, statements
from ibkr_pipeline.warehouse.transaction import WriteTransaction
from ibkr_pipeline.warehouse.versions import new_versions

_EVIDENCE = statements.OPTION_EVENT_EVIDENCE
_EVENTS = statements.OPTION_EVENTS
_OWNER = list(core.OWNER)
_OWNERS = ", ".join(core.OWNER)
_ASIDE = ("version", "generated_at", *core.PROVENANCE)
_KEY = [*_OWNER, "evidence_id"]
_EVENT = [*_OWNER, "option_event_id"]
_EVENT_CONTENT = [
    name
    for name in _EVENTS.schema
    if name not in (*_EVENT, "version", "load_id", "available_at", "recorded_at")
]
#: Sections that tell of every option event of the days they cover.
TELLING_SECTIONS = ("Trades", "OptionEAE")
#: What one fill of the gateway tells that may be an overnight booking.
WIRE_CANDIDATES = (
    *core.OWNER,
    "fill_id",
    "con_id",
    "symbol",
    "security_type",
    "currency",
    "event_ts",
    "signed_quantity",
    "price",
    "source",
    "load_id",
    "available_at",
)
_TERMS = ("multiplier", "strike", "expiry", "right")
_OPTION = "security_type IN ('OPT', 'FOP', 'FSOPT', 'FSFOP', 'IOPT', 'WAR')"
#: An option at no price, or anything that no order asked for.
_MAY_BE_BOOKED = (
    f"ends_with(source, '.wire') AND (({_OPTION} AND price = 0) OR "
    f"(NOT coalesce({_OPTION}, FALSE) AND coalesce(perm_id, 0) = 0 AND coalesce(order_ref, '') = ''"
    f" AND coalesce(order_id, 0) = 0))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionEventFacts:
    """What is known of the option events a transaction touched.

    Attributes:
        evidence: Every version of every piece of evidence of them.
        coverage: Headers of the statements' sections that tell of option events, of the same
            accounts.
    """

    evidence: pl.DataFrame
    coverage: pl.DataFrame


def append_evidence(transaction: WriteTransaction, evidence: pl.DataFrame) -> pl.DataFrame:
    """Append what is new of the evidence and return it, with its versions.

    A piece that does not say which event it belongs to takes nothing from one that did.

    Args:
        transaction: The open transaction.
        evidence: `core.option_event_evidence` without version and recorded_at.
    """
    if evidence.is_empty():
        return _EVIDENCE.empty()
    content = [name for name in _EVIDENCE.schema if name not in (*_KEY, *_ASIDE)]
    told = _by_their_order(evidence.unique(subset=[*_KEY, "load_id"], keep="first"))
    known = transaction.query(
        f"SELECT * FROM {_EVIDENCE.name} SEMI JOIN told USING ({_OWNERS}, evidence_id)",
        told=told.select(_KEY),
    )
    fresh = new_versions(
        _by_their_order(known), told, key=_KEY, content=content, carried=["option_event_id"]
    )
    rows = fresh.with_columns(available_at=pl.col("received_at")).drop("received_at")
    transaction.append(_EVIDENCE, rows)
    return rows


def wire_candidates(transaction: WriteTransaction) -> pl.DataFrame:
    """Return the gateway's fills that may be bookings, around those this transaction brought.

    Returns:
        `WIRE_CANDIDATES` and the terms of the contract, the last revision of each fill; none
        where the transaction brought no such fill.
    """
    names = ", ".join(f"fills.{name}" for name in WIRE_CANDIDATES)
    terms = ", ".join(f"terms.{name}" for name in _TERMS)
    owner = " AND ".join(f"fills.{name} = fresh.{name}" for name in _OWNER)
    return transaction.query(
        f"""WITH fresh AS (
            SELECT {_OWNERS}, min(event_ts) - INTERVAL 4 DAYS AS first_ts,
                max(event_ts) + INTERVAL 4 DAYS AS last_ts
            FROM {core.EXECUTIONS.name}
            WHERE recorded_at = {transaction.stamp} AND {_MAY_BE_BOOKED} GROUP BY {_OWNERS}
        ), fills AS (
            SELECT fills.* FROM {core.EXECUTIONS.name} AS fills JOIN fresh ON {owner}
                AND fills.event_ts BETWEEN fresh.first_ts AND fresh.last_ts
            WHERE {_MAY_BE_BOOKED}
            QUALIFY row_number() OVER (
                PARTITION BY {", ".join(f"fills.{name}" for name in _OWNER)}, fills.fill_id
                ORDER BY fills.revision DESC) = 1
        )
        SELECT {names}, {terms} FROM fills LEFT JOIN core.current_contracts AS terms
            USING (con_id)
        ORDER BY {names}"""
    )


def facts_to_resolve(transaction: WriteTransaction) -> OptionEventFacts:
    """Return what is known of every option event this transaction has touched.

    Touched: an event with new evidence, one that evidence named before, and one not told by a
    statement on a day that a statement of this transaction reaches.
    """
    owner = " AND ".join(f"pieces.{name} = header.{name}" for name in _OWNER)
    ids = transaction.query(
        f"""SELECT DISTINCT {_OWNERS}, option_event_id FROM {_EVIDENCE.name} SEMI JOIN (
            SELECT {_OWNERS}, evidence_id FROM {_EVIDENCE.name}
            WHERE recorded_at = {transaction.stamp}
        ) AS fresh USING ({_OWNERS}, evidence_id)
        WHERE option_event_id IS NOT NULL
        UNION
        SELECT DISTINCT {", ".join(f"pieces.{name}" for name in _EVENT)}
        FROM {_EVIDENCE.name} AS pieces JOIN {statements.FLEX_STATEMENTS.name} AS header
            ON {owner} AND pieces.event_date BETWEEN header.from_date - 7 AND header.to_date
        WHERE header.recorded_at = {transaction.stamp}
            AND header.section IN (SELECT unnest($sections))
            AND pieces.evidence_kind IN ('wire_execution', 'position_change')
            AND option_event_id IS NOT NULL""",
        params={"sections": list(TELLING_SECTIONS)},
    )
    ids = _with_neighbours(transaction, ids)
    evidence = transaction.query(
        f"""SELECT pieces.* FROM {_EVIDENCE.name} AS pieces SEMI JOIN (
            SELECT {_OWNERS}, evidence_id FROM {_EVIDENCE.name}
            SEMI JOIN ids USING ({_OWNERS}, option_event_id)
        ) AS named USING ({_OWNERS}, evidence_id)""",
        ids=ids,
    )
    coverage = transaction.query(
        f"""SELECT {_OWNERS}, section, from_date, to_date, available_at, load_id
        FROM {statements.FLEX_STATEMENTS.name} SEMI JOIN ids USING ({_OWNERS})
        WHERE section IN (SELECT unnest($sections))""",
        params={"sections": list(TELLING_SECTIONS)},
        ids=ids,
    )
    return OptionEventFacts(evidence=evidence, coverage=coverage)


def append_relinked(transaction: WriteTransaction, versions: pl.DataFrame) -> int:
    """Append versions of pieces that name another event; return how many.

    Args:
        transaction: The open transaction.
        versions: `core.option_event_evidence` without recorded_at, numbered.
    """
    return transaction.append(_EVIDENCE, versions) if not versions.is_empty() else 0


def append_option_events(transaction: WriteTransaction, events: pl.DataFrame) -> int:
    """Append what is new of the events' history and return how many rows.

    Args:
        transaction: The open transaction.
        events: `resolve`'s history: what was to be said of each event from each instant on.
    """
    if events.is_empty():
        return 0
    known = transaction.query(
        f"SELECT * FROM {_EVENTS.name} SEMI JOIN told USING ({_OWNERS}, option_event_id)",
        told=events.select(_EVENT),
    )
    held: dict[tuple[object, ...], list[dict[str, object]]] = {}
    for row in known.sort("version").iter_rows(named=True):
        held.setdefault(_key_of(row), []).append(row)
    fresh: list[dict[str, object]] = []
    for row in events.sort("available_at", maintain_order=True).iter_rows(named=True):
        versions = held.setdefault(_key_of(row), [])
        before = _in_force(versions, row["available_at"])
        if before is None or any(before[name] != row[name] for name in _EVENT_CONTENT):
            version = {**row, "version": len(versions) + 1}
            versions.append(version)
            fresh.append(version)
    schema = {name: dtype for name, dtype in _EVENTS.schema.items() if name != "recorded_at"}
    return transaction.append(_EVENTS, pl.DataFrame(fresh, schema=schema))


def _with_neighbours(transaction: WriteTransaction, ids: pl.DataFrame) -> pl.DataFrame:
    """Return events and those of the same option up to three days apart.

    The sections of a statement may give different dates for one booking.
    """
    owner = " AND ".join(f"near.{name} = ids.{name}" for name in _OWNER)
    day = "strptime(split_part({}.option_event_id, ':', 2), '%Y%m%d')::DATE"
    near, own = day.format("near"), day.format("ids")
    return transaction.query(
        f"""SELECT * FROM ids
        UNION
        SELECT DISTINCT {", ".join(f"near.{name}" for name in _EVENT)}
        FROM {_EVIDENCE.name} AS near JOIN ids ON {owner}
            AND split_part(near.option_event_id, ':', 1) = split_part(ids.option_event_id, ':', 1)
            AND {near} BETWEEN {own} - 3 AND {own} + 3
        WHERE near.option_event_id IS NOT NULL""",
        ids=ids,
    )


def _in_force(versions: list[dict[str, object]], at: object) -> dict[str, object] | None:
    """Return the version that holds at an instant: the last by instant, then by number."""
    until = [row for row in versions if row["available_at"] <= at]  # type: ignore[operator]
    return max(until, key=lambda row: (row["available_at"], row["version"]), default=None)


def _key_of(row: dict[str, object]) -> tuple[object, ...]:
    return tuple(row[name] for name in _EVENT)


def _by_their_order(evidence: pl.DataFrame) -> pl.DataFrame:
    """Return the rows ordered by the broker's own order where they have one.

    `available_at` holds the instant the statement was made, else when we received it, which is
    beside it as `received_at`.
    """
    return evidence.with_columns(
        received_at=pl.col("available_at"),
        available_at=pl.coalesce("generated_at", "available_at"),
    )
