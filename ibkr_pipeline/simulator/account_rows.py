"""The rows of the account window and of the account summary, key by key as the gateway names them.

What lives here: which keys exist, in which currency, and the `$LEDGER` blocks. What must not: the
arithmetic behind them (`valuation.py`) and frames.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from ibkr_pipeline.simulator.posting import CENT
from ibkr_pipeline.simulator.records import ZERO
from ibkr_pipeline.simulator.valuation import AccountValue, CurrencyLedger

# Keys of the per-currency block, in the order the gateway sends them.
LEDGER_KEYS = (
    "Currency",
    "CashBalance",
    "TotalCashBalance",
    "AccruedCash",
    "StockMarketValue",
    "OptionMarketValue",
    "FutureOptionValue",
    "FuturesPNL",
    "NetLiquidationByCurrency",
    "UnrealizedPnL",
    "RealizedPnL",
    "ExchangeRate",
    "FundValue",
    "NetDividend",
    "MutualFundValue",
    "MoneyMarketFundValue",
    "CorporateBondValue",
    "TBondValue",
    "TBillValue",
    "WarrantValue",
    "FxCashBalance",
    "AccountOrGroup",
    "RealCurrency",
    "IssuerOptionValue",
    "Cryptocurrency",
)


@dataclass(frozen=True, slots=True)
class ValueRow:
    """One value of one account as text, the way the wire carries it."""

    account: str
    key: str
    value: str
    currency: str


def account_window_rows(
    value: AccountValue, *, ledger_prefix: bool = False, ready: bool = True
) -> list[ValueRow]:
    """Return every row of the account window.

    Args:
        value: The valued account.
        ledger_prefix: Put `$LEDGER-` before the keys of the per-currency blocks, as builds from
            10.47 on do by default.
        ready: Value of AccountReady; False while the gateway's server is being reset.
    """
    fixed = [
        ("AccountCode", value.account, ""),
        ("AccountReady", "true" if ready else "false", ""),
        ("AccountType", value.account_type, ""),
        ("DayTradesRemaining", "-1", ""),
        ("DayTradesRemainingT+1", "-1", ""),
        ("DayTradesRemainingT+2", "-1", ""),
        ("DayTradesRemainingT+3", "-1", ""),
        ("DayTradesRemainingT+4", "-1", ""),
        ("SegmentTitle-S", "US Securities", ""),
        ("WhatIfPMEnabled", "true", ""),
        ("Leverage-S", _ratio(value.gross_position_value, value.net_liquidation, 2), ""),
    ]
    amounts = [
        (key, text, value.base_currency)
        for tag, text in _amounts(value).items()
        if tag not in LEDGER_KEYS
        for key in ((tag, f"{tag}-S") if tag in _SEGMENTED else (tag,))
    ]
    ratios = [("Cushion", _ratio(value.excess_liquidity, value.net_liquidation, 6), "")]
    prefix = "$LEDGER-" if ledger_prefix else ""
    blocks = [
        (prefix + key, text, block.currency)
        for block in (*value.currencies, value.base)
        for key, text in _ledger_block(value, block)
    ]
    rows = (*fixed, *ratios, *amounts, *blocks)
    return [ValueRow(value.account, key, text, currency) for key, text, currency in rows]


def ledger_and_net_liquidation(rows: Iterable[ValueRow]) -> list[ValueRow]:
    """Keep the per-currency blocks and net liquidation, as `ledgerAndNLV` asks."""
    wanted = {*LEDGER_KEYS, "NetLiquidation"}
    return [r for r in rows if r.key.removeprefix("$LEDGER-") in wanted]


def summary_rows(value: AccountValue, tags: Sequence[str]) -> list[ValueRow]:
    """Return the rows of the requested summary tags; unknown tags have no row.

    `$LEDGER` asks for the block in base currency, `$LEDGER:EUR` for one currency, `$LEDGER:ALL`
    for every currency and BASE.
    """
    amounts = _amounts(value)
    plain = {
        "AccountType": value.account_type,
        "Cushion": _ratio(value.excess_liquidity, value.net_liquidation, 6),
        "Leverage": _ratio(value.gross_position_value, value.net_liquidation, 2),
        "DayTradesRemaining": "-1",
        "LookAheadNextChange": "0",
        "HighestSeverity": "0",
    }
    rows = [
        (tag, plain.get(tag, amounts.get(tag, "")), value.base_currency if tag in amounts else "")
        for tag in sorted(tags)
        if tag in plain or tag in amounts
    ]
    for block in _asked_blocks(value, tags):
        rows += [(key, text, block.currency) for key, text in _ledger_block(value, block)]
    return [ValueRow(value.account, key, text, currency) for key, text, currency in rows]


def total_value(account: str, account_type: str, values: Sequence[AccountValue]) -> AccountValue:
    """Add accounts up into one, for an advisor's `All` and group rows."""
    names = sorted({c.currency for v in values for c in v.currencies})
    blocks = tuple(
        _sum_blocks(name, [c for v in values for c in v.currencies if c.currency == name])
        for name in names
    )
    return AccountValue(
        account=account,
        account_type=account_type,
        base_currency=values[0].base_currency,
        positions=(),
        currencies=blocks,
        base=_sum_blocks("BASE", [v.base for v in values]),
        gross_position_value=sum((v.gross_position_value for v in values), ZERO),
        initial_margin=sum((v.initial_margin for v in values), ZERO),
        maintenance_margin=sum((v.maintenance_margin for v in values), ZERO),
    )


