"""The sections of Flex statements: which attribute becomes which column.

What lives here: sections about the account and what it holds, and the list of all sections, from
which the reader, the documentation and the check of a query derive. What must not: how any of it
is read (`flex_reader.py`).

To read another attribute: add its column to `schemas/flex.py`, and its field to the section.
Source: statements of 2014 to 2026; ibkrguides.com for the names in the portal.
"""

from __future__ import annotations

from typing import Final

from ibkr_pipeline.brokers.ibkr import flex_vocabulary as words
from ibkr_pipeline.brokers.ibkr.flex_cash_sections import (
    CASH_REPORT,
    CASH_TRANSACTIONS,
    CONVERSION_RATES,
    CORPORATE_ACTIONS,
    STATEMENT_OF_FUNDS,
    TRANSFERS,
)
from ibkr_pipeline.brokers.ibkr.flex_fields import Section
from ibkr_pipeline.brokers.ibkr.flex_shared_fields import (
    CURRENCY,
    CUSIP,
    DERIVATIVE,
    FIGI,
    INSTRUMENT,
    ISIN,
    LEVEL,
    MODEL,
    NEEDED_CON_ID,
    NEEDED_REPORT_DATE,
    RATE,
    WINDOW,
    field,
    needed,
)
from ibkr_pipeline.brokers.ibkr.flex_trade_sections import (
    OPTION_EAE,
    PENDING_EXERCISES,
    TRADE_CONFIRMS,
    TRADES,
)
from ibkr_pipeline.schemas import flex

ACCOUNT_INFORMATION = Section(
    name="AccountInformation",
    box="Account Information",
    table=flex.ACCOUNT_INFORMATION,
    tags=("AccountInformation",),
    rows=("AccountInformation",),
    is_row=True,
    fields=(
        field("currency", "currency"),
        field("account_type", "accountType"),
        field("customer_type", "customerType"),
        field("account_capabilities", "accountCapabilities"),
        field("trading_permissions", "tradingPermissions"),
        field("date_opened", "dateOpened"),
        field("ib_entity", "ibEntity", box="IB Entity"),
        MODEL,
    ),
    left_out=words.ACCOUNT_LEFT_OUT,
)

NAV = Section(
    name="EquitySummaryInBase",
    box="Net Asset Value (NAV) in Base",
    table=flex.NAV,
    tags=("EquitySummaryInBase", "NetAssetValueInBase"),
    rows=("EquitySummaryByReportDateInBase", "NetAssetValueByReportDateInBase"),
    fields=(
        field("currency", "currency"),
        NEEDED_REPORT_DATE,
        needed("nav_total", "total"),
        field("nav_cash", "cash"),
        field("nav_stock", "stock"),
        field("nav_options", "options"),
        field("nav_bonds", "bonds"),
        field("nav_funds", "funds"),
        field("nav_commodities", "commodities"),
        field("nav_crypto", "crypto"),
        field("nav_dividend_accruals", "dividendAccruals"),
        field("nav_interest_accruals", "interestAccruals"),
    ),
    left_out=words.NAV_LEFT_OUT
    | {f"{part}{side}" for part in words.NAV_PARTS for side in ("Long", "Short")},
)

NAV_CHANGES = Section(
    name="ChangeInNAV",
    box="Change in NAV",
    table=flex.NAV_CHANGES,
    tags=("ChangeInNAV",),
    rows=("ChangeInNAV",),
    is_row=True,
    window=True,
    gathers=True,
    fields=(
        *WINDOW,
        field("currency", "currency"),
        field("starting_value", "startingValue"),
        field("mtm", "mtm", box="MTM"),
        field("realized", "realized"),
        field("change_in_unrealized", "changeInUnrealized"),
        field("deposits_withdrawals", "depositsWithdrawals", box="Deposits & Withdrawals"),
        field("asset_transfers", "assetTransfers"),
        field("dividends", "dividends"),
        field("withholding_tax", "withholdingTax"),
        field("interest", "interest"),
        field("commissions", "commissions"),
        field("other_fees", "otherFees"),
        field("other_flows", reading="flows"),
        needed("ending_value", "endingValue"),
        field("twr", "twr", box="TWR", reading="percent"),
    ),
)

OPEN_POSITIONS = Section(
    name="OpenPositions",
    box="Open Positions",
    table=flex.OPEN_POSITIONS,
    tags=("OpenPositions",),
    rows=("OpenPosition",),
    levels=frozenset({"SUMMARY"}),
    passed_over=frozenset({"LOT"}),
    level_box="Summary",
    once=("con_id", "report_date", "model_code"),
    fields=(
        LEVEL,
        NEEDED_REPORT_DATE,
        CURRENCY,
        RATE,
        NEEDED_CON_ID,
        *INSTRUMENT,
        ISIN,
        *DERIVATIVE,
        needed("signed_quantity", "position", "quantity", box="Quantity"),
        field("mark_price", "markPrice"),
        field("value", "positionValue"),
        field("open_price", "openPrice"),
        field("cost_basis_price", "costBasisPrice"),
        field("cost_basis", "costBasisMoney"),
        field("unrealized_pnl", "fifoPnlUnrealized", box="FIFO Unrealized P/L"),
        field("percent_of_nav", "percentOfNAV", box="Percent of NAV", reading="percent"),
        MODEL,
    ),
    left_out=words.POSITION_LEFT_OUT,
)

SECURITIES = Section(
    name="SecuritiesInfo",
    box="Financial Instrument Information",
    table=flex.SECURITIES,
    tags=("SecuritiesInfo",),
    rows=("SecurityInfo",),
    fields=(
        field("currency", "currency"),
        NEEDED_CON_ID,
        *INSTRUMENT,
        field("description", "description"),
        ISIN,
        FIGI,
        CUSIP,
        field("primary_exchange", "listingExchange"),
        *DERIVATIVE,
        field("issuer", "issuer"),
    ),
    left_out=words.SECURITY_LEFT_OUT,
)

FX_POSITIONS = Section(
    name="FxPositions",
    box="Forex Positions",
    table=flex.FX_POSITIONS,
    tags=("FxPositions",),
    rows=("FxPosition", "FxLot"),
    levels=frozenset({"SUMMARY"}),
    passed_over=frozenset({"LOT"}),
    second_choice=frozenset({"FxLot"}),
    level_box="Summary",
    once=("currency", "functional_currency", "report_date"),
    fields=(
        LEVEL,
        NEEDED_REPORT_DATE,
        field("functional_currency", "functionalCurrency"),
        needed("currency", "fxCurrency", box="FX Currency"),
        needed("signed_quantity", "quantity"),
        field("cost_basis_price", "costPrice"),
        field("cost_basis", "costBasis"),
        field("close_price", "closePrice"),
        field("value", "value"),
        field("unrealized_pnl", "unrealizedPL", box="Unrealized P/L"),
    ),
    left_out=words.FX_LEFT_OUT,
)

SECTIONS: Final = (
    ACCOUNT_INFORMATION,
    NAV,
    NAV_CHANGES,
    CASH_REPORT,
    OPEN_POSITIONS,
    TRADES,
    TRADE_CONFIRMS,
    OPTION_EAE,
    PENDING_EXERCISES,
    CASH_TRANSACTIONS,
    CORPORATE_ACTIONS,
    TRANSFERS,
    SECURITIES,
    FX_POSITIONS,
    CONVERSION_RATES,
    STATEMENT_OF_FUNDS,
)
#: Element of a section -> the section.
SECTION_OF_TAG: Final = {tag: section for section in SECTIONS for tag in section.tags}
