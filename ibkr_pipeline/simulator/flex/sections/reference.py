"""The sections AccountInformation, SecuritiesInfo, ConversionRates and FxPositions."""

from __future__ import annotations

from collections.abc import Iterator

from ibkr_pipeline.simulator.flex.columns import (
    ACCOUNT_INFORMATION,
    CONVERSION_RATE,
    FX_POSITION,
    SECURITY_INFO,
)
from ibkr_pipeline.simulator.flex.texts import contract_values, number
from ibkr_pipeline.simulator.flex.view import AccountView, Row, row
from ibkr_pipeline.simulator.instruments import Instrument
from ibkr_pipeline.simulator.posting import CENT


def account_rows(view: AccountView) -> Iterator[Row]:
    """Yield the account with invented personal data, which a reader has to drop."""
    values = {
        "accountId": view.account,
        "currency": view.base_currency,
        "name": "Simulated Person",
        "accountType": view.before.state.account_type.title(),
        "customerType": "Individual",
        "accountCapabilities": "Margin",
        "tradingPermissions": "Stocks,Options,Futures,Forex",
        "dateOpened": view.style.day(view.before.session.replace(year=2020, month=1, day=2)),
        "dateFunded": view.style.day(view.before.session.replace(year=2020, month=1, day=3)),
        "ibEntity": "IBLLC-US",
        "primaryEmail": "person@example.com",
        "street": "1 Example Street",
        "city": "Springfield",
        "country": "United States",
    }
    yield row("AccountInformation", ACCOUNT_INFORMATION, values)


def security_rows(view: AccountView) -> Iterator[Row]:
    """Yield every instrument the account held or moved in the window, by contract id."""
    for instrument in sorted(_concerned(view).values(), key=lambda i: i.con_id):
        values = {
            **contract_values(instrument, view.style),
            "currency": instrument.currency,
            "settlementPolicyMethod": _settlement(view, instrument),
            "type": "COMMON" if instrument.sec_type == "STK" else "",
        }
        yield row("SecurityInfo", SECURITY_INFO, values)


def rate_rows(view: AccountView) -> Iterator[Row]:
    """Yield the rate of every currency to the base, per session of the window."""
    for close in view.closes or [view.before]:
        for currency, rate in sorted(close.rates.items()):
            if currency != view.base_currency:
                values = {
                    "reportDate": view.style.day(close.session),
                    "fromCurrency": currency,
                    "toCurrency": view.base_currency,
                    "rate": number(rate),
                }
                yield row("ConversionRate", CONVERSION_RATE, values)


def currency_rows(view: AccountView) -> Iterator[Row]:
    """Yield the cash held in other currencies than the base, valued at the closing rate.

    The book keeps no cost of currencies: cost is the value and the open result 0.
    """
    close = view.last_close
    for currency, quantity in sorted(close.cash.items()):
        if currency == view.base_currency or not quantity:
            continue
        rate = close.rates[currency]
        value = (quantity * rate).quantize(CENT)
        values = {
            "accountId": view.account,
            "assetCategory": "CASH",
            "reportDate": view.style.day(close.session),
            "functionalCurrency": view.base_currency,
            "fxCurrency": currency,
            "quantity": number(quantity),
            "costPrice": number(rate),
            "costBasis": number(-value),
            "closePrice": number(rate),
            "value": number(value),
            "unrealizedPL": "0",
            "levelOfDetail": "SUMMARY",
        }
        yield row("FxPosition", FX_POSITION, values)


def _concerned(view: AccountView) -> dict[int, Instrument]:
    found = {h.instrument.con_id: h.instrument for h in view.before.state.holdings.values()}
    for _, account_day in view.account_days():
        for fill in account_day.fills:
            found[fill.instrument.con_id] = fill.instrument
        for booking in account_day.bookings:
            if booking.instrument is not None:
                found[booking.instrument.con_id] = booking.instrument
    return found


def _settlement(view: AccountView, instrument: Instrument) -> str:
    if instrument.sec_type != "OPT" or not instrument.under_con_id:
        return ""
    is_index = view.market.catalogue.get(instrument.under_con_id).sec_type == "IND"
    return "Cash" if is_index else "Delivery"
