"""Answers to reqExecutions: encoded once, arranged per request, disturbed on demand.

What lives here: the cache of encoded fills and the order in which executions and commissions are
sent, faults included. What must not: which fills match a filter (`answers_trading.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ibkr_pipeline.simulator.book import Book
from ibkr_pipeline.simulator.gateway.faults import Fault
from ibkr_pipeline.simulator.records import Fill
from ibkr_pipeline.simulator.wire.message import Layout, Message
from ibkr_pipeline.simulator.wire.trade_messages import commission, execution_end, execution_tail


@dataclass(frozen=True, slots=True)
class EncodedFill:
    """A fill with its messages: execDetails without the request id, and commissionReport."""

    fill: Fill
    tail: bytes
    commission: Message


class ExecutionCache:
    """Encoded fills per layout; fills are only ever added, so the cache only grows."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._encoded: dict[Layout, list[EncodedFill]] = {}

    def encoded(self, layout: Layout) -> list[EncodedFill]:
        """Return every fill of the book, encoded for a layout, in order of report."""
        known = self._encoded.setdefault(layout, [])
        known += [
            EncodedFill(f, execution_tail(layout, f), commission(f))
            for f in self._book.fills[len(known) :]
        ]
        return known


def arrange(
    request_id: int,
    found: Sequence[EncodedFill],
    faults: Sequence[Fault] = (),
    *,
    commissions_last: bool = False,
) -> list[Message]:
    """Return the messages that answer a request for executions, its end marker included.

    Args:
        request_id: The request answered.
        found: The fills that match.
        faults: Faults of this answer.
        commissions_last: Send all commissions behind the last execution.
    """
    head = f"11\0{request_id}\0".encode("ascii")
    pairs = [
        (Message(11, head + e.tail, e.fill.account, e.fill.exec_id), e.commission) for e in found
    ]
    end = execution_end(request_id)
    if commissions_last:
        return [*(execution for execution, _ in pairs), *(charge for _, charge in pairs), end]
    if not faults:
        return [*(message for pair in pairs for message in pair), end]
    return _disturb(pairs, faults, end)


def correct_before_read(book: Book, fills: Sequence[Fill], faults: Iterable[Fault]) -> None:
    """Make the corrections the faults of an answer demand, before its fills are read."""
    for fault in faults:
        if fault.name == "correction" and 0 < fault.position <= len(fills):
            fill = fills[fault.position - 1]
            price = fault.price or fill.price + fill.instrument.min_tick
            book.correct(fill.exec_id, price)


def _disturb(
    pairs: Sequence[tuple[Message, Message]], faults: Sequence[Fault], end: Message
) -> list[Message]:
    messages: list[Message] = []
    late: list[Message] = []
    for index, (execution, charge) in enumerate(pairs, start=1):
        names = {f.name for f in faults if f.position in (0, index)}
        if "early_commission" in names:
            messages.append(charge)
        messages.append(execution)
        if "duplicate_execution" in names:
            messages.append(execution)
        if "late_commission" in names:
            late.append(charge)
        elif not names & {"early_commission", "missing_commission"}:
            messages.append(charge)
    return [*messages, end, *late]
