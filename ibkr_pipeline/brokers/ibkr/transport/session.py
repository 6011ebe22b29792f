"""Requests in flight, and when each is answered.

What lives here: `Ask` (one request and what ends it), `Answer` (how it ended) and `Session`, which
sends asks and reads signals until every one has ended. What must not: which asks make a dataset
(`transport.py`, `reads.py`), or cutting rows.
An ask ends by its end marker, by an error of its own, by its timeout, or because the connection or
the gateway's connection to IBKR was lost, which ends every ask in flight. It never just goes quiet.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ibkr_pipeline.brokers.exceptions import BrokerConnectionError, PacingError
from ibkr_pipeline.brokers.ibkr.error_codes import (
    Verdict,
    is_read_only_refusal,
    outage_reason,
    verdict_of,
)
from ibkr_pipeline.brokers.ibkr.pacing import Pacing
from ibkr_pipeline.brokers.ibkr.transport.receiver import Signal
from ibkr_pipeline.brokers.ibkr.transport.wiring import Wiring
from ibkr_pipeline.models.requests import BrokerNotice
from ibkr_pipeline.primitives.enums import LoadStatus

Call = tuple[str, tuple[object, ...]]

#: Progress is told about this often in one read, however many accounts there are.
MOST_LINES = 20
#: Kind of an ask -> what progress calls it.
_WORDS = {
    "account_updates": "account values",
    "account_updates_multi": "account values",
    "positions_multi": "positions",
    "open_orders": "open orders",
    "completed_orders": "completed orders",
}
#: Kind of an ask -> its answer in words, and the name of its end marker in the TWS API.
_ENDS = {
    "account_updates": ("the account's update stream", "accountDownloadEnd"),
    "account_updates_multi": ("the account's list of values", "accountUpdateMultiEnd"),
    "positions": ("the list of positions", "positionEnd"),
    "positions_multi": ("the account's list of positions", "positionMultiEnd"),
    "open_orders": ("the list of open orders", "openOrderEnd"),
    "completed_orders": ("the list of completed orders", "completedOrdersEnd"),
    "executions": ("the list of executions", "execDetailsEnd"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request.

    Attributes:
        kind: What is asked; at most one without a request id runs at a time.
        accounts: Accounts whose rows it brings.
        send, cancel: What to send, and how to stop what it started.
        end: Message id and key of the end marker.
        request_id: Id by which errors name it, if it has one.
        timeout_seconds: From sending to end marker.
        holds_while_not_ready: Whether `accountReady=false` holds the answer back.
    """

    kind: str
    accounts: tuple[str, ...]
    send: Call
    cancel: Call | None = None
    end: tuple[str, str]
    request_id: int | None = None
    timeout_seconds: float
    holds_while_not_ready: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How an ask ended.

    Attributes:
        start, stop: Rows that arrived while it ran: positions in the inbox.
        lost: Whether a new connection is worth a try at once.
        code: Error code that ended it, if one did.
    """

    ask: Ask
    start: int
    stop: int
    status: LoadStatus
    reason: str | None = None
    retryable: bool = False
    lost: bool = False
    code: int | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the end marker came and nothing went wrong."""
        return self.status is LoadStatus.COMPLETE


@dataclass(slots=True, kw_only=True)
class _Running:
    ask: Ask
    start: int
    deadline: float
    is_ready: bool | None = None
    is_held: bool = False


@dataclass(slots=True, kw_only=True)
class _End:
    status: LoadStatus
    reason: str | None = None
    retryable: bool = False
    lost: bool = False
    stop: int | None = None
    code: int | None = None


