"""What an account is worth: market values, profit, margin and the rows of the account window.

What lives here: pure arithmetic over a ledger and marks. Identity kept to the cent: net
liquidation = cash + open result of futures + market value of every stock and option, each
converted to the base currency and rounded. What must not: wire layouts and key prefixes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from ibkr_pipeline.simulator.instruments import Instrument
from ibkr_pipeline.simulator.ledger import AccountState
from ibkr_pipeline.simulator.posting import CENT, Holding, total
from ibkr_pipeline.simulator.records import ZERO

Marks = Callable[[Instrument], Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionValue:
    """One position at its mark, money in the instrument's currency."""

    account: str
    instrument: Instrument
    quantity: Decimal
    average_cost: Decimal
    mark: Decimal
    market_value: Decimal
    unrealized: Decimal
    realized: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrencyLedger:
    """The $LEDGER block of one currency (or of BASE, converted)."""

    currency: str
    cash: Decimal
    futures_pnl: Decimal
    stock_value: Decimal
    option_value: Decimal
    unrealized: Decimal
    realized: Decimal
    rate: Decimal

    @property
    def total_cash(self) -> Decimal:
        """Cash including the open result of futures."""
        return self.cash + self.futures_pnl

    @property
    def net_liquidation(self) -> Decimal:
        """Cash plus the market value of stocks and options."""
        return self.total_cash + self.stock_value + self.option_value


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountValue:
    """An account valued at one instant; `base` is the sum of `currencies`, converted."""

    account: str
    account_type: str
    base_currency: str
    positions: tuple[PositionValue, ...]
    currencies: tuple[CurrencyLedger, ...]
    base: CurrencyLedger
    gross_position_value: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal

    @property
    def net_liquidation(self) -> Decimal:
        """Value of everything in the base currency."""
        return self.base.net_liquidation

    @property
    def equity_with_loan(self) -> Decimal:
        """Equity that carries loans: net liquidation without option value."""
        return self.base.net_liquidation - self.base.option_value

    @property
    def available_funds(self) -> Decimal:
        """Equity with loan above the initial margin."""
        return self.equity_with_loan - self.initial_margin

    @property
    def excess_liquidity(self) -> Decimal:
        """Equity with loan above the maintenance margin."""
        return self.equity_with_loan - self.maintenance_margin

    @property
    def buying_power(self) -> Decimal:
        """Four times the available funds, never negative (a Regulation T margin account)."""
        return max(ZERO, self.available_funds * 4)


def value_account(ledger: AccountState, marks: Marks, rates: Mapping[str, Decimal]) -> AccountValue:
    """Value one account at the given marks.

    Args:
        ledger: The account.
        marks: Current price of an instrument.
        rates: Base currency per unit of each currency; the base currency itself is 1.
    """
    positions = tuple(
        value_position(ledger, holding, marks(holding.instrument))
        for holding in ledger.holdings.values()
        if holding.quantity
    )
    currencies = sorted({*ledger.cash, *(p.instrument.currency for p in positions)})
    blocks = tuple(_currency_block(ledger, c, positions, rates[c]) for c in currencies)
    in_base = [
        (p, (p.market_value * rates[p.instrument.currency]).quantize(CENT)) for p in positions
    ]
    margins = [_margin(p, base) for p, base in in_base]
    return AccountValue(
        account=ledger.account,
        account_type=ledger.account_type,
        base_currency=ledger.base_currency,
        positions=positions,
        currencies=blocks,
        base=_base_block(blocks, in_base, rates),
        gross_position_value=total(abs(b) for p, b in in_base if p.instrument.sec_type != "FUT"),
        initial_margin=total(m for m, _ in margins).quantize(CENT),
        maintenance_margin=total(m for _, m in margins).quantize(CENT),
    )


def value_position(ledger: AccountState, holding: Holding, mark: Decimal) -> PositionValue:
    """Value one holding at a mark."""
    instrument = holding.instrument
    market_value = (holding.quantity * mark * instrument.multiplier).quantize(CENT)
    return PositionValue(
        account=ledger.account,
        instrument=instrument,
        quantity=holding.quantity,
        average_cost=holding.average_cost,
        mark=mark,
        market_value=market_value,
        unrealized=(market_value - holding.cost).quantize(CENT),
        realized=ledger.realized.get(instrument.con_id, ZERO),
    )


def _currency_block(
    ledger: AccountState, currency: str, positions: Iterable[PositionValue], rate: Decimal
) -> CurrencyLedger:
    own = [p for p in positions if p.instrument.currency == currency]
    realized = [
        amount
        for con_id, amount in ledger.realized.items()
        if ledger.holdings[con_id].instrument.currency == currency
    ]
    return CurrencyLedger(
        currency=currency,
        cash=ledger.cash.get(currency, ZERO).quantize(CENT),
        futures_pnl=total(p.unrealized for p in own if p.instrument.sec_type == "FUT"),
        stock_value=total(p.market_value for p in own if p.instrument.sec_type == "STK"),
        option_value=total(p.market_value for p in own if p.instrument.sec_type == "OPT"),
        unrealized=total(p.unrealized for p in own),
        realized=total(realized),
        rate=rate,
    )


def _base_block(
    blocks: Iterable[CurrencyLedger],
    in_base: Iterable[tuple[PositionValue, Decimal]],
    rates: Mapping[str, Decimal],
) -> CurrencyLedger:
    values = list(in_base)
    blocks = tuple(blocks)

    def converted(pick: Callable[[CurrencyLedger], Decimal]) -> Decimal:
        return total((pick(b) * rates[b.currency]).quantize(CENT) for b in blocks)

    return CurrencyLedger(
        currency="BASE",
        cash=converted(lambda b: b.cash),
        futures_pnl=converted(lambda b: b.futures_pnl),
        stock_value=total(v for p, v in values if p.instrument.sec_type == "STK"),
        option_value=total(v for p, v in values if p.instrument.sec_type == "OPT"),
        unrealized=converted(lambda b: b.unrealized),
        realized=converted(lambda b: b.realized),
        rate=Decimal(1),
    )


def _margin(position: PositionValue, base_value: Decimal) -> tuple[Decimal, Decimal]:
    """Return initial and maintenance margin of a position: a simple strategy-free rule."""
    size = abs(base_value)
    if position.instrument.sec_type == "STK":
        return size / 2, size / 4
    if position.instrument.sec_type == "FUT":
        return size / 12, size / 15
    return (size * 3, size * 2) if position.quantity < 0 else (ZERO, ZERO)
