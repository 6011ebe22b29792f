"""Every scripted fault, seen from the client's side of the wire."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from ibkr_pipeline.simulator.gateway.faults import FAULTS, FaultError, FaultPlan, parse_fault
from ibkr_pipeline.simulator.testing import SimulatorThread
from ibkr_pipeline_tests.unit.simulator.raw_client import ConnectionEndedError, RawClient

EXECUTIONS = (7, 3, 1, 0, "", "", "", "", "", "")


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


def kinds(frames: list[list[str]]) -> list[str]:
    """Return the message ids of frames."""
    return [f[0] for f in frames]


def test_every_fault_is_described() -> None:
    """The documentation page is made from this table."""
    assert len(FAULTS) >= 30
    assert all(text.endswith(".") for text in FAULTS.values())


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ({"name": "meteor"}, "meteor"),
        ({"name": "omit", "message": "62"}, "message"),
        ({"name": "omit", "request": 61}, "unknown parameter 'request'"),
        ({"name": "mute"}, "needs `request`"),
        ({"name": "delay", "message": 55, "seconds": -1}, "seconds"),
        ({"name": "correction", "price": "cheap"}, "price"),
        ({"name": "account_vanishes"}, "needs `account`"),
        ({"name": "notice", "message": 61, "code": 1100, "colour": "red"}, "colour"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(
    document: dict[str, object], complaint: str
) -> None:
    """A misspelt fault that silently does nothing would make a test pass for no reason."""
    with pytest.raises(FaultError, match=complaint):
        parse_fault(document)


def test_faults_count_occasions_and_stop_when_they_are_spent() -> None:
    """Two pass, two are hit, the rest pass again; 0 times means always."""
    plan = FaultPlan([parse_fault({"name": "omit", "message": 61, "after": 2, "times": 2})])
    always = FaultPlan([parse_fault({"name": "omit", "message": 61, "times": 0})])

    hits = [plan.on_frame(61, "DU0000001", b"") is not None for _ in range(6)]

    assert hits == [False, False, True, True, False, False]
    assert plan.waits_for_frames() is False
    assert all(always.on_frame(61, "", b"") for _ in range(9))
    assert plan.on_frame(62, "", b"") is None


@pytest.mark.parametrize(
    ("end", "fields"),
    [
        ("62", (61, 1)),
        ("54", (6, 2, 1, "DU0000001")),
        ("55", EXECUTIONS),
        ("53", (16, 1)),
        ("102", (99, 0)),
        ("64", (62, 1, 1, "All", "NetLiquidation")),
        ("72", (74, 1, 1, "DU0000001", "")),
        ("74", (76, 1, 1, "DU0000001", "", 0)),
    ],
)
def test_an_end_marker_can_be_left_out_once(
    gateway: SimulatorThread, client: RawClient, end: str, fields: tuple[object, ...]
) -> None:
    """Seen live for executions: the rows come, the end does not; the next read is whole."""
    gateway.arm("omit", message=int(end))

    client.send(*fields)
    first = client.now_follows()
    again = client.ask(*fields, end=end)

    assert end not in kinds(first)
    assert len(first) == len(again) - 1


def test_a_fault_can_be_about_one_account_only(gateway: SimulatorThread, client: RawClient) -> None:
    """One account fails while the others answer."""
    gateway.arm("error", request=76, account="DU0000002", code=321, times=0)

    healthy = client.ask(76, 1, 1, "DU0000001", "", 0, end="74")
    failed = client.ask(76, 1, 2, "DU0000002", "", 0, end="4")

    assert kinds(healthy)[-1] == "74"
    assert failed[-1][2:4] == ["2", "321"]


def test_a_connection_can_drop_in_the_middle_of_a_burst(
    gateway: SimulatorThread, client: RawClient
) -> None:
    """Three positions arrive, then FIN."""
    gateway.arm("drop", message=61, after=3)
    client.send(61, 1)

    rows = [client.read() for _ in range(3)]

    assert kinds(rows) == ["61"] * 3
    with pytest.raises(ConnectionEndedError) as ended:
        client.read()
    assert ended.value.how == "fin"


def test_a_connection_can_be_reset(gateway: SimulatorThread, client: RawClient) -> None:
    """RST instead of an answer: whether the request arrived stays unknown to the client."""
    gateway.arm("reset", request=61)
    client.send(61, 1)

    with pytest.raises(ConnectionEndedError) as ended:
        client.read()
    assert ended.value.how == "rst"


def test_a_frame_can_be_cut_in_half(gateway: SimulatorThread, client: RawClient) -> None:
    """The length says more than what comes."""
    gateway.arm("truncate", message=61, size=10)
    client.send(61, 1)

    head = client.read_bytes(10)

    assert int.from_bytes(head[:4], "big") > 6
    with pytest.raises(ConnectionEndedError):
        client.read_bytes(1)


def test_a_length_can_be_absurd(gateway: SimulatorThread, client: RawClient) -> None:
    """A client that believes it waits forever for two gigabytes."""
    gateway.arm("bad_length", message=62)
    client.ask(61, 1, end="61")
    for _ in range(9):
        client.read()

    assert client.read_bytes(4) == b"\x7f\xff\xff\xff"


@pytest.mark.parametrize(
    ("name", "field_change"),
    [("missing_field", -1), ("extra_field", 1), ("not_a_number", 0)],
)
def test_fields_can_be_wrong(
    gateway: SimulatorThread, client: RawClient, name: str, field_change: int
) -> None:
    """A field less, one more, or text where a number belongs."""
    healthy = client.ask(*EXECUTIONS, end="55")[0]
    gateway.arm(name, message=11)

    broken = client.ask(*EXECUTIONS, end="55")[0]

    assert len(broken) - len(healthy) == field_change
    assert ("not-a-number" in broken) == (name == "not_a_number")


def test_a_named_field_can_be_no_number(gateway: SimulatorThread, client: RawClient) -> None:
    """The field is counted from the message id."""
    gateway.arm("not_a_number", message=11, field=19)

    assert client.ask(*EXECUTIONS, end="55")[0][19] == "not-a-number"


def test_garbage_can_precede_a_frame(gateway: SimulatorThread, client: RawClient) -> None:
    """A frame nobody can read, then the true one: only the log tells the difference."""
    gateway.arm("garbage", message=11)

    frames = client.ask(*EXECUTIONS, end="55")

    assert frames[0] == ["11", "x", "not-a-number"]
    assert len(frames) == 18


def test_frames_can_come_twice(gateway: SimulatorThread, client: RawClient) -> None:
    """Gateways repeat openOrder and orderStatus, and sometimes execDetails."""
    gateway.arm("duplicate", message=11)

    frames = client.ask(*EXECUTIONS, end="55")

    assert frames[0] == frames[1]
    assert kinds(frames).count("11") == 9


def test_an_answer_can_drip(gateway: SimulatorThread, client: RawClient) -> None:
    """A few bytes at a time; nothing is lost."""
    healthy = client.ask(61, 1, end="62")
    gateway.arm("slow_drip", message=61, size=7, seconds=0)

    assert client.ask(61, 1, end="62") == healthy


def test_an_answer_can_be_late_while_others_are_not(
    gateway: SimulatorThread, client: RawClient
) -> None:
    """The delayed request is overtaken by the next one."""
    gateway.arm("delay", request=61, seconds=0.05)
    client.send(61, 1)

    overtaking = client.now_follows()
    late = client.read_until("62")

    assert overtaking == []
    assert kinds(late)[-1] == "62"


def test_a_request_can_stay_unanswered(gateway: SimulatorThread, client: RawClient) -> None:
    """No data, no end, no error; the same request is answered the next time."""
    gateway.arm("mute", request=61)
    client.send(61, 1)

    assert client.now_follows() == []
    assert kinds(client.ask(61, 1, end="62"))[-1] == "62"


@pytest.mark.parametrize("code", [1100, 1101, 1102, 1300, 2103, 2105, 2110, 10197])
def test_notices_come_with_id_minus_one_and_the_socket_stays(
    gateway: SimulatorThread, client: RawClient, code: int
) -> None:
    """Connectivity notices do not end anything; the client has to read them."""
    gateway.arm("notice", message=61, after=1, code=code)

    frames = client.ask(61, 1, end="62")

    assert kinds(frames)[:3] == ["61", "4", "61"]
    assert frames[1][2:4] == ["-1", str(code)]
    assert frames[1][4] != "Notice"


def test_the_nightly_reset_closes_the_port_until_it_recovers(
    gateway: SimulatorThread, client: RawClient
) -> None:
    """1100, FIN, refused connections, then everything as before."""
    gateway.arm("nightly_reset", request=61)
    client.send(61, 1)

    notice = client.read()
    with pytest.raises(ConnectionEndedError):
        client.read()
    port = gateway.port
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1)
    gateway.command("recover")

    assert notice[2:4] == ["-1", "1100"]
    assert gateway.port == port
    with RawClient(port) as again:
        assert kinds(again.started().ask(61, 1, end="62"))[-1] == "62"


def test_half_open_stops_everything_but_keeps_the_connection(
    gateway: SimulatorThread, client: RawClient
) -> None:
    """No byte, no FIN: only a timeout of the client's own tells."""
    gateway.arm("half_open", request=61)
    client.send(61, 1)
    client.send(49, 1)
    client._socket.settimeout(0.1)

    with pytest.raises(TimeoutError):
        client.read()
    client.__exit__(None, None, None)
    with RawClient(gateway.port, client_id=1) as again:
        assert again.started().now_follows() == []


