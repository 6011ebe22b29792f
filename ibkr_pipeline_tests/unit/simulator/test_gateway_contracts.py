"""Contracts, daily bars, and what is not served, over TCP, frame by frame."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ibkr_pipeline.simulator.testing import SimulatorThread
from ibkr_pipeline_tests.unit.simulator.conversation import CONTRACT
from ibkr_pipeline_tests.unit.simulator.raw_client import RawClient


@pytest.fixture
def gateway() -> Iterator[SimulatorThread]:
    """The default scenario, served."""
    with SimulatorThread("default") as running:
        yield running


@pytest.fixture
def client(gateway: SimulatorThread) -> Iterator[RawClient]:
    """A started client with id 1."""
    with RawClient(gateway.port) as connected:
        yield connected.started()


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ((52, 2, 7, *CONTRACT[:3], "SMART", "", "USD", "", "ReportSnapshot", 0, ""), "10358"),
        ((1, 11, 7, *CONTRACT, 0, "", 1, 0, ""), "354"),
        ((86, 7, 265598, "BRFG", "", "", 10, ""), "10276"),
        ((97, 7, *CONTRACT, "Last", 0, 0), "10189"),
    ],
)
def test_what_is_not_served_is_refused_by_request_id(
    client: RawClient, fields: tuple[object, ...], code: str
) -> None:
    """Fundamentals, quotes and news are answered with an error, never with invented data."""
    frame = client.ask(*fields, end="4")[-1]

    assert frame[2:4] == ["7", code]


def test_contract_details_of_one_of_several_and_of_none(client: RawClient) -> None:
    """A symbol alone may match several contracts; an unknown one is error 200."""
    blank = ("", "", "0.0", "", "", "", "", "", "", "", 0, "", "", "")
    one = client.ask(9, 8, 3, *CONTRACT, 0, "", "", "", end="52")
    several = client.ask(9, 8, 4, 0, "SPY", *blank, end="52")
    berkshire = client.ask(9, 8, 5, 0, "BRK B", "STK", *blank[1:], end="52")
    none = client.ask(9, 8, 6, 0, "../x", *blank, end="4")[-1]

    assert [f[1] for f in one] == ["3", "1"]
    assert [f[3] for f in several[:-1]] == ["STK", "OPT", "OPT"]
    assert berkshire[0][2] == "BRK B"
    assert none[2:4] == ["6", "200"]


def test_daily_bars_come_in_one_message_and_end_at_the_clock(client: RawClient) -> None:
    """Five sessions up to the 18th; the last close is the day's mark."""
    frame = client.ask(20, 9, *CONTRACT, 0, "", "1 day", "5 D", 1, "TRADES", 1, 0, "", end="17")[-1]

    assert (frame[1], frame[4], len(frame)) == ("9", "5", 5 + 5 * 8)
    days = frame[5::8]
    assert days == ["20261112", "20261113", "20261116", "20261117", "20261118"]
    assert frame[5 + 4 * 8 + 4] == "231.5"


@pytest.mark.parametrize(
    ("bar_size", "duration", "what", "end", "code"),
    [
        ("1 min", "1 D", "TRADES", "", "162"),
        ("1 day", "1 D", "FEE_RATE", "", "162"),
        ("1 day", "five", "TRADES", "", "321"),
        ("1 day", "1 D", "TRADES", "soon", "321"),
        ("1 day", "1 D", "ADJUSTED_LAST", "20261101 00:00:00", "10339"),
    ],
)
def test_bars_that_are_not_daily_are_refused(
    client: RawClient, bar_size: str, duration: str, what: str, end: str, code: str
) -> None:
    """Like a gateway that does not have them: an error, no empty series."""
    frame = client.ask(20, 9, *CONTRACT, 0, end, bar_size, duration, 1, what, 1, 0, "", end="4")[-1]

    assert frame[2:4] == ["9", code]
