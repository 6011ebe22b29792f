"""Conversations with the gateway over TCP, frame by frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest

from ibkr_pipeline.simulator.gateway.options import GatewayOptions
from ibkr_pipeline.simulator.testing import SimulatorThread
from ibkr_pipeline_tests.unit.simulator.raw_client import ConnectionEndedError, RawClient

CONTRACT = ("265598", "AAPL", "STK", "", "0.0", "", "", "SMART", "", "USD", "", "")


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


def place_order(order_id: int, **changes: str) -> list[object]:
    """Return placeOrder at 178: a limit order of 10 Apple shares at 100.00."""
    terms = {"action": "BUY", "quantity": "10", "type": "LMT", "limit": "100.0", "tif": "DAY"}
    terms |= {"account": "DU0000001", "ref": "ref-1", **changes}
    head = [terms["action"], terms["quantity"], terms["type"], terms["limit"], "", terms["tif"]]
    head += ["", terms["account"], "", "0", terms["ref"], "1", "0"]
    rest = [*["0"] * 6, "", *["0", "", "", "", "", ""], "", *["0", "", "-1"]]
    middle = [*["0", "", "", "0", "", "", "0", "0", "", "0"], *[""] * 5, "0", "", "0", "", ""]
    tail = [*["0", "0", "", "", "", "", ""], *["", "", "", ""], *["0", "", "", "0"], "0", ""]
    after = ["", "0", "", "0", "0", "0", "0", *["", "", "", "", "", "", "0", "", "", "", ""]]
    after += [*["", "", "", "", "0", "0", "", "0"], *["", "", "0", "", ""]]
    return [3, order_id, *CONTRACT, "", "", *head, *rest, *middle, *tail, *after]


def options(gateway: SimulatorThread, **changes: object) -> None:
    """Switch the gateway while it serves."""

    def change(simulator: object) -> None:
        current: GatewayOptions = gateway.simulator.options
        gateway.simulator.options = replace(current, **changes)  # type: ignore[arg-type]

    gateway.call(change)


@pytest.mark.parametrize(("offered", "spoken"), [(157, 157), (163, 163), (178, 178), (225, 178)])
def test_the_version_is_the_lower_of_both_sides(
    gateway: SimulatorThread, offered: int, spoken: int
) -> None:
    """Each connection negotiates its own version."""
    with RawClient(gateway.port, version=offered) as client:
        assert client.started().server_version == spoken


def test_clients_too_old_or_not_speaking_the_protocol_are_cut_off(
    gateway: SimulatorThread, client: RawClient
) -> None:
    """Only the offending connection ends; others are served on."""
    old = RawClient(gateway.port, client_id=None, version=156)
    with old, pytest.raises(ConnectionEndedError):
        old.read()
    with RawClient(gateway.port, client_id=9) as garbled:
        garbled.started().send_bytes(b"\x7f\xff\xff\xffgarbage")
        with pytest.raises(ConnectionEndedError):
            garbled.read()

    assert client.now_follows() == []


def test_the_start_tells_accounts_the_next_id_and_the_farms(client: RawClient) -> None:
    """In this order; the account list ends with a comma."""
    assert [f[:1] for f in client.start] == [["15"], ["9"], ["4"], ["4"], ["4"]]
    assert client.start[0] == ["15", "1", "DU0000001,DU0000002,"]
    # Nine orders of the day took ids 1 to 8; the one placed by hand took none.
    assert client.start[1] == ["9", "1", "9"]
    assert [f[3] for f in client.start[2:]] == ["2104", "2106", "2158"]


def test_a_client_id_in_use_is_refused_with_326_and_free_again_afterwards(
    gateway: SimulatorThread, client: RawClient
) -> None:
    """The gateway says so and closes; the first client stays."""
    with RawClient(gateway.port, client_id=1) as second:
        error = second.read()
        with pytest.raises(ConnectionEndedError):
            second.read()

    assert error[:4] == ["4", "2", "-1", "326"]
    assert client.now_follows() == []


def test_a_frame_nobody_understands_is_answered_with_320(client: RawClient) -> None:
    """Unknown messages and unreadable fields are errors, not silence and not the end."""
    unknown = client.ask(199, 1, end="4")[-1]
    unreadable = client.ask(7, 3, "AAPL", 0, "", "", "", "", "", "", end="4")[-1]
    short = client.ask(7, 3, end="4")[-1]

    assert unknown[2:4] == ["-1", "320"]
    assert unreadable[4].endswith("Unable to parse field: 'Client Req Id' for input string: 'AAPL'")
    assert short[3] == "320"
    assert client.now_follows() == []


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


@pytest.mark.parametrize(
    ("condition", "symbols"),
    [
        ((0, "", "", "", "", "", ""), 8),
        ((1, "", "", "", "", "", ""), 7),
        ((0, "DU0000002", "", "", "", "", ""), 1),
        ((0, "", "20261118-16:00:00", "", "", "", ""), 3),
        ((0, "", "20261118 11:00:00 US/Eastern", "", "", "", ""), 3),
        ((0, "", "20261118 11:00:00", "", "", "", ""), 3),
        ((0, "", "", "AAPL", "", "", ""), 5),
        ((0, "", "", "", "OPT", "", ""), 1),
        ((0, "", "", "", "", "ARCA", ""), 2),
        ((0, "", "", "", "", "", "SELL"), 2),
        ((7, "", "", "", "", "", ""), 0),
    ],
    ids=lambda value: str(value)[:50],
)
def test_executions_honour_every_part_of_the_filter(
    client: RawClient, condition: tuple[object, ...], symbols: int
) -> None:
    """Client 0 filters nothing; a time is UTC with a dash, local or zoned with blanks."""
    frames = client.ask(7, 3, 44, *condition, end="55")

    assert [f[0] for f in frames[:-1]] == ["11", "59"] * symbols
    assert {f[1] for f in frames if f[0] == "11"} <= {"44"}


def test_executions_tell_an_unreadable_time(client: RawClient) -> None:
    """A filter that cannot be read is refused, it does not widen."""
    frame = client.ask(7, 3, 44, 0, "", "yesterday", "", "", "", "", end="4")[-1]

    assert frame[2:4] == ["44", "321"]


def test_commissions_may_come_behind_all_executions(
    gateway: SimulatorThread, client: RawClient
) -> None:
    """Both orders of commissions are possible; the end marker is last in either."""
    options(gateway, commission_order="after_executions")

    frames = client.ask(7, 3, 44, 0, "", "", "", "", "", "", end="55")

    assert [f[0] for f in frames] == ["11"] * 8 + ["59"] * 8 + ["55"]


def test_orders_of_this_client_of_all_clients_and_completed_ones(client: RawClient) -> None:
    """Each open order comes with its status; manual orders are left out of apiOnly."""
    own = client.ask(5, 1, end="53")
    everyone = client.ask(16, 1, end="53")
    completed = client.ask(99, 0, end="102")
    api_only = client.ask(99, 1, end="102")

    assert [f[0] for f in own] == ["5", "3", "5", "3", "53"]
    assert len(everyone) == len(own)
    assert len(completed) - len(api_only) == 1
    assert {f[22] for f in completed[:-1]} >= {"core-aapl-1", ""}


def test_another_client_sees_foreign_orders_only_among_all(gateway: SimulatorThread) -> None:
    """ReqOpenOrders is about one's own; reqAllOpenOrders about everyone's."""
    with RawClient(gateway.port, client_id=2) as other:
        own = other.started().ask(5, 1, end="53")
        everyone = other.ask(16, 1, end="53")

    assert len(own) == 1
    assert {f[24] for f in everyone if f[0] == "5"} == {"1"}


def test_placing_and_cancelling_over_the_wire(gateway: SimulatorThread, client: RawClient) -> None:
    """The order appears with its reference and permanent id, and ends with 202."""
    order_id = int(client.start[1][2])

    placed = client.ask(*place_order(order_id), end="3", code="Submitted")
    cancelled = client.ask(4, 1, order_id, "", end="4", code="202")

    assert [f[0] for f in placed] == ["5", "3", "5", "3"]
    assert placed[0][23] == "ref-1"
    assert int(placed[0][25]) > 0
    assert [f[:3] for f in cancelled[:2]] == [
        ["3", str(order_id), "PendingCancel"],
        ["3", str(order_id), "Cancelled"],
    ]
    assert [r.fields[0] for r in gateway.simulator.recorder.of(3)] == ["3"]


def test_a_fill_is_pushed_to_its_client_and_to_those_who_watch_the_account(
    gateway: SimulatorThread, client: RawClient
) -> None:
    """Execution and commission go to the owner; the changed position to every subscriber."""
    order_id = int(client.start[1][2])
    with RawClient(gateway.port, client_id=2) as watcher:
        watcher.started().ask(61, 1, end="62")
        mine = client.ask(*place_order(order_id, type="MKT", limit=""), end="59")
        heard = watcher.now_follows()

    assert [f[0] for f in mine] == ["5", "3", "11", "5", "3", "5", "59"]
    assert mine[2][1] == "-1"
    assert [(f[0], f[2], f[4], f[14]) for f in heard] == [("61", "DU0000001", "AAPL", "430")]


def test_a_manual_order_is_bound_to_client_0(gateway: SimulatorThread) -> None:
    """It gets a negative id, told by orderBound, when client 0 asks for open orders."""
    gateway.command(
        "place_manual_order",
        account="DU0000002",
        instrument="SPY",
        action="BUY",
        quantity=3,
        limit="500.00",
    )
    with RawClient(gateway.port, client_id=2) as other:
        unbound = other.started().ask(16, 1, end="53")
    with RawClient(gateway.port, client_id=0) as master:
        frames = master.started().ask(5, 1, end="53")

    assert ("0", "0") in {(f[1], f[24]) for f in unbound if f[0] == "5"}
    assert [f[0] for f in frames] == ["100", "5", "3", "53"]
    assert frames[0][2:] == ["0", "-1"]
    assert frames[1][1] == "-1"


def test_only_client_0_may_bind_automatically(gateway: SimulatorThread, client: RawClient) -> None:
    """Others are refused with 327; client 0 then hears manual orders as they happen."""
    refused = client.ask(15, 1, 1, end="4")[-1]
    with RawClient(gateway.port, client_id=0) as master:
        master.started().send(15, 1, 1)
        master.now_follows()
        gateway.command(
            "place_manual_order",
            account="DU0000002",
            instrument="SPY",
            action="BUY",
            quantity=3,
        )
        heard = master.now_follows()

    assert refused[2:4] == ["-1", "327"]
    assert [f[0] for f in heard if f[0] in ("11", "59")] == ["11", "59"]


@pytest.mark.parametrize(
    ("fields", "request_id"),
    [
        ((5, 1), "-1"),
        ((16, 1), "-1"),
        ((99, 0), "-1"),
        ((15, 1, 1), "-1"),
        ((8, 1, 1), "-1"),
        ((58, 1), "-1"),
        ((4, 1, 5, ""), "5"),
        (tuple(place_order(20)), "20"),
    ],
)
def test_a_read_only_gateway_refuses_everything_about_orders(
    gateway: SimulatorThread, client: RawClient, fields: tuple[object, ...], request_id: str
) -> None:
    """With error 321 in the gateway's words; reads of accounts and executions go on."""
    options(gateway, read_only=True)

    frame = client.ask(*fields, end="4")[-1]

    assert frame[2:4] == [request_id, "321"]
    assert frame[4].endswith("cause - The API interface is currently in Read-Only mode.")
    assert len(client.ask(61, 1, end="62")) > 1
    assert len(client.ask(7, 3, 1, 0, "", "", "", "", "", "", end="55")) > 1


