"""The Flex web service: what SendRequest and GetStatement answer.

What lives here: tokens, queries, reference codes, generation and limits. What must not: sockets
(`server.py`), HTTP (`http.py`) and the contents of statements (`statement.py`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from ibkr_pipeline.simulator.book import Book
from ibkr_pipeline.simulator.flex import envelopes
from ibkr_pipeline.simulator.flex.http import HttpAnswer, HttpRequest, html_page
from ibkr_pipeline.simulator.flex.options import TOKEN_STATES, FlexOptions, FlexQuery
from ibkr_pipeline.simulator.flex.statement import write_csv, write_statement
from ibkr_pipeline.simulator.flex.window import (
    InvalidWindowError,
    UnpublishedError,
    Window,
    choose_window,
)

PATH = "/AccountManagement/FlexWebService"
STEPS = {f"{PATH}/SendRequest": "send", f"{PATH}/GetStatement": "get"}
MASK = "***"
_FIRST_REFERENCE = 1_234_567_890
_PER_MINUTE = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class FlexRequest:
    """One recorded request; the token is masked, only whether it was known is kept."""

    sequence: int
    step: str
    parameters: dict[str, str]
    token_known: bool
    user_agent: str
    status: int


@dataclass(slots=True)
class _Pending:
    token: str
    query: FlexQuery
    window: Window
    polls_left: int
    body: bytes | None = None


class FlexService:
    """Answers requests from one book.

    Args:
        book: What statements are written from.
        options: Tokens, queries and switches.
        monotonic: Seconds of a clock that only moves forward, for the rate limit.
    """

    def __init__(self, book: Book, options: FlexOptions, monotonic: Callable[[], float]) -> None:
        self.options = options
        self.url = ""
        self.requests: list[FlexRequest] = []
        self._book = book
        self._monotonic = monotonic
        self._pending: dict[str, _Pending] = {}
        self._recent: dict[str, deque[float]] = {}

    def answer(self, request: HttpRequest) -> HttpAnswer:
        """Return the answer to one request and record what was asked."""
        answer = self._answer(request)
        asked = dict(request.parameters)
        known = asked.get("t") in self.options.tokens
        if "t" in asked:
            asked["t"] = MASK
        self.requests.append(
            FlexRequest(
                sequence=len(self.requests) + 1,
                step=STEPS.get(request.path, ""),
                parameters=asked,
                token_known=known,
                user_agent=request.headers.get("user-agent", ""),
                status=answer.status,
            )
        )
        return answer

    def _answer(self, request: HttpRequest) -> HttpAnswer:
        step = STEPS.get(request.path)
        if step is None:
            return html_page(404)
        if request.method != "GET":
            return html_page(405)
        if not request.headers.get("user-agent"):
            return html_page(403)
        token = request.parameters.get("t", "")
        code = self._token_error(token)
        if code == 0 and request.parameters.get("v") != "3":
            code = 1020
        if code:
            return self._failure(code)
        wanted = request.parameters.get("q", "")
        return self._send(token, wanted, request) if step == "send" else self._get(token, wanted)

    def _token_error(self, token: str) -> int:
        state = self.options.tokens.get(token)
        if state is None:
            return 1015
        if TOKEN_STATES[state]:
            return TOKEN_STATES[state]
        return 1018 if self.options.rate_limit and self._is_too_fast(token) else 0

    def _is_too_fast(self, token: str) -> bool:
        """Count a request; tell whether it is the second in a second or the 11th in a minute."""
        now = self._monotonic()
        recent = self._recent.setdefault(token, deque())
        while recent and now - recent[0] >= 60:
            recent.popleft()
        too_fast = len(recent) >= _PER_MINUTE or (bool(recent) and now - recent[-1] < 1)
        recent.append(now)
        return too_fast

    def _send(self, token: str, query_id: str, request: HttpRequest) -> HttpAnswer:
        query = self.options.queries.get(query_id)
        if query is None:
            return self._failure(1014)
        given = request.parameters
        override = (given.get("fd", ""), given.get("td", ""), given.get("p", ""))
        try:
            window = choose_window(self._book, query, override)
        except InvalidWindowError:
            return self._failure(1020)
        except UnpublishedError:
            return self._failure(1003)
        reference = str(_FIRST_REFERENCE + len(self._pending))
        self._pending[reference] = _Pending(
            token, query, window, polls_left=self.options.generation_polls
        )
        address = f"{self.url}/GetStatement"
        now = self._book.now()
        text = envelopes.success(reference, address, self.options.url_element, now)
        return HttpAnswer(body=text.encode())

    def _get(self, token: str, reference: str) -> HttpAnswer:
        pending = self._pending.get(reference)
        if pending is None or pending.token != token:
            return self._failure(1017)
        if pending.polls_left:
            pending.polls_left -= 1
            return self._failure(1019)
        if pending.body is None:
            pending.body = self._generate(pending)
        if pending.query.output == "csv":
            return HttpAnswer(body=pending.body, content_type="text/csv;charset=UTF-8")
        return HttpAnswer(body=pending.body)

    def _generate(self, pending: _Pending) -> bytes:
        if pending.query.output == "csv":
            return write_csv(self._book, pending.query, pending.window)
        now = self._book.now()
        return write_statement(self._book, pending.query, pending.window, now)

    def _failure(self, code: int) -> HttpAnswer:
        return HttpAnswer(body=envelopes.failure(code, self._book.now()).encode())
