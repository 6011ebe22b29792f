"""The instruments the simulated broker trades, and how a request names one.

What lives here: the instrument record, the built-in catalogue and the lookup that answers a
contract query. What must not: prices after the opening mark (`prices.py`) and wire layouts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One tradable contract.

    `multiplier` scales price to money (1 for stocks); `mark` is the price on the scenario's first
    session. `expiry` is YYYYMMDD for derivatives, else empty. `exchange` is where orders go,
    `listing` the primary exchange of a stock.
    """

    con_id: int
    symbol: str
    sec_type: str
    currency: str
    mark: Decimal
    exchange: str = "SMART"
    listing: str = ""
    local_symbol: str = ""
    trading_class: str = ""
    multiplier: int = 1
    expiry: str = ""
    expiry_time: str = ""
    strike: Decimal | None = None
    right: str = ""
    min_tick: Decimal = Decimal("0.01")
    long_name: str = ""
    under_con_id: int = 0
    isin: str = ""
    time_zone: str = "US/Eastern"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractQuery:
    """What a request says about the contract it means; empty fields match anything."""

    con_id: int = 0
    symbol: str = ""
    sec_type: str = ""
    expiry: str = ""
    strike: Decimal = Decimal(0)
    right: str = ""
    multiplier: str = ""
    exchange: str = ""
    primary_exchange: str = ""
    currency: str = ""
    local_symbol: str = ""
    trading_class: str = ""


class Catalogue:
    """All instruments of one simulated market, by contract id."""

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        self._by_id: dict[int, Instrument] = {}
        for instrument in instruments:
            self.add(instrument)

    def add(self, instrument: Instrument) -> None:
        """List another instrument; its contract id must be new."""
        known = self._by_id.setdefault(instrument.con_id, instrument)
        if known is not instrument:
            raise ValueError(
                f"Contract id {instrument.con_id} was given to both {known.local_symbol} and "
                f"{instrument.local_symbol}; give each instrument its own."
            )

    def __iter__(self) -> Iterator[Instrument]:
        return iter(self._by_id.values())

    def get(self, con_id: int) -> Instrument:
        """Return an instrument by contract id; raises KeyError when it is not listed."""
        return self._by_id[con_id]

    def named(self, name: str) -> Instrument:
        """Return the instrument a scenario names by local symbol or by unambiguous symbol.

        Raises:
            LookupError: If nothing, or more than one instrument, has that name.
        """
        exact = [i for i in self if name in (i.local_symbol, str(i.con_id))]
        found = exact or [i for i in self if i.symbol == name]
        if len(found) != 1:
            names = ", ".join(sorted(i.local_symbol for i in self))
            raise LookupError(
                f"Instrument {name!r} matched {len(found)} entries, expected one of: {names}"
            )
        return found[0]

    def resolve(self, query: ContractQuery) -> list[Instrument]:
        """Return every instrument a contract query matches, in catalogue order."""
        if query.con_id:
            known = self._by_id.get(query.con_id)
            candidates = [known] if known is not None else []
        else:
            candidates = list(self)
        return [i for i in candidates if _matches(i, query)]


def _matches(instrument: Instrument, query: ContractQuery) -> bool:
    named = bool(query.con_id or query.symbol or query.local_symbol)
    pairs = (
        (query.symbol, instrument.symbol),
        (query.sec_type, instrument.sec_type),
        (query.currency, instrument.currency),
        (query.local_symbol, instrument.local_symbol),
        (query.trading_class, instrument.trading_class),
        (query.primary_exchange, instrument.listing),
    )
    return (
        named
        and all(asked in ("", offered) for asked, offered in pairs)
        and query.exchange in ("", "SMART", instrument.exchange, instrument.listing)
        and instrument.expiry.startswith(query.expiry)
        and _matches_option(instrument, query)
    )


def _matches_option(instrument: Instrument, query: ContractQuery) -> bool:
    if query.multiplier and query.multiplier != str(instrument.multiplier):
        return instrument.sec_type == "STK"
    if query.strike and query.strike != instrument.strike:
        return False
    wanted = query.right[:1]
    return wanted in ("", "0", "?") or wanted == instrument.right


def built_in_instruments() -> list[Instrument]:
    """Return the catalogue every scenario starts with."""
    return [*_stocks(), *_options(), *_futures(), *_currencies(), *_indexes()]


