"""How a statement writes numbers, dates and contracts.

What lives here: pure formatting, following what real statements show. What must not: which rows a
section has.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from ibkr_pipeline.simulator.instruments import Instrument

#: Statements stamp their times, without saying so, in the time of New York.
ZONE = ZoneInfo("America/New_York")
_DIGITS = Decimal("0.000000001")
_DATES = {
    "yyyyMMdd": "%Y%m%d",
    "yyyy-MM-dd": "%Y-%m-%d",
    "dd-MMM-yy": "%d-%b-%y",
    "MM/dd/yyyy": "%m/%d/%Y",
    "MM/dd/yy": "%m/%d/%y",
    "dd/MM/yyyy": "%d/%m/%Y",
    "dd/MM/yy": "%d/%m/%y",
}
_TIMES = {"HHmmss": "%H%M%S", "HH:mm:ss": "%H:%M:%S"}
_ETF_LISTING = "ARCA"


@dataclass(frozen=True, slots=True, kw_only=True)
class DateStyle:
    """The date and time options of a query."""

    date_format: str = "yyyyMMdd"
    time_format: str = "HHmmss"
    separator: str = ";"

    def day(self, day: date) -> str:
        """Write a date."""
        return f"{day:{_DATES[self.date_format]}}"

    def moment(self, moment: datetime) -> str:
        """Write an instant as date and time of New York, to the second."""
        local = moment.astimezone(ZONE)
        return f"{self.day(local.date())}{self.separator}{local:{_TIMES[self.time_format]}}"


def number(value: Decimal | int | None) -> str:
    """Write a number in plain digits, at most nine decimals, no trailing zeros; None is empty."""
    if value is None:
        return ""
    plain = f"{Decimal(value).quantize(_DIGITS):f}"
    return plain.rstrip("0").rstrip(".") if Decimal(plain) else "0"


def symbol_of(instrument: Instrument) -> str:
    """Return the symbol a statement shows: the full local symbol of a derivative or a pair."""
    return instrument.symbol if instrument.sec_type in ("STK", "IND") else instrument.local_symbol


def describe(instrument: Instrument) -> str:
    """Return the description column: the company's name, or `SPY 18DEC26 600 C`."""
    if instrument.sec_type not in ("OPT", "FUT"):
        name = instrument.long_name.upper()
        return symbol_of(instrument) if instrument.sec_type == "CASH" else name
    expiry = f"{_expiry(instrument):%d%b%y}".upper()
    if instrument.sec_type == "FUT":
        return f"{instrument.symbol} {expiry}"
    root = instrument.trading_class or instrument.symbol
    return f"{root} {expiry} {number(instrument.strike)} {instrument.right}"


def contract_values(instrument: Instrument | None, style: DateStyle) -> dict[str, str]:
    """Return the columns that describe a contract; none for plain cash."""
    if instrument is None:
        return {}
    return {
        "assetCategory": instrument.sec_type,
        "subCategory": _sub_category(instrument),
        "symbol": symbol_of(instrument),
        "description": describe(instrument),
        "conid": str(instrument.con_id),
        "securityID": instrument.isin,
        "securityIDType": "ISIN" if instrument.isin else "",
        "isin": instrument.isin,
        "listingExchange": _listing(instrument),
        "underlyingConid": str(instrument.under_con_id or ""),
        "underlyingSymbol": instrument.symbol,
        "issuerCountryCode": instrument.isin[:2],
        "multiplier": str(instrument.multiplier),
        "strike": number(instrument.strike),
        "expiry": style.day(_expiry(instrument)) if instrument.expiry else "",
        "putCall": instrument.right,
    }


def _listing(instrument: Instrument) -> str:
    # An option is routed smart and listed somewhere; this market lists them all in one place.
    is_option = instrument.sec_type == "OPT" and not instrument.listing
    return "CBOE" if is_option else instrument.listing or instrument.exchange


def _expiry(instrument: Instrument) -> date:
    return datetime.strptime(instrument.expiry, "%Y%m%d").date()  # noqa: DTZ007  # a date only


def _sub_category(instrument: Instrument) -> str:
    if instrument.sec_type == "OPT":
        return instrument.right
    if instrument.sec_type == "STK":
        return "ETF" if instrument.listing == _ETF_LISTING else "COMMON"
    return ""
