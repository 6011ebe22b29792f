"""Messages about contracts and bars: contractDetails, historicalData (10, 52, 17)."""

from __future__ import annotations

from collections.abc import Sequence

from ibkr_pipeline.simulator.instruments import Instrument
from ibkr_pipeline.simulator.prices import DailyBar
from ibkr_pipeline.simulator.wire.message import Layout, Message, joined, message
from ibkr_pipeline.simulator.wire.text import double, number

_ORDER_TYPES = "ACTIVETIM,AD,ADJUST,ALERT,ALGO,ALLOC,AON,AVGCOST,BASKET,DAY,GTC,LMT,MKT,WHATIF"


def contract_details(
    layout: Layout, request_id: int, instrument: Instrument, hours: tuple[str, str]
) -> Message:
    """Message 10: one contract.

    Version 164 drops the version field and the size multiplier and adds three size fields.

    Args:
        layout: Negotiated layout.
        request_id: The request answered.
        instrument: The contract.
        hours: Trading hours and liquid hours as the gateway writes them.
    """
    before_164 = layout.version < 164
    fields = [
        *(["8"] if before_164 else []),
        str(request_id),
        *_named(instrument),
        *(["100"] if before_164 else []),
        str(instrument.multiplier) if instrument.sec_type in ("OPT", "FUT") else "",
        _ORDER_TYPES,
        ",".join(dict.fromkeys(e for e in (instrument.exchange, instrument.listing) if e)),
        "1",
        str(instrument.under_con_id),
        instrument.long_name,
        instrument.listing,
        instrument.expiry[:6],
        *("", "", ""),
        instrument.time_zone,
        *hours,
        *_details_tail(layout, instrument),
    ]
    return joined(10, fields, key=str(instrument.con_id))


def contract_details_end(request_id: int) -> Message:
    """Message 52: every contract of the request was sent."""
    return message(52, "1", str(request_id))


def historical_data(request_id: int, bars: Sequence[DailyBar], span: tuple[str, str]) -> Message:
    """Message 17: a whole series in one message; volume is a whole number of units."""
    fields = [str(request_id), *span, str(len(bars))]
    for bar in bars:
        fields += (
            f"{bar.session:%Y%m%d}",
            number(bar.open),
            number(bar.high),
            number(bar.low),
            number(bar.close),
            str(bar.volume),
            number(bar.wap),
            str(bar.trades),
        )
    return joined(17, fields)


def _named(instrument: Instrument) -> tuple[str, ...]:
    """Return what names a contract, from the symbol to the tick."""
    return (
        instrument.symbol,
        instrument.sec_type,
        " ".join(part for part in (instrument.expiry, instrument.expiry_time) if part),
        double(instrument.strike) if instrument.strike is not None else "0",
        instrument.right,
        instrument.exchange,
        instrument.currency,
        instrument.local_symbol,
        instrument.trading_class,
        instrument.trading_class,
        str(instrument.con_id),
        number(instrument.min_tick),
    )


def _details_tail(layout: Layout, instrument: Instrument) -> list[str]:
    derivative = instrument.sec_type in ("OPT", "FUT")
    tail = ["", "0" if derivative else ""]
    tail += ["1", "ISIN", instrument.isin] if instrument.isin else ["0"]
    tail += [
        "1",
        instrument.symbol if derivative else "",
        {"OPT": "STK", "FUT": "IND"}.get(instrument.sec_type, ""),
        "26",
        instrument.expiry,
        "COMMON" if instrument.sec_type == "STK" else "",
    ]
    if layout.version == 163:
        tail.append("1")
    if layout.version >= 164:
        tail += ["1", "1", "1"]
    return tail
