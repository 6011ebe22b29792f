"""Which function answers which request."""

from __future__ import annotations

from collections.abc import Callable

from ibkr_pipeline.simulator.gateway import answers_account as account
from ibkr_pipeline.simulator.gateway import answers_reference as reference
from ibkr_pipeline.simulator.gateway import answers_trading as trading
from ibkr_pipeline.simulator.gateway.session import Session
from ibkr_pipeline.simulator.wire.fields import FieldReader, RequestError
from ibkr_pipeline.simulator.wire.message import Message

Answer = Callable[[Session, FieldReader], list[Message]]

ANSWERS: dict[int, Answer] = {
    2: reference.answer_nothing,
    3: trading.answer_place_order,
    4: trading.answer_cancel_order,
    5: trading.answer_open_orders,
    6: account.answer_account_updates,
    7: trading.answer_executions,
    8: trading.answer_ids,
    9: reference.answer_contract_details,
    11: reference.answer_nothing,
    13: reference.answer_nothing,
    14: reference.answer_nothing,
    15: trading.answer_auto_open_orders,
    16: trading.answer_all_open_orders,
    17: reference.answer_managed_accounts,
    20: reference.answer_history,
    23: reference.answer_nothing,
    25: reference.answer_nothing,
    49: reference.answer_current_time,
    51: reference.answer_nothing,
    53: reference.answer_nothing,
    58: trading.answer_global_cancel,
    59: reference.answer_nothing,
    61: account.answer_positions,
    62: account.answer_summary,
    63: account.answer_cancel_summary,
    64: account.answer_cancel_positions,
    74: account.answer_positions_multi,
    75: reference.answer_nothing,
    76: account.answer_account_updates_multi,
    77: reference.answer_nothing,
    93: reference.answer_nothing,
    95: reference.answer_nothing,
    99: trading.answer_completed_orders,
}

# What this gateway does not serve: where the request id stands, and the gateway's refusal.
_REFUSALS: dict[int, tuple[int, int, str]] = {
    1: (2, 354, "Requested market data is not subscribed."),
    10: (2, 354, "Requested market data is not subscribed."),
    12: (-1, 10276, "News feed is not allowed."),
    18: (
        -1,
        321,
        "Error validating request.-'b4' : cause - FA data operations ignored for non FA customers.",
    ),
    19: (
        -1,
        321,
        "Error validating request.-'b4' : cause - FA data operations ignored for non FA customers.",
    ),
    21: (2, 322, "Error processing request. Exercise is not supported."),
    22: (1, 162, "Historical Market Data Service error message:Scanner is not configured"),
    50: (2, 420, "Invalid Real-time Query:No market data permissions"),
    52: (2, 10358, "Fundamentals data is not allowed."),
    84: (1, 10276, "News feed is not allowed."),
    85: (-1, 10276, "News feed is not allowed."),
    86: (1, 10276, "News feed is not allowed."),
    87: (1, 162, "Historical Market Data Service error message:No head time stamp"),
    96: (1, 162, "Historical Market Data Service error message:No historical ticks"),
    97: (1, 10189, "Failed to request tick-by-tick data:No market data permissions"),
    100: (1, 10276, "News feed is not allowed."),
    102: (1, 10276, "News feed is not allowed."),
}


def answer(session: Session, message_id: int, fields: list[str]) -> list[Message]:
    """Return the messages that answer a request.

    Raises:
        RequestError: If the request cannot be read, is refused, or is not served here.
    """
    handler = ANSWERS.get(message_id)
    if handler is not None:
        return handler(session, FieldReader(fields[1:]))
    if message_id not in _REFUSALS:
        number = fields[0] if fields else ""
        raise RequestError(320, f"Error reading request. Unknown message id '{number}'")
    position, code, text = _REFUSALS[message_id]
    raw = fields[position] if 0 < position < len(fields) else "-1"
    raise RequestError(code, text, int(raw) if raw.lstrip("-").isdecimal() else -1)
