"""The section CashReport: from the cash at the start to the cash at the end, line by line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from ibkr_pipeline.simulator.flex.columns import CASH_LINES, CASH_REPORT
from ibkr_pipeline.simulator.flex.texts import number
from ibkr_pipeline.simulator.flex.view import AccountView, Row, row
from ibkr_pipeline.simulator.posting import CENT, total
from ibkr_pipeline.simulator.records import ZERO

BASE_SUMMARY = "BASE_SUMMARY"


def rows(view: AccountView) -> Iterator[Row]:
    """Yield the summary in base currency, then one row per currency.

    In every row `startingCash` plus all lines is `endingCash`. `depositWithdrawals` repeats
    `deposits` plus `withdrawals` and is no line of its own. In the summary every move is converted
    at its day's rate; `fxTranslationGainLoss` is what the change of rates made of the balances.
    """
    start, end = view.before.cash, view.last_close.cash
    moved: dict[str, dict[str, Decimal]] = {}
    for of_day in view.flows:
        for flow in of_day.flows:
            lines = moved.setdefault(flow.currency, dict.fromkeys(CASH_LINES, ZERO))
            lines[flow.line] += flow.amount
    yield _row(view, BASE_SUMMARY, base_lines(view), base_ends(view))
    for currency in sorted({*start, *end, *moved}):
        lines = moved.get(currency, dict.fromkeys(CASH_LINES, ZERO))
        yield _row(view, currency, lines, (start.get(currency, ZERO), end.get(currency, ZERO)))


def base_lines(view: AccountView) -> dict[str, Decimal]:
    """Return each line in base currency, the effect of exchange rates included."""
    lines = dict.fromkeys(CASH_LINES, ZERO)
    for of_day in view.flows:
        for flow in of_day.flows:
            lines[flow.line] += flow.amount * of_day.day.rates[flow.currency]
    rounded = {line: amount.quantize(CENT) for line, amount in lines.items()}
    start, end = base_ends(view)
    rounded["fxTranslationGainLoss"] = end - start - total(rounded.values())
    return rounded


def base_ends(view: AccountView) -> tuple[Decimal, Decimal]:
    """Return the cash in base currency at both ends of the window."""
    return view.before.value.base.total_cash, view.last_close.value.base.total_cash


def _row(
    view: AccountView, currency: str, lines: Mapping[str, Decimal], ends: tuple[Decimal, Decimal]
) -> Row:
    is_base = currency == BASE_SUMMARY
    values = {
        "accountId": view.account,
        "currency": currency,
        "levelOfDetail": "BaseCurrency" if is_base else "Currency",
        "fromDate": view.style.day(view.from_date),
        "toDate": view.style.day(view.to_date),
        "startingCash": number(ends[0]),
        "depositWithdrawals": number(lines["deposits"] + lines["withdrawals"]),
        **{line: number(amount) for line, amount in lines.items()},
        "endingCash": number(ends[1]),
        "endingSettledCash": number(ends[1]),
    }
    return row("CashReportCurrency", CASH_REPORT, values)
