"""A lease has one holder, and every new holder a higher token."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from ibkr_pipeline.control.leases import Lease
from ibkr_pipeline.control.store import ControlStore
from ibkr_pipeline.primitives.clock import FixedClock
from ibkr_pipeline.primitives.errors import BusyError
from ibkr_pipeline_tests.raw_requests import NOON

MINUTE = timedelta(minutes=1)


def lease(store: ControlStore, holder: str = "run-1") -> Lease:
    """Ask for the lease for a minute."""
    return store.lease("submit", holder=holder, ttl=MINUTE)


def test_a_free_lease_is_granted(store: ControlStore) -> None:
    """With the time it ends, by the clock given."""
    granted = lease(store)

    assert Lease(name="submit", holder="run-1", token=1, expires_at=NOON + MINUTE) == granted
    assert store.holds(granted)


def test_a_held_lease_names_its_holder(store: ControlStore) -> None:
    """Whoever waits wants to know for whom."""
    lease(store)

    with pytest.raises(BusyError, match="held by run-1 until") as caught:
        lease(store, "run-2")
    assert caught.value.holder == "run-1"


def test_an_expired_lease_goes_to_the_next_with_a_higher_token(
    store: ControlStore, clock: FixedClock
) -> None:
    """The old holder may wake up; its token is refused."""
    old = lease(store)
    clock.advance(MINUTE)
    new = lease(store, "run-2")

    assert new.token == 2
    assert (store.holds(old), store.holds(new)) == (False, True)
    assert not store.release(old)
    assert store.holds(new)


def test_the_holder_extends_its_own_lease(store: ControlStore, clock: FixedClock) -> None:
    """Under the same token: nothing changed hands."""
    lease(store)
    clock.advance(timedelta(seconds=50))
    again = lease(store)

    assert (1, NOON + timedelta(seconds=110)) == (again.token, again.expires_at)


def test_a_released_lease_is_free_at_once(store: ControlStore) -> None:
    """Releasing twice is no error, and no release."""
    granted = lease(store)

    assert [store.release(granted), store.release(granted)] == [True, False]
    assert lease(store, "run-2").token == 2


def test_a_clock_set_back_does_not_lock_the_lease_for_ever(
    store: ControlStore, clock: FixedClock
) -> None:
    """A day back: it runs its minute again from now, and not longer."""
    lease(store)
    clock.advance(timedelta(days=-1))

    with pytest.raises(BusyError):
        lease(store, "run-2")
    clock.advance(MINUTE)
    assert lease(store, "run-2").token == 2


def test_a_lease_without_length_is_refused(store: ControlStore) -> None:
    """It would be over before it began."""
    with pytest.raises(ValueError, match="positive"):
        store.lease("submit", holder="run-1", ttl=timedelta(0))


def test_one_of_many_gets_it(open_store: Callable[[], ControlStore]) -> None:
    """Four stores, eight threads: one holder."""
    stores = [open_store() for _ in range(4)]

    def attempt(number: int) -> bool:
        try:
            lease(stores[number % 4], f"run-{number}")
        except BusyError:
            return False
        return True

    with ThreadPoolExecutor(max_workers=8) as pool:
        assert sum(pool.map(attempt, range(16))) == 1
