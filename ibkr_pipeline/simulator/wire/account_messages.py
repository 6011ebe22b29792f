"""Messages about accounts: values, portfolio, summary and positions (6, 7, 8, 54, 61-64, 71-74)."""

from __future__ import annotations

from datetime import datetime

from ibkr_pipeline.simulator.account_rows import ValueRow
from ibkr_pipeline.simulator.valuation import PositionValue
from ibkr_pipeline.simulator.wire.contract_fields import portfolio_contract, position_contract
from ibkr_pipeline.simulator.wire.message import Layout, Message, joined, message
from ibkr_pipeline.simulator.wire.text import double, money, number


def account_value(row: ValueRow) -> Message:
    """Message 6: one value of the account window."""
    return message(6, "2", row.key, row.value, row.currency, row.account, account=row.account)


def portfolio_value(position: PositionValue) -> Message:
    """Message 7: one position with its market value."""
    fields = (
        "8",
        *portfolio_contract(position.instrument),
        number(position.quantity),
        double(position.mark),
        money(position.market_value),
        double(position.average_cost),
        money(position.unrealized),
        money(position.realized),
        position.account,
    )
    return joined(7, fields, account=position.account, key=str(position.instrument.con_id))


def account_time(layout: Layout, at: datetime, account: str) -> Message:
    """Message 8: local time of the last update, hours and minutes."""
    return message(8, "1", f"{at.astimezone(layout.times.zone):%H:%M}", account=account)


def account_download_end(account: str) -> Message:
    """Message 54: the account window is complete."""
    return message(54, "1", account, account=account)


def position(value: PositionValue) -> Message:
    """Message 61: one position of any account."""
    fields = (
        "3",
        value.account,
        *position_contract(value.instrument),
        number(value.quantity),
        double(value.average_cost),
    )
    return joined(61, fields, account=value.account, key=str(value.instrument.con_id))


def position_end() -> Message:
    """Message 62: every position was sent."""
    return message(62, "1")


def position_multi(request_id: int, value: PositionValue, model: str) -> Message:
    """Message 71: one position of the requested account."""
    fields = (
        "3",
        str(request_id),
        value.account,
        *position_contract(value.instrument),
        number(value.quantity),
        double(value.average_cost),
        model,
    )
    return joined(71, fields, account=value.account, key=str(value.instrument.con_id))


def position_multi_end(request_id: int, account: str) -> Message:
    """Message 72: every position of the request was sent."""
    return message(72, "1", str(request_id), account=account)


def summary_value(request_id: int, row: ValueRow) -> Message:
    """Message 63: one requested tag of one account."""
    fields = ("1", str(request_id), row.account, row.key, row.value, row.currency)
    return joined(63, fields, account=row.account)


def summary_end(request_id: int) -> Message:
    """Message 64: every tag of every account was sent."""
    return message(64, "1", str(request_id))


def value_multi(request_id: int, row: ValueRow, model: str) -> Message:
    """Message 73: one value of the requested account and model."""
    fields = ("1", str(request_id), row.account, model, row.key, row.value, row.currency)
    return joined(73, fields, account=row.account)


def value_multi_end(request_id: int, account: str) -> Message:
    """Message 74: every value of the request was sent."""
    return message(74, "1", str(request_id), account=account)