@dataclass(slots=True)
class Session:
    """Runs asks over one wiring.

    Args:
        wiring: Connection with an open inbox.
        pacing: Asked before every message.
        deadline: Monotonic instant after which nothing may run.
        on_progress: Told how many asks have ended.
        monotonic: Clock that never goes back, seconds.
    """

    wiring: Wiring
    pacing: Pacing
    deadline: float
    on_progress: Callable[[str], None] | None = None
    monotonic: Callable[[], float] = time.monotonic
    outage: str | None = None
    _running: list[_Running] = field(default_factory=list)
    _answers: list[Answer] = field(default_factory=list)
    _n_told: int = 0

    def run(self, asks: Iterable[Ask], *, in_flight: int = 1) -> list[Answer]:
        """Send every ask and return every answer, in the order they ended."""
        waiting = deque(asks)
        total = len(waiting)
        self._answers, self._n_told = [], 0
        while waiting or self._running:
            while waiting and len(self._running) < in_flight and self.outage is None:
                self._start(waiting.popleft())
            if self.outage is not None:
                self._end_all(waiting)
                break
            if self._running:
                self._step()
            self._tell(total)
        return self._answers

    def wait_for_commissions(self, *, seconds: float) -> None:
        """Wait until the inbox signals that every awaited report came, or time is up."""
        until = min(self.monotonic() + seconds, self.deadline)
        while (left := until - self.monotonic()) > 0 and self.outage is None:
            signal = self.wiring.inbox.take(left)
            if signal is None or signal.kind == "commissions":
                return
            self._handle(signal)

    def _start(self, ask: Ask) -> None:
        left = self.deadline - self.monotonic()
        start = len(self.wiring.inbox.texts)
        running = _Running(ask=ask, start=start, deadline=0.0)
        self._running.append(running)
        if left <= 0:
            self._finish(running, _budget_used_up())
            return
        try:
            self.pacing.request(ask.kind, patience=min(left, ask.timeout_seconds))
            self._send(ask.send)
        except PacingError as error:
            self._finish(running, _End(status=LoadStatus.FAILED, reason=str(error), retryable=True))
        except BrokerConnectionError as error:
            self.outage = str(error)
        else:
            running.deadline = min(self.monotonic() + ask.timeout_seconds, self.deadline)

    def _send(self, call: Call) -> None:
        self.pacing.message(patience=max(self.deadline - self.monotonic(), 0.0))
        self.wiring.connection.send(call[0], *call[1])

    def _step(self) -> None:
        first = min(self._running, key=lambda running: running.deadline)
        signal = self.wiring.inbox.take(max(first.deadline - self.monotonic(), 0.0))
        if signal is not None:
            self._handle(signal)
        elif self.monotonic() >= first.deadline:
            self._finish(first, self._timed_out(first))

    def _handle(self, signal: Signal) -> None:
        if signal.kind == "end":
            self._ended(signal)
        elif signal.kind == "notice" and signal.notice is not None:
            self._noticed(signal.notice)
        elif signal.kind == "lost":
            self.outage = f"the connection was lost while the read ran: {signal.text}"
        elif signal.kind == "ready":
            self._readiness(signal)
        elif signal.kind == "garbage":
            reason = f"a message could not be understood: {signal.text}"
            for running in list(self._running):
                self._finish(running, _End(status=LoadStatus.FAILED, reason=reason))

    def _ended(self, signal: Signal) -> None:
        for running in list(self._running):
            if running.ask.end != (signal.ident, signal.key):
                continue
            if running.ask.holds_while_not_ready and running.is_ready is False:
                running.is_held = True
                return
            self._finish(running, _End(status=LoadStatus.COMPLETE, stop=signal.seq))
            return

    def _readiness(self, signal: Signal) -> None:
        for running in self._running:
            if signal.key not in running.ask.accounts:
                continue
            running.is_ready = signal.text == "true"
            if running.is_ready and running.is_held:
                self._ask_again(running)

    def _ask_again(self, running: _Running) -> None:
        """Ask anew once the server is ready: what came before was told during its reset."""
        running.is_held = False
        if running.ask.cancel is not None:
            self._send(running.ask.cancel)
        running.start = len(self.wiring.inbox.texts)
        self._send(running.ask.send)

    def _noticed(self, notice: BrokerNotice) -> None:
        keyed = [r for r in self._running if r.ask.request_id == notice.request is not None]
        verdict = verdict_of(notice.code, keyed=bool(keyed))
        if verdict is Verdict.OUTAGE:
            self.outage = outage_reason(notice.code, notice.message)
        elif verdict is Verdict.END_REQUEST:
            for running in keyed or self._meant_by(notice):
                self._finish(running, _refusal(notice))

    def _meant_by(self, notice: BrokerNotice) -> list[_Running]:
        """Return the running asks without id that a notice without id can be about."""
        if notice.request is not None:
            return []
        unkeyed = [r for r in self._running if r.ask.request_id is None]
        return unkeyed or (self._running[:1] if len(self._running) == 1 else [])

    def _timed_out(self, running: _Running) -> _End:
        if self.monotonic() >= self.deadline:
            return _budget_used_up()
        waited = f"{running.ask.timeout_seconds:g} s"
        if running.is_held or running.is_ready is False:
            reason = f"server reset in progress: accountReady stayed false for {waited}"
        else:
            answer, marker = _ENDS[running.ask.kind]
            reason = f"{answer} never sent its end marker ({marker}) within {waited}"
        return _End(status=LoadStatus.FAILED, reason=reason, retryable=True)

    def _finish(self, running: _Running, end: _End) -> None:
        self._running.remove(running)
        self._answers.append(
            Answer(
                ask=running.ask,
                start=running.start,
                stop=len(self.wiring.inbox.texts) if end.stop is None else end.stop,
                status=end.status,
                reason=end.reason,
                retryable=end.retryable,
                lost=end.lost,
                code=end.code,
            )
        )
        if running.ask.cancel is not None and not end.lost and running.deadline:
            try:
                self._send(running.ask.cancel)
            except (BrokerConnectionError, PacingError) as error:
                self.outage = self.outage or str(error)

    def _end_all(self, waiting: deque[Ask]) -> None:
        end = _End(status=LoadStatus.FAILED, reason=self.outage, retryable=True, lost=True)
        for running in list(self._running):
            self._finish(running, end)
        here = len(self.wiring.inbox.texts)
        while waiting:
            self._running.append(_Running(ask=waiting.popleft(), start=here, deadline=0.0))
            self._finish(self._running[-1], end)

    def _tell(self, total: int) -> None:
        done = len(self._answers)
        step = 1 if done == total else max(1, total // MOST_LINES)
        if self.on_progress is not None and total > 1 and done >= self._n_told + step:
            self._n_told = done
            kind = self._answers[-1].ask.kind
            self.on_progress(f"{_WORDS.get(kind, kind)}: {done} of {total} answered")


def _refusal(notice: BrokerNotice) -> _End:
    told = f"the gateway answered with error {notice.code}: {notice.message.strip()}"
    if is_read_only_refusal(notice.code, notice.message):
        reason = (
            f"{told} With 'Read-Only API' on the gateway tells no orders; everything else is read. "
            f"Leave it on unless you want the orders; nothing is ever sent that trades."
        )
        return _End(status=LoadStatus.UNSUPPORTED, reason=reason, code=notice.code)
    return _End(status=LoadStatus.FAILED, reason=told, code=notice.code)


def _budget_used_up() -> _End:
    return _End(
        status=LoadStatus.FAILED,
        reason="the time budget of the run (ibkr.run_budget_seconds) was used up",
        retryable=True,
    )