def test_too_many_messages_are_refused_and_the_third_time_ends_it(
    gateway: SimulatorThread, client: RawClient
) -> None:
    """Error 100 instead of an answer; the third violation disconnects."""
    options(gateway, rate_limit=2)

    for _ in range(5):
        client.send(49, 1)
    frames = [client.read() for _ in range(5)]

    assert [f[0] for f in frames] == ["49", "49", "4", "4", "4"]
    assert {f[3] for f in frames[2:]} == {"100"}
    with pytest.raises(ConnectionEndedError):
        client.read()


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


def test_execution_times_follow_the_configured_format() -> None:
    """Zoned, UTC without saying so, or local with two blanks: all are sent by real gateways."""
    times: list[str] = []
    for style in ("zoned", "utc_dash", "naive_double_space"):
        with SimulatorThread("single_account") as gateway:
            options(gateway, time_format=style)
            with RawClient(gateway.port) as client:
                answer = client.started().ask(7, 3, 1, 0, "", "", "", "", "", "", end="55")
        times.append(answer[0][15])

    assert times == [
        "20261118 10:00:01 US/Eastern",
        "20261118-15:00:01",
        "20261118  10:00:01",
    ]


def test_an_empty_account_is_an_answer_with_nothing_in_it() -> None:
    """No rows, but every end marker: emptiness is a fact the client can trust."""
    with SimulatorThread("empty") as gateway, RawClient(gateway.port) as client:
        client.started()

        assert client.ask(61, 1, end="62") == [["62", "1"]]
        assert client.ask(16, 1, end="53") == [["53", "1"]]
        assert client.ask(99, 0, end="102") == [["102"]]
        assert client.ask(7, 3, 1, 0, "", "", "", "", "", "", end="55") == [["55", "1", "1"]]
        assert client.start[0] == ["15", "1", "DU0000001"]


