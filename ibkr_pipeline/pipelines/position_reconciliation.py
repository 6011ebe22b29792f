"""Do positions follow from the positions before and the executions told since?

What lives here: the roll-forward of positions, as pure functions. What must not: SQL
(`reconciliation_inputs.py`), or mending anything: a break is told, never patched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

import polars as pl

from ibkr_pipeline.pipelines.brackets import Bracket, SnapshotPair
from ibkr_pipeline.pipelines.findings import Finding, Verdict, quantity_text, to_frame
from ibkr_pipeline.pipelines.position_changes import CHANGES, Explanation, Explanations
from ibkr_pipeline.primitives.sessions import session_date

#: Currency trades move cash, not positions.
NO_POSITION = ("CASH",)
_ZERO = Decimal(0)

Quantities = Mapping[int, Decimal]


def reconcile_positions(
    pairs: Sequence[SnapshotPair],
    positions: pl.DataFrame,
    executions: pl.DataFrame,
    changes: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Compare each position with the one before plus the executions told between the two.

    Both sides stop at the executions read that opened the bracket: what was told by then is in
    the snapshot that followed. A contract that traded while positions were read is not
    comparable. A correction counts with the difference it makes; combos and advisor master
    orders are left out, because their legs and allocations carry the quantity. A difference that
    an option event, a corporate action, a transfer or a fill only statements tell explains
    exactly is none.

    Worked example: 100 before, +50 and -20 told since, so 130 expected; 125 found is a break of
    -5. With a transfer of 5 out of the account it is none.

    Args:
        pairs: The snapshots to compare.
        positions: Rows of those snapshots: snapshot_id, con_id, quantity.
        executions: Every revision of the fills told since: account_id, fill_id, revision, con_id,
            security_type, signed_quantity, is_combo_parent, is_allocation_parent, available_at.
        changes: What changed positions beside them (`position_changes.CHANGES`).
    """
    explanations = _explanations(changes)
    findings: list[Finding] = []
    for pair in pairs:
        fills = _fills_of(executions, pair.account_id)
        findings += _positions_of(pair, positions, fills, explanations)
    return to_frame(findings)


def reconcile_zero_executions(
    pairs: Sequence[SnapshotPair],
    positions: pl.DataFrame,
    executions: pl.DataFrame,
    changes: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Find accounts whose positions changed although not one execution was told.

    Some gateway builds and settings answer an executions request with nothing, end marker
    included. Changes that something else explains count as told. Arguments as for
    `reconcile_positions`.
    """
    explanations = _explanations(changes)
    findings = []
    for pair in pairs:
        before = _quantities(positions, pair.before.snapshot_id)
        after = _quantities(positions, pair.after.snapshot_id)
        changed = [
            item
            for item in sorted({*before, *after})
            if (apart := after.get(item, _ZERO) - before.get(item, _ZERO)) != 0
            and explanations.of(pair, item, apart) is None
        ]
        told = _told_between(_fills_of(executions, pair.account_id), pair)
        is_break = bool(changed) and told == 0
        findings.append(
            Finding(
                account_id=pair.account_id,
                verdict=Verdict.BREAK if is_break else Verdict.OK,
                subject=subject_of("executions told", pair),
                session_date=session_date(pair.after.available_at),
                expected="at least 1" if changed else "0 or more",
                found=str(told),
                why=(
                    f"{len(changed)} positions changed and no execution was told"
                    f"{_gap_text(pair)}; check the gateway's settings for executions, or an "
                    f"exercise, assignment, transfer or corporate action"
                    if is_break
                    else f"{len(changed)} positions changed that nothing else explains"
                    if changes is not None
                    else f"{len(changed)} positions changed"
                ),
            )
        )
    return to_frame(findings)


def unexplained_changes(
    pair: SnapshotPair, positions: pl.DataFrame, executions: pl.DataFrame
) -> Mapping[int, tuple[Decimal, Decimal]]:
    """Return con_id -> position expected by executions, and what was found less it, never zero.

    Nothing where the two snapshots cannot be compared. A contract that traded while they were
    read is left out. Arguments as for `reconcile_positions`.
    """
    if _why_not_comparable(pair) is not None:
        return {}
    fills = _fills_of(executions, pair.account_id)
    before = _quantities(positions, pair.before.snapshot_id)
    after = _quantities(positions, pair.after.snapshot_id)
    known_before = _known_at(fills, pair.before.opened_at)
    known_after = _known_at(fills, pair.after.opened_at)
    moving = _in_flight(fills, pair.before) | _in_flight(fills, pair.after)
    found = {}
    for con_id in sorted({*before, *after, *known_after} - moving):
        told = known_after.get(con_id, _ZERO) - known_before.get(con_id, _ZERO)
        expected = before.get(con_id, _ZERO) + told
        if after.get(con_id, _ZERO) != expected:
            found[con_id] = (expected, after.get(con_id, _ZERO) - expected)
    return found


def subject_of(what: str, pair: SnapshotPair) -> str:
    """Return the subject of a finding on a pair of snapshots: what, and when the later was read.

    Several positions reads of one session are told apart by it, and an open break is found again
    by it (`brackets.snapshot_pairs`).
    """
    return f"{what} at {instant_text(pair.after.available_at)}"


def instant_text(instant: datetime) -> str:
    """Return an instant as subjects write it: UTC, to the microsecond."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _positions_of(
    pair: SnapshotPair, positions: pl.DataFrame, fills: pl.DataFrame, explanations: Explanations
) -> list[Finding]:
    before = _quantities(positions, pair.before.snapshot_id)
    after = _quantities(positions, pair.after.snapshot_id)
    why_not = _why_not_comparable(pair)
    known_before = _known_at(fills, pair.before.opened_at)
    known_after = _known_at(fills, pair.after.opened_at)
    moving = _in_flight(fills, pair.before) | _in_flight(fills, pair.after)
    findings = []
    for con_id in sorted({*before, *after, *known_after}):
        told = known_after.get(con_id, _ZERO) - known_before.get(con_id, _ZERO)
        moved = "it traded while positions were read" if con_id in moving else None
        findings.append(
            _position_finding(
                pair,
                con_id,
                expected=before.get(con_id, _ZERO) + told,
                found=after.get(con_id, _ZERO),
                why_not=why_not or moved,
                explanations=explanations,
            )
        )
    return findings


