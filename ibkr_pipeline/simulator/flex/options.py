"""How the simulated Flex service behaves: tokens, queries and the options a query has.

What lives here: immutable options. What must not: reading them (`options_reader.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

DEFAULT_TOKEN = "SIMULATED-FLEX-TOKEN"  # noqa: S105  # opens nothing but this simulator
DEFAULT_QUERY = "1"

#: State of a token -> the error code it is answered with; 0 is good.
TOKEN_STATES: Mapping[str, int] = {"valid": 0, "inactive": 1011, "expired": 1012, "ip": 1013}
DATE_FORMATS = (
    "yyyyMMdd",
    "yyyy-MM-dd",
    "dd-MMM-yy",
    "MM/dd/yyyy",
    "MM/dd/yy",
    "dd/MM/yyyy",
    "dd/MM/yy",
)
TIME_FORMATS = ("HHmmss", "HH:mm:ss")
PERIODS = ("LastBusinessDay", "LastWeek", "LastMonth", "Last365CalendarDays", "Today")
ACTIVITY_SECTIONS = (
    "AccountInformation",
    "EquitySummaryInBase",
    "ChangeInNAV",
    "CashReport",
    "StmtFunds",
    "OpenPositions",
    "FxPositions",
    "Trades",
    "OptionEAE",
    "PendingExercises",
    "CorporateActions",
    "CashTransactions",
    "Transfers",
    "SecuritiesInfo",
    "ConversionRates",
)
CONFIRM_SECTIONS = ("TradeConfirms",)
DEFAULT_LEVELS: Mapping[str, tuple[str, ...]] = {
    "Trades": ("EXECUTION",),
    "TradeConfirms": ("EXECUTION",),
    "OpenPositions": ("SUMMARY", "LOT"),
    "CorporateActions": ("SUMMARY", "DETAIL"),
    "CashTransactions": ("SUMMARY", "DETAIL"),
}
LEVELS: Mapping[str, tuple[str, ...]] = {
    **DEFAULT_LEVELS,
    "Trades": ("ASSET_SUMMARY", "SYMBOL_SUMMARY", "ORDER", "EXECUTION", "CLOSED_LOT"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FlexQuery:
    """One query as its owner configured it.

    Attributes:
        query_id: Its id.
        name: Its name, as statements repeat it.
        kind: `AF` (activity) or `TCF` (trade confirmations).
        period: Window without an override, one of `PERIODS`.
        output: `xml` or `csv`.
        accounts: Accounts selected; empty is all.
        sections: Sections selected, in the order they are written.
        levels: Rows selected by level of detail, by section.
        omit: Columns not ticked, by section.
        date_format: One of `DATE_FORMATS`.
        time_format: One of `TIME_FORMATS`.
        separator: What stands between date and time.
        declaration: Whether the file begins with an XML declaration.
        byte_order_mark: Whether it begins with a UTF-8 byte-order mark.
    """

    query_id: str = DEFAULT_QUERY
    name: str = "Simulated Activity"
    kind: str = "AF"
    period: str = "LastBusinessDay"
    output: str = "xml"
    accounts: tuple[str, ...] = ()
    sections: tuple[str, ...] = ACTIVITY_SECTIONS
    levels: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: dict(DEFAULT_LEVELS))
    omit: Mapping[str, frozenset[str]] = field(default_factory=dict)
    date_format: str = "yyyyMMdd"
    time_format: str = "HHmmss"
    separator: str = ";"
    declaration: bool = False
    byte_order_mark: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FlexOptions:
    """Switches of the Flex service.

    Attributes:
        tokens: State of each token, a key of `TOKEN_STATES`.
        queries: Queries by id.
        generation_polls: How many GetStatement calls are answered 1019 before the statement.
        rate_limit: Whether more than one request per second or ten per minute and token is 1018.
        url_element: Name of the address element of the envelope: `Url`, `url`, or empty for none.
    """

    tokens: Mapping[str, str] = field(default_factory=lambda: {DEFAULT_TOKEN: "valid"})
    queries: Mapping[str, FlexQuery] = field(default_factory=lambda: {DEFAULT_QUERY: FlexQuery()})
    generation_polls: int = 1
    rate_limit: bool = False
    url_element: str = "Url"
