"""The Flex client against a real server on loopback that misbehaves in every way it can."""

from __future__ import annotations

import gzip
import hashlib
import io
import logging
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar

import pytest

from ibkr_pipeline.brokers.ibkr.flex_client import FlexClient, FlexDownload
from ibkr_pipeline.brokers.ibkr.flex_errors import (
    FlexAnswerError,
    FlexError,
    FlexNotReadyError,
    FlexRedirectError,
    FlexRefusedError,
    FlexTokenError,
    FlexTooLargeError,
    FlexUnavailableError,
)
from ibkr_pipeline.brokers.ibkr.flex_http import CHATTY_LOGGERS
from ibkr_pipeline.brokers.ibkr.pacing import InProcessBudget
from ibkr_pipeline_tests.unit.brokers.flex.scripted_service import (
    CANARY,
    STATEMENT,
    Reply,
    ScriptedService,
    Watch,
    config_of,
    handler_of,
    page,
    promise,
    refusal,
    serving,
    statement,
)
from ibkr_pipeline_tests.unit.brokers.flex.told import everything_told

GZIP = {"Content-Encoding": "gzip"}


@pytest.fixture(autouse=True)
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """No test here may leave the token in a log, however talkative the libraries are."""
    for name in ("", *CHATTY_LOGGERS):
        caplog.set_level(logging.DEBUG, logger=name)
    yield caplog
    assert CANARY not in caplog.text


def client_at(url: str, watch: Watch, **changes: Any) -> FlexClient:
    """Return a client that never really waits between requests."""
    return FlexClient(
        config_of(url=url, **changes),
        budget=InProcessBudget(watch),
        clock=watch,
        sleep=watch.sleep,
        monotonic=watch,
    )


def fetch(service: ScriptedService, **changes: Any) -> tuple[FlexDownload, bytes]:
    """Fetch from a service on loopback."""
    into = io.BytesIO()
    with serving(handler_of(service)) as url:
        return client_at(url, Watch(), **changes).fetch(into), into.getvalue()


def refusal_of(service: ScriptedService, kind: type[FlexError], **changes: Any) -> FlexError:
    """Fetch from a service that fails; nothing may be left in the file, nor the token told."""
    into = io.BytesIO()
    with serving(handler_of(service)) as url, pytest.raises(kind) as refused:
        client_at(url, Watch(), **changes).fetch(into)
    assert b"" == into.getvalue()
    assert CANARY not in everything_told(refused.value)
    return refused.value


class Misbehaving(BaseHTTPRequestHandler):
    """Promises a statement, then does what a test wants with the socket."""

    protocol_version = "HTTP/1.1"
    misbehave: ClassVar[Callable[[BaseHTTPRequestHandler, int], None]]
    n_statements: ClassVar[int]

    def do_GET(self) -> None:
        """Answer the promise properly and the statement as told."""
        self.close_connection = True
        if "SendRequest" in self.path:
            body = promise().body
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return
        type(self).n_statements += 1
        type(self).misbehave(self, type(self).n_statements)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - its name
        """Say nothing."""


def misbehaving(
    misbehave: Callable[[BaseHTTPRequestHandler, int], None],
) -> type[Misbehaving]:
    """Return a handler; `misbehave` is given the handler and how often it was asked."""
    return type(
        "Handler",
        (Misbehaving,),
        {"misbehave": staticmethod(misbehave), "n_statements": 0},
    )


def write_until_gone(handler: BaseHTTPRequestHandler, piece: bytes) -> None:
    """Send one piece every 20 ms until the client has gone away."""
    stop = threading.Event()
    while not stop.wait(0.02):
        try:
            handler.wfile.write(piece)
        except OSError:
            return


def test_a_statement_arrives_byte_for_byte() -> None:
    """A few megabytes in as many pieces as the network likes."""
    body = STATEMENT + b"<!-- " + bytes(range(32, 44)) * 300_000 + b" -->"

    download, received = fetch(ScriptedService(promise(), refusal(1019), statement(body)))

    assert body == received
    assert (len(body), hashlib.sha256(body).hexdigest(), 3) == (
        download.n_bytes,
        download.sha256,
        download.n_requests,
    )
    assert len(body) == download.http.content_length


def test_fault_63_an_expired_token_is_a_typed_error_after_one_request() -> None:
    """1012: somebody has to make a new one."""
    service = ScriptedService(refusal(1012, f"Token {CANARY} has expired."))

    error = refusal_of(service, FlexTokenError)

    assert 1012 == error.code
    assert 1 == len(service.asked)


