"""What depends on an account stops, with the reason, while that account is not current."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ibkr_pipeline.control.store import ControlStore
from ibkr_pipeline.models.requests import SubjectOutcome
from ibkr_pipeline.primitives.enums import Dataset, Environment, LoadStatus
from ibkr_pipeline.primitives.errors import StaleDataError
from ibkr_pipeline_tests.raw_requests import FIRST, NOON, SECOND, make_complete, make_failed
from ibkr_pipeline_tests.unit.control.test_loads import read

DAY = timedelta(hours=24)


def require(store: ControlStore, *accounts: str, hours: float = 0) -> None:
    """Require positions of accounts, not older than a day, some hours after noon."""
    store.require_current(
        accounts or (FIRST,),
        [Dataset.POSITIONS],
        now=NOON + timedelta(hours=hours),
        max_age=DAY,
    )


def test_a_complete_read_that_is_young_enough_passes(store: ControlStore) -> None:
    """24 hours old at the limit is still young enough."""
    read(store, "r1", make_complete(FIRST))

    require(store, hours=24)


def test_a_read_that_is_too_old_stops(store: ControlStore) -> None:
    """The message says how old, and what to run."""
    read(store, "r1", make_complete(FIRST))

    with pytest.raises(StaleDataError) as caught:
        require(store, hours=24.1)
    for part in (FIRST, "positions", "too old", "2026-11-18 12:00:00Z", "sync positions"):
        assert part in str(caught.value)


def test_a_failed_read_after_the_complete_one_stops(store: ControlStore) -> None:
    """The snapshot stays current in core; deciding on it is another matter."""
    read(store, "r1", make_complete(FIRST))
    read(store, "r2", [make_failed(FIRST, "no positionEnd")], hours=1)

    with pytest.raises(StaleDataError, match=r"the last read failed.*no positionEnd"):
        require(store, hours=2)


def test_a_complete_read_after_a_failed_one_passes(store: ControlStore) -> None:
    """The failure is mended."""
    read(store, "r1", [make_failed(FIRST)])
    read(store, "r2", make_complete(FIRST), hours=1)

    require(store, hours=2)


def test_an_account_that_was_never_read_stops(store: ControlStore) -> None:
    """No row is no empty account; the healthy one beside it is not named."""
    read(store, "r1", make_complete(FIRST))

    with pytest.raises(StaleDataError, match=f"positions of {SECOND}: never read") as caught:
        require(store, FIRST, SECOND)
    assert FIRST not in str(caught.value)


def test_what_the_gateway_refuses_is_named_as_such(store: ControlStore) -> None:
    """With the Read-Only API on, orders are unsupported, not failed."""
    outcome = SubjectOutcome(
        account_id=FIRST, status=LoadStatus.UNSUPPORTED, reason="Read-Only API is on"
    )
    read(store, "r1", [outcome])

    with pytest.raises(StaleDataError, match="unsupported: Read-Only API is on"):
        require(store)


def test_a_read_that_is_still_running_does_not_stop_anything(store: ControlStore) -> None:
    """The last snapshot is current until there is a verdict."""
    read(store, "r1", make_complete(FIRST))
    store.begin_request(
        request_id="r2",
        broker="ibkr",
        environment=Environment.PAPER,
        dataset=Dataset.POSITIONS,
        accounts=[FIRST],
        started_at=NOON + timedelta(hours=1),
        run_id=None,
    )

    require(store, hours=2)


def test_many_problems_are_counted_not_listed(store: ControlStore) -> None:
    """A thousand accounts would drown the first one."""
    with pytest.raises(StaleDataError, match="and 5 more"):
        require(store, *(f"DU{number:07d}" for number in range(25)))
