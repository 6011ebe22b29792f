"""Crash points do nothing unless a test armed them in the same process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ibkr_pipeline.primitives import crashpoints


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    crashpoints.disarm()


@pytest.mark.parametrize("point", crashpoints.POINTS)
def test_a_point_runs_what_was_armed_each_time_until_it_is_disarmed(point: str) -> None:
    """And no other point does."""
    ran: list[str] = []
    crashpoints.arm(point, lambda: ran.append(point))
    for each in crashpoints.POINTS:
        crashpoints.reach(each)
    crashpoints.reach(point)
    crashpoints.disarm()
    crashpoints.reach(point)

    assert [point, point] == ran


def test_an_unknown_point_cannot_be_armed() -> None:
    """A misspelt point would make a kill test pass without a kill."""
    with pytest.raises(ValueError, match="'after_comit'; expected one of"):
        crashpoints.arm("after_comit", lambda: None)
