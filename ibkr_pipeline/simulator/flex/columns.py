"""The columns of each kind of row, in the order real statements write them.

What lives here: names and order alone. Sources: real statements (Trade and its siblings,
OpenPosition, CorporateAction, CashTransaction, StatementOfFundsLine, OptionEAE); for the sections
no public statement shows with rows (cash report, net asset value, transfers, rates, currencies,
pending exercises), the main columns of the broker's reference, in an order of our own.
"""

from __future__ import annotations

from collections.abc import Mapping

Columns = tuple[str, ...]

_HEAD = ("accountId", "acctAlias", "model", "currency", "fxRateToBase")
_SECURITY = (
    "assetCategory",
    "subCategory",
    "symbol",
    "description",
    "conid",
    "securityID",
    "securityIDType",
    "cusip",
    "isin",
    "figi",
    "listingExchange",
    "underlyingConid",
    "underlyingSymbol",
    "underlyingSecurityID",
    "underlyingListingExchange",
    "issuer",
    "issuerCountryCode",
)
_TERMS = ("multiplier", "strike", "expiry", "putCall", "principalAdjustFactor")
_METAL = ("serialNumber", "deliveryType", "commodityType", "fineness", "weight")

TRADE: Columns = (
    *_HEAD,
    *_SECURITY,
    *("tradeID", "multiplier", "relatedTradeID", "strike", "reportDate", "expiry", "dateTime"),
    *("putCall", "tradeDate", "principalAdjustFactor", "settleDateTarget", "transactionType"),
    *("exchange", "quantity", "tradePrice", "tradeMoney", "proceeds", "taxes", "ibCommission"),
    *("ibCommissionCurrency", "netCash", "closePrice", "openCloseIndicator", "notes", "cost"),
    *("fifoPnlRealized", "mtmPnl", "origTradePrice", "origTradeDate", "origTradeID"),
    *("origOrderID", "origTransactionID", "buySell", "clearingFirmID", "ibOrderID"),
    *("transactionID", "ibExecID", "relatedTransactionID", "rtn", "brokerageOrderID"),
    *("orderReference", "volatilityOrderLink", "exchOrderId", "extExecID", "orderTime"),
    *("openDateTime", "holdingPeriodDateTime", "whenRealized", "whenReopened", "levelOfDetail"),
    *("changeInPrice", "changeInQuantity", "orderType", "traderID", "isAPIOrder", "accruedInt"),
    *("initialInvestment", "positionActionID"),
    *_METAL,
)
OPEN_POSITION: Columns = (
    *_HEAD,
    *_SECURITY,
    *_TERMS,
    *("reportDate", "position", "markPrice", "positionValue", "openPrice", "costBasisPrice"),
    *("costBasisMoney", "percentOfNAV", "fifoPnlUnrealized", "side", "levelOfDetail"),
    *("openDateTime", "holdingPeriodDateTime", "vestingDate", "code", "originatingOrderID"),
    *("originatingTransactionID", "accruedInt"),
    *_METAL,
)
CORPORATE_ACTION: Columns = (
    *_HEAD,
    *_SECURITY,
    *_TERMS,
    *("reportDate", "dateTime", "actionDescription", "amount", "proceeds", "value", "quantity"),
    *("costBasis", "fifoPnlRealized", "mtmPnl", "code", "type", "transactionID", "actionID"),
    "levelOfDetail",
    *_METAL,
)
CASH_TRANSACTION: Columns = (
    *_HEAD,
    *_SECURITY,
    *_TERMS,
    *("dateTime", "settleDate", "availableForTradingDate", "amount", "type", "tradeID", "code"),
    *("transactionID", "reportDate", "exDate", "clientReference", "actionID", "levelOfDetail"),
    *_METAL,
)
OPTION_EAE: Columns = (
    *_HEAD,
    *_SECURITY,
    *_TERMS,
    *("date", "transactionType", "quantity", "tradePrice", "markPrice", "proceeds"),
    *("commisionsAndTax", "costBasis", "realizedPnl", "capitalGainsPnl", "fxPnl", "mtmPnl"),
    *("tradeID", "relatedTradeID", "origTransactionID", "relatedTransactionID", "rtn"),
    "initialInvestment",
    *_METAL,
)
STATEMENT_OF_FUNDS: Columns = (
    *_HEAD,
    *(c for c in _SECURITY if c not in ("subCategory", "figi", "issuerCountryCode")),
    *_TERMS,
    *("reportDate", "date", "settleDate", "activityCode", "activityDescription", "tradeID"),
    *("orderID", "buySell", "tradeQuantity", "tradePrice", "tradeGross", "tradeCommission"),
    *("tradeTax", "debit", "credit", "amount", "tradeCode", "balance", "levelOfDetail"),
)
TRADE_CONFIRM: Columns = (
    *("accountId", "acctAlias", "model", "currency", "assetCategory", "subCategory", "symbol"),
    *("description", "conid", "isin", "listingExchange", "underlyingConid", "underlyingSymbol"),
    *("multiplier", "strike", "expiry", "putCall", "transactionType", "tradeID", "orderID"),
    *("execID", "brokerageOrderID", "orderReference", "orderTime", "dateTime", "reportDate"),
    *("settleDate", "tradeDate", "exchange", "buySell", "quantity", "price", "amount"),
    *("proceeds", "netCash", "commission", "commissionCurrency", "tax", "code", "orderType"),
    *("levelOfDetail", "isAPIOrder"),
)
TRANSFER: Columns = (
    *_HEAD,
    *_SECURITY,
    *_TERMS,
    *("reportDate", "date", "dateTime", "settleDate", "type", "direction", "company", "account"),
    *("accountName", "deliveringBroker", "quantity", "transferPrice", "positionAmount"),
    *("positionAmountInBase", "pnlAmount", "pnlAmountInBase", "cashTransfer", "code"),
    *("clientReference", "transactionID", "levelOfDetail"),
    *_METAL,
)
PENDING_EXERCISE: Columns = (
    *_HEAD,
    *_SECURITY,
    *_TERMS,
    *("date", "type", "quantity", "exerciseType", "levelOfDetail"),
)
SECURITY_INFO: Columns = (
    *("assetCategory", "subCategory", "symbol", "description", "conid", "securityID"),
    *("securityIDType", "cusip", "isin", "figi", "listingExchange", "underlyingConid"),
    *("underlyingSymbol", "underlyingSecurityID", "underlyingListingExchange", "issuer"),
    *("issuerCountryCode", "multiplier", "strike", "expiry", "putCall"),
    *("principalAdjustFactor", "maturity", "issueDate", "underlyingCategory", "type", "code"),
    *("currency", "settlementPolicyMethod"),
    *_METAL,
)
CONVERSION_RATE: Columns = ("reportDate", "fromCurrency", "toCurrency", "rate")
FX_POSITION: Columns = (
    *("accountId", "acctAlias", "model", "assetCategory", "reportDate", "functionalCurrency"),
    *("fxCurrency", "quantity", "costPrice", "costBasis", "closePrice", "value"),
    *("unrealizedPL", "code", "lotDescription", "lotOpenDateTime", "levelOfDetail"),
)
ACCOUNT_INFORMATION: Columns = (
    *("accountId", "acctAlias", "model", "currency", "name", "accountType", "customerType"),
    *("accountCapabilities", "tradingPermissions", "dateOpened", "dateFunded", "dateClosed"),
    *("lastTradedDate", "masterName", "ibEntity", "primaryEmail", "street", "city", "country"),
)
#: Lines of the cash report that add up, with the start, to the end.
CASH_LINES: Columns = (
    *("clientFees", "commissions", "deposits", "withdrawals", "accountTransfers"),
    *("internalTransfers", "dividends", "insuredDepositInterest", "brokerInterest"),
    *("bondInterest", "cashSettlingMtm", "realizedVm", "cfdCharges", "netTradesSales"),
    *("netTradesPurchases", "advisorFees", "feesReceivables", "paymentInLieu"),
    *("transactionTax", "taxReceipts", "withholdingTax", "withholding871m", "salesTax"),
    *("otherFees", "other", "fxTranslationGainLoss"),
)
CASH_REPORT: Columns = (
    *("accountId", "acctAlias", "model", "currency", "levelOfDetail", "fromDate", "toDate"),
    *("startingCash", "depositWithdrawals"),
    *CASH_LINES,
    *("endingCash", "endingSettledCash"),
)
_EQUITY_KINDS = (
    *("cash", "brokerCashComponent", "slbCashCollateral", "stock", "ipoSubscription"),
    *("slbDirectSecuritiesBorrowed", "slbDirectSecuritiesLent", "options", "bonds"),
    *("commodities", "notes", "funds", "dividendAccruals", "interestAccruals", "softDollars"),
    *("forexCfdUnrealizedPl", "cfdUnrealizedPl", "crypto", "total"),
)
EQUITY_SUMMARY: Columns = (
    *("accountId", "acctAlias", "model", "currency", "reportDate"),
    *(kind + side for kind in _EQUITY_KINDS for side in ("", "Long", "Short")),
)
CHANGE_IN_NAV: Columns = (
    *("accountId", "acctAlias", "model", "currency", "fromDate", "toDate", "startingValue"),
    *("mtm", "realized", "changeInUnrealized", "costAdjustments", "transferredPnlAdjustments"),
    *("depositsWithdrawals", "internalCashTransfers", "assetTransfers", "dividends"),
    *("withholdingTax", "changeInDividendAccruals", "interest", "changeInInterestAccruals"),
    *("advisorFees", "clientFees", "otherFees", "other", "paymentInLieu", "commissions"),
    *("forexCommissions", "transactionTax", "salesTax", "fxTranslation", "endingValue", "twr"),
)

#: Columns that say "0" or a default rather than nothing, as real statements do.
FILLED: Mapping[str, str] = {"fineness": "0.0", "weight": "0.0"}