def test_fault_63_a_statement_that_is_never_ready_ends_within_the_budget() -> None:
    """5, 10, 20 and 30 seconds fit into a hundred; the promise stays good."""
    service = ScriptedService(promise("77"), refusal(1019, status="Warn"))

    error = refusal_of(service, FlexNotReadyError, budget_seconds=100.0)

    assert (1019, "77") == (error.code, error.reference_code)
    assert 7 == len(service.asked)


def test_fault_63_an_html_error_page_is_named_and_asked_for_five_times() -> None:
    """A server that is down is not hammered."""
    service = ScriptedService(promise(), page(503, "We are sorry"))

    error = refusal_of(service, FlexUnavailableError)

    assert "HTTP 503" in str(error)
    assert "'We are sorry'" in str(error)
    assert 6 == len(service.asked)


@pytest.mark.parametrize("with_length", [True, False], ids=["announced", "unannounced"])
def test_fault_63_a_huge_answer_ends_at_the_cap(*, with_length: bool) -> None:
    """Announced, it is refused unread; unannounced, it is cut off at the cap."""
    sent = 0

    def endless(handler: BaseHTTPRequestHandler, _: int) -> None:
        nonlocal sent
        handler.send_response(200)
        if with_length:
            handler.send_header("Content-Length", str(10**12))
        handler.end_headers()
        piece = STATEMENT + b" " * 65_536
        while sent < 2**28:
            try:
                handler.wfile.write(piece)
            except OSError:
                return
            sent += len(piece)

    into = io.BytesIO()
    with serving(misbehaving(endless)) as url, pytest.raises(FlexTooLargeError):
        client_at(url, Watch(), max_bytes=2_000_000).fetch(into)

    assert b"" == into.getvalue()
    assert sent < 2**25  # the cap and what lay in socket buffers


@pytest.mark.parametrize("replies", [[], [promise()]], ids=["SendRequest", "GetStatement"])
def test_fault_63_an_entity_bomb_is_refused_before_it_is_read(replies: list[Reply]) -> None:
    """Ten levels of ten would be ten gigabytes."""
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 11))
    bomb = f'<!DOCTYPE x [<!ENTITY e0 "ha">{entities}]><FlexQueryResponse>&e10;</FlexQueryResponse>'

    error = refusal_of(ScriptedService(*replies, Reply(body=bomb.encode())), FlexAnswerError)

    assert "DOCTYPE" in str(error)


def test_fault_63_the_token_is_in_no_log_of_any_library(
    logged: pytest.LogCaptureFixture,
) -> None:
    """At DEBUG httpx writes addresses and httpcore what the server repeats of them."""
    echo = Reply(status=302, headers={"Location": f"https://elsewhere.example/?t={CANARY}"})

    error = refusal_of(ScriptedService(promise(), echo), FlexRedirectError)

    assert "elsewhere.example" in str(error)
    assert "HTTP Request: GET" in logged.text
    assert "receive_response_headers.complete" in logged.text
    assert CANARY not in logged.text


def test_a_redirect_is_not_followed() -> None:
    """The other server hears nothing, and the token stays where it belongs."""
    other = ScriptedService(statement())
    with serving(handler_of(other)) as elsewhere:
        echo = Reply(status=307, headers={"Location": f"{elsewhere}/GetStatement"})

        error = refusal_of(ScriptedService(echo), FlexRedirectError)

    assert [] == other.asked
    assert "127.0.0.1" == getattr(error, "host", None)


def test_a_proxy_of_the_environment_is_not_used_on_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Plain http through somebody else's proxy would show it the token."""
    proxy = ScriptedService(page(502))
    with serving(handler_of(proxy)) as url:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, url.removesuffix("/AccountManagement/FlexWebService"))

        _, body = fetch(ScriptedService(promise(), statement()))

    assert STATEMENT == body
    assert [] == proxy.asked


def test_a_packed_statement_is_unpacked() -> None:
    """Bytes, count and hash are those of the statement; two members in a row are one body."""
    half = len(STATEMENT) // 2
    packed = gzip.compress(STATEMENT[:half]) + gzip.compress(STATEMENT[half:])

    download, body = fetch(ScriptedService(promise(), Reply(body=packed, headers=GZIP)))

    assert STATEMENT == body
    assert (len(STATEMENT), len(packed)) == (download.n_bytes, download.http.content_length)


def test_a_packed_bomb_ends_at_the_cap() -> None:
    """200 MB in 200 kB: the cap counts what comes out."""
    packed = gzip.compress(STATEMENT + b" " * 200_000_000, compresslevel=1)

    error = refusal_of(
        ScriptedService(promise(), Reply(body=packed, headers=GZIP)),
        FlexTooLargeError,
        max_bytes=3_000_000,
    )

    assert "3000000 bytes" in str(error)


