"""Do positions follow from the positions before and the executions told since?

What lives here: the roll-forward of positions, as pure functions. What must not: SQL
(`reconciliation_inputs.py`), or mending anything: a break is told, never patched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

import polars as pl

from ibkr_pipeline.pipelines.brackets import Bracket, SnapshotPair
from ibkr_pipeline.pipelines.findings import Finding, Verdict, quantity_text, to_frame

#: Currency trades move cash, not positions.
NO_POSITION = ("CASH",)
_ZERO = Decimal(0)

Quantities = Mapping[int, Decimal]


def reconcile_positions(
    pairs: Sequence[SnapshotPair], positions: pl.DataFrame, executions: pl.DataFrame
) -> pl.DataFrame:
    """Compare each position with the one before plus the executions told between the two.

    Both sides stop at the executions read that opened the bracket: what was told by then is in
    the snapshot that followed. A contract that traded while positions were read is not
    comparable. A correction counts with the difference it makes; combos and advisor master
    orders are left out, because their legs and allocations carry the quantity.

    Worked example: 100 before, +50 and -20 told since, so 130 expected; 125 found is a break of
    -5.

    Args:
        pairs: The snapshots to compare.
        positions: Rows of those snapshots: snapshot_id, con_id, quantity.
        executions: Every revision of the fills told since: account_id, fill_id, revision, con_id,
            security_type, signed_quantity, is_combo_parent, is_allocation_parent, available_at.
    """
    findings: list[Finding] = []
    for pair in pairs:
        fills = _fills_of(executions, pair.account_id)
        findings += _positions_of(pair, positions, fills)
    return to_frame(findings)


def reconcile_zero_executions(
    pairs: Sequence[SnapshotPair], positions: pl.DataFrame, executions: pl.DataFrame
) -> pl.DataFrame:
    """Find accounts whose positions changed although not one execution was told.

    Some gateway builds and settings answer an executions request with nothing, end marker
    included. Arguments as for `reconcile_positions`.
    """
    findings = []
    for pair in pairs:
        before = _quantities(positions, pair.before.snapshot_id)
        after = _quantities(positions, pair.after.snapshot_id)
        changed = [item for item in {*before, *after} if before.get(item) != after.get(item)]
        told = _told_between(_fills_of(executions, pair.account_id), pair)
        is_break = bool(changed) and told == 0
        findings.append(
            Finding(
                account_id=pair.account_id,
                verdict=Verdict.BREAK if is_break else Verdict.OK,
                subject="executions told",
                expected="at least 1" if changed else "0 or more",
                found=str(told),
                why=(
                    f"{len(changed)} positions changed and no execution was told"
                    f"{_gap_text(pair)}; check the gateway's settings for executions, or an "
                    f"exercise, assignment, transfer or corporate action"
                    if is_break
                    else f"{len(changed)} positions changed"
                ),
            )
        )
    return to_frame(findings)


def _positions_of(
    pair: SnapshotPair, positions: pl.DataFrame, fills: pl.DataFrame
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
        expected = before.get(con_id, _ZERO) + told
        found = after.get(con_id, _ZERO)
        verdict, why = _verdict(
            difference=found - expected,
            why_not=why_not
            or ("it traded while positions were read" if con_id in moving else None),
            gaps=_gap_text(pair),
        )
        findings.append(
            Finding(
                account_id=pair.account_id,
                verdict=verdict,
                con_id=con_id,
                subject="quantity",
                expected=quantity_text(expected),
                found=quantity_text(found),
                difference=quantity_text(found - expected),
                why=why,
            )
        )
    return findings


def _verdict(*, difference: Decimal, why_not: str | None, gaps: str) -> tuple[Verdict, str | None]:
    if why_not is not None:
        return Verdict.NOT_COMPARABLE, why_not
    if difference == 0:
        return Verdict.OK, None
    if gaps:
        return Verdict.NOT_COMPARABLE, f"the difference may be a fill nobody told{gaps}"
    return (
        Verdict.BREAK,
        "no execution explains it; look for an exercise, assignment, expiry, transfer or "
        "corporate action, else for a fill that was not told",
    )


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
