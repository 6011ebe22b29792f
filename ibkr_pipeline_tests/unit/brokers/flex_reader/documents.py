"""Statements as the tests write them, and a sink that keeps what it is given."""

from __future__ import annotations

from dataclasses import dataclass, field
from io import BytesIO
from xml.sax.saxutils import quoteattr

import polars as pl

from ibkr_pipeline.brokers.ibkr.flex_reader import read_statement
from ibkr_pipeline.brokers.ibkr.flex_xml import FlexLimits
from ibkr_pipeline.brokers.statements import SectionResult, StatementDocument, StatementHeader

ACCOUNT = "DU0000001"
OTHER = "DU0000002"

Attributes = dict[str, str]

#: An execution with what a Trades section needs, in the vendor's spelling.
TRADE: Attributes = {
    "accountId": ACCOUNT,
    "currency": "USD",
    "assetCategory": "STK",
    "symbol": "SIMA",
    "conid": "1001",
    "tradeID": "71",
    "transactionID": "9001",
    "ibExecID": "0000aaaa.00000001.01.01",
    "dateTime": "20261118;100000",
    "tradeDate": "20261118",
    "transactionType": "ExchTrade",
    "quantity": "10",
    "tradePrice": "12.5",
    "notes": "",
    "levelOfDetail": "EXECUTION",
}
CASH: Attributes = {
    "accountId": ACCOUNT,
    "currency": "USD",
    "type": "Dividends",
    "amount": "12.34",
    "dateTime": "20261118;202000",
    "reportDate": "20261119",
    "transactionID": "8001",
    "levelOfDetail": "DETAIL",
}
POSITION: Attributes = {
    "accountId": ACCOUNT,
    "currency": "USD",
    "conid": "1001",
    "symbol": "SIMA",
    "reportDate": "20261118",
    "position": "10",
    "levelOfDetail": "SUMMARY",
}
FUNDS_LINE: Attributes = {
    "accountId": ACCOUNT,
    "currency": "USD",
    "reportDate": "20261118",
    "date": "20261118",
    "amount": "5",
    "balance": "5",
}


def element(tag: str, attributes: Attributes, *, inside: str = "") -> str:
    """Return one element."""
    told = "".join(f" {name}={quoteattr(value)}" for name, value in attributes.items())
    return f"<{tag}{told}>{inside}</{tag}>" if inside else f"<{tag}{told}/>"


def section(tag: str, row_tag: str, *rows: Attributes) -> str:
    """Return a section of rows."""
    return f"<{tag}>{''.join(element(row_tag, row) for row in rows)}</{tag}>"


def statement(*sections: str, account: str = ACCOUNT) -> str:
    """Return the statement of one account, of one day."""
    attributes = {
        "accountId": account,
        "fromDate": "20261118",
        "toDate": "20261118",
        "period": "LastBusinessDay",
        "whenGenerated": "20261119;020000",
    }
    return element("FlexStatement", attributes, inside="".join(sections) or " ")


def document(*statements: str, count: int | None = None, kind: str = "AF") -> bytes:
    """Return a whole file."""
    told = len(statements) if count is None else count
    return (
        f'<FlexQueryResponse queryName="nightly" type="{kind}">'
        f'<FlexStatements count="{told}">{"".join(statements)}</FlexStatements>'
        "</FlexQueryResponse>"
    ).encode()


@dataclass
class Kept:
    """A sink that keeps everything, and the document once it is read."""

    chunks: list[tuple[StatementHeader, str, pl.DataFrame]] = field(default_factory=list)
    document: StatementDocument | None = None

    def add(self, header: StatementHeader, section: str, frame: pl.DataFrame) -> None:
        """Keep a chunk."""
        self.chunks.append((header, section, frame))

    def rows(self, name: str, account: str = ACCOUNT) -> pl.DataFrame:
        """Return the rows of a section, in one frame; fails where there are none."""
        return pl.concat(
            frame
            for header, section, frame in self.chunks
            if section == name and header.account_id == account
        )

    def result(self, name: str, account: str = ACCOUNT) -> SectionResult:
        """Return the only result of an account and section."""
        (result,) = (
            result
            for result in self.read.sections
            if (result.account_id, result.section) == (account, name)
        )
        return result

    @property
    def read(self) -> StatementDocument:
        """The document that was read."""
        if self.document is None:
            raise LookupError("Nothing was read.")
        return self.document


def read(data: bytes, *, limits: FlexLimits | None = None) -> Kept:
    """Read a file."""
    kept = Kept()
    kept.document = read_statement(BytesIO(data), kept, limits=limits or FlexLimits())
    return kept


def read_trades(*rows: Attributes) -> Kept:
    """Read a file with one section of executions."""
    return read(document(statement(section("Trades", "Trade", *rows))))


def without(row: Attributes, *names: str) -> Attributes:
    """Return a row without some of its attributes."""
    return {name: value for name, value in row.items() if name not in names}
