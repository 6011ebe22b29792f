"""The section TradeConfirms of a trade confirmation query: executions under other names."""

from __future__ import annotations

from collections.abc import Iterator

from ibkr_pipeline.simulator.flex.columns import TRADE_CONFIRM
from ibkr_pipeline.simulator.flex.sections.trades import execution_values
from ibkr_pipeline.simulator.flex.view import AccountView, Row, row

_RENAMED = {
    "orderID": "ibOrderID",
    "execID": "ibExecID",
    "price": "tradePrice",
    "amount": "tradeMoney",
    "commission": "ibCommission",
    "commissionCurrency": "ibCommissionCurrency",
    "tax": "taxes",
    "settleDate": "settleDateTarget",
}


def rows(view: AccountView) -> Iterator[Row]:
    """Yield every execution of the window, today's included; `code` joins open-close and notes."""
    for day, trade in view.trades:
        values = execution_values(view, day, trade)
        confirm = {name: values[name] for name in TRADE_CONFIRM if name in values}
        confirm |= {name: values[source] for name, source in _RENAMED.items()}
        confirm["code"] = ";".join(c for c in (trade.open_close, trade.notes) if c)
        yield row("TradeConfirm", TRADE_CONFIRM, confirm)
