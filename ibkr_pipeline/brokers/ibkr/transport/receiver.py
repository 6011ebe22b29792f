"""Taking messages off the wire: rows are kept as text, control messages become signals.

What lives here: `Receiver`, which stands where ib_async has its decoder, and the `Inbox` of one
read. What must not: deciding what a signal means (`session.py`) or cutting rows (`wire.py`).
The receiver runs in the connection's thread; an inbox is read in the caller's. A message costs
one dictionary look-up and one append, because a read may have hundreds of thousands.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Literal

from ibkr_pipeline.brokers.ibkr.error_codes import (
    SERVER_BACK,
    SERVER_LOST,
    outage_reason,
    severity_of,
)
from ibkr_pipeline.brokers.ibkr.transport.wire import (
    LAYOUTS,
    ROWS,
    decode_control,
    fields_of,
    unescape_text,
)
from ibkr_pipeline.models.requests import BrokerNotice
from ibkr_pipeline.ports.clock import Clock
from ibkr_pipeline.primitives.identifiers import mask_accounts

logger = logging.getLogger(__name__)

Kind = Literal["end", "notice", "lost", "ready", "garbage", "commissions"]

#: End marker id -> field that tells which request it ends; empty where there is one at a time.
END_KEYS = {
    "53": "",
    "54": "accountName",
    "55": "reqId",
    "62": "",
    "64": "reqId",
    "72": "reqId",
    "74": "reqId",
    "102": "",
}
_VALUES = frozenset({"6", "73"})
_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.WARNING}


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """Something a running read has to know, in order of arrival.

    Attributes:
        seq: Rows that had arrived before it.
        ident, key: Message id and request key of an end marker; account of a `ready` signal.
        text: Reason of a loss, garbage message, or value of a `ready` signal.
    """

    kind: Kind
    seq: int
    ident: str = ""
    key: str = ""
    text: str = ""
    notice: BrokerNotice | None = None


class Inbox:
    """Messages of one read, filled by the receiver."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._signals: SimpleQueue[Signal] = SimpleQueue()
        self._awaited: set[str] | None = None

    def put(self, kind: Kind, **details: object) -> None:
        """Queue a signal at the present place in the order of arrival."""
        self._signals.put(Signal(kind=kind, seq=len(self.texts), **details))  # type: ignore[arg-type]

    def take(self, timeout: float) -> Signal | None:
        """Return the next signal, or None after `timeout` seconds without one.

        Waits in slices, because on Windows a wait without end cannot be interrupted by Ctrl-C.
        """
        while True:
            part = min(timeout, 1.0)
            try:
                return self._signals.get(timeout=max(part, 0.0))
            except Empty:
                timeout -= part
                if timeout <= 0:
                    return None

    def await_commissions(self, exec_ids: set[str]) -> None:
        """From now on signal `commissions` when every one of these reports has arrived."""
        self._awaited = exec_ids

    def commission_arrived(self, text: str) -> None:
        """Note a commission report; called for each once they are awaited."""
        awaited = self._awaited
        if awaited:
            awaited.discard(fields_of(text)[2])
            if not awaited:
                self.put("commissions")

    @property
    def awaits_commissions(self) -> bool:
        """Whether commission reports are being waited for."""
        return self._awaited is not None


