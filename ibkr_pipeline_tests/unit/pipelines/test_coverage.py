"""Which account-days are covered, by whom, and what is missing."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from ibkr_pipeline.models.requests import Load
from ibkr_pipeline.pipelines.coverage import AccountReads, coverage_of
from ibkr_pipeline.primitives.enums import Dataset, Environment, LoadStatus
from ibkr_pipeline_tests.pipeline_runs import FIRST, SECOND

MONDAY, TUESDAY, WEDNESDAY = date(2026, 11, 16), date(2026, 11, 17), date(2026, 11, 18)
#: Wednesday 21:00 UTC: the session has just closed.
CLOSE = datetime(2026, 11, 18, 21, 0, tzinfo=UTC)


def at(day: date, hour: int, minute: int = 0) -> datetime:
    """Return an instant of a day, UTC; the exchange is open from 14:30 to 21:00."""
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)


def trades(first: date, last: date, received: datetime, load_id: str = "r1") -> Load:
    """Return a complete Trades section."""
    return Load(
        load_id=load_id,
        request_id="r",
        broker="ibkr",
        environment=Environment.PAPER,
        dataset=Dataset.FLEX,
        account_id=FIRST,
        section="Trades",
        from_date=first,
        to_date=last,
        status=LoadStatus.COMPLETE,
        started_at=received,
        available_at=received,
    )


def covered(*reads: AccountReads, now: datetime = CLOSE) -> list[tuple[date, bool, bool]]:
    """Return session, by wire, by Flex."""
    frame = coverage_of(reads, broker="ibkr", environment=Environment.PAPER, now=now)
    return list(frame.select("session_date", "by_wire", "by_flex").iter_rows())


def test_a_read_from_before_the_opening_to_after_the_close_covers_the_session() -> None:
    """One read in the evening tells the whole day, since midnight."""
    reads = AccountReads(account_id=FIRST, windows=((at(TUESDAY, 5), at(TUESDAY, 22)),))

    assert [(TUESDAY, True, False), (WEDNESDAY, False, False)] == covered(reads)


def test_reads_that_touch_cover_a_session_together() -> None:
    """The gateway was restarted at noon: the first read ended where the second begins."""
    touching = ((at(TUESDAY, 5), at(TUESDAY, 17)), (at(TUESDAY, 17), at(TUESDAY, 22)))
    apart = ((at(TUESDAY, 5), at(TUESDAY, 17)), (at(TUESDAY, 17, 1), at(TUESDAY, 22)))

    assert True is covered(AccountReads(account_id=FIRST, windows=touching))[0][1]
    assert False is covered(AccountReads(account_id=FIRST, windows=apart))[0][1]


def test_a_read_before_the_close_does_not_cover() -> None:
    """Fills of the last hour are not in it."""
    reads = AccountReads(account_id=FIRST, windows=((at(TUESDAY, 5), at(TUESDAY, 20, 59)),))

    assert False is covered(reads)[0][1]


def test_a_statement_covers_its_window() -> None:
    """And nothing beside it; sessions nobody told of are missing, with the way to get them."""
    reads = AccountReads(account_id=FIRST, statements=(trades(MONDAY, TUESDAY, at(WEDNESDAY, 3)),))
    frame = coverage_of([reads], broker="ibkr", environment=Environment.PAPER, now=CLOSE)

    assert [(MONDAY, False, True), (TUESDAY, False, True), (WEDNESDAY, False, False)] == covered(
        reads
    )
    assert [None, None] == frame["missing"].to_list()[:2]
    assert "backfill executions --from 2026-11-18 --to 2026-11-18" in frame["missing"].to_list()[2]


def test_a_statement_received_before_the_close_does_not_cover() -> None:
    """A query with the period Today tells half a day."""
    early = trades(WEDNESDAY, WEDNESDAY, CLOSE - timedelta(seconds=1))
    late = trades(WEDNESDAY, WEDNESDAY, CLOSE)

    assert [(WEDNESDAY, False, False)] == covered(
        AccountReads(account_id=FIRST, statements=(early,))
    )
    assert [(WEDNESDAY, False, True)] == covered(AccountReads(account_id=FIRST, statements=(late,)))


def test_the_newest_statement_is_named() -> None:
    """A correction comes in a later one."""
    reads = AccountReads(
        account_id=FIRST,
        statements=(
            trades(MONDAY, TUESDAY, at(WEDNESDAY, 4), "newer"),
            trades(MONDAY, MONDAY, at(TUESDAY, 3), "older"),
        ),
    )
    frame = coverage_of([reads], broker="ibkr", environment=Environment.PAPER, now=CLOSE)

    assert "newer" == frame["flex_load_id"][0]


def test_a_session_that_is_still_open_is_not_told_of() -> None:
    """There is nothing to miss yet."""
    reads = AccountReads(account_id=FIRST, windows=((at(TUESDAY, 5), at(TUESDAY, 22)),))

    assert [TUESDAY] == [row[0] for row in covered(reads, now=CLOSE - timedelta(seconds=1))]


def test_weekends_and_accounts_never_read_are_no_gaps() -> None:
    """Friday is followed by Monday; an account nothing is known of has no rows."""
    friday = date(2026, 11, 13)
    reads = AccountReads(account_id=FIRST, windows=((at(friday, 5), at(friday, 22)),))
    days = [row[0] for row in covered(reads, AccountReads(account_id=SECOND), now=at(TUESDAY, 5))]

    assert [friday, MONDAY] == days
