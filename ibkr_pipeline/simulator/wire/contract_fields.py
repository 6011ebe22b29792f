"""The contract part of each message; every message spells it a little differently."""

from __future__ import annotations

from ibkr_pipeline.simulator.instruments import Instrument
from ibkr_pipeline.simulator.wire.text import double


def _multiplier(instrument: Instrument) -> str:
    return str(instrument.multiplier) if instrument.sec_type in ("OPT", "FUT") else ""


def order_contract(instrument: Instrument) -> tuple[str, ...]:
    """Contract of openOrder (5) and completedOrder (101): strike 0 and right ? when unset."""
    strike = double(instrument.strike) if instrument.strike is not None else "0"
    return (
        str(instrument.con_id),
        instrument.symbol,
        instrument.sec_type,
        instrument.expiry,
        strike,
        instrument.right or "?",
        _multiplier(instrument),
        instrument.exchange,
        instrument.currency,
        instrument.local_symbol,
        instrument.trading_class,
    )


def execution_contract(instrument: Instrument, exchange: str) -> tuple[str, ...]:
    """Contract of execDetails (11): the exchange is where the fill happened."""
    return (
        str(instrument.con_id),
        instrument.symbol,
        instrument.sec_type,
        instrument.expiry,
        double(instrument.strike or 0),
        instrument.right,
        _multiplier(instrument),
        exchange,
        instrument.currency,
        instrument.local_symbol,
        instrument.trading_class,
    )


def position_contract(instrument: Instrument) -> tuple[str, ...]:
    """Contract of position (61) and positionMulti (71): listing exchange, empty for derivatives."""
    exchange = instrument.listing if instrument.sec_type == "STK" else ""
    return execution_contract(instrument, exchange)


def portfolio_contract(instrument: Instrument) -> tuple[str, ...]:
    """Contract of updatePortfolio (7): the primary exchange, right 0 when there is none."""
    return (
        str(instrument.con_id),
        instrument.symbol,
        instrument.sec_type,
        instrument.expiry,
        double(instrument.strike or 0),
        instrument.right or "0",
        _multiplier(instrument),
        instrument.listing,
        instrument.currency,
        instrument.local_symbol,
        instrument.trading_class,
    )
