"""Breaks from one night to the next: opened, kept, closed, opened again."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ibkr_pipeline.pipelines.breaks import break_id, next_versions, update_breaks
from ibkr_pipeline.pipelines.findings import Compared, Finding, Verdict, to_frame
from ibkr_pipeline.primitives.enums import Environment
from ibkr_pipeline.schemas import ops
from ibkr_pipeline.warehouse.ops import current_breaks, open_breaks
from ibkr_pipeline_tests.statement_frames import ACCOUNT, MON, TUE, WED
from ibkr_pipeline_tests.warehouse_rows import warehouse_in

FIRST = datetime(2026, 11, 17, 22, 0, tzinfo=UTC)
SECOND, THIRD = FIRST + timedelta(days=1), FIRST + timedelta(days=2)
AAPL = 265598


def finding(verdict: Verdict = Verdict.BREAK, **changes: Any) -> Finding:
    """Return a finding on AAPL of Monday: 130 expected, 125 found."""
    values: dict[str, Any] = {
        "account_id": ACCOUNT,
        "con_id": AAPL,
        "subject": "statement position",
        "expected": "130",
        "found": "125",
        "difference": "-5",
        "why": "nothing explains it",
        "session_date": MON,
    }
    return Finding(verdict=verdict, **{**values, **changes})


def night(
    known: pl.DataFrame,
    *findings: Finding,
    at: datetime = SECOND,
    since: date | None = MON,
    made: bool = True,
) -> pl.DataFrame:
    """Return the new versions of a night that made one comparison."""
    compared = Compared(findings=to_frame(findings), since=since) if made else None
    return next_versions(known, {"statement_positions": compared}, at, environment="paper")


def stored(versions: pl.DataFrame) -> pl.DataFrame:
    """Return versions as the warehouse would return them."""
    return versions.with_columns(pl.lit(FIRST).cast(pl.Datetime("us", "UTC")).alias("recorded_at"))


OPEN = stored(night(ops.BREAKS.empty(), finding(), at=FIRST))


def facts(versions: pl.DataFrame) -> list[tuple[Any, ...]]:
    """Return version, state, first seen and closed of each."""
    return list(versions.select("version", "break_state", "first_seen_at", "closed_at").iter_rows())


def test_a_new_finding_opens_a_break() -> None:
    """With what was compared, of whom, and since when it is known."""
    assert [(1, "open", FIRST, None)] == facts(OPEN)
    assert {
        "account_id": ACCOUNT,
        "environment": "paper",
        "comparison": "statement_positions",
        "con_id": AAPL,
        "session_date": MON,
        "difference": "-5",
    }.items() <= OPEN.row(0, named=True).items()


def test_the_same_finding_again_changes_nothing() -> None:
    """Its age is counted from the first night."""
    assert night(OPEN, finding()).is_empty()


def test_a_break_that_changes_keeps_its_age() -> None:
    """Another difference is a new version of the same break."""
    found = night(OPEN, finding(found="120", difference="-10"))

    assert [(2, "open", FIRST, None)] == facts(found)
    assert "-10" == found.item(0, "difference")


def test_what_agrees_now_closes_with_the_reason() -> None:
    """The finding says what explained it."""
    found = night(OPEN, finding(Verdict.OK, why="explained: transfer on 2026-11-16 (statement)"))

    assert [(2, "closed", FIRST, SECOND)] == facts(found)
    assert "explained: transfer on 2026-11-16 (statement)" == found.item(0, "why")


def test_what_is_no_longer_found_closes() -> None:
    """The comparison looked at that session and found nothing."""
    found = night(OPEN, finding(session_date=TUE))

    assert {("closed", MON), ("open", TUE)} == set(
        found.select("break_state", "session_date").iter_rows()
    )


@pytest.mark.parametrize("since", [TUE, date.max])
def test_a_session_that_was_not_looked_at_closes_nothing(since: date) -> None:
    """Absence is an answer only to what was asked."""
    assert night(OPEN, since=since).is_empty()


def test_a_comparison_that_could_not_be_made_closes_nothing() -> None:
    """Neither does one that is not among those of the night."""
    assert night(OPEN, made=False).is_empty()
    assert next_versions(OPEN, {}, SECOND, environment="paper").is_empty()


def test_what_could_not_be_compared_neither_opens_nor_closes() -> None:
    """It is not known, and stays so."""
    assert night(OPEN, finding(Verdict.NOT_COMPARABLE)).is_empty()
    assert night(ops.BREAKS.empty(), finding(Verdict.NOT_COMPARABLE)).is_empty()


def test_a_suspicion_does_not_close_a_break() -> None:
    """It stays open and says what is suspected, once; only a statement closes it."""
    suspected = finding(Verdict.OK, why="explained, suspected: assignment", is_suspected=True)

    found = night(OPEN, suspected)

    assert [(2, "open", FIRST, None)] == facts(found)
    assert "explained, suspected: assignment" == found.item(0, "why")
    assert night(stored(found), suspected, at=THIRD).is_empty()


def test_a_suspicion_opens_no_break() -> None:
    """What a suspected event explains is no break."""
    assert night(ops.BREAKS.empty(), finding(Verdict.OK, is_suspected=True)).is_empty()


def test_a_break_that_comes_back_is_opened_again() -> None:
    """A new version of the same break, as old as it ever was."""
    closed = stored(night(OPEN, finding(Verdict.OK)))

    found = night(closed, finding(), at=THIRD)

    assert [(3, "open", FIRST, None)] == facts(found)
    assert night(closed, finding(Verdict.OK), at=THIRD).is_empty()


def test_of_two_findings_on_one_subject_the_break_counts() -> None:
    """Whichever comes first."""
    found = night(ops.BREAKS.empty(), finding(), finding(Verdict.OK))

    assert ["open"] == found["break_state"].to_list()


@pytest.mark.parametrize(
    "change",
    [
        {"comparison": "positions"},
        {"environment": "live"},
        {"account_id": "DU0000002"},
        {"con_id": None},
        {"subject": "quantity"},
        {"session_date": WED},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_part_of_the_identity_counts(change: dict[str, Any]) -> None:
    """Same parts, same id; it does not depend on the process."""
    parts: dict[str, Any] = {
        "comparison": "statement_positions",
        "broker": "ibkr",
        "environment": "paper",
        "account_id": ACCOUNT,
        "con_id": AAPL,
        "subject": "statement position",
        "session_date": MON,
    }

    def identity(**values: Any) -> str:
        return break_id(values.pop("comparison"), **values)

    assert identity(**parts) == OPEN.item(0, "break_id")
    assert identity(**{**parts, **change}) != OPEN.item(0, "break_id")


def test_breaks_live_through_the_warehouse(tmp_path: Path) -> None:
    """Opened on one night, closed on the next; every version is kept."""
    warehouse = warehouse_in(tmp_path)
    nights = [(FIRST, finding()), (SECOND, finding()), (THIRD, finding(Verdict.OK))]
    changes = []
    for at, item in nights:
        compared = Compared(findings=to_frame([item]), since=MON)
        with warehouse.write("test") as transaction:
            changes.append(
                update_breaks(
                    transaction,
                    {"statement_positions": compared},
                    at,
                    environment=Environment.PAPER,
                )
            )

    assert [(1, 0, 1), (0, 0, 1), (0, 1, 0)] == [
        (item.opened, item.closed, item.still_open) for item in changes
    ]
    with warehouse.read() as connection:
        assert 2 == connection.execute("SELECT count(*) FROM ops.breaks").fetchall()[0][0]
        assert open_breaks(connection, environment="paper").is_empty()
        assert [(2, "closed", FIRST, THIRD)] == facts(
            current_breaks(connection, environment="paper")
        )
        assert current_breaks(connection, environment="live").is_empty()
