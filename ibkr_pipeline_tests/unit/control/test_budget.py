"""The request budget is one window for everybody, whatever the clock does."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from ibkr_pipeline.control.store import ControlStore
from ibkr_pipeline.control.tables import GRANTS
from ibkr_pipeline.ports.budget import RequestBudget
from ibkr_pipeline.primitives.clock import FixedClock


def take(store: RequestBudget, cost: int = 1, bucket: str = "messages") -> float:
    """Ask a window of 10 units per minute."""
    return store.take(bucket, cost=cost, limit=10, per_seconds=60)


def test_the_window_grants_its_limit_and_then_says_how_long_to_wait(
    store: ControlStore, clock: FixedClock
) -> None:
    """4 at 0 s and 6 at 20 s fill it; 5 more need both: 20 + 60 - 30 = 50 s at 30 s."""
    assert take(store, 4) == 0.0
    clock.advance(timedelta(seconds=20))
    assert take(store, 6) == 0.0
    clock.advance(timedelta(seconds=10))

    assert (take(store, 1), take(store, 4), take(store, 5)) == (30.0, 30.0, 50.0)
    clock.advance(timedelta(seconds=30))
    assert take(store, 4) == 0.0
    assert take(store, 1) == 20.0


def test_a_refusal_costs_nothing(store: ControlStore) -> None:
    """Asking often must not use the budget up."""
    take(store, 9)
    for _ in range(5):
        assert take(store, 2) > 0

    assert take(store, 1) == 0.0


def test_buckets_do_not_touch_each_other(store: ControlStore) -> None:
    """Each gateway and kind of request has its own."""
    take(store, 10)

    assert take(store, 10, bucket="history") == 0.0


@pytest.mark.parametrize("cost", [0, -1, 11])
def test_what_could_never_be_granted_is_refused_at_once(store: ControlStore, cost: int) -> None:
    """Waiting for it would never end."""
    with pytest.raises(ValueError, match="expected 1 to 10"):
        take(store, cost)


def test_a_window_without_length_is_refused(store: ControlStore) -> None:
    """It would grant everything."""
    with pytest.raises(ValueError, match="positive"):
        store.take("b", cost=1, limit=1, per_seconds=0)


def test_two_runs_share_one_budget(open_store: Callable[[], ControlStore]) -> None:
    """The gateway counts messages, not our processes."""
    first, second = open_store(), open_store()
    take(first, 7)

    assert take(second, 4) > 0
    assert take(second, 3) == 0.0


def test_a_clock_set_back_neither_locks_out_nor_forgets(
    store: ControlStore, clock: FixedClock
) -> None:
    """An hour back: the grants count as made now, for one window and not longer."""
    take(store, 10)
    clock.advance(timedelta(hours=-1))

    assert take(store, 1) == 60.0
    clock.advance(timedelta(seconds=59))
    assert take(store, 1) == 1.0
    clock.advance(timedelta(seconds=1))
    assert take(store, 10) == 0.0


def test_expired_grants_leave_no_rows(store: ControlStore, clock: FixedClock) -> None:
    """A year of runs must not fill the store."""
    for _ in range(20):
        assert take(store, 10) == 0.0
        clock.advance(timedelta(seconds=60))

    with store._database.read() as connection:
        assert connection.execute(select(func.count()).select_from(GRANTS)).scalar_one() == 1


def test_threads_never_take_more_than_there_is(open_store: Callable[[], ControlStore]) -> None:
    """Four stores, eight threads, 80 attempts: 10 grants."""
    stores = [open_store() for _ in range(4)]
    with ThreadPoolExecutor(max_workers=8) as pool:
        waits = list(pool.map(lambda number: take(stores[number % 4]), range(80)))

    assert waits.count(0.0) == 10
