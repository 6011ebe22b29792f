"""A Flex web service that answers what a test tells it to, in process or on a loopback port.

What lives here: the service, its answers, and a clock that moves when it is slept on. What must
not: anything of the client under test but its configuration.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from pydantic import SecretStr

from ibkr_pipeline.brokers.ibkr.flex_client import FlexClient
from ibkr_pipeline.brokers.ibkr.flex_config import FlexConfig
from ibkr_pipeline.brokers.ibkr.pacing import InProcessBudget
from ibkr_pipeline.ports.budget import RequestBudget

#: Must be found nowhere but in the address of a request.
CANARY = "CANARY7301946285"
LOCAL_URL = "http://127.0.0.1:1/AccountManagement/FlexWebService"
STATEMENT = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b'<FlexQueryResponse queryName="all" type="AF"><FlexStatements count="1">'
    b'<FlexStatement accountId="U0000001"/></FlexStatements></FlexQueryResponse>\n'
)
NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer of the service."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "text/xml"})


def envelope(status: str, **fields: object) -> Reply:
    """Return the service's short answer with the fields it holds."""
    inside = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
    return Reply(
        body=(
            "<FlexStatementResponse timestamp='18 November, 2026 07:00 AM EST'>"
            f"<Status>{status}</Status>{inside}</FlexStatementResponse>"
        ).encode()
    )


def promise(reference: str = "900001") -> Reply:
    """Return the promise of a statement, with the address that is to be ignored."""
    return envelope("Success", ReferenceCode=reference, Url="https://elsewhere.example/Get")


def refusal(code: object, text: str = "Please try again shortly.", status: str = "Fail") -> Reply:
    """Return a refusal with a code."""
    return envelope(status, ErrorCode=code, ErrorMessage=text)


def statement(body: bytes = STATEMENT) -> Reply:
    """Return a statement."""
    return Reply(body=body)


def page(status: int, title: str = "Service Unavailable") -> Reply:
    """Return an HTML page."""
    body = f"<!DOCTYPE html>\n<html><head><title>{title}</title></head><br></html>".encode()
    return Reply(body=body, status=status, headers={"Content-Type": "text/html"})


class ScriptedService:
    """Answers in the order given; the last answer repeats. Remembers what it was asked."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = replies
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.user_agents: list[str] = []

    @property
    def steps(self) -> list[str]:
        """The steps that were asked for, in order."""
        return [step for step, _ in self.asked]

    def answer(self, path: str, query: str, user_agent: str) -> Reply:
        """Remember a request and return its answer."""
        parameters = {name: values[0] for name, values in parse_qs(query).items()}
        self.asked.append((path.rpartition("/")[2], parameters))
        self.user_agents.append(user_agent)
        return self.replies[min(len(self.asked), len(self.replies)) - 1]

    def transport(self) -> httpx.MockTransport:
        """Return the service as a transport, without a socket."""

        def handle(request: httpx.Request) -> httpx.Response:
            reply = self.answer(
                request.url.path, request.url.query.decode(), request.headers["User-Agent"]
            )
            stream = httpx.ByteStream(reply.body)
            return httpx.Response(reply.status, headers=dict(reply.headers), stream=stream)

        return httpx.MockTransport(handle)


class Watch:
    """A clock that moves when it is slept on."""

    def __init__(self) -> None:
        self.at = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        """Return the seconds since it was made."""
        return self.at

    def now(self) -> datetime:
        """Return the instant."""
        return NOON + timedelta(seconds=self.at)

    def sleep(self, seconds: float) -> None:
        """Move."""
        self.slept.append(round(seconds, 3))
        self.at += seconds


def config_of(**changes: Any) -> FlexConfig:
    """Return a configuration without allowances, so that only the waits under test are made."""
    return FlexConfig(
        **{
            "token": SecretStr(CANARY),
            "query_id": "123456",
            "url": LOCAL_URL,
            "requests_per_second": 0,
            "requests_per_minute": 0,
            **changes,
        }
    )


def client_of(
    service: ScriptedService,
    watch: Watch,
    *,
    budget: RequestBudget | None = None,
    told: list[str] | None = None,
    **changes: Any,
) -> FlexClient:
    """Return a client of a service in process."""
    return FlexClient(
        config_of(**changes),
        budget=budget or InProcessBudget(watch),
        clock=watch,
        sleep=watch.sleep,
        monotonic=watch,
        transport=service.transport(),
        on_progress=None if told is None else told.append,
    )


class _QuietServer(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that go away are what is tested."""


@contextmanager
def serving(
    handler: type[BaseHTTPRequestHandler], *, tls: ssl.SSLContext | None = None
) -> Iterator[str]:
    """Serve on a free loopback port and give the address of the Flex service there."""
    server = _QuietServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/AccountManagement/FlexWebService"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def handler_of(service: ScriptedService) -> type[BaseHTTPRequestHandler]:
    """Return a handler that sends the service's answers as they are, headers and all."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            """Answer."""
            parts = urlsplit(self.path)
            reply = service.answer(parts.path, parts.query, self.headers.get("User-Agent", ""))
            self.send_response(reply.status)
            for name, text in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
                self.send_header(name, text)
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(reply.body)
            self.close_connection = True

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - its name
            """Say nothing."""

    return Handler
