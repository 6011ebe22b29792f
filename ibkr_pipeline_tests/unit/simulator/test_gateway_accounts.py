"""Accounts, summaries and positions over TCP, frame by frame."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from ibkr_pipeline.simulator.testing import SimulatorThread
from ibkr_pipeline_tests.unit.simulator.conversation import options
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


def test_account_updates_end_with_time_and_end_marker(client: RawClient) -> None:
    """Values, portfolio, time, end; the account stands in every row."""
    frames = client.ask(6, 2, 1, "DU0000001", end="54")

    kinds = [f[0] for f in frames]
    assert kinds == sorted(kinds, key=["6", "7", "8", "54"].index)
    assert {f[5] for f in frames if f[0] == "6"} == {"DU0000001"}
    assert frames[-2:] == [["8", "1", "16:20"], ["54", "1", "DU0000001"]]


def test_net_liquidation_on_the_wire_is_the_sum_of_its_parts(client: RawClient) -> None:
    """Cash with futures, stocks and options of the BASE block add up to the cent."""
    frames = client.ask(6, 2, 1, "DU0000001", end="54")
    values = {(f[2], f[4]): f[3] for f in frames if f[0] == "6"}

    parts = [
        Decimal(values[key, "BASE"])
        for key in ("TotalCashBalance", "StockMarketValue", "OptionMarketValue")
    ]
    assert Decimal(values["NetLiquidation", "USD"]) == sum(parts)
    assert values["NetLiquidationByCurrency", "BASE"] == values["NetLiquidation", "USD"]


@pytest.mark.parametrize(
    ("request_fields", "request_id"),
    [
        ((6, 2, 1, "DU7777777"), "-1"),
        ((76, 1, 5, "DU7777777", "", 0), "5"),
        ((74, 1, 5, "DU7777777", ""), "5"),
        ((6, 2, 1, ""), "-1"),
        ((6, 2, 1, "'; DROP TABLE x;--"), "-1"),
    ],
)
def test_an_unknown_account_is_refused_with_321(
    client: RawClient, request_fields: tuple[object, ...], request_id: str
) -> None:
    """One account is refused; the connection and other reads go on."""
    frame = client.ask(*request_fields, end="4")[-1]

    assert frame[2:4] == [request_id, "321"]
    assert "Invalid account code" in frame[4]


def test_ledger_keys_get_the_prefix_of_newer_builds(gateway: SimulatorThread) -> None:
    """Builds from 10.47 write $LEDGER- before per-currency keys of window and Multi."""
    options(gateway, ledger_prefix=True)
    with RawClient(gateway.port) as client:
        frames = client.started().ask(76, 1, 5, "DU0000001", "", 1, end="74")

    keys = {f[5] for f in frames if f[0] == "73"}
    assert "$LEDGER-CashBalance" in keys
    assert "NetLiquidation" in keys
    assert "CashBalance" not in keys


def test_an_account_can_first_be_not_ready(gateway: SimulatorThread, client: RawClient) -> None:
    """While the server is being reset AccountReady is false; the true values follow."""
    options(gateway, account_not_ready_first=True)

    frames = client.ask(6, 2, 1, "DU0000001", end="54")

    assert [f[3] for f in frames if f[2] == "AccountReady"] == ["false", "true"]


def test_summary_serves_ledger_blocks_and_refuses_the_third_subscription(
    client: RawClient,
) -> None:
    """$LEDGER is the base block, :EUR one currency, :ALL all; cancelling frees a place."""
    base = client.ask(62, 1, 1, "All", "NetLiquidation,$LEDGER", end="64")
    euro = client.ask(62, 1, 2, "All", "$LEDGER:EUR", end="64")
    refused = client.ask(62, 1, 3, "All", "$LEDGER:ALL", end="4")[-1]
    client.send(63, 1, 1)
    everything = client.ask(62, 1, 4, "All", "$LEDGER:ALL", end="64")

    assert {f[6] for f in base[:-1]} == {"USD", "BASE"}
    assert {f[3] for f in base[:-1]} == {"DU0000001", "DU0000002"}
    assert {f[6] for f in euro[:-1]} == {"EUR"}
    assert refused[2:4] == ["3", "322"]
    assert {f[6] for f in everything[:-1]} == {"USD", "EUR", "BASE"}


def test_positions_cover_all_accounts_or_the_one_asked_for(client: RawClient) -> None:
    """ReqPositions tells everything, the Multi request one account, a model nothing."""
    everything = client.ask(61, 1, end="62")
    one = client.ask(74, 1, 8, "DU0000002", "", end="72")
    model = client.ask(74, 1, 9, "DU0000002", "TARGET", end="72")

    assert {f[2] for f in everything[:-1]} == {"DU0000001", "DU0000002"}
    assert [f[5] for f in one[:-1]] == ["SPY", "NVDA", "SPY"]
    assert model == [["72", "1", "9"]]


def test_many_accounts_may_refuse_positions(gateway: SimulatorThread, client: RawClient) -> None:
    """Gateways with more than 50 accounts answer the Multi requests only."""
    options(gateway, max_position_accounts=1)

    refused = client.ask(61, 1, end="4")[-1]
    multi = client.ask(74, 1, 8, "DU0000002", "", end="72")

    assert refused[2:4] == ["-1", "321"]
    assert len(multi) == 4


def test_an_advisor_has_totals_and_groups() -> None:
    """The summary adds a row for the group; the window serves the master with an A behind it."""
    with SimulatorThread("advisor") as gateway, RawClient(gateway.port) as client:
        accounts = client.started().start[0][2]
        everyone = client.ask(62, 1, 1, "All", "NetLiquidation", end="64")
        group = client.ask(62, 1, 2, "Growth", "NetLiquidation", end="64")
        total = client.ask(6, 2, 1, "DF0000001A", end="54")
        unknown = client.ask(62, 1, 1, "Nope", "NetLiquidation", end="4")[-1]
        fills = client.ask(7, 3, 4, 0, "", "", "", "", "", "", end="55")
        positions = client.ask(61, 1, end="62")

    assert accounts == "DF0000001,DU0000001,DU0000002,"
    rows = {f[3]: Decimal(f[5]) for f in everyone[:-1]}
    assert rows["All"] == rows["DU0000001"] + rows["DU0000002"]
    assert [f[3] for f in group[:-1]] == ["DU0000001", "DU0000002", "Growth"]
    assert {f[5] for f in total if f[0] == "6"} == {"DF0000001A"}
    assert unknown[3] == "321"
    shares = [(f[16], f[19]) for f in fills if f[0] == "11"]
    assert shares == [("DF0000001", "150"), ("DU0000001", "100"), ("DU0000002", "50")]
    assert {f[2] for f in positions[:-1]} == {"DU0000001", "DU0000002"}


def test_an_empty_account_is_an_answer_with_nothing_in_it() -> None:
    """No rows, but every end marker: emptiness is a fact the client can trust."""
    with SimulatorThread("empty") as gateway, RawClient(gateway.port) as client:
        client.started()

        assert client.ask(61, 1, end="62") == [["62", "1"]]
        assert client.ask(16, 1, end="53") == [["53", "1"]]
        assert client.ask(99, 0, end="102") == [["102"]]
        assert client.ask(7, 3, 1, 0, "", "", "", "", "", "", end="55") == [["55", "1", "1"]]
        assert client.start[0] == ["15", "1", "DU0000001"]