def _position_finding(
    pair: SnapshotPair,
    con_id: int,
    *,
    expected: Decimal,
    found: Decimal,
    why_not: str | None,
    explanations: Explanations,
) -> Finding:
    apart = found - expected
    is_open = apart != 0 and why_not is None
    explanation = explanations.of(pair, con_id, apart) if is_open else None
    verdict, why = _verdict(
        difference=apart, why_not=why_not, explanation=explanation, gaps=_gap_text(pair)
    )
    return Finding(
        account_id=pair.account_id,
        verdict=verdict,
        con_id=con_id,
        subject=subject_of("quantity", pair),
        expected=quantity_text(expected),
        found=quantity_text(found),
        difference=quantity_text(apart),
        why=why,
        session_date=session_date(pair.after.available_at),
        is_suspected=explanation is not None and explanation.is_suspected,
    )


def _verdict(
    *, difference: Decimal, why_not: str | None, explanation: Explanation | None, gaps: str
) -> tuple[Verdict, str | None]:
    if why_not is not None:
        return Verdict.NOT_COMPARABLE, why_not
    if difference == 0:
        return Verdict.OK, None
    if explanation is not None:
        how = "explained, suspected" if explanation.is_suspected else "explained"
        return Verdict.OK, f"{how}: {explanation.text}"
    if gaps:
        return Verdict.NOT_COMPARABLE, f"the difference may be a fill nobody told{gaps}"
    return (
        Verdict.BREAK,
        "no execution explains it; look for an exercise, assignment, expiry, transfer or "
        "corporate action, else for a fill that was not told",
    )


def _explanations(changes: pl.DataFrame | None) -> Explanations:
    return Explanations(pl.DataFrame(schema=CHANGES) if changes is None else changes)


def _why_not_comparable(pair: SnapshotPair) -> str | None:
    for bracket, which in ((pair.before, "earlier"), (pair.after, "later")):
        if bracket.opened_at is None:
            return f"no executions were read before the {which} positions read"
        if bracket.closed_at is None:
            return f"no executions were read after the {which} positions read"
    return None


def _gap_text(pair: SnapshotPair) -> str:
    if not pair.gaps:
        return ""
    first, last = pair.gaps[0]
    return (
        f" (no executions read speaks of {first.isoformat()} to {last.isoformat()}: a gateway "
        f"tells only of its day)"
    )


def _fills_of(executions: pl.DataFrame, account_id: str) -> pl.DataFrame:
    """Return the fills of an account that move positions."""
    return executions.filter(
        (pl.col("account_id") == account_id)
        & ~pl.col("is_combo_parent").fill_null(value=False)
        & ~pl.col("is_allocation_parent").fill_null(value=False)
        & ~pl.col("security_type").is_in(NO_POSITION).fill_null(value=False)
    )


def _known_at(fills: pl.DataFrame, at: datetime | None) -> Quantities:
    """Return con_id -> signed quantity of the fills as they were known at an instant."""
    if at is None:
        return {}
    known = (
        fills.filter(pl.col("available_at") <= at)
        .sort("fill_id", "revision")
        .group_by("fill_id", maintain_order=True)
        .last()
        .group_by("con_id")
        .agg(pl.col("signed_quantity").sum())
    )
    return dict(known.select("con_id", "signed_quantity").iter_rows())


def _in_flight(fills: pl.DataFrame, bracket: Bracket) -> set[int]:
    """Return the contracts whose fills changed between the two reads of a bracket."""
    if bracket.opened_at is None or bracket.closed_at is None:
        return set()
    opened, closed = _known_at(fills, bracket.opened_at), _known_at(fills, bracket.closed_at)
    return {item for item in {*opened, *closed} if opened.get(item) != closed.get(item)}


def _told_between(fills: pl.DataFrame, pair: SnapshotPair) -> int:
    since = pair.before.opened_at or pair.before.started_at
    until = pair.after.closed_at or pair.after.available_at
    return fills.filter((pl.col("available_at") > since) & (pl.col("available_at") <= until)).height


def _quantities(positions: pl.DataFrame, snapshot_id: str) -> Quantities:
    summed = (
        positions.filter(pl.col("snapshot_id") == snapshot_id)
        .group_by("con_id")
        .agg(pl.col("quantity").sum())
    )
    return dict(summed.select("con_id", "quantity").iter_rows())