def test_half_open_can_begin_in_the_middle_of_an_answer(
    gateway: SimulatorThread, client: RawClient
) -> None:
    """Two positions arrive, then nothing, and the connection stays."""
    gateway.arm("half_open", message=61, after=2)
    client.send(61, 1)
    rows = [client.read() for _ in range(2)]
    client._socket.settimeout(0.1)

    assert kinds(rows) == ["61", "61"]
    with pytest.raises(TimeoutError):
        client.read()


def test_message_rate_errors_end_the_connection_the_third_time(
    gateway: SimulatorThread, client: RawClient
) -> None:
    """Twice a warning, then FIN."""
    gateway.arm("rate_limit", request=61, times=0)
    for _ in range(3):
        client.send(61, 1)

    errors = [client.read() for _ in range(3)]

    assert {f[3] for f in errors} == {"100"}
    with pytest.raises(ConnectionEndedError):
        client.read()


def test_start_up_can_fail_in_many_ways(gateway: SimulatorThread) -> None:
    """326 and FIN; FIN at once; no accounts; the next id only at the end."""
    gateway.arm("client_id_in_use")
    with RawClient(gateway.port) as client:
        assert client.read()[3] == "326"
        with pytest.raises(ConnectionEndedError):
            client.read()
    gateway.arm("drop_in_startup")
    with RawClient(gateway.port) as client, pytest.raises(ConnectionEndedError):
        client.read()
    gateway.arm("no_accounts")
    with RawClient(gateway.port) as client:
        assert client.started().start[0] == ["15", "1", ""]
    gateway.arm("late_next_valid_id", seconds=0)
    with RawClient(gateway.port) as client:
        assert kinds(client.started().start) == ["15", "4", "4", "4"]
        assert client.read()[0] == "9"


