"""Fetching a Flex statement: ask for it, wait until it is made, download it.

What lives here: `FlexClient` and what it returns. What must not: HTTP (`flex_http.py`), the codes
(`flex_errors.py`), what a statement says (`flex_reader.py`).
Source: IBKR, Flex Web Service version 3. `SendRequest` promises a statement under a reference;
`GetStatement` answers with it, or that it is still being made.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import BinaryIO, TypeVar

import httpx

from ibkr_pipeline.brokers.ibkr import flex_http
from ibkr_pipeline.brokers.ibkr.flex_answers import Answer, read_answer
from ibkr_pipeline.brokers.ibkr.flex_config import FlexConfig, window_parameters
from ibkr_pipeline.brokers.ibkr.flex_errors import FlexAction, FlexError, told_briefly
from ibkr_pipeline.brokers.ibkr.flex_http import HttpFacts
from ibkr_pipeline.brokers.ibkr.flex_patience import Allowance, Patience
from ibkr_pipeline.brokers.ibkr.flex_verdicts import (
    GET,
    SEND,
    promised_reference,
    require_readable,
    require_statement,
)
from ibkr_pipeline.ports.budget import RequestBudget
from ibkr_pipeline.ports.clock import Clock
from ibkr_pipeline.primitives.errors import Retryable
from ibkr_pipeline.primitives.logs import log_event

_PASSING = frozenset({FlexAction.BACK_OFF, FlexAction.THROTTLED})
#: Refusals after which the same request is sent again.
_SEND_AGAIN = _PASSING | {FlexAction.RETRY_SEND}
_GET_AGAIN = _PASSING | {FlexAction.POLL}
#: Refusals after which the statement is asked for anew, because its reference is of no use.
_ANEW = frozenset({FlexAction.RETRY_SEND, FlexAction.NEW_REFERENCE})

_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class FlexTicket:
    """The promise of a statement. It outlives the process: the reference can be fetched later.

    Attributes:
        from_date, to_date: Window that overrides the query's own, both ends included.
        requested_at: When the service promised it.
    """

    reference_code: str
    query_id: str
    from_date: date | None
    to_date: date | None
    requested_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FlexDownload:
    """What was downloaded.

    Attributes:
        ticket: What was asked for.
        n_bytes: Bytes of the statement, decompressed.
        sha256: Hash of those bytes.
        http: What HTTP said around them.
        n_requests: Requests the call sent, failed ones counted.
        received_at: When the last byte was there.
    """

    ticket: FlexTicket
    n_bytes: int
    sha256: str
    http: HttpFacts
    n_requests: int
    received_at: datetime


class FlexClient:
    """Fetches statements of one query. Safe to share between threads.

    Every call ends within `budget_seconds` and `max_requests`, whatever the service does, and
    every process that uses the same token and budget shares its allowance.

    Args:
        config: Where, with which token, and how patiently.
        budget: Allowance shared with other processes.
        clock: For the instants in what is returned.
        sleep: How to wait, seconds.
        monotonic: Clock that never goes back, seconds.
        transport: What carries requests; the network by default.
        on_progress: Told about every wait.
    """

    def __init__(
        self,
        config: FlexConfig,
        *,
        budget: RequestBudget,
        clock: Clock,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        transport: httpx.BaseTransport | None = None,
        on_progress: Callable[[str], None] | None = None,
    ) -> None:
        self._config = config
        self._clock = clock
        self._sleep = sleep
        self._monotonic = monotonic
        self._transport = transport
        self._on_progress = on_progress
        self._allowance = Allowance(config, budget, sleep)

    def __repr__(self) -> str:
        """Return which query is fetched, without the token."""
        return f"FlexClient(query_id={self._config.query_id!r})"

    def fetch(
        self, into: BinaryIO, from_date: date | None = None, to_date: date | None = None
    ) -> FlexDownload:
        """Ask for a statement and download it, within one budget.

        Args:
            into: Seekable file the bytes go to, untouched, from where it stands; a try that broke
                off is taken back.
            from_date: First day, overriding the query's window together with `to_date`.
            to_date: Last day, included; at most 365 days from the first.

        Raises:
            FlexNotReadyError: If the statement does not exist yet; see its `retry_after`.
            FlexError: For everything else that went wrong, marked worth another try or not.
            ValueError: If the window or the file cannot be used.
        """
        window, patience = window_parameters(from_date, to_date), self._patience()
        _require_seekable(into)
        self._allowance.for_statement(_window_name(window), patience)

        def send_and_get() -> FlexDownload:
            ticket = self._send_patiently(from_date, to_date, patience)
            return self._get_patiently(ticket, into, patience)

        return self._persist(send_and_get, patience, after=_ANEW)

    def request_statement(
        self, from_date: date | None = None, to_date: date | None = None
    ) -> FlexTicket:
        """Ask for a statement and return the promise of it.

        Raises:
            FlexError: If it was refused; marked worth another try or not.
            ValueError: If the window cannot be used.
        """
        window, patience = window_parameters(from_date, to_date), self._patience()
        self._allowance.for_statement(_window_name(window), patience)
        return self._send_patiently(from_date, to_date, patience)

    def download(self, ticket: FlexTicket, into: BinaryIO) -> FlexDownload:
        """Download a promised statement, waiting until it is made.

        Raises:
            FlexNotReadyError: If it was not made in time; the ticket stays good.
            FlexReferenceError: If the service does not know the reference any more.
            FlexError: For everything else that went wrong.
            ValueError: If the file cannot be used.
        """
        _require_seekable(into)
        return self._get_patiently(ticket, into, self._patience())

    def probe(self) -> FlexTicket:
        """Ask for a statement with one request, never again and without spacing. For the doctor.

        Raises:
            FlexError: If it was refused.
        """
        patience = self._patience()

        def send() -> FlexTicket:
            return self._send_once(None, None, patience)

        return self._persist(send, patience, after=frozenset())

    def _patience(self) -> Patience:
        return Patience(self._config, self._monotonic)

    def _send_patiently(
        self, from_date: date | None, to_date: date | None, patience: Patience
    ) -> FlexTicket:
        window = _window_name(window_parameters(from_date, to_date))

        def send() -> FlexTicket:
            try:
                ticket = self._send_once(from_date, to_date, patience)
            except FlexError as error:
                if error.code is not None and isinstance(error, Retryable):
                    self._allowance.statement_asked(window)
                raise
            self._allowance.statement_asked(window)
            return ticket

        return self._persist(send, patience, after=_SEND_AGAIN)

    def _get_patiently(
        self, ticket: FlexTicket, into: BinaryIO, patience: Patience
    ) -> FlexDownload:
        def get() -> FlexDownload:
            return self._get_once(ticket, into, patience)

        return self._persist(get, patience, after=_GET_AGAIN)

    def _send_once(
        self, from_date: date | None, to_date: date | None, patience: Patience
    ) -> FlexTicket:
        parameters = {"q": self._config.query_id, **window_parameters(from_date, to_date)}
        _, answer = self._request(SEND, parameters, patience, into=None)
        reference_code = promised_reference(answer)
        log_event(_log, "flex_promised", query_id=self._config.query_id, reference=reference_code)
        return FlexTicket(
            reference_code=reference_code,
            query_id=self._config.query_id,
            from_date=from_date,
            to_date=to_date,
            requested_at=self._clock.now(),
        )

    def _get_once(self, ticket: FlexTicket, into: BinaryIO, patience: Patience) -> FlexDownload:
        start = into.tell()
        try:
            parameters = {"q": ticket.reference_code}
            facts, answer = self._request(GET, parameters, patience, into=into)
            body = require_statement(answer, reference_code=ticket.reference_code)
        except FlexError:
            into.seek(start)
            into.truncate()
            raise
        log_event(_log, "flex_received", reference=ticket.reference_code, n_bytes=body.n_bytes)
        return FlexDownload(
            ticket=ticket,
            n_bytes=body.n_bytes,
            sha256=body.sha256,
            http=facts,
            n_requests=patience.n_requests,
            received_at=self._clock.now(),
        )

    def _request(
        self, step: str, parameters: Mapping[str, str], patience: Patience, into: BinaryIO | None
    ) -> tuple[HttpFacts, Answer]:
        """Send one request and return its answer, if HTTP says that it is one."""
        patience.count_request()
        self._allowance.for_request(patience)

        def receive(facts: HttpFacts, chunks: Iterator[bytes]) -> tuple[HttpFacts, Answer]:
            return facts, read_answer(chunks, into if facts.is_success else None)

        facts, answer = flex_http.get(
            self._config,
            step,
            parameters,
            seconds=patience.remaining,
            receive=receive,
            transport=self._transport,
        )
        require_readable(facts, answer, step=step)
        return facts, answer

    def _persist(
        self, attempt: Callable[[], _Result], patience: Patience, *, after: frozenset[FlexAction]
    ) -> _Result:
        """Try until it works, the error is of another kind than `after`, or patience is out."""
        while True:
            try:
                return attempt()
            except FlexError as error:
                if error.action is FlexAction.THROTTLED:
                    self._allowance.use_up()
                wait = patience.wait_after(error) if error.action in after else None
                if wait is None:
                    raise
                self._tell(error, wait)
            if wait:
                self._sleep(wait)

    def _tell(self, error: FlexError, wait: float) -> None:
        log_event(_log, "flex_waits", action=error.action, code=error.code, seconds=wait)
        if self._on_progress is not None:
            again = f"asking again in {wait:g} s" if wait else "asking anew"
            self._on_progress(f"Flex: {told_briefly(error)}; {again}")


def _window_name(window: Mapping[str, str]) -> str:
    return f"{window['fd']}-{window['td']}" if window else "own"


def _require_seekable(into: BinaryIO) -> None:
    if not into.seekable():
        raise ValueError(
            "The file for the statement was not seekable; expected one that is, so that a "
            "download that broke off can be taken back."
        )
