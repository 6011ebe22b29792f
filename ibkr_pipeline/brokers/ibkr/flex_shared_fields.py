"""Fields that several sections of a statement have, and how a field is written down.

What lives here: `field`, `needed`, and the fields that are the same everywhere. What must not: a
section (`flex_sections.py` and its neighbours).
"""

from __future__ import annotations

from typing import Final

from ibkr_pipeline.brokers.ibkr import flex_vocabulary as words
from ibkr_pipeline.brokers.ibkr.flex_fields import Field, Reading, spell_out
from ibkr_pipeline.schemas.columns import COLUMNS

_READING_OF_KIND: Final[dict[str, Reading]] = {
    "text": "text", "code": "code", "instant": "instant", "date": "date", "money": "money",
    "price": "money", "quantity": "money", "rate": "rate", "integer": "integer", "flag": "flag",
}  # fmt: skip


def field(
    column: str,
    *attributes: str,
    box: str = "",
    reading: Reading | None = None,
    selected: bool = False,
    known: frozenset[str] = frozenset(),
    several: bool = False,
) -> Field:
    """Return a field; its reading follows from the column, its box from the attribute."""
    return Field(
        column=column,
        attributes=attributes,
        reading=reading or _READING_OF_KIND[COLUMNS[column].kind],
        box=box or (spell_out(attributes[0]) if attributes else ""),
        selected=selected,
        known=known,
        several=several,
    )


def needed(column: str, *attributes: str, box: str = "", reading: Reading | None = None) -> Field:
    """Return a field whose attribute a query has to select."""
    return field(column, *attributes, box=box, reading=reading, selected=True)


LEVEL = field("level_of_detail", "levelOfDetail", box="Level of Detail")
CURRENCY = needed("currency", "currency", "currencyPrimary")
RATE = field("rate_to_base", "fxRateToBase", box="FX Rate To Base")
MODEL = field("model_code", "model", reading="model")
INSTRUMENT = (
    field("symbol", "symbol"),
    field("security_type", "assetCategory", box="Asset Class", known=words.SECURITY_TYPES),
    field("sub_category", "subCategory"),
)
CON_ID = field("con_id", "conid")
NEEDED_CON_ID = needed("con_id", "conid")
ISIN = field("isin", "isin", box="ISIN")
FIGI = field("figi", "figi", box="FIGI")
CUSIP = field("cusip", "cusip", box="CUSIP")
DERIVATIVE = (
    field("multiplier", "multiplier"),
    field("strike", "strike"),
    field("expiry", "expiry"),
    field("right", "putCall", box="Put/Call", reading="right", known=words.RIGHTS),
    field("underlying_con_id", "underlyingConid"),
    field("underlying_symbol", "underlyingSymbol"),
)
TRADE_ID = field("trade_id", "tradeID", box="Trade ID", reading="id")
TRANSACTION_ID = field("transaction_id", "transactionID", box="Transaction ID", reading="id")
ACTION_ID = field("action_id", "actionID", box="Action ID", reading="id")
CODE = field("code", "code", reading="text", known=words.CODES, several=True)
REPORT_DATE = field("report_date", "reportDate")
NEEDED_REPORT_DATE = needed("report_date", "reportDate")
WINDOW = (field("from_date", "fromDate"), field("to_date", "toDate"))
PNL = (
    field("realized_pnl", "fifoPnlRealized", "realizedPnl", box="Realized P/L"),
    field("mtm_pnl", "mtmPnl", box="MTM P/L"),
)
