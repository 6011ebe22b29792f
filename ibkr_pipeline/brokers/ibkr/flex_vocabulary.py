"""Words of Flex statements: the values attributes are known to have, and attributes not read.

What lives here: sets of the vendor's words. What must not: what they mean to us. A word that is
missing here does no harm: it is kept, counted, and shown beside the section it stood in.
Source: ibkrguides.com, reporting reference of activity Flex queries; statements seen.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


SECURITY_TYPES = _words(
    """
    BILL BOND CASH CFD CMDTY CRYPTO FOP FSFOP FSOPT FUND FUT FXCFD IOPT OPT STK SWP WAR
    """
)
TRANSACTION_TYPES = _words(
    """
    BookTrade DvpTrade ExchTrade FracShare FracShareCancel TradeCancel TradeCorrect
    """
)
OPTION_TRANSACTIONS = frozenset(
    ("Assignment", "Exercise", "Expiration", "Cash Settlement", "Buy", "Sell")
)
PENDING_TRANSACTIONS = _words("Exercise Lapse")
SIDES = frozenset(("BUY", "SELL", "BUY (Ca.)", "SELL (Ca.)"))
OPEN_CLOSE = _words("- C C;O O")
RIGHTS = _words("C CALL P PUT")
CODES = _words(
    """
    A Adj ADR AEx AFx AI Al Aw B BE Bo C Ca CD Co CP CS Cx D DC DR Ep ETF Ex F FIFO FP FPA G
    HC HFI HFR I IA IM INV IPO L LD LF LI LIFO Lo LT M MEx ML MLG MLL MP MSG MSL O P PE PI
    Po Pr R Rb Re RED RI Ri RP RPA SI SL SO SS ST SY T Un VA
    """
)
CASH_TYPES = frozenset(
    (
        "871(m) Withholding", "Advisor Fees", "Bond Interest Paid", "Bond Interest Received",
        "Broker Fees", "Broker Interest Paid", "Broker Interest Received", "Carbon Credits",
        "Client Fees", "Commission Adjustments", "Deposits & Withdrawals",
        "Deposits/Withdrawals", "Dividends", "Donations", "Other Fees", "Other Income",
        "Payment In Lieu Of Dividends", "Price Adjustments", "Sales Tax", "Withholding Tax",
    )
)  # fmt: skip
CORPORATE_TYPES = _words(
    """
    AI BC BM CA CC CD CH CI CO CP CS CT DI DW ED FA FI FS GV HD HI IC OR PC PI PV RI RS SD
    SO SR TC TI TO
    """
)
TRANSFER_TYPES = _words("ACAT ACATS ATON DRS DWAC FOP INTERCOMPANY INTERNAL OTC")
DIRECTIONS = _words("IN OUT")
#: Known in every section and read in none, unless it has a column there.
LEFT_OUT = _words(
    """
    accruedInt acctAlias assetCategory clientReference commodityType cusip deliveryType
    description figi fineness isin issuer issuerCountryCode levelOfDetail listingExchange
    model principalAdjustFactor securityID securityIDType sedol serialNumber subCategory
    symbol underlyingCategory underlyingListingExchange underlyingSecurityID weight
    """
)
#: What says who a person is. It is never read; here it is only known.
PERSONAL = _words(
    """
    accountHolderName accountName accountRepName accountRepPhone acctName address birthDate
    brokerName city cityResidentialAddress country countryResidentialAddress dateOfBirth
    email emailAddress fax firstName lastName mailingAddress mailingCity mailingCountry
    mailingPostalCode mailingState mailingStreet mailingStreet2 masterName mobile name phone
    phoneNumber postalCode postalCodeResidentialAddress primaryEmail primaryName repName
    residentialAddress ssn state stateResidentialAddress street street1 street2
    street2ResidentialAddress streetName streetResidentialAddress taxID taxId zip zipCode
    """
)
TRADE_LEFT_OUT = _words(
    """
    brokerageOrderID brokerClearingCommission brokerExecutionCommission capitalGainsPnl
    changeInPrice changeInQuantity clearingFirmID exchOrderId extExecID fxPnl
    holdingPeriodDateTime initialInvestment netCashInBase openDateTime orderID origOrderID
    origTradeDate origTradePrice otherCommission relatedTradeID relatedTransactionID rtn
    thirdPartyClearingCommission thirdPartyExecutionCommission
    thirdPartyRegulatoryCommission tradeCharge traderID volatilityOrderLink whenRealized
    whenReopened
    """
)
CONFIRM_LEFT_OUT = TRADE_LEFT_OUT | _words(
    """
    allocatedTo amount blockID currencyPrimary netCash orderTime proceeds reportDate
    settleDate tax
    """
)
OPTION_LEFT_OUT = _words(
    """
    capitalGainsPnl fxPnl initialInvestment origTransactionID relatedTradeID
    relatedTransactionID rtn
    """
)
POSITION_LEFT_OUT = _words(
    """
    code fifoPnlUnrealizedInBase holdingPeriodDateTime openDateTime originatingOrderID
    originatingTransactionID positionValueInBase side unrealizedCapitalGainsPnl
    unrealizedlFxPnl vestingDate
    """
)
CASH_LEFT_OUT = _words("amountInBase availableForTradingDate")
CORPORATE_LEFT_OUT = _words("capitalGainsPnl fxPnl fxPnlRealized")
TRANSFER_LEFT_OUT = _words(
    """
    capitalGainsPnl company deliveringBroker fxPnl pnlAmount pnlAmountInBase
    positionAmountInBase positionInstructionID positionInstructionSetID settleDate
    """
)
FUNDS_LEFT_OUT = _words(
    """
    actionID credit debit exchange expiry fxRateToBase multiplier orderID putCall
    relatedTransactionID strike tradeCode tradeCommission tradeGross tradePrice
    tradeQuantity tradeTax underlyingConid underlyingSymbol
    """
)
SECURITY_LEFT_OUT = _words(
    """
    code deliveryMonth issueDate maturity relatedConid settlementPolicyMethod type
    underlyingSecurityID
    """
)
FX_LEFT_OUT = _words("code lotDescription lotOpenDateTime")
ACCOUNT_LEFT_OUT = _words(
    """
    dateClosed dateFunded lastTradedDate masterName primaryEmail registeredRepName
    registeredRepPhone
    """
)
NAV_LEFT_OUT = _words(
    """
    bondInterestAccrualsComponent broker brokerCashComponent brokerFeesAccrualsComponent
    brokerInterestAccrualsComponent cfdUnrealizedPl eventContractInterestAccruals
    fdicInsuredAccountInterestAccruals fdicInsuredAccountInterestAccrualsComponent
    fdicInsuredBankSweepAccount forexCfdUnrealizedPl incentiveCouponAccruals
    insuredBankDepositRedemptionCashComponent ipoSubscription litigation
    marginFinancingChargeAccruals notes physDel slbCashCollateral
    slbDirectSecuritiesBorrowed slbDirectSecuritiesLent softDollars totalLong totalShort
    """
)
#: Parts of NAV that are told long and short as well.
NAV_PARTS = _words(
    """
    bondInterestAccrualsComponent bonds brokerCashComponent brokerFeesAccrualsComponent
    brokerInterestAccrualsComponent cash cfdUnrealizedPl commodities crypto dividendAccruals
    fdicInsuredBankSweepAccountCashComponent forexCfdUnrealizedPl funds
    incentiveCouponAccruals insuredBankDepositRedemptionCashComponent interestAccruals
    litigation marginFinancingChargeAccruals notes options physDel slbCashCollateral
    ipoSubscription slbDirectSecurities slbDirectSecuritiesBorrowed slbDirectSecuritiesLent
    softDollars stock
    """
)
#: Amounts of a cash report or a change in NAV that are no flow of the statement's window in the
#: row's currency.
NO_FLOW_PREFIXES = ("slb", "avg", "starting", "ending")
NO_FLOW_SUFFIXES = ("Sec", "Com", "MTD", "YTD", "IBUKL", "Paxos", "CFD", "Crypto", "UKL")
NO_FLOWS = _words("accountId fromDate reportDate toDate")