def _stocks() -> list[Instrument]:
    rows = (
        (265598, "AAPL", "USD", "231.50", "NASDAQ", "NMS", "APPLE INC", "US0378331005"),
        (272093, "MSFT", "USD", "418.20", "NASDAQ", "NMS", "MICROSOFT CORP", "US5949181045"),
        (756733, "SPY", "USD", "592.40", "ARCA", "SPY", "SPDR S&P 500 ETF TRUST", "US78462F1030"),
        (4815747, "NVDA", "USD", "142.85", "NASDAQ", "NMS", "NVIDIA CORP", "US67066G1040"),
        (72063691, "BRK B", "USD", "468.10", "NYSE", "BRK B", "BERKSHIRE HATHAWAY", "US0846707026"),
        (14094, "BMW", "EUR", "78.36", "IBIS", "XETRA", "BAYER. MOTOREN WERKE", "DE0005190003"),
        (29612256, "MC", "EUR", "612.30", "SBF", "MC", "LVMH MOËT HENNESSY", "FR0000121014"),
    )
    return [
        Instrument(
            con_id=con_id,
            symbol=symbol,
            sec_type="STK",
            currency=currency,
            mark=Decimal(mark),
            listing=listing,
            local_symbol=symbol,
            trading_class=trading_class,
            long_name=long_name,
            isin=isin,
            time_zone="US/Eastern" if currency == "USD" else "MET",
        )
        for con_id, symbol, currency, mark, listing, trading_class, long_name, isin in rows
    ]


def _options() -> list[Instrument]:
    rows = (
        (728937835, "SPY", 756733, "20261218", "600", "C", "7.45"),
        (728937901, "SPY", 756733, "20261218", "580", "P", "6.10"),
        (731204551, "AAPL", 265598, "20261218", "240", "C", "3.85"),
    )
    return [
        Instrument(
            con_id=con_id,
            symbol=symbol,
            sec_type="OPT",
            currency="USD",
            mark=Decimal(mark),
            local_symbol=f"{symbol:<6}{expiry[2:]}{right}{int(strike) * 1000:08d}",
            trading_class=symbol,
            multiplier=100,
            expiry=expiry,
            strike=Decimal(strike),
            right=right,
            long_name=f"{symbol} option",
            under_con_id=under,
        )
        for con_id, symbol, under, expiry, strike, right, mark in rows
    ]


def _futures() -> list[Instrument]:
    rows = (
        (770561201, "ES", "ESZ6", 50, "5931.25", "0.25", 11004968, "E-mini S&P 500"),
        (770561227, "MES", "MESZ6", 5, "5931.25", "0.25", 362673777, "Micro E-Mini S&P 500"),
    )
    return [
        Instrument(
            con_id=con_id,
            symbol=symbol,
            sec_type="FUT",
            currency="USD",
            mark=Decimal(mark),
            exchange="CME",
            local_symbol=local_symbol,
            trading_class=symbol,
            multiplier=multiplier,
            expiry="20261218",
            expiry_time="08:30 US/Central",
            min_tick=Decimal(tick),
            long_name=long_name,
            under_con_id=under,
            time_zone="US/Central",
        )
        for con_id, symbol, local_symbol, multiplier, mark, tick, under, long_name in rows
    ]


def _currencies() -> list[Instrument]:
    rows = ((12087792, "EUR", "1.0825"), (12087797, "GBP", "1.2670"))
    return [
        Instrument(
            con_id=con_id,
            symbol=symbol,
            sec_type="CASH",
            currency="USD",
            mark=Decimal(mark),
            exchange="IDEALPRO",
            local_symbol=f"{symbol}.USD",
            trading_class=f"{symbol}.USD",
            min_tick=Decimal("0.00005"),
            long_name="European Monetary Union Euro" if symbol == "EUR" else "British pound",
        )
        for con_id, symbol, mark in rows
    ]


def _indexes() -> list[Instrument]:
    """An index, which nobody can hold, and an option on it, which is settled in cash."""
    index = Instrument(
        con_id=416904,
        symbol="SPX",
        sec_type="IND",
        currency="USD",
        mark=Decimal("5923.40"),
        exchange="CBOE",
        local_symbol="SPX",
        trading_class="SPX",
        long_name="S&P 500 Stock Index",
    )
    option = Instrument(
        con_id=736112905,
        symbol="SPX",
        sec_type="OPT",
        currency="USD",
        mark=Decimal("31.20"),
        local_symbol="SPXW  261120P05900000",
        trading_class="SPXW",
        multiplier=100,
        expiry="20261120",
        strike=Decimal(5900),
        right="P",
        min_tick=Decimal("0.05"),
        long_name="SPX option",
        under_con_id=index.con_id,
    )
    return [index, option]