def test_two_clients_get_the_same_bytes_for_the_same_question(gateway: SimulatorThread) -> None:
    """Seeded means repeatable to the byte, over connections and over runs."""

    def ask(port: int) -> list[list[str]]:
        with RawClient(port, client_id=5) as client:
            client.started()
            return [
                *client.ask(6, 2, 1, "DU0000001", end="54"),
                *client.ask(7, 3, 1, 0, "", "", "", "", "", "", end="55"),
                *client.ask(16, 1, end="53"),
            ]

    first, again = ask(gateway.port), ask(gateway.port)
    with SimulatorThread("default") as other:
        elsewhere = ask(other.port)

    assert first == again == elsewhere


def test_an_oversized_frame_ends_only_its_connection(
    gateway: SimulatorThread, client: RawClient
) -> None:
    """A client announcing more than a megabyte is cut off before it can send it."""
    with RawClient(gateway.port, client_id=6) as greedy:
        greedy.started().send_bytes((2**21).to_bytes(4, "big"))
        with pytest.raises(ConnectionEndedError):
            greedy.read()

    assert client.now_follows() == []


def test_fills_are_encoded_once_for_all_readers(gateway: SimulatorThread) -> None:
    """A hundred thousand fills would otherwise be formatted again for every request."""
    simulator = gateway.simulator
    layout = simulator.layout(178)

    first = gateway.call(lambda s: list(s.executions.encoded(layout)))
    gateway.command("set_price", instrument="MSFT", price="390.00")
    second = gateway.call(lambda s: list(s.executions.encoded(layout)))

    assert len(second) == len(first) + 1
    assert all(a is b for a, b in zip(first, second, strict=False))


def test_a_client_that_does_not_read_its_answers_is_not_answered_without_end(
    gateway: SimulatorThread, client: RawClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests wait while too many bytes are unsent; nothing is lost once it reads on."""
    monkeypatch.setattr("ibkr_pipeline.simulator.gateway.connection._OUTBOX_BYTES", 1000)

    for _ in range(40):
        client.send(61, 1)
    frames = [client.read_until("62") for _ in range(40)]

    assert {len(answer) for answer in frames} == {11}
