"""What explains a difference of positions that no execution of the gateway does."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from ibkr_pipeline.pipelines.brackets import LOADS, Bracket, SnapshotPair, snapshot_pairs
from ibkr_pipeline.pipelines.position_changes import CHANGES, Explanations
from ibkr_pipeline.pipelines.position_reconciliation import (
    reconcile_positions,
    reconcile_zero_executions,
)
from ibkr_pipeline_tests.statement_frames import (
    ACCOUNT,
    FRI,
    MON,
    OTHER,
    THU,
    TUE,
    WED,
    told,
    typed,
)

CALL, MSTR = 741000101, 272110
#: Half past four in New York.
WED_NIGHT = datetime(2026, 11, 18, 21, 30, tzinfo=UTC)
THU_NIGHT = WED_NIGHT + timedelta(days=1)
FILLS = {
    "account_id": pl.String(),
    "fill_id": pl.String(),
    "revision": pl.Int64(),
    "con_id": pl.Int64(),
    "security_type": pl.String(),
    "signed_quantity": pl.Decimal(38, 10),
    "is_combo_parent": pl.Boolean(),
    "is_allocation_parent": pl.Boolean(),
    "available_at": pl.Datetime("us", "UTC"),
}
HELD = {"snapshot_id": pl.String(), "con_id": pl.Int64(), "quantity": pl.Decimal(38, 10)}


def bracket(read_at: datetime) -> Bracket:
    """Return a snapshot with executions reads a minute before and after."""
    minute = timedelta(minutes=1)
    return Bracket(
        account_id=ACCOUNT,
        snapshot_id=f"{read_at:%d}",
        started_at=read_at,
        available_at=read_at,
        opening_sent_at=read_at - 2 * minute,
        opened_at=read_at - minute,
        closed_at=read_at + minute,
    )


def pair(*, with_gap: bool = False) -> SnapshotPair:
    """Return Wednesday's and Thursday's snapshots."""
    gaps = ((WED_NIGHT, WED_NIGHT + timedelta(hours=7)),) if with_gap else ()
    return SnapshotPair(
        account_id=ACCOUNT, before=bracket(WED_NIGHT), after=bracket(THU_NIGHT), gaps=gaps
    )


def change(quantity: int, day: date = WED, con_id: int = CALL, **more: Any) -> dict[str, Any]:
    """Return one change of a position."""
    return {
        "con_id": con_id,
        "day": day,
        "quantity": quantity,
        "what": f"assignment of {con_id} on {day} (statement)",
        "is_suspected": False,
        **more,
    }


def changes(*rows: dict[str, Any]) -> pl.DataFrame:
    """Return changes as a frame."""
    return typed(CHANGES, *rows)


def positions(before: dict[int, int], after: dict[int, int]) -> pl.DataFrame:
    """Return the rows of both snapshots."""
    return typed(
        HELD,
        *(
            {"snapshot_id": name, "con_id": con_id, "quantity": quantity}
            for name, held in (("18", before), ("19", after))
            for con_id, quantity in held.items()
        ),
    )


ASSIGNED = positions({CALL: -2, MSTR: 500}, {MSTR: 300})


def test_a_confirmed_assignment_explains_both_positions() -> None:
    """-2 calls to 0 and 500 shares to 300, told by the statement of Wednesday."""
    booked = changes(change(2), change(-200, con_id=MSTR, what="delivery on Wednesday"))

    found = reconcile_positions([pair()], ASSIGNED, typed(FILLS), booked)

    assert [
        (MSTR, "ok", "explained: delivery on Wednesday", False),
        (CALL, "ok", f"explained: assignment of {CALL} on {WED} (statement)", False),
    ] == told(found, "con_id", "verdict", "why", "is_suspected")


def test_a_suspected_event_explains_and_says_so() -> None:
    """It is no break, and nothing that closes one either."""
    booked = changes(change(2, is_suspected=True, what="a suspicion"))

    found = reconcile_positions([pair()], positions({CALL: -2}, {}), typed(FILLS), booked)

    assert [("ok", "explained, suspected: a suspicion", True)] == told(
        found, "verdict", "why", "is_suspected"
    )


def test_an_explanation_holds_where_no_executions_read_speaks() -> None:
    """Without one the difference may be a fill nobody told."""
    held = positions({CALL: -2}, {})

    known = reconcile_positions([pair(with_gap=True)], held, typed(FILLS), changes(change(2)))
    unknown = reconcile_positions([pair(with_gap=True)], held, typed(FILLS), changes())

    assert ["ok"] == known["verdict"].to_list()
    assert ["not_comparable"] == unknown["verdict"].to_list()


@pytest.mark.parametrize(
    "booked",
    [
        change(1),
        change(2, con_id=MSTR),
        change(2, account_id=OTHER),
        change(2, day=MON),
        change(2, day=date(2026, 11, 23)),
    ],
    ids=["quantity", "contract", "account", "too early", "too late"],
)
def test_what_does_not_fit_exactly_explains_nothing(booked: dict[str, Any]) -> None:
    """Contract, quantity and time have to agree."""
    found = reconcile_positions([pair()], positions({CALL: -2}, {}), typed(FILLS), changes(booked))

    assert ["break"] == found.filter(pl.col("con_id") == CALL)["verdict"].to_list()


@pytest.mark.parametrize("day", [TUE, WED, THU, FRI])
def test_bookings_bear_dates_around_the_night(day: date) -> None:
    """After hours, or a corporate action of the next session."""
    found = Explanations(changes(change(2, day=day))).of(pair(), CALL, Decimal(2))

    assert found is not None


def test_some_of_several_changes_may_explain_a_difference() -> None:
    """+1, +2 and -5 are known; the difference is +3: the first two."""
    known = Explanations(
        changes(change(1, what="a"), change(2, what="b"), change(-5, what="c", day=THU))
    )

    found = known.of(pair(), CALL, Decimal(3))

    assert found is not None
    assert "a; b" == found.text


def test_a_change_explains_one_difference_only() -> None:
    """The same assignment does not close the position twice."""
    known = Explanations(changes(change(2)))

    assert known.of(pair(), CALL, Decimal(2)) is not None
    assert known.of(pair(), CALL, Decimal(2)) is None


def test_confirmed_changes_come_before_suspected_ones() -> None:
    """A suspicion does not taint what a statement tells."""
    known = Explanations(
        changes(change(2, what="suspicion", is_suspected=True), change(2, what="fact"))
    )

    found = known.of(pair(), CALL, Decimal(2))

    assert found is not None
    assert ("fact", False) == (found.text, found.is_suspected)


def test_positions_that_changed_by_an_event_need_no_execution() -> None:
    """The gateway tells no fill of an assignment; silence is no sign of a wrong setting."""
    booked = changes(change(2), change(-200, con_id=MSTR))

    explained = reconcile_zero_executions([pair()], ASSIGNED, typed(FILLS), booked)
    silent = reconcile_zero_executions([pair()], ASSIGNED, typed(FILLS), changes())

    assert ["ok"] == explained["verdict"].to_list()
    assert ["break"] == silent["verdict"].to_list()


def test_a_finding_names_its_read_and_session() -> None:
    """Two reads of one session are two subjects."""
    found = reconcile_positions([pair()], positions({CALL: 1}, {CALL: 1}), typed(FILLS))

    assert [("quantity at 2026-11-19T21:30:00.000000Z", THU)] == told(
        found, "subject", "session_date"
    )


def test_earlier_pairs_are_compared_again_when_asked_for() -> None:
    """An open break is about two snapshots that are not the last any more."""
    loads = typed(
        LOADS,
        *(
            {
                "load_id": str(night),
                "started_at": WED_NIGHT + timedelta(days=night),
                "available_at": WED_NIGHT + timedelta(days=night),
            }
            for night in range(3)
        ),
    )

    last = snapshot_pairs(loads, typed(LOADS))
    both = snapshot_pairs(loads, typed(LOADS), also={(ACCOUNT, THU_NIGHT)})

    assert [("1", "2")] == [(p.before.snapshot_id, p.after.snapshot_id) for p in last]
    assert [("0", "1"), ("1", "2")] == [(p.before.snapshot_id, p.after.snapshot_id) for p in both]