_SEGMENTED = frozenset(
    {"NetLiquidation", "TotalCashValue", "EquityWithLoanValue", "AvailableFunds"}
)


def _amounts(value: AccountValue) -> dict[str, str]:
    amounts = {
        "AccruedCash": ZERO,
        "AvailableFunds": value.available_funds,
        "BuyingPower": value.buying_power,
        "EquityWithLoanValue": value.equity_with_loan,
        "ExcessLiquidity": value.excess_liquidity,
        "FullAvailableFunds": value.available_funds,
        "FullExcessLiquidity": value.excess_liquidity,
        "FullInitMarginReq": value.initial_margin,
        "FullMaintMarginReq": value.maintenance_margin,
        "GrossPositionValue": value.gross_position_value,
        "InitMarginReq": value.initial_margin,
        "LookAheadAvailableFunds": value.available_funds,
        "LookAheadExcessLiquidity": value.excess_liquidity,
        "LookAheadInitMarginReq": value.initial_margin,
        "LookAheadMaintMarginReq": value.maintenance_margin,
        "MaintMarginReq": value.maintenance_margin,
        "NetLiquidation": value.net_liquidation,
        "PreviousDayEquityWithLoanValue": value.equity_with_loan,
        "RegTEquity": value.equity_with_loan,
        "RegTMargin": value.initial_margin,
        "SMA": value.available_funds,
        "SettledCash": value.base.cash,
        "TotalCashValue": value.base.total_cash,
    }
    return {tag: f"{amount.quantize(CENT):.2f}" for tag, amount in amounts.items()}


def _ledger_block(value: AccountValue, block: CurrencyLedger) -> list[tuple[str, str]]:
    known = {
        "Currency": block.currency,
        "RealCurrency": block.currency,
        "AccountOrGroup": value.account,
        "CashBalance": f"{block.cash:.2f}",
        "TotalCashBalance": f"{block.total_cash:.2f}",
        "StockMarketValue": f"{block.stock_value:.2f}",
        "OptionMarketValue": f"{block.option_value:.2f}",
        "FuturesPNL": f"{block.futures_pnl:.2f}",
        "NetLiquidationByCurrency": f"{block.net_liquidation:.2f}",
        "UnrealizedPnL": f"{block.unrealized:.2f}",
        "RealizedPnL": f"{block.realized:.2f}",
        "ExchangeRate": f"{block.rate:.7f}",
    }
    return [(key, known.get(key, "0.00")) for key in LEDGER_KEYS]


def _asked_blocks(value: AccountValue, tags: Sequence[str]) -> list[CurrencyLedger]:
    blocks: list[CurrencyLedger] = []
    for tag in tags:
        name, _, currency = tag.partition(":")
        if name != "$LEDGER":
            continue
        if not currency:
            blocks.append(value.base)
        elif currency == "ALL":
            blocks += [*value.currencies, value.base]
        else:
            blocks += [c for c in value.currencies if c.currency == currency]
    return blocks


def _sum_blocks(currency: str, blocks: Sequence[CurrencyLedger]) -> CurrencyLedger:
    return CurrencyLedger(
        currency=currency,
        cash=sum((b.cash for b in blocks), ZERO),
        futures_pnl=sum((b.futures_pnl for b in blocks), ZERO),
        stock_value=sum((b.stock_value for b in blocks), ZERO),
        option_value=sum((b.option_value for b in blocks), ZERO),
        unrealized=sum((b.unrealized for b in blocks), ZERO),
        realized=sum((b.realized for b in blocks), ZERO),
        rate=blocks[0].rate,
    )


def _ratio(part: Decimal, whole: Decimal, digits: int) -> str:
    return f"{part / whole:.{digits}f}" if whole else "0"
