"""A statement service in memory, for tests of the Dagster room."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import BinaryIO

from ibkr_pipeline.brokers.exceptions import StatementNotPublishedError
from ibkr_pipeline.brokers.statement_source import ServiceFinding, StatementDownload
from ibkr_pipeline.primitives.errors import BrokerError, Terminal
from ibkr_pipeline_tests.dagster_runs import FIRST
from ibkr_pipeline_tests.unit.brokers.flex_reader.documents import (
    CASH,
    TRADE,
    Attributes,
    document,
    element,
    section,
)

#: The window of the query, where a request names none.
QUERY_WINDOW = (date(2026, 11, 17), date(2026, 11, 17))


class RefusedError(BrokerError, Terminal):
    """The service refuses, and asking again mends nothing."""


Content = Callable[[date, date], Sequence[str]]


def one_trade_and_a_dividend(first: date, last: date) -> Sequence[str]:
    """Return sections with one booking each, of the last session of the window."""
    del first
    day = f"{last:%Y%m%d}"
    trade = {
        **TRADE,
        "dateTime": f"{day};100000",
        "tradeDate": day,
        "transactionID": f"9{day}",
        "tradeID": f"7{day}",
        "ibExecID": f"0000aaaa.{day}.01.01",
    }
    cash = {
        **CASH,
        "dateTime": f"{day};202000",
        "reportDate": day,
        "transactionID": f"8{day}",
    }
    return (
        section("Trades", "Trade", trade),
        section("CashTransactions", "CashTransaction", cash),
    )


def trades_without_an_id(first: date, last: date) -> Sequence[str]:
    """Return sections of which the trades lack a column, as a query without a tick makes them."""
    _, cash = one_trade_and_a_dividend(first, last)
    no_id: Attributes = {name: value for name, value in TRADE.items() if name != "conid"}
    return section("Trades", "Trade", no_id), cash


def statement_file(first: date, last: date, content: Content = one_trade_and_a_dividend) -> bytes:
    """Return the statement of one account over a window."""
    attributes = {
        "accountId": FIRST,
        "fromDate": f"{first:%Y%m%d}",
        "toDate": f"{last:%Y%m%d}",
        "period": "",
        "whenGenerated": f"{last:%Y%m%d};230000",
    }
    return document(element("FlexStatement", attributes, inside="".join(content(first, last))))


@dataclass
class FakeStatementService:
    """Serves the statement of any window of sessions that have been published.

    Attributes:
        at: When every statement is received.
        content: Window -> sections of its statement.
        published_until: Last session there is a statement of; None means every one is there.
        error: What every request ends with, in place of a statement.
        asked: Windows asked for, in order; None stands for the query's own.
    """

    at: datetime
    content: Content = one_trade_and_a_dividend
    published_until: date | None = None
    error: BrokerError | None = None
    asked: list[tuple[date, date] | None] = field(default_factory=list)

    def fetch(
        self, into: BinaryIO, from_date: date | None = None, to_date: date | None = None
    ) -> StatementDownload:
        """Write the statement of a window."""
        named = None if from_date is None or to_date is None else (from_date, to_date)
        self.asked.append(named)
        first, last = named or QUERY_WINDOW
        if self.error is not None:
            raise self.error
        if self.published_until is not None and last > self.published_until:
            raise StatementNotPublishedError(f"the statement of {last} is not published yet")
        data = statement_file(first, last, self.content)
        into.write(data)
        return StatementDownload(
            n_bytes=len(data), sha256=hashlib.sha256(data).hexdigest(), received_at=self.at
        )

    def check(self) -> tuple[ServiceFinding, ...]:
        """Find nothing."""
        return ()
