"""One dataset being read: its inbox, its session, and what is handed on when it ends.

What lives here: `Reading`, open while the transport asks. What must not: which requests a dataset
needs (`transport.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Self
from zoneinfo import ZoneInfo

from ibkr_pipeline.brokers.ibkr.account_codes import role_of
from ibkr_pipeline.brokers.ibkr.config import IBKRConnectionConfig
from ibkr_pipeline.brokers.ibkr.pacing import Pacing
from ibkr_pipeline.brokers.ibkr.transport.payloads import Heard, hear
from ibkr_pipeline.brokers.ibkr.transport.reads import (
    RawRead,
    Verdicts,
    extra_details,
    judge_empty,
    judge_messages,
    keep_asked,
    keep_within,
    spans_of,
)
from ibkr_pipeline.brokers.ibkr.transport.session import Answer, Session
from ibkr_pipeline.brokers.ibkr.transport.wiring import Connection, Wiring
from ibkr_pipeline.models.requests import BrokerNotice, Payload, RequestProof
from ibkr_pipeline.ports.clock import Clock
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.primitives.identifiers import new_request_id


@dataclass(slots=True, kw_only=True)
class Reading:
    """A read in progress; a context manager that always closes its inbox.

    Attributes:
        details: What the proof shall say beside the rest.
        prices: Answers of the advisory price downloads of a positions read.
    """

    dataset: Dataset
    accounts: tuple[str, ...]
    config: IBKRConnectionConfig
    connection: Connection
    clock: Clock
    pacing: Pacing
    deadline: float
    on_taint: Callable[[], None]
    on_progress: Callable[[str], None] | None = None
    monotonic: Callable[[], float] = time.monotonic
    details: dict[str, str] = field(default_factory=dict)
    prices: list[Answer] = field(default_factory=list)
    session: Session = field(init=False)
    _wiring: Wiring = field(init=False)
    _started_at: datetime = field(init=False)
    _heard: Heard | None = None
    _n_heard: int = 0

    def __enter__(self) -> Self:
        """Open the inbox."""
        self._started_at = self.clock.now()
        self._wiring = Wiring(self.connection, self.connection.open_inbox())
        self.session = Session(
            wiring=self._wiring,
            pacing=self.pacing,
            deadline=self.deadline,
            on_progress=self.on_progress,
            monotonic=self.monotonic,
            outage=self.connection.server_outage,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the inbox; a read that broke off leaves answers on their way."""
        self.connection.close_inbox()
        if error is not None:
            self.on_taint()

    def heard(self) -> Heard:
        """Return what has arrived so far, cut; the work is done once for the same messages."""
        texts = self._wiring.inbox.texts
        if self._heard is None or self._n_heard != len(texts):
            self._n_heard = len(texts)
            self._heard = hear(self.dataset, texts[: self._n_heard], self.connection.server_version)
        return self._heard

    def await_commissions(self, exec_ids: set[str], *, seconds: float) -> None:
        """Wait until these commission reports came, or `seconds` passed."""
        inbox = self._wiring.inbox
        seen = len(inbox.texts)
        inbox.await_commissions(exec_ids)
        # Reports that arrived between the look at the messages and the call above.
        for text in inbox.texts[: seen + len(exec_ids)]:
            if text.startswith("59\0"):
                exec_ids.discard(text.split("\0", 3)[2])
        if exec_ids:
            self.session.wait_for_commissions(seconds=seconds)
        if exec_ids:
            self.details["commissions_pending"] = str(len(exec_ids))

    def finish(
        self, answers: list[Answer], *, since: datetime | None = None, by_span: bool = False
    ) -> RawRead:
        """Cut the messages, judge every account, and put the proof together.

        Args:
            answers: How the asks that decide about completeness ended.
            since: Start of the window that was asked for.
            by_span: Keep of each account only what came during its own download.
        """
        self.connection.close_inbox()
        ended_at = self.clock.now()
        heard = self.heard()
        verdicts = Verdicts(accounts=self.accounts)
        verdicts.answered(answers)
        decode_errors = judge_messages(verdicts, heard, [*answers, *self.prices])
        payload = self._payload(verdicts, heard, answers, by_span=by_span)
        if by_span:
            judge_empty(verdicts, payload["accountValue"])
        if not all(answer.is_complete for answer in (*answers, *self.prices)):
            self.on_taint()
        self.details.update(extra_details(heard, self.dataset))
        proof = self._proof(answers, decode_errors, since=since, ended_at=ended_at)
        is_lost = any(answer.lost for answer in answers)
        return RawRead(proof=proof, outcomes=verdicts.outcomes(), payload=payload, is_lost=is_lost)

    def _payload(
        self, verdicts: Verdicts, heard: Heard, answers: list[Answer], *, by_span: bool
    ) -> Payload:
        spans = spans_of(answers)
        payload = keep_asked(verdicts, heard, self.connection.managed_accounts, spans)
        if by_span:
            return {name: keep_within(frame, spans) for name, frame in payload.items()}
        return payload

    def _proof(
        self,
        answers: list[Answer],
        decode_errors: tuple[str, ...],
        *,
        since: datetime | None,
        ended_at: datetime,
    ) -> RequestProof:
        is_window = self.dataset is Dataset.EXECUTIONS
        return RequestProof(
            request_id=new_request_id(self._started_at, self.dataset.value),
            broker="ibkr",
            environment=self.config.mode,
            dataset=self.dataset,
            started_at=self._started_at,
            ended_at=ended_at,
            window_start=self._window_start(since) if is_window else None,
            window_end=ended_at if is_window else None,
            end_marker_seen=all(answer.is_complete for answer in answers),
            server_version=self.connection.server_version,
            connection_epoch=self.connection.epoch,
            managed_accounts=self.connection.managed_accounts,
            notices=self._notices(),
            decode_errors=decode_errors,
            details=self._details(),
        )

    def _window_start(self, since: datetime | None) -> datetime:
        """An earlier `since` does not make a gateway remember what was before its midnight."""
        midnight = self._midnight()
        return midnight if since is None else max(since.astimezone(UTC), midnight)

    def _midnight(self) -> datetime:
        """Start of the gateway's day, which is where its memory of executions begins.

        The day is read off the gateway's own clock at the handshake; ours stands in for a clock
        that cannot be read.
        """
        zone = ZoneInfo(self.config.timezone)
        told = self.connection.gateway_time[:8]
        try:
            day = datetime.strptime(told, "%Y%m%d").replace(tzinfo=zone)
        except ValueError:
            day = self._started_at.astimezone(zone)
        return day.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)

    def _notices(self) -> tuple[BrokerNotice, ...]:
        return self.connection.take_notices()

    def _details(self) -> dict[str, str]:
        special = {
            role: ",".join(a for a in self.connection.managed_accounts if role_of(a) == role)
            for role in ("advisor", "group")
        }
        return {
            "gateway": self.config.address,
            "client_id": str(self.config.client_id),
            "gateway_time": self.connection.gateway_time,
            "timezone": self.config.timezone,
            **{f"timezone_alias:{k}": v for k, v in self.config.timezone_aliases.items()},
            **{f"{role}_accounts": codes for role, codes in special.items() if codes},
            **self.details,
        }
