"""The Flex side over a socket: two requests, the scripted faults, the program's READY line."""

from __future__ import annotations

import http.client
import re
import socket
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import pytest

from ibkr_pipeline.simulator.process import SimulatorProcess
from ibkr_pipeline.simulator.testing import SimulatorThread

TOKEN = "SIMULATED-FLEX-TOKEN"


def get(url: str, **headers: str) -> tuple[int, bytes]:
    """Return status and body of one request, redirects not followed."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    try:
        connection.request(
            "GET", f"{parts.path}?{parts.query}", headers={"User-Agent": "test/1", **headers}
        )
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def send(flex_url: str, **extra: str) -> bytes:
    """Ask for a statement and return the envelope."""
    more = "".join(f"&{k}={v}" for k, v in extra.items())
    return get(f"{flex_url}/SendRequest?t={TOKEN}&q=1&v=3{more}")[1]


def fetch(flex_url: str, **extra: str) -> bytes:
    """Ask for a statement, poll once and return it."""
    match = re.search(rb"<ReferenceCode>(\d+)<", send(flex_url, **extra))
    assert match is not None
    url = f"{flex_url}/GetStatement?t={TOKEN}&q={match[1].decode()}&v=3"
    assert b"<ErrorCode>1019<" in get(url)[1]
    return get(url)[1]


def test_what_was_traded_on_the_wire_is_in_tomorrows_statement() -> None:
    """One book behind both sides: the execution id of a fill made by hand is in the statement."""
    with SimulatorThread("three_sessions") as simulator:
        simulator.command(
            "place_manual_order",
            account="DU0000002",
            instrument="AAPL",
            action="BUY",
            quantity=3,
        )
        exec_id = simulator.call(lambda s: s.book.fills[-1].exec_id)
        today = send(simulator.flex_url, fd="20261118", td="20261118")
        simulator.command("advance_session")
        state = simulator.command("state")
        tomorrow = fetch(simulator.flex_url)

    assert b"<ErrorCode>1003<" in today
    assert ["2026-11-18"] == state["statements"]
    assert f'ibExecID="{exec_id}"'.encode() in tomorrow


def test_the_program_announces_its_flex_address_and_masks_tokens() -> None:
    """The READY line has the base address; the record has no token."""
    with SimulatorProcess(scenario="three_sessions") as simulator:
        body = fetch(simulator.flex_url)
        requests = simulator.control.flex_requests()

    assert re.fullmatch(
        r"http://127\.0\.0\.1:\d+/AccountManagement/FlexWebService", simulator.flex_url
    )
    assert body.startswith(b"<FlexQueryResponse ")
    assert ["send", "get", "get"] == [r["step"] for r in requests]
    assert TOKEN not in str(requests)


def test_a_client_that_does_not_name_itself_is_turned_away() -> None:
    """The broker wants a User-Agent."""
    with SimulatorThread("empty") as simulator:
        parts = urlsplit(simulator.flex_url)
        head = f"GET {parts.path}/SendRequest?t={TOKEN}&q=1&v=3 HTTP/1.1\r\nHost: x\r\n\r\n"
        with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
            connection.sendall(head.encode())
            answer = connection.makefile("rb").read()

    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"<!DOCTYPE html>" in answer


@pytest.mark.parametrize("noise", [b"\x16\x03\x01\x02\x00\r\n\r\n", b"GET /\r\n\r\n"])
def test_noise_is_answered_with_400(noise: bytes) -> None:
    """A TLS greeting or half a request line ends politely."""
    with SimulatorThread("empty") as simulator:
        parts = urlsplit(simulator.flex_url)
        with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
            connection.sendall(noise)
            answer = connection.makefile("rb").read()

    assert answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("code", [1001, *range(1003, 1022), 1099])
def test_every_error_code_can_be_scripted(code: int) -> None:
    """Also one the broker has not invented yet; HTTP stays 200."""
    with SimulatorThread("empty") as simulator:
        simulator.arm("flex_error", step="send", code=code)
        status, body = get(f"{simulator.flex_url}/SendRequest?t={TOKEN}&q=1&v=3")
        after = send(simulator.flex_url)

    assert 200 == status
    assert f"<ErrorCode>{code}</ErrorCode>".encode() in body
    assert (b"Warn" if code == 1019 else b"Fail") in body
    assert b"<ReferenceCode>" in after


@pytest.mark.parametrize(
    ("name", "parameters", "status", "start"),
    [
        ("flex_html", {"status": 500}, 500, b"<!DOCTYPE html>"),
        ("flex_html", {}, 503, b"<!DOCTYPE html>"),
        ("flex_csv", {}, 200, b'"ClientAccountID"'),
        ("flex_json", {}, 200, b"{"),
        ("flex_redirect", {"text": "http://198.51.100.1/"}, 302, b""),
        ("flex_empty", {}, 200, b""),
        ("flex_doctype", {}, 200, b"<!DOCTYPE statement ["),
        ("flex_cut", {"size": 20}, 200, b"<FlexStatementRespon"),
        ("flex_slow", {"size": 200}, 200, b"<FlexStatementResponse "),
        ("flex_delay", {"seconds": 0.01}, 200, b"<FlexStatementResponse "),
    ],
)
def test_other_answers_can_be_put_in_its_place(
    name: str, parameters: dict[str, object], status: int, start: bytes
) -> None:
    """What a portal, a proxy or a wrong setting makes of an answer."""
    with SimulatorThread("empty") as simulator:
        simulator.arm(name, step="send", **parameters)
        found, body = get(f"{simulator.flex_url}/SendRequest?t={TOKEN}&q=1&v=3")

    assert (status, start) == (found, body[: len(start)])
    if not start:
        assert b"" == body


def test_a_truncated_answer_ends_before_its_announced_length() -> None:
    """A client that trusts the first bytes would take half a statement."""
    with SimulatorThread("empty") as simulator:
        simulator.arm("flex_truncate", step="send", size=30)
        with pytest.raises(http.client.IncompleteRead) as caught:
            send(simulator.flex_url)

    assert 30 == len(caught.value.partial)


def test_a_huge_answer_has_the_size_it_announces() -> None:
    """Beyond any cap a client sets; here 3 MB."""
    with SimulatorThread("empty") as simulator:
        simulator.arm("flex_huge", step="send", size=3_000_000)
        body = send(simulator.flex_url)

    assert 3_000_000 < len(body) < 3_001_000


def test_a_connection_can_end_without_an_answer() -> None:
    """As after a network failure; nothing of the request is known."""
    with SimulatorThread("empty") as simulator:
        simulator.arm("flex_drop")
        with pytest.raises(http.client.RemoteDisconnected):
            send(simulator.flex_url)


def test_a_mute_service_neither_answers_nor_keeps_the_simulator_from_stopping() -> None:
    """The client's own timeout has to end it; the simulator ends its side."""
    with SimulatorThread("empty") as simulator:
        simulator.arm("flex_mute")
        request = urllib.request.Request(  # loopback
            f"{simulator.flex_url}/SendRequest?t={TOKEN}&q=1&v=3", headers={"User-Agent": "x"}
        )
        with pytest.raises((TimeoutError, urllib.error.URLError)):
            urllib.request.urlopen(request, timeout=0.2)  # loopback