def test_an_account_can_vanish_from_lists_and_reads(gateway: SimulatorThread) -> None:
    """As when an account is closed or taken from the user; clearing brings it back."""
    gateway.arm("account_vanishes", account="DU0000002")
    with RawClient(gateway.port) as client:
        accounts = client.started().start[0][2]
        positions = client.ask(61, 1, end="62")
        fills = client.ask(*EXECUTIONS, end="55")
        refused = client.ask(6, 2, 1, "DU0000002", end="4")[-1]
    gateway.command("clear_faults")
    with RawClient(gateway.port) as client:
        back = client.started().start[0][2]

    assert accounts == "DU0000001"
    assert {f[2] for f in positions[:-1]} == {"DU0000001"}
    assert {f[16] for f in fills if f[0] == "11"} == {"DU0000001"}
    assert refused[3] == "321"
    assert back == "DU0000001,DU0000002,"


def test_order_ids_can_be_given_out_again(gateway: SimulatorThread) -> None:
    """After some restarts nextValidId falls back: the same id then names a second order."""
    gateway.arm("reuse_order_ids", order_id=1)
    with RawClient(gateway.port) as client:
        next_id = client.started().start[1]

    assert next_id == ["9", "1", "1"]
    assert gateway.simulator.book.register.find(1, 1) is None