class Receiver:
    """Stands in for ib_async's decoder.

    Args:
        clock: Gives notices their instant.

    Attributes:
        serverVersion: Set by ib_async's client once it is negotiated.
        managed_accounts: Accounts the gateway said it manages.
        server_outage: Why the gateway has lost IBKR at present; None while it has not. Until
            it is back, it answers from what it remembers.
    """

    def __init__(self, clock: Clock) -> None:
        self.serverVersion = 0
        self._clock = clock
        self._inbox: Inbox | None = None
        self._notices: list[BrokerNotice] = []
        self._lock = threading.Lock()
        self.managed_accounts: tuple[str, ...] = ()
        self.server_outage: str | None = None

    def open(self) -> Inbox:
        """Start an inbox; messages that belong to no inbox are dropped."""
        self._inbox = Inbox()
        return self._inbox

    def close(self) -> None:
        """Stop filling the inbox."""
        self._inbox = None

    def take_notices(self) -> tuple[BrokerNotice, ...]:
        """Return what the gateway said since the last call."""
        with self._lock:
            taken, self._notices = tuple(self._notices), []
        return taken

    def peek_notices(self) -> tuple[BrokerNotice, ...]:
        """Return what the gateway said, leaving it to be taken."""
        with self._lock:
            return tuple(self._notices)

    def receive(self, text: str) -> None:
        """Take one message: the text between two length prefixes."""
        ident = text[: text.find("\0")]
        inbox = self._inbox
        if ident in ROWS:
            if inbox is None:
                return
            inbox.texts.append(text)
            if ident in _VALUES:
                self._account_value(inbox, ident, text)
            elif ident == "59" and inbox.awaits_commissions:
                inbox.commission_arrived(text)
        else:
            self._control(inbox, ident, text)

    def interpret(self, fields: list[str]) -> None:
        """Take one message as ib_async's client hands it on: cut into fields."""
        self.receive("\0".join(fields) + "\0")

    def lost(self, reason: str) -> None:
        """Tell a running read that its connection is gone."""
        if self._inbox is not None:
            self._inbox.put("lost", text=reason)

    def garbage(self, reason: str) -> None:
        """Tell a running read that a message could not be understood."""
        logger.warning("message_not_understood reason=%s", mask_accounts(reason))
        if self._inbox is not None:
            self._inbox.put("garbage", text=reason)

    def _control(self, inbox: Inbox | None, ident: str, text: str) -> None:
        if ident not in LAYOUTS:
            if not ident.isdigit():
                self.garbage(f"message began with {ident[:20]!r}; expected a message id")
            return
        try:
            fields = decode_control(text, self.serverVersion)
        except ValueError as error:
            self.garbage(str(error))
            return
        if ident == "4":
            self._notice(inbox, fields)
        elif ident == "15":
            self.managed_accounts = tuple(
                code.strip() for code in fields["accountsList"].split(",") if code.strip()
            )
        elif ident in END_KEYS and inbox is not None:
            key = END_KEYS[ident]
            inbox.put("end", ident=ident, key=fields[key] if key else "")

    def _notice(self, inbox: Inbox | None, fields: dict[str, str]) -> None:
        code, request = int(fields["errorCode"]), int(fields["reqId"])
        message = unescape_text(fields["errorString"])
        if fields.get("advancedOrderRejectJson"):
            message = f"{message} {unescape_text(fields['advancedOrderRejectJson'])}"
        notice = BrokerNotice(
            at=self._clock.now(),
            code=code,
            message=message,
            request=None if request == -1 else request,
            severity=severity_of(code),
        )
        if code in SERVER_LOST:
            self.server_outage = outage_reason(code, message)
        elif code in SERVER_BACK:
            self.server_outage = None
        with self._lock:
            self._notices.append(notice)
        # What concerns one request is told with its verdict, once for all that share the reason.
        is_told = notice.request is not None and inbox is not None
        logger.log(
            logging.INFO if is_told else _LEVELS[notice.severity],
            "gateway_notice code=%d request=%s text=%s",
            code,
            notice.request,
            mask_accounts(message),
        )
        if inbox is not None:
            inbox.put("notice", notice=notice)

    def _account_value(self, inbox: Inbox, ident: str, text: str) -> None:
        if "ccountready\0" not in text.lower():
            return
        fields = fields_of(text)
        named = dict(zip(LAYOUTS[ident].fields, fields[1:], strict=False))
        if named.get("key", "").removeprefix("$LEDGER-").lower() == "accountready":
            inbox.put("ready", key=named["accountName"], text=named["value"].lower())
