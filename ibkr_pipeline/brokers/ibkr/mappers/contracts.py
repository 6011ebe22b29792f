"""Contract fields, the same in every message that carries a contract.

Source: IBKR writes right `?` or `0`, and strike `0`, where there is none.
"""

from __future__ import annotations

import polars as pl

from ibkr_pipeline.brokers.ibkr.mappers.values import Texts

#: Wire fields every contract brings; `exchange` or `primaryExchange` comes beside them.
FIELDS = (
    "conId", "symbol", "secType", "lastTradeDateOrContractMonth", "strike", "right", "multiplier",
    "currency", "localSymbol", "tradingClass",
)  # fmt: skip
#: Security types that have a strike and a right.
OPTIONS = ("OPT", "FOP", "WAR", "IOPT", "EC")
_RIGHTS = {"C": "C", "CALL": "C", "P": "P", "PUT": "P"}
_NO_RIGHT = ("", "0", "?")


def contract_columns(texts: Texts) -> dict[str, pl.Series]:
    """Return the contract columns that are the same in every message."""
    frame = texts.frame
    is_option = frame["secType"].is_in(OPTIONS).fill_null(value=False)
    strike = texts.decimal("strike")
    con_id = texts.integer("conId", required=True)
    right = frame["right"].replace_strict(_RIGHTS, default=None, return_dtype=pl.String)
    is_none = frame["right"].is_in(_NO_RIGHT) | frame["right"].is_null()
    texts.require("right", right.is_not_null() | is_none, "expected C, P or none")
    return {
        "con_id": con_id,
        "symbol": texts.text("symbol"),
        "local_symbol": texts.text("localSymbol"),
        "security_type": texts.text("secType"),
        "trading_class": texts.text("tradingClass"),
        "currency": texts.text("currency"),
        "expiry": texts.date("lastTradeDateOrContractMonth"),
        "expiry_code": texts.text("lastTradeDateOrContractMonth"),
        "strike": strike.set(~is_option, None),
        "right": right,
        "multiplier": texts.decimal("multiplier"),
    }