def test_a_scenario_can_have_one_id_for_two_orders() -> None:
    """Order id 1514 twice, two permanent ids: two orders."""
    with SimulatorThread("reissued_ids") as gateway, RawClient(gateway.port) as client:
        frames = client.started().ask(*EXECUTIONS, end="55")

    fills = [f for f in frames if f[0] == "11"]
    assert [f[2] for f in fills] == ["1514", "1514"]
    assert len({f[21] for f in fills}) == 2


@pytest.mark.parametrize(
    ("name", "order"),
    [
        ("late_commission", ["11", "11", "59", "55", "59"]),
        ("early_commission", ["59", "11", "11", "59", "55"]),
        ("missing_commission", ["11", "11", "59", "55"]),
        ("duplicate_execution", ["11", "11", "59", "11", "59", "55"]),
    ],
)
def test_commissions_can_be_late_early_or_missing_once(name: str, order: list[str]) -> None:
    """Keyed by the fill's position; the next read is as it should be."""
    with SimulatorThread("reissued_ids") as gateway, RawClient(gateway.port) as client:
        client.started()
        gateway.arm(name, position=1)
        client.send(*EXECUTIONS)
        disturbed = client.now_follows()
        healthy = client.ask(*EXECUTIONS, end="55")

    assert kinds(disturbed) == order
    assert kinds(healthy) == ["11", "59", "11", "59", "55"]


def test_a_correction_follows_its_execution_with_the_next_revision() -> None:
    """The same root, .02, another price; both are told."""
    with SimulatorThread("single_account") as gateway, RawClient(gateway.port) as client:
        gateway.arm("correction", position=1, price="590.25")
        frames = client.started().ask(*EXECUTIONS, end="55")

    first, second = (f for f in frames if f[0] == "11")
    assert first[14].rpartition(".")[0] == second[14].rpartition(".")[0]
    assert (first[14][-3:], second[14][-3:]) == (".01", ".02")
    assert (first[20], second[20]) == ("590.1", "590.25")


def test_statuses_can_be_stale_and_preset_warnings_harmless(gateway: SimulatorThread) -> None:
    """Submitted after Filled; 10349 for an order that then fills: once, and only for orders."""
    gateway.arm("status_out_of_order")
    gateway.arm("preset_warning")
    with RawClient(gateway.port, client_id=0) as client:
        client.started().send(15, 1, 1)
        client.now_follows()
        gateway.command(
            "place_manual_order", account="DU0000001", instrument="AAPL", action="BUY", quantity=1
        )
        heard = client.now_follows()

    statuses = [f[2] for f in heard if f[0] == "3"]
    assert statuses == ["PreSubmitted", "Filled", "Submitted"]
    assert [f[3] for f in heard if f[0] == "4"] == ["10349"]


def test_a_fill_can_be_the_last_thing_heard(gateway: SimulatorThread) -> None:
    """The execution arrives, then FIN: the client has to find out after reconnecting."""
    gateway.arm("drop_after", message=11)
    with RawClient(gateway.port, client_id=0) as client:
        client.started().send(15, 1, 1)
        client.now_follows()
        gateway.command(
            "place_manual_order", account="DU0000001", instrument="AAPL", action="BUY", quantity=1
        )
        heard = [client.read() for _ in range(3)]
        with pytest.raises(ConnectionEndedError):
            client.read()

    assert kinds(heard) == ["5", "3", "11"]