@pytest.mark.parametrize("damage", ["cut", "garbled"])
def test_a_damaged_package_is_asked_for_again(damage: str) -> None:
    """The file holds the good copy alone."""
    packed = gzip.compress(STATEMENT * 50)
    bad = packed[:-20] if damage == "cut" else packed[:60] + b"\xff" * 60 + packed[120:]
    service = ScriptedService(
        promise(), Reply(body=bad, headers=GZIP), Reply(body=packed, headers=GZIP)
    )

    _, body = fetch(service)

    assert STATEMENT * 50 == body
    assert 3 == len(service.asked)


def test_a_packing_nobody_asked_for_is_refused() -> None:
    """What cannot be unpacked must not be kept as a statement."""
    reply = Reply(body=STATEMENT, headers={"Content-Encoding": "br"})

    assert "'br'" in str(refusal_of(ScriptedService(promise(), reply), FlexAnswerError))


def test_a_connection_lost_halfway_is_made_good() -> None:
    """Half a statement, then the whole: the file holds it once."""

    def half_then_whole(handler: BaseHTTPRequestHandler, nth: int) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(STATEMENT)))
        handler.end_headers()
        handler.wfile.write(STATEMENT if nth > 1 else STATEMENT[:150])

    into, watch = io.BytesIO(), Watch()
    with serving(misbehaving(half_then_whole)) as url:
        download = client_at(url, watch).fetch(into)

    assert STATEMENT == into.getvalue()
    assert 3 == download.n_requests
    assert [2.0] == watch.slept


def test_nobody_there_is_a_typed_error_after_five_tries() -> None:
    """The network may come back; the next run asks again."""
    with serving(handler_of(ScriptedService())) as url:
        pass
    watch = Watch()

    with pytest.raises(FlexUnavailableError, match=r"127\.0\.0\.1") as refused:
        client_at(url, watch).fetch(io.BytesIO())

    assert [2.0, 5.0, 15.0, 30.0] == watch.slept
    assert CANARY not in everything_told(refused.value)


def headers_byte_by_byte(handler: BaseHTTPRequestHandler, _: int) -> None:
    """Begin an answer and never finish its headers."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
    handler.wfile.flush()
    write_until_gone(handler, b"x")


def body_byte_by_byte(handler: BaseHTTPRequestHandler, _: int) -> None:
    """Begin a statement and never finish it."""
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(STATEMENT)
    write_until_gone(handler, b" ")


def silence(handler: BaseHTTPRequestHandler, _: int) -> None:
    """Take the request and say nothing until the client has gone away."""
    handler.rfile.read(1)


@pytest.mark.parametrize("misbehave", [headers_byte_by_byte, body_byte_by_byte, silence])
def test_no_request_takes_longer_than_it_may(
    misbehave: Callable[[BaseHTTPRequestHandler, int], None],
) -> None:
    """A byte now and then satisfies every timeout but the one for the whole."""
    into = io.BytesIO()
    started = time.monotonic()
    with (
        serving(misbehaving(misbehave)) as url,
        pytest.raises(FlexUnavailableError, match=r"had not ended after 0\.3 s") as refused,
    ):
        client_at(url, Watch(), total_timeout_seconds=0.3, backoff_seconds=()).fetch(into)

    assert time.monotonic() - started < 5
    assert b"" == into.getvalue()
    assert CANARY not in everything_told(refused.value)


def test_a_wait_for_bytes_is_bounded_too() -> None:
    """The first silence ends a request long before its time is up."""
    with (
        serving(misbehaving(silence)) as url,
        pytest.raises(FlexUnavailableError, match="not answered in time"),
    ):
        client_at(url, Watch(), read_timeout_seconds=0.2, backoff_seconds=()).fetch(io.BytesIO())


def test_a_certificate_nobody_vouches_for_is_refused_before_the_token_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever stands between us and the service must not read the address."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed here; it makes the certificate")
    request = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost"
    names = "-addext subjectAltName=DNS:localhost -keyout key.pem -out certificate.pem"
    subprocess.run(
        [*request.split(), *names.split()],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")
    service = ScriptedService(promise(), statement())

    with serving(handler_of(service), tls=context) as url:
        secure = url.replace("http://127.0.0.1", "https://localhost")
        with pytest.raises(FlexRefusedError, match=r"certificate .*self-signed") as refused:
            client_at(secure, Watch()).fetch(io.BytesIO())

    assert [] == service.asked
    assert CANARY not in everything_told(refused.value)
