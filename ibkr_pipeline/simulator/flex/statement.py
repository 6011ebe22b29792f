"""Writes a statement: one `FlexStatement` per account, each section in the query's order.

What lives here: the frame of the file and its bytes. What must not: the rows of a section
(`sections/`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime

from ibkr_pipeline.simulator.book import Book
from ibkr_pipeline.simulator.flex.close import Close
from ibkr_pipeline.simulator.flex.options import FlexQuery
from ibkr_pipeline.simulator.flex.sections import (
    cash_report,
    cash_transactions,
    confirms,
    corporate_actions,
    funds,
    net_asset_value,
    option_events,
    positions,
    reference,
    trades,
    transfers,
)
from ibkr_pipeline.simulator.flex.texts import DateStyle
from ibkr_pipeline.simulator.flex.view import AccountView, Row
from ibkr_pipeline.simulator.flex.window import Window, opening_session
from ibkr_pipeline.simulator.history import Day
from ibkr_pipeline.simulator.rollover import current_day

SECTIONS: Mapping[str, Callable[[AccountView], Iterator[Row]]] = {
    "AccountInformation": reference.account_rows,
    "EquitySummaryInBase": net_asset_value.equity_rows,
    "ChangeInNAV": net_asset_value.change_rows,
    "CashReport": cash_report.rows,
    "StmtFunds": funds.rows,
    "OpenPositions": positions.rows,
    "FxPositions": reference.currency_rows,
    "Trades": trades.rows,
    "TradeConfirms": confirms.rows,
    "OptionEAE": option_events.rows,
    "PendingExercises": option_events.pending_rows,
    "CorporateActions": corporate_actions.rows,
    "CashTransactions": cash_transactions.rows,
    "Transfers": transfers.rows,
    "SecuritiesInfo": reference.security_rows,
    "ConversionRates": reference.rate_rows,
}
#: Sections whose row stands alone, without a tag around it.
_BARE = ("AccountInformation", "ChangeInNAV")


def write_statement(book: Book, query: FlexQuery, window: Window, generated: datetime) -> bytes:
    """Return the bytes of the statement a query gives for a window.

    The same book, query, window and instant give the same bytes.
    """
    text = "".join(_document(book, query, window, generated))
    mark = b"\xef\xbb\xbf" if query.byte_order_mark else b""
    return mark + text.encode("utf-8")


def write_csv(book: Book, query: FlexQuery, window: Window) -> bytes:
    """Return the same rows as comma-separated text: each section with a header line of its own."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    for view in account_views(book, query, window):
        for name in query.sections:
            omitted = query.omit.get(name, frozenset())
            for place, (_, values) in enumerate(SECTIONS[name](view)):
                kept = {k: v for k, v in values.items() if k not in omitted}
                if place == 0:
                    writer.writerow(kept)
                writer.writerow(kept.values())
    return text.getvalue().encode("utf-8")


def account_views(book: Book, query: FlexQuery, window: Window) -> list[AccountView]:
    """Return the view of every account the query selects."""
    style = DateStyle(
        date_format=query.date_format, time_format=query.time_format, separator=query.separator
    )
    ended = book.history.days
    # Confirmations come during the session, activity only after it.
    known = [*ended, current_day(book)] if query.kind == "TCF" else ended
    past = [d for d in known if d.session <= window.to_date]
    inside = [d for d in past if d.session >= window.from_date]
    earlier = [d for d in past if d.session < window.from_date]
    return [
        AccountView(
            account=account,
            query=query,
            style=style,
            market=book.market,
            from_date=window.from_date,
            to_date=window.to_date,
            before=_close_before(book, account, earlier),
            days=inside,
            past=past,
        )
        for account in query.accounts or tuple(book.accounts)
    ]


def _close_before(book: Book, account: str, earlier: list[Day]) -> Close:
    if earlier:
        day = earlier[-1]
        return Close(
            session=day.session,
            state=day.accounts[account].end,
            marks=day.marks,
            rates=day.rates,
        )
    days = book.history.days
    ledger = book.accounts[account]
    session = opening_session(book)
    marks = book.market.closes(session)
    return Close(
        session=session,
        state=days[0].accounts[account].start if days else ledger.start_state(),
        marks=marks,
        rates=book.market.rates_at(marks),
    )


def _document(book: Book, query: FlexQuery, window: Window, generated: datetime) -> Iterator[str]:
    views = account_views(book, query, window)
    if query.declaration:
        yield '<?xml version="1.0" encoding="UTF-8"?>\n'
    named = {"queryName": query.name, "type": query.kind}
    yield f"<FlexQueryResponse{_attributes(named)}>\n"
    yield f'<FlexStatements count="{len(views)}">\n'
    for view in views:
        yield from _statement(view, window, generated)
    yield "</FlexStatements>\n</FlexQueryResponse>\n"


def _statement(view: AccountView, window: Window, generated: datetime) -> Iterator[str]:
    frame = {
        "accountId": view.account,
        "fromDate": view.style.day(window.from_date),
        "toDate": view.style.day(window.to_date),
        "period": window.period,
        "whenGenerated": view.style.moment(generated),
    }
    yield f"<FlexStatement{_attributes(frame)}>\n"
    for name in view.query.sections:
        yield from _section(name, SECTIONS[name](view), view.query.omit.get(name, frozenset()))
    yield "</FlexStatement>\n"


def _section(name: str, rows: Iterable[Row], omitted: frozenset[str]) -> Iterator[str]:
    """Write one section; its tag is absent only when the section is not selected."""
    lines: list[str] = []
    for tag, values in rows:
        kept = {k: v for k, v in values.items() if k not in omitted} if omitted else values
        lines.append(f"<{tag}{_attributes(kept)} />\n")
    if name in _BARE:
        yield from lines
    elif lines:
        yield from (f"<{name}>\n", *lines, f"</{name}>\n")
    else:
        yield f"<{name} />\n"


def _attributes(values: Mapping[str, str]) -> str:
    return "".join(f' {name}="{_escape(value)}"' for name, value in values.items())


def _escape(value: str) -> str:
    if "&" not in value and "<" not in value and ">" not in value and '"' not in value:
        return value
    escaped = value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return escaped.replace('"', "&quot;")
