"""The section StmtFunds: every move of cash with the balance after it, per currency."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from itertools import groupby

from ibkr_pipeline.simulator.flex.columns import STATEMENT_OF_FUNDS
from ibkr_pipeline.simulator.flex.flows import Flow
from ibkr_pipeline.simulator.flex.texts import describe, number
from ibkr_pipeline.simulator.flex.trade_rows import TradeRow
from ibkr_pipeline.simulator.flex.view import AccountView, Row, row
from ibkr_pipeline.simulator.history import Day
from ibkr_pipeline.simulator.instruments import Instrument
from ibkr_pipeline.simulator.posting import total
from ibkr_pipeline.simulator.records import ZERO

_CODES: Mapping[str, str] = {
    "dividends": "DIV",
    "paymentInLieu": "PIL",
    "withholdingTax": "FRTAX",
    "deposits": "DEP",
    "withdrawals": "WITH",
    "brokerInterest": "CINT",
    "otherFees": "OFEE",
    "advisorFees": "ADVFEE",
    "cashSettlingMtm": "CMTM",
    "other": "ADJ",
    "commissions": "COMM",
}


def rows(view: AccountView) -> Iterator[Row]:
    """Yield the opening balance, every move and the closing balance of each currency.

    A trade and its commission in the same currency are one line.
    """
    days, start = view.flows, view.before.cash
    currencies = sorted({*start, *(f.currency for d in days for f in d.flows)})
    for currency in currencies:
        balance = start.get(currency, ZERO)
        yield _balance_row(view, currency, "Starting Balance", balance, view.from_date)
        for of_day in days:
            own = [f for f in of_day.flows if f.currency == currency]
            for _, moves in groupby(own, key=lambda f: id(f.trade or f)):
                line = list(moves)
                balance += total(f.amount for f in line)
                values = _values(view, of_day.day, line, balance)
                yield row("StatementOfFundsLine", STATEMENT_OF_FUNDS, values)
        yield _balance_row(view, currency, "Ending Balance", balance, view.to_date)


def _balance_row(view: AccountView, currency: str, text: str, balance: Decimal, day: date) -> Row:
    values = {
        "accountId": view.account,
        "currency": currency,
        "reportDate": view.style.day(day),
        "date": view.style.day(day),
        "activityDescription": text,
        "amount": "0",
        "balance": number(balance),
        "levelOfDetail": "Currency",
    }
    return row("StatementOfFundsLine", STATEMENT_OF_FUNDS, values)


def _values(view: AccountView, day: Day, line: Sequence[Flow], balance: Decimal) -> dict[str, str]:
    flow = line[-1]
    head = view.head(_instrument(flow), day.rates, flow.currency)
    trade = flow.trade
    amount = total(f.amount for f in line)
    charged = total(f.amount for f in line if f.line == "commissions")
    values = {k: v for k, v in head.items() if k in STATEMENT_OF_FUNDS}
    return {
        **values,
        "reportDate": view.style.day(day.session),
        "date": view.style.day(day.session),
        "activityCode": _code(flow),
        "activityDescription": _text(flow),
        "tradeID": _trade_id(flow),
        "orderID": str(trade.order_id) if trade is not None else "",
        "buySell": trade.side if trade is not None else "",
        "tradeQuantity": number(trade.quantity if trade is not None else ZERO),
        "tradePrice": number(trade.price if trade is not None else ZERO),
        "tradeGross": number(amount - charged if trade is not None else ZERO),
        "tradeCommission": number(charged),
        "tradeTax": "0",
        "debit": "" if amount > 0 else number(amount),
        "credit": number(amount) if amount > 0 else "",
        "amount": number(amount),
        "tradeCode": trade.notes if trade is not None else "",
        "balance": number(balance),
        "levelOfDetail": "Currency",
    }


def _instrument(flow: Flow) -> Instrument | None:
    if flow.trade is not None:
        return flow.trade.instrument
    return flow.booking.instrument if flow.booking is not None else None


def _code(flow: Flow) -> str:
    if flow.trade is None or flow.line == "commissions":
        return _CODES[flow.line]
    code = {"A": "ASSIGN", "Ex": "EXE"}.get(flow.trade.notes)
    if code is None and flow.trade.instrument.sec_type == "CASH":
        return "FOREX"
    return code or ("BUY" if flow.trade.side.startswith("BUY") else "SELL")


def _text(flow: Flow) -> str:
    if flow.booking is not None:
        return flow.booking.description or flow.booking.event
    if flow.trade is None:
        return "Cash Settling MTM"
    return f"{_verb(flow.trade)} {number(flow.trade.quantity)} {describe(flow.trade.instrument)}"


def _verb(trade: TradeRow) -> str:
    return trade.side.replace("BUY", "Buy").replace("SELL", "Sell")


def _trade_id(flow: Flow) -> str:
    if flow.trade is not None:
        return str(flow.trade.trade_id or "")
    return str(flow.booking.trade_id or "") if flow.booking is not None else ""
