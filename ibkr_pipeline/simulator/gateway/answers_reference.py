"""Answers about contracts, bars, the time and everything this gateway does not serve."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from ibkr_pipeline.simulator.gateway.session import Session
from ibkr_pipeline.simulator.sessions import is_session, previous_session
from ibkr_pipeline.simulator.wire import reference_messages, session_messages
from ibkr_pipeline.simulator.wire.fields import FieldReader, RequestError
from ibkr_pipeline.simulator.wire.message import Message
from ibkr_pipeline.simulator.wire.requests import (
    HistoryQuery,
    parse_contract_details,
    parse_history,
)

_HISTORY_ERROR = "Historical Market Data Service error message:"
_DAYS_PER_UNIT = {"D": 1, "W": 7, "M": 31, "Y": 365}


def answer_current_time(session: Session, _reader: FieldReader) -> list[Message]:
    """Tell the gateway's time."""
    return [session_messages.current_time(session.now())]


def answer_managed_accounts(session: Session, _reader: FieldReader) -> list[Message]:
    """Tell the managed accounts again."""
    return [session_messages.managed_accounts(session.simulator.account_names())]


def answer_contract_details(session: Session, reader: FieldReader) -> list[Message]:
    """Describe every contract that matches; 200 when none does."""
    request_id, query = parse_contract_details(reader)
    found = session.simulator.book.market.catalogue.resolve(query)
    if not found:
        raise RequestError(200, "No security definition has been found for the request", request_id)
    hours = _hours(session.simulator.book.market.clock.today())
    return [
        *(reference_messages.contract_details(session.layout, request_id, i, hours) for i in found),
        reference_messages.contract_details_end(request_id),
    ]


def answer_history(session: Session, reader: FieldReader) -> list[Message]:
    """Tell daily bars; anything else is refused as by a gateway without that data."""
    query = parse_history(reader)
    market = session.simulator.book.market
    found = market.catalogue.resolve(query.contract)
    if len(found) != 1:
        raise RequestError(
            200, "No security definition has been found for the request", query.request_id
        )
    _refuse_history(query)
    last = _end_session(session, query)
    first = last - timedelta(days=_duration_days(query))
    sessions: list[date] = []
    day = last if is_session(last) else previous_session(last)
    limit = _bar_limit(query)
    while day > first and len(sessions) < limit:
        sessions.append(day)
        day = previous_session(day)
    bars = [market.tape.bar(found[0], s) for s in reversed(sessions)]
    if not bars:
        raise RequestError(
            162,
            f"{_HISTORY_ERROR}HMDS query returned no data: {found[0].local_symbol}@SMART "
            f"{query.what_to_show}",
            query.request_id,
        )
    span = (f"{bars[0].session:%Y%m%d}  00:00:00", f"{bars[-1].session:%Y%m%d}  23:59:59")
    return [reference_messages.historical_data(query.request_id, bars, span)]


def answer_nothing(_session: Session, _reader: FieldReader) -> list[Message]:
    """Accept a request that has no answer (cancellations, log level, data type)."""
    return []


def _refuse_history(query: HistoryQuery) -> None:
    if query.bar_size.replace(" ", "") != "1day":
        raise RequestError(
            162,
            f"{_HISTORY_ERROR}No historical market data for {query.bar_size} bars",
            query.request_id,
        )
    if query.keep_up_to_date:
        raise RequestError(
            321,
            "Error validating request.-'bY' : cause - Daily bars cannot be kept up to date",
            query.request_id,
        )
    if query.what_to_show not in ("TRADES", "MIDPOINT", "BID", "ASK", "ADJUSTED_LAST"):
        raise RequestError(
            162,
            f"{_HISTORY_ERROR}No historical market data for {query.what_to_show}",
            query.request_id,
        )
    if query.what_to_show == "ADJUSTED_LAST" and query.end:
        raise RequestError(
            10339,
            "Setting end date/time for continuous future security type or adjusted data "
            "is not allowed.",
            query.request_id,
        )


def _duration_days(query: HistoryQuery) -> int:
    match = re.fullmatch(r"(\d{1,5}) ([DWMY])", query.duration.strip())
    if match is None:
        raise RequestError(
            321,
            "Error validating request.-'bY' : cause - Historical data query duration "
            f"'{query.duration}' is invalid",
            query.request_id,
        )
    days = int(match[1]) * _DAYS_PER_UNIT[match[2]]
    # A day means a session, so the calendar span is wider.
    return days * 2 + 7 if match[2] == "D" else days


def _bar_limit(query: HistoryQuery) -> int:
    amount, unit = query.duration.split()
    return int(amount) if unit == "D" else 20_000


def _end_session(session: Session, query: HistoryQuery) -> date:
    today = session.simulator.book.market.clock.today()
    if not query.end:
        return today
    text = query.end.split()[0].split("-")[0]
    try:
        return min(today, datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC).date())
    except ValueError as error:
        raise RequestError(
            321,
            f"Error validating request.-'bY' : cause - Invalid end time '{query.end}'",
            query.request_id,
        ) from error


def _hours(today: date) -> tuple[str, str]:
    trading: list[str] = []
    liquid: list[str] = []
    for offset in range(6):
        day = today + timedelta(days=offset)
        if is_session(day):
            trading.append(f"{day:%Y%m%d}:0400-{day:%Y%m%d}:2000")
            liquid.append(f"{day:%Y%m%d}:0930-{day:%Y%m%d}:1600")
        else:
            trading.append(f"{day:%Y%m%d}:CLOSED")
            liquid.append(f"{day:%Y%m%d}:CLOSED")
    return ";".join(trading), ";".join(liquid)
