"""What every client is asked to do, in the same words for all of them.

What lives here: the contracts, orders and account the programs use. What must not: what the answers
should be; those come from the book.
"""

from __future__ import annotations

from typing import Any

ACCOUNT = "DU0000001"
CLIENT_ID = 77

#: Tags of an account summary that every client is asked to report.
SUMMARY_TAGS = ("AccountType", "BuyingPower", "NetLiquidation", "TotalCashValue")
#: Keys of the `$LEDGER:ALL` blocks that are compared.
LEDGER_TAGS = ("CashBalance", "StockMarketValue", "RealizedPnL", "ExchangeRate")

_APPLE = {"symbol": "AAPL", "sec_type": "STK", "exchange": "SMART", "currency": "USD"}

#: Handed to each program as JSON.
PLAN: dict[str, Any] = {
    "account": ACCOUNT,
    "client_id": CLIENT_ID,
    "patience": 10,
    "summary_tags": [*SUMMARY_TAGS, *LEDGER_TAGS],
    "summary_request": ",".join((*SUMMARY_TAGS, "$LEDGER:ALL")),
    "contracts": {
        # The first name has letters beyond ASCII, which gateways escape.
        "contract_details_stock": {
            "symbol": "MC",
            "sec_type": "STK",
            "exchange": "SMART",
            "currency": "EUR",
        },
        "contract_details_option": {
            "symbol": "SPY",
            "sec_type": "OPT",
            "exchange": "SMART",
            "currency": "USD",
            "expiry": "20261218",
            "strike": 600,
            "right": "C",
            "multiplier": "100",
        },
        "contract_details_future": {
            "symbol": "ES",
            "sec_type": "FUT",
            "exchange": "CME",
            "currency": "USD",
            "expiry": "202612",
        },
    },
    "bars": _APPLE,
    "unknown": {"symbol": "NOSUCH", "sec_type": "STK", "exchange": "SMART", "currency": "USD"},
    "market_order": {"contract": _APPLE, "quantity": 5, "order_ref": "interop-market"},
    # So far below the market that it rests until it is cancelled.
    "limit_order": {
        "contract": _APPLE,
        "quantity": 3,
        "limit": 1.5,
        "order_ref": "interop-limit",
    },
}
