"""The little HTTP the Flex service needs: one GET request, one answer, then the end.

What lives here: reading a request head within limits and writing an answer. What must not: what a
request means (`service.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

_HEAD_LIMIT = 16 * 1024
_HEAD_SECONDS = 30.0
_REASONS: Mapping[int, str] = {
    200: "OK",
    302: "Found",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


class HttpError(ValueError):
    """The bytes of a request are no request this service reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """One request: method, path, parameters (the last of a name wins) and lower-case headers."""

    method: str
    path: str
    parameters: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """One answer, whole."""

    body: bytes
    status: int = 200
    content_type: str = "text/xml;charset=UTF-8"
    headers: Mapping[str, str] = field(default_factory=dict)

    def head(self, length: int | None = None) -> bytes:
        """Return the head; `length` announces another length than the body's."""
        size = len(self.body) if length is None else length
        lines = [
            f"HTTP/1.1 {self.status} {_REASONS.get(self.status, 'Status')}",
            f"Content-Type: {self.content_type}",
            f"Content-Length: {size}",
            "Cache-Control: no-store",
            *(f"{name}: {value}" for name, value in self.headers.items()),
            "Connection: close",
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


#: What a query set to comma-separated text answers.
CSV = HttpAnswer(
    body=b'"ClientAccountID","Symbol","Quantity"\n"DU0000001","AAPL","1"\n',
    content_type="text/csv;charset=UTF-8",
)


def html_page(status: int) -> HttpAnswer:
    """Return the page the service shows when it is down."""
    text = (
        "<!DOCTYPE html>\n<html><head><title>Interactive Brokers</title></head><body>"
        "<h1>We are sorry, our services are temporarily unavailable.</h1></body></html>\n"
    )
    return HttpAnswer(body=text.encode(), status=status, content_type="text/html;charset=UTF-8")


async def read_request(reader: asyncio.StreamReader) -> HttpRequest:
    """Read the head of a request; a body is not expected.

    Raises:
        HttpError: If the head is malformed, too long or late.
    """
    try:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _HEAD_SECONDS)
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError) as error:
        raise HttpError("The head of the request did not end.") from error
    if len(head) > _HEAD_LIMIT:
        raise HttpError(f"The head of the request was longer than {_HEAD_LIMIT} bytes.")
    first, *lines = head.decode("latin-1").split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise HttpError("The request line was not understood.")
    address = urlsplit(parts[1])
    headers = {
        name.strip().lower(): value.strip()
        for name, colon, value in (line.partition(":") for line in lines)
        if colon
    }
    return HttpRequest(
        method=parts[0],
        path=address.path,
        parameters=dict(parse_qsl(address.query, keep_blank_values=True)),
        headers=headers,
    )
