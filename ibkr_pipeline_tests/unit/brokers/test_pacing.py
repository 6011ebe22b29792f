"""The request budget and how it is waited for."""

from __future__ import annotations

import pytest

from ibkr_pipeline.brokers.exceptions import PacingError
from ibkr_pipeline.brokers.ibkr.pacing import InProcessBudget, Pacing


class Watch:
    """A clock that moves when it is slept on."""

    def __init__(self) -> None:
        self.at = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        """Return the instant."""
        return self.at

    def sleep(self, seconds: float) -> None:
        """Move."""
        self.slept.append(seconds)
        self.at += seconds


def pacing_of(watch: Watch, *, per_second: int = 2) -> Pacing:
    """Return a pacing of so many messages per second."""
    return Pacing(
        InProcessBudget(watch), prefix="g", messages_per_second=per_second, sleep=watch.sleep
    )


def test_messages_within_the_budget_do_not_wait() -> None:
    """A nightly run of few accounts never notices."""
    watch = Watch()
    pacing = pacing_of(watch)

    for _ in range(2):
        pacing.message(patience=10)

    assert [] == watch.slept


def test_the_window_slides() -> None:
    """Two at 0 s, the third at 1 s when the first has left the window."""
    watch = Watch()
    pacing = pacing_of(watch)

    for _ in range(3):
        pacing.message(patience=10)

    assert [1.0] == watch.slept


def test_nobody_waits_longer_than_allowed() -> None:
    """A budget used up by another run is an error that says so."""
    watch = Watch()
    pacing = pacing_of(watch, per_second=1)
    pacing.message(patience=10)

    with pytest.raises(PacingError, match="g:messages"):
        pacing.message(patience=0.5)


def test_two_runs_share_one_budget() -> None:
    """The gateway counts a client's messages whichever run sent them."""
    watch = Watch()
    budget = InProcessBudget(watch)
    runs = [Pacing(budget, prefix="g", messages_per_second=1, sleep=watch.sleep) for _ in range(2)]

    for run in runs:
        run.message(patience=10)

    assert [1.0] == watch.slept


def test_two_gateways_have_two_budgets() -> None:
    """One gateway's haste is not the other's."""
    watch = Watch()
    budget = InProcessBudget(watch)

    for prefix in ("g", "h"):
        Pacing(budget, prefix=prefix, messages_per_second=1, sleep=watch.sleep).message(patience=9)

    assert [] == watch.slept


def test_heavy_requests_have_a_budget_of_their_own() -> None:
    """A loop that asks for completed orders makes the gateway walk its whole book."""
    watch = Watch()
    pacing = pacing_of(watch, per_second=1000)

    for _ in range(61):
        pacing.request("completed_orders", patience=100)
    for _ in range(100):
        pacing.request("positions", patience=0)

    assert [60.0] == watch.slept


def test_a_cost_above_the_limit_is_an_error() -> None:
    """It would wait forever."""
    with pytest.raises(PacingError, match="its limit is 1"):
        InProcessBudget(Watch()).take("b", cost=2, limit=1, per_seconds=1.0)
