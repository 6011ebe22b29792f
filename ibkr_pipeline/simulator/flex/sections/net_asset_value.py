"""The sections EquitySummaryInBase and ChangeInNAV, all in base currency.

The cash counts the open result of futures, which statements settle daily; so the total is cash plus
the value of stocks and options.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

from ibkr_pipeline.simulator.bookings import BookingKind
from ibkr_pipeline.simulator.flex.close import Close
from ibkr_pipeline.simulator.flex.columns import CHANGE_IN_NAV, EQUITY_SUMMARY
from ibkr_pipeline.simulator.flex.sections.cash_report import base_lines
from ibkr_pipeline.simulator.flex.sections.transfers import transferred_value
from ibkr_pipeline.simulator.flex.texts import number
from ibkr_pipeline.simulator.flex.view import AccountView, Row, row
from ibkr_pipeline.simulator.posting import CENT, total
from ibkr_pipeline.simulator.records import ZERO
from ibkr_pipeline.simulator.valuation import AccountValue

_PARTS: tuple[str, ...] = ("cash", "stock", "options", "total")


def equity_rows(view: AccountView) -> Iterator[Row]:
    """Yield one row per session of the window; a window without one shows the close before it."""
    for close in view.closes or [view.before]:
        values = dict.fromkeys(EQUITY_SUMMARY[5:], "0")
        for part in _PARTS:
            whole, long, short = _part(close, part)
            values |= {
                part: number(whole),
                f"{part}Long": number(long),
                f"{part}Short": number(short),
            }
        values |= {
            "accountId": view.account,
            "currency": view.base_currency,
            "reportDate": view.style.day(close.session),
        }
        yield row("EquitySummaryByReportDateInBase", EQUITY_SUMMARY, values)


def change_rows(view: AccountView) -> Iterator[Row]:
    """Yield the one row that explains the change of the net asset value over the window.

    `mtm` is what no other line explains: the change of prices and of exchange rates on positions.
    """
    lines = base_lines(view)
    start = view.before.value.net_liquidation
    end = view.last_close.value.net_liquidation
    moved = total(
        (transferred_value(day, b) * day.rates[b.currency]).quantize(CENT)
        for day, b in view.bookings(BookingKind.TRANSFER)
    )
    explained = {
        "depositsWithdrawals": lines["deposits"] + lines["withdrawals"],
        "assetTransfers": moved,
        "dividends": lines["dividends"],
        "withholdingTax": lines["withholdingTax"],
        "interest": lines["brokerInterest"],
        "advisorFees": lines["advisorFees"],
        "otherFees": lines["otherFees"],
        "other": lines["other"],
        "paymentInLieu": lines["paymentInLieu"],
        "commissions": lines["commissions"],
        "fxTranslation": lines["fxTranslationGainLoss"],
    }
    values = dict.fromkeys(CHANGE_IN_NAV[7:], "0")
    values |= {name: number(amount) for name, amount in explained.items()}
    values |= {
        "accountId": view.account,
        "currency": view.base_currency,
        "fromDate": view.style.day(view.from_date),
        "toDate": view.style.day(view.to_date),
        "startingValue": number(start),
        "mtm": number(end - start - total(explained.values())),
        "endingValue": number(end),
        "twr": "",
    }
    yield row("ChangeInNAV", CHANGE_IN_NAV, values)


def _part(close: Close, part: str) -> tuple[Decimal, Decimal, Decimal]:
    """Return a part of the value: whole, long and short."""
    value = close.value
    sides = _cash_sides if part == "cash" else _position_sides(close, part)
    if part == "total":
        parts = [_part(close, p) for p in _PARTS if p != "total"]
        return value.net_liquidation, total(p[1] for p in parts), total(p[2] for p in parts)
    found = sides(value)
    return total(found), total(a for a in found if a > 0), total(a for a in found if a < 0)


def _cash_sides(value: AccountValue) -> list[Decimal]:
    """Return cash per currency in base; the sum is the wire's TotalCashValue to the cent."""
    by_currency = [(b.total_cash * b.rate).quantize(CENT) for b in value.currencies]
    # The gateway converts cash and futures apart; the cent between the two goes to the largest.
    rest = value.base.total_cash - total(by_currency)
    if rest and by_currency:
        by_currency[0] += rest
    return by_currency


def _position_sides(close: Close, part: str) -> Callable[[AccountValue], list[Decimal]]:
    kind = {"stock": "STK", "options": "OPT"}.get(part, "")

    def sides(value: AccountValue) -> list[Decimal]:
        return [
            (p.market_value * close.rates[p.instrument.currency]).quantize(CENT)
            for p in value.positions
            if p.instrument.sec_type == kind
        ] or [ZERO]

    return sides
