"""Frame layouts against frames recorded from gateways, and against frames of the same shape."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from ibkr_pipeline.simulator.account_rows import ValueRow
from ibkr_pipeline.simulator.instruments import Instrument, built_in_instruments
from ibkr_pipeline.simulator.prices import DailyBar
from ibkr_pipeline.simulator.records import Fill, Order, OrderStatus
from ibkr_pipeline.simulator.valuation import PositionValue
from ibkr_pipeline.simulator.wire import (
    account_messages,
    order_messages,
    reference_messages,
    session_messages,
    trade_messages,
)
from ibkr_pipeline.simulator.wire.fields import FieldReader, RequestError
from ibkr_pipeline.simulator.wire.message import Layout, Message
from ibkr_pipeline.simulator.wire.requests import parse_place_order

RECORDINGS = (
    Path(__file__).resolve().parents[3] / ".." / "shared" / "samples" / "wire"
) / "recorded_frames.jsonl"
_EXECUTION = (
    "11|7|13|76792991|TSLA|STK||0.0|||ISLAND|USD|TSLA|NMS|00025b46.63f8f39c.01.01"
    "|20230224-17:04:56|DU1234567|ISLAND|BOT|100|196.52|1376327563|100|0|100|196.52|||||2|0"
)
UNSET = "1.7976931348623157E308"

TESLA = Instrument(
    con_id=76792991,
    symbol="TSLA",
    sec_type="STK",
    currency="USD",
    mark=Decimal("196.52"),
    listing="NASDAQ",
    local_symbol="TSLA",
    trading_class="NMS",
    long_name="TESLA INC",
    isin="US88160R1014",
)
BOUGHT = Order(
    perm_id=1376327563,
    order_id=13,
    client_id=100,
    account="DU1234567",
    instrument=TESLA,
    action="BUY",
    quantity=Decimal(100),
    order_type="MKT",
    tif="DAY",
    status=OrderStatus.PRE_SUBMITTED,
    submitted_at=datetime(2023, 2, 24, 17, 4, 56, tzinfo=UTC),
)
FILL = Fill(
    exec_id="00025b46.63f8f39c.01.01",
    perm_id=1376327563,
    order_id=13,
    client_id=100,
    account="DU1234567",
    instrument=TESLA,
    action="BUY",
    quantity=Decimal(100),
    price=Decimal("196.52"),
    exchange="ISLAND",
    executed_at=datetime(2023, 2, 24, 17, 4, 56, tzinfo=UTC),
    cum_quantity=Decimal(100),
    avg_price=Decimal("196.52"),
    commission=Decimal("1.0"),
    commission_currency="USD",
    realized_pnl=None,
)
HELD = PositionValue(
    account="DU1234567",
    instrument=TESLA,
    quantity=Decimal(500),
    average_cost=Decimal("196.77"),
    mark=Decimal(200),
    market_value=Decimal(100000),
    unrealized=Decimal(1615),
    realized=Decimal(0),
)


def fields_of(message: Message) -> list[str]:
    """Return the fields of a message."""
    return message.body.decode("ascii").split("\0")[:-1]


@pytest.fixture(scope="module")
def recorded() -> Callable[..., list[str]]:
    """Return the fields of the recorded frame that starts with (and holds) a text."""
    if not RECORDINGS.exists():
        pytest.skip("the recorded frames (../shared/samples/wire) are not beside this checkout")
    frames = [json.loads(line)["frame"] for line in RECORDINGS.read_text().splitlines()]

    def find(start: str, inside: str = "") -> list[str]:
        frame: str = next(f for f in frames if f.startswith(start) and inside in f)
        return frame.split("|")[:-1]

    return find


def test_open_order_has_the_layout_of_a_recorded_one(
    recorded: Callable[..., list[str]], layout: Callable[..., Layout]
) -> None:
    """A version between 162 and 169 recorded it; every field must agree, sentinels included."""
    pending = fields_of(order_messages.open_order(layout(169), BOUGHT))
    filled = replace(
        BOUGHT,
        status=OrderStatus.FILLED,
        commission=Decimal("1.0"),
        commission_currency="USD",
    )

    # The recordings end with a separator more than there are fields.
    assert recorded("5|13|")[: len(pending)] == pending
    assert len(recorded("5|13|")) == len(pending) + 1
    charged = fields_of(order_messages.open_order(layout(169), filled))
    assert recorded("5|13|", "|1.0|||USD|")[:-1] == charged


def test_completed_order_has_the_layout_of_a_recorded_one(
    recorded: Callable[..., list[str]], layout: Callable[..., Layout]
) -> None:
    """The delta-neutral block is shorter here than in openOrder, and there are no client ids."""
    apple = built_in_instruments()[0]
    completed = replace(
        BOUGHT,
        instrument=apple,
        perm_id=1824933227,
        status=OrderStatus.FILLED,
        filled=Decimal(100),
        completed_status="Filled Size: 100",
    )

    ours = fields_of(order_messages.completed_order(layout(169), completed))
    theirs = recorded("101|")

    # Field 34 is rule80A, empty or 0 depending on the recording; 94 is the time.
    differing = [i for i, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b]
    assert differing == [34, 94]


def test_trade_messages_equal_recorded_ones(
    recorded: Callable[..., list[str]], layout: Callable[..., Layout]
) -> None:
    """The recording carries the old time without a zone, local, with two blanks."""
    execution = fields_of(trade_messages.execution(layout(177, "naive_double_space"), -1, FILL))
    commission = fields_of(trade_messages.commission(FILL))
    status = replace(
        BOUGHT,
        status=OrderStatus.FILLED,
        filled=Decimal(100),
        avg_price=Decimal("196.52"),
        last_price=Decimal("196.52"),
    )

    theirs = recorded("11|-1|")
    # Our number writes the strike of a stock as 0.0, and the zone of this book is New York.
    assert execution[:15] == theirs[:15]
    assert execution[15] == "20230224  12:04:56"
    assert execution[16:] == theirs[16 : len(execution)]
    assert commission == recorded("59|1|")[: len(commission)]
    assert fields_of(order_messages.order_status(status)) == recorded("3|13|Filled")[:12]


def test_account_messages_equal_recorded_ones(recorded: Callable[..., list[str]]) -> None:
    """Positions, their per-request twins, account values and summaries."""
    row = ValueRow("DU1234567", "CashBalance", "94629.71", "USD")
    kind = ValueRow("DU1234567", "AccountType", "FA", "")

    assert fields_of(account_messages.position(HELD)) == recorded("61|3|")
    multi = fields_of(account_messages.position_multi(6, HELD, ""))
    assert multi == recorded("71|3|6|")[: len(multi)]
    value = fields_of(account_messages.value_multi(9000, row, ""))
    assert value == recorded("73|1|9000|DU1234567||Cash")[: len(value)]
    summary = fields_of(account_messages.summary_value(9000, kind))
    assert summary == recorded("63|1|")[: len(summary)]
    assert fields_of(account_messages.value_multi_end(9000, "")) == recorded("74|1|9000||")[:3]
    assert fields_of(account_messages.summary_end(9000)) == recorded("64|1|")[:3]
    assert fields_of(account_messages.position_end()) == recorded("62|1|DU1234567")[:2]


def test_session_messages_equal_recorded_ones(
    recorded: Callable[..., list[str]], layout: Callable[..., Layout]
) -> None:
    """Errors carry the advanced rejection; several accounts end with a comma."""
    cancelled = session_messages.error(layout(169), 41, 202, "Order Canceled - reason:")
    accounts = fields_of(session_messages.managed_accounts(["DU1234567", "DU7654321"]))

    assert fields_of(cancelled) == recorded("4|2|41|202")
    assert accounts[:2] == recorded("15|1|")[:2]
    assert accounts[2] == recorded("15|1|")[2] + ","


def test_reference_messages_have_the_layout_of_recorded_ones(
    recorded: Callable[..., list[str]], layout: Callable[..., Layout]
) -> None:
    """Contract details of a stock and of a future, and a daily series."""
    theirs = recorded("10|9001|TSLA")
    ours = fields_of(
        reference_messages.contract_details(layout(177), 9001, TESLA, (theirs[26], theirs[27]))
    )
    future = recorded("10|9000|ES|FUT")
    bars = [
        DailyBar(
            session=datetime(2023, 4, 13, tzinfo=UTC).date(),
            open=Decimal("182.94"),
            high=Decimal("186.5"),
            low=Decimal("180.94"),
            close=Decimal("185.9"),
            volume=948837,
            wap=Decimal("184.869"),
            trades=324891,
        )
    ]
    series = recorded("17|9000|")

    assert len(ours) == len(theirs) - 1
    # Order types, exchanges, industry, market rules and lot size are this market's own.
    same = [i for i in range(len(ours)) if i not in (15, 16, 22, 23, 24, 36, 41)]
    assert [ours[i] for i in same] == [theirs[i] for i in same]
    assert [future[i] for i in (4, 5, 6, 13, 14)] == [
        "20250620 08:30 US/Central",
        "0",
        "",
        "0.25",
        "50",
    ]
    listed = fields_of(
        reference_messages.contract_details(
            layout(177), 9000, built_in_instruments()[10], ("a", "b")
        )
    )
    assert len(listed) == len(future)
    assert [listed[i] for i in (4, 5, 6, 13, 14)] == [
        "20261218 08:30 US/Central",
        "0",
        "",
        "0.25",
        "50",
    ]
    ours_17 = fields_of(reference_messages.historical_data(9000, bars, (series[2], series[3])))
    assert ours_17[:4] == series[:4]
    assert len(ours_17) - 5 == (len(series) - 5) // 2
    assert [Decimal(v) for v in ours_17[6:10]] == [Decimal(v) for v in series[6:10]]


@pytest.mark.parametrize("start", ["3|13|0|TSLA", "3|12|0||FUT", "3|12|0|WTI|BAG"])
def test_recorded_place_orders_are_read(recorded: Callable[..., list[str]], start: str) -> None:
    """Orders another client library wrote, at the version whose field count they have."""
    frame = recorded(start)

    versions = [v for v in range(157, 179) if _reads_whole(frame, v)]

    assert versions != []
    ticket = parse_place_order(FieldReader(frame[1:]), versions[0], 1)
    assert (ticket.action, ticket.order_type) in (("BUY", "MKT"), ("BUY", "LMT"), ("SELL", "MKT"))
    assert ticket.quantity in (100, 10, 150)
    assert (ticket.transmit, ticket.what_if) == (True, False)


def _reads_whole(frame: list[str], version: int) -> bool:
    reader = FieldReader(frame[1:])
    try:
        parse_place_order(reader, version, 1)
    except RequestError:
        return False
    return reader.remaining == 0


def test_frames_have_these_shapes_without_any_recording(layout: Callable[..., Layout]) -> None:
    """Hand-written frames of the same shape guard the layout where no recording is at hand."""
    contract = "76792991|TSLA|STK||0.0|||NASDAQ|USD|TSLA|NMS"
    expected = {
        f"61|3|DU1234567|{contract}|500|196.77": account_messages.position(HELD),
        f"71|3|6|DU1234567|{contract}|500|196.77|": account_messages.position_multi(6, HELD, ""),
        "7|8|76792991|TSLA|STK||0.0|0||NASDAQ|USD|TSLA|NMS|500|200.0|100000.00|196.77|1615.00|0.00"
        "|DU1234567": account_messages.portfolio_value(HELD),
        "4|2|-1|2104|ok|": session_messages.error(layout(166), -1, 2104, "ok"),
        "4|2|-1|2104|ok": session_messages.error(layout(165), -1, 2104, "ok"),
        "15|1|DU0000001": session_messages.managed_accounts(["DU0000001"]),
        "15|1|DU0000001,DU0000002,": session_messages.managed_accounts(["DU0000001", "DU0000002"]),
        "3|13|PreSubmitted|0|100|0|1376327563|0|0|100||0": order_messages.order_status(BOUGHT),
        f"59|1|00025b46.63f8f39c.01.01|1.0|USD|{UNSET}|{UNSET}|": trade_messages.commission(FILL),
        _EXECUTION: trade_messages.execution(layout(178, "utc_dash"), 7, FILL),
    }

    assert list(expected) == ["|".join(fields_of(m)) for m in expected.values()]
    assert len(fields_of(order_messages.open_order(layout(178), BOUGHT))) == 135
    assert len(fields_of(order_messages.open_order(layout(157), BOUGHT))) == 128
