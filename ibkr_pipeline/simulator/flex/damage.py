"""Carries out scripted faults on an answer of the Flex service.

What lives here: answers put in the place of the right one, and the ways bytes leave. What must not:
which faults happen when (`gateway/faults.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime

from ibkr_pipeline.simulator.flex import envelopes
from ibkr_pipeline.simulator.flex.http import CSV, HttpAnswer, html_page
from ibkr_pipeline.simulator.gateway.faults import Fault

_DEFAULT_HUGE = 1 << 30
_PIECE = 1 << 20
_DEFAULT_SLOW = 100
_DOCTYPE = b'<!DOCTYPE statement [<!ENTITY a "aaaaaaaaaa">]>\n'


def replaced(answer: HttpAnswer, faults: Sequence[Fault], at: datetime) -> HttpAnswer:
    """Return the answer a client gets in place of the right one."""
    for fault in faults:
        answer = _replaced(answer, fault, at)
    return answer


async def send(writer: asyncio.StreamWriter, answer: HttpAnswer, faults: Sequence[Fault]) -> None:
    """Send an answer, disturbed in transport as the faults demand."""
    by_name = {fault.name: fault for fault in faults}
    for fault in faults:
        if fault.name == "flex_delay":
            await asyncio.sleep(fault.seconds)
    if "flex_drop" in by_name:
        return
    if "flex_mute" in by_name:
        await asyncio.Event().wait()
    if (huge := by_name.get("flex_huge")) is not None:
        await _send_huge(writer, answer, huge.size or _DEFAULT_HUGE)
    elif (slow := by_name.get("flex_slow")) is not None:
        await _send_slowly(writer, answer, slow)
    elif (cut := by_name.get("flex_truncate")) is not None:
        size = cut.size or len(answer.body) // 2
        writer.write(answer.head() + answer.body[:size])
        await writer.drain()
    else:
        writer.write(answer.head() + answer.body)
        await writer.drain()


def _replaced(answer: HttpAnswer, fault: Fault, at: datetime) -> HttpAnswer:
    plain: Mapping[str, HttpAnswer] = {
        "flex_csv": CSV,
        "flex_json": HttpAnswer(body=b'{"error": "unexpected"}\n', content_type="application/json"),
        "flex_empty": HttpAnswer(body=b""),
        "flex_html": html_page(fault.status or 503),
        "flex_redirect": HttpAnswer(body=b"", status=302, headers={"Location": fault.text}),
        "flex_error": HttpAnswer(body=envelopes.failure(fault.code, at, fault.text).encode()),
        "flex_doctype": HttpAnswer(body=_DOCTYPE + answer.body),
        "flex_cut": HttpAnswer(body=answer.body[: fault.size or len(answer.body) // 2]),
    }
    return plain.get(fault.name, answer)


async def _send_huge(writer: asyncio.StreamWriter, answer: HttpAnswer, size: int) -> None:
    writer.write(answer.head(len(answer.body) + size) + answer.body)
    blanks = b" " * _PIECE
    while size > 0:
        writer.write(blanks[:size])
        await writer.drain()
        size -= _PIECE


async def _send_slowly(writer: asyncio.StreamWriter, answer: HttpAnswer, fault: Fault) -> None:
    writer.write(answer.head())
    size = fault.size or _DEFAULT_SLOW
    for start in range(0, len(answer.body), size):
        writer.write(answer.body[start : start + size])
        await writer.drain()
        await asyncio.sleep(fault.seconds)
