"""One GET of the Flex web service: bounded in time and bytes, and silent about its address.

What lives here: the only use of httpx for Flex. What must not: what an answer means
(`flex_answers.py`), asking again (`flex_client.py`). The token travels in the address, because the
service takes it nowhere else; therefore errors of the library, which carry the address, end here,
redirects are refused, and the library's log lines are scrubbed.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from threading import Lock, Timer
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from ibkr_pipeline.brokers.ibkr.flex_config import FlexConfig
from ibkr_pipeline.brokers.ibkr.flex_errors import (
    FlexAnswerError,
    FlexError,
    FlexRedirectError,
    FlexRefusedError,
    FlexTooLargeError,
    FlexUnavailableError,
    one_line,
)
from ibkr_pipeline.primitives.secrets_registry import scrub

#: Libraries that write addresses or headers into their logs. A filter of a logger does not bind
#: those below it, so each is named.
CHATTY_LOGGERS = (
    "httpx",
    "httpcore",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
    "httpcore.proxy",
    "httpcore.socks",
)
_PIECE = 1024 * 1024

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpFacts:
    """What HTTP said around a body.

    Attributes:
        content_length: Length the server announced, as sent (compressed, where it is).
    """

    status: int
    content_type: str
    content_encoding: str
    content_length: int | None

    @property
    def is_success(self) -> bool:
        """Whether the status is one of success."""
        return 200 <= self.status < 300


def get(
    config: FlexConfig,
    step: str,
    parameters: Mapping[str, str],
    *,
    seconds: float,
    receive: Callable[[HttpFacts, Iterator[bytes]], _Result],
    transport: httpx.BaseTransport | None = None,
) -> _Result:
    """Send one request and hand its answer on while it arrives.

    Args:
        config: Where the service is, and the token.
        step: `SendRequest` or `GetStatement`.
        parameters: Parameters beside token and version.
        seconds: Longest time for all of it.
        receive: Takes the facts and the decompressed body; its result is returned.
        transport: What carries the request; the network by default.

    Raises:
        FlexUnavailableError: If no answer came, or not to its end.
        FlexRedirectError: If the server sends us elsewhere.
        FlexTooLargeError: If the body is longer than allowed.
        FlexAnswerError: If the body is packed in a way that was not asked for.
        FlexRefusedError: If the server's certificate cannot be verified.
    """
    _scrub_chatty_loggers()
    with _Watchdog(min(seconds, config.total_timeout_seconds)) as watchdog:
        try:
            return _exchange(config, step, parameters, receive, watchdog, transport)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            failure = _failure(error, step, config, watchdog)
    # Not `from error`: what httpx raises holds the request, whose address holds the token.
    raise failure


def _exchange(
    config: FlexConfig,
    step: str,
    parameters: Mapping[str, str],
    receive: Callable[[HttpFacts, Iterator[bytes]], _Result],
    watchdog: _Watchdog,
    transport: httpx.BaseTransport | None,
) -> _Result:
    timeout = httpx.Timeout(
        config.read_timeout_seconds, connect=min(config.connect_timeout_seconds, watchdog.seconds)
    )
    with httpx.Client(
        timeout=timeout,
        follow_redirects=False,
        trust_env=not config.is_local,
        transport=transport,
    ) as client:
        response = client.send(
            client.build_request(
                "GET",
                f"{config.url.rstrip('/')}/{step}",
                params={"t": config.token.get_secret_value(), **parameters, "v": "3"},
                headers={"User-Agent": config.user_agent, "Accept-Encoding": "gzip, identity"},
                extensions={"trace": watchdog.trace},
            ),
            stream=True,
        )
        with contextlib.closing(response):
            facts = _facts(response, config)
            return receive(facts, _body(response, facts, config, watchdog))


def _facts(response: httpx.Response, config: FlexConfig) -> HttpFacts:
    """Return the facts of an answer whose body may be read.

    Raises:
        FlexRedirectError, FlexTooLargeError, FlexAnswerError: If it may not.
    """
    if 300 <= response.status_code < 400:
        host = _host_of(response)
        raise FlexRedirectError(
            f"The Flex web service answered HTTP {response.status_code}, a redirect to {host!r}; "
            f"expected an answer. The token is sent to the configured host alone: if the service "
            f"has moved, set IBKR_FLEX_URL.",
            host=host,
        )
    announced = response.headers.get("Content-Length", "")
    length = int(announced) if announced.isascii() and announced.isdigit() else None
    if length is not None and length > config.max_bytes:
        raise _too_large(f"announced {length} bytes", config)
    encoding = one_line(response.headers.get("Content-Encoding", "")).lower() or "identity"
    if encoding not in {"identity", "gzip", "x-gzip"}:
        raise FlexAnswerError(
            f"The answer was packed as {encoding!r}; expected gzip or nothing. Look for a proxy "
            f"between here and the Flex web service."
        )
    return HttpFacts(
        status=response.status_code,
        content_type=one_line(response.headers.get("Content-Type", "")),
        content_encoding=encoding,
        content_length=length,
    )


def _host_of(response: httpx.Response) -> str:
    return one_line(httpx.URL(response.headers.get("Location", "")).host) or "the same host"


def _body(
    response: httpx.Response, facts: HttpFacts, config: FlexConfig, watchdog: _Watchdog
) -> Iterator[bytes]:
    """Yield the body, decompressed, never more than allowed."""
    raw = response.iter_raw()
    n_bytes = 0
    for piece in raw if facts.content_encoding == "identity" else _unpacked(raw):
        n_bytes += len(piece)
        if n_bytes > config.max_bytes:
            raise _too_large("went on beyond the limit", config)
        watchdog.check()
        yield piece
    watchdog.check()  # a body without a length ends the same way when it is cut


def _unpacked(raw: Iterator[bytes]) -> Iterator[bytes]:
    """Unpack gzip in pieces, so that a small body cannot become a large one in memory."""
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        for packed in raw:
            rest = packed
            while rest:
                if unpacker.eof:
                    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
                if piece := unpacker.decompress(rest, _PIECE):
                    yield piece
                rest = unpacker.unconsumed_tail or unpacker.unused_data
    except zlib.error as error:
        raise FlexUnavailableError(
            f"The answer's gzip could not be unpacked ({error}); expected an undamaged one. It is "
            f"asked for again."
        ) from error
    if not unpacker.eof:
        raise FlexUnavailableError("The answer's gzip was cut short. It is asked for again.")


def _too_large(found: str, config: FlexConfig) -> FlexTooLargeError:
    return FlexTooLargeError(
        f"The answer {found}; at most {config.max_bytes} bytes are read. Ask for a shorter window, "
        f"or raise the limit."
    )


class _Watchdog:
    """Cuts the connection when the time for the whole request is up.

    The library's own timeouts bound each wait for bytes; a server that sends one byte now and
    then would hold us for ever.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.expired = False
        self._connections: list[socket.socket] = []
        self._lock = Lock()
        self._timer = Timer(seconds, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        self._timer.join()
        for connection in self._connections:
            connection.close()

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Keep a hold of each connection; called by httpcore."""
        if not event.endswith("connect_tcp.complete"):
            return
        with self._lock:
            # A duplicate stays good while the library wraps the original in TLS.
            self._connections.append(info["return_value"].get_extra_info("socket").dup())
        if self.expired:
            self._cut()

    def check(self) -> None:
        """Raise if the time is up.

        Raises:
            ReadTimeout: If it is.
        """
        if self.expired:
            raise httpx.ReadTimeout("The time for the request was up.")

    def _cut(self) -> None:
        with self._lock:
            self.expired = True
            for connection in self._connections:
                with contextlib.suppress(OSError):  # the other side was faster
                    connection.shutdown(socket.SHUT_RDWR)


def _failure(error: Exception, step: str, config: FlexConfig, watchdog: _Watchdog) -> FlexError:
    if watchdog.expired:
        told = f"had not ended after {watchdog.seconds:g} s"
    elif isinstance(error, httpx.TimeoutException):
        told = "was not answered in time"
    elif (refusal := _certificate_refusal(error)) is not None:
        return FlexRefusedError(
            f"The certificate of the Flex web service could not be verified ({one_line(refusal)}); "
            f"the token was not sent. Check the clock, and any proxy that opens TLS."
        )
    else:
        told = f"failed ({type(error).__name__}: {one_line(str(error))})"
    return FlexUnavailableError(
        f"{step} of the Flex web service {told}; expected an answer from "
        f"{httpx.URL(config.url).host}. Check the network; the next run asks again."
    )


def _certificate_refusal(error: BaseException) -> str | None:
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, ssl.SSLCertVerificationError):
            return link.verify_message
        link = link.__cause__ or link.__context__
    return None


def _scrub_chatty_loggers() -> None:
    for name in CHATTY_LOGGERS:
        logging.getLogger(name).addFilter(_scrub_record)  # the same filter is never added twice


def _scrub_record(record: logging.LogRecord) -> bool:
    record.msg, record.args = scrub(record.getMessage()), ()
    return True
