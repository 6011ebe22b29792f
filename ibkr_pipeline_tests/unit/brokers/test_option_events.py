"""Option events through the `BrokerAPI`: statements are the only ones that tell of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import BinaryIO

import pytest

from ibkr_pipeline.brokers.exceptions import (
    AccountNotFoundError,
    IncompleteReadError,
    ModeMismatchError,
    UnsupportedOperationError,
)
from ibkr_pipeline.brokers.ibkr.client import IBKRClient
from ibkr_pipeline.brokers.ibkr.testing import MockIBKRConnection
from ibkr_pipeline.brokers.ibkr.transport.transport import IBKRTransport
from ibkr_pipeline.brokers.registry import map_payload
from ibkr_pipeline.brokers.statement_source import ServiceFinding, StatementDownload
from ibkr_pipeline.brokers.testing import FakeBrokerAPI, make_simple_fake_option_event
from ibkr_pipeline.primitives.clock import FixedClock
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.schemas.broker import OPTION_EVENTS
from ibkr_pipeline_tests.unit.brokers.flex_reader.documents import (
    TRADE,
    Attributes,
    document,
    section,
    statement,
)
from ibkr_pipeline_tests.unit.brokers.frames import ONE, TWO, config_with

NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
PUT: Attributes = {
    "accountId": ONE, "currency": "USD", "assetCategory": "OPT",
    "symbol": "SIMA  261120P00012500", "conid": "2001", "underlyingConid": "1001",
    "underlyingSymbol": "SIMA", "multiplier": "100", "strike": "12.5", "expiry": "20261120",
    "putCall": "P", "tradeID": "81",
}  # fmt: skip
ASSIGNED: Attributes = {
    **PUT, "date": "20261118", "transactionType": "Assignment", "quantity": "1",
    "tradePrice": "0", "realizedPnl": "0",
}  # fmt: skip
DELIVERED: Attributes = {
    "accountId": ONE, "currency": "USD", "assetCategory": "STK", "symbol": "SIMA",
    "conid": "1001", "tradeID": "82", "date": "20261118", "transactionType": "Buy",
    "quantity": "100", "tradePrice": "12.5",
}  # fmt: skip
BOOKED: Attributes = {
    **TRADE, **PUT, "ibExecID": "", "transactionType": "BookTrade", "transactionID": "9101",
    "dateTime": "20261118;162000", "quantity": "1", "tradePrice": "0", "notes": "A",
}  # fmt: skip


@dataclass
class Source:
    """Serves one statement."""

    data: bytes
    asked: list[tuple[date | None, date | None]] = field(default_factory=list)

    def fetch(
        self, into: BinaryIO, from_date: date | None = None, to_date: date | None = None
    ) -> StatementDownload:
        """Write it."""
        self.asked.append((from_date, to_date))
        into.write(self.data)
        digest = hashlib.sha256(self.data).hexdigest()
        return StatementDownload(n_bytes=len(self.data), sha256=digest, received_at=NOW)

    def check(self) -> tuple[ServiceFinding, ...]:
        """Find nothing."""
        return ()


def client_on(source: Source, **settings: object) -> IBKRClient:
    """Return a client whose statements come from there; its gateway is never connected."""
    config = config_with(**settings)
    transport = IBKRTransport(
        config,
        clock=FixedClock(NOW),
        connection=MockIBKRConnection(connect_errors=[AssertionError("the gateway was asked")]),
        statements=lambda: source,
    )
    return IBKRClient(transport, config)


def test_an_assignment_is_one_event_told_by_the_option_leg() -> None:
    """The delivered shares are a leg of it, and the Trades row tells the same booking."""
    told = statement(
        section("OptionEAE", "OptionEAE", ASSIGNED, DELIVERED),
        section("Trades", "Trade", TRADE, BOOKED),
    )
    (event,) = client_on(Source(document(told))).fetch_option_events()

    assert (ONE, 2001, "assignment", date(2026, 11, 18)) == (
        event.account_id,
        event.con_id,
        event.event_type,
        event.event_date,
    )
    assert (Decimal(1), Decimal("12.5"), "P", 1001) == (
        event.signed_quantity,
        event.strike,
        event.right,
        event.underlying_con_id,
    )
    assert event.timestamp is None
    assert ["Assignment"] == [row["transaction_type"] for row in event.raw if "event_date" in row]


def test_without_the_section_the_trades_tell_it_with_its_time() -> None:
    """16:20 in New York on 18 November is 21:20 UTC."""
    told = statement(section("Trades", "Trade", TRADE, BOOKED))
    (event,) = client_on(Source(document(told))).fetch_option_events()

    assert ("assignment", datetime(2026, 11, 18, 21, 20, tzinfo=UTC)) == (
        event.event_type,
        event.timestamp,
    )


@pytest.mark.parametrize(
    ("notes", "kind"),
    [("Ex", "exercise"), ("P;AEx", "exercise"), ("Ep", "expiration"), ("C;Ep", "expiration")],
)
def test_codes_are_told_apart(notes: str, kind: str) -> None:
    """Several stand in one attribute."""
    told = statement(section("Trades", "Trade", {**BOOKED, "notes": notes}))
    (event,) = client_on(Source(document(told))).fetch_option_events()

    assert kind == event.event_type


def test_the_window_is_passed_on() -> None:
    """Session dates, both included."""
    source = Source(document(statement("<OptionEAE />")))
    first, last = date(2026, 11, 16), date(2026, 11, 18)
    read = client_on(source).fetch_option_events(from_date=first, to_date=last)

    assert ([(first, last)], []) == (source.asked, list(read))
    assert (ONE,) == read.complete


def test_an_account_the_statement_does_not_tell_of_has_failed() -> None:
    """No answer is not the answer that nothing happened."""
    read = client_on(Source(document(statement("<OptionEAE />")))).fetch_option_events([ONE, TWO])

    assert ((ONE,), {TWO}) == (read.complete, set(read.failed))
    with pytest.raises(IncompleteReadError, match="tick the account"):
        list(read)


def test_the_allow_list_binds() -> None:
    """Naming an account does not lift it."""
    client = client_on(Source(document(statement("<OptionEAE />"))), accounts=(ONE,))

    with pytest.raises(AccountNotFoundError, match="allow-list"):
        client.fetch_option_events([TWO])


def test_a_statement_of_another_world_is_refused() -> None:
    """The token may be that of the live account."""
    live = document(statement("<OptionEAE />", account="U0000001"))

    with pytest.raises(ModeMismatchError, match="U0000001"):
        client_on(Source(live)).fetch_option_events()


def test_a_transport_without_a_flex_client_says_what_to_set() -> None:
    """The gateway has no message that could be asked for."""
    transport = IBKRTransport(config_with(), clock=FixedClock(NOW), connection=MockIBKRConnection())
    with pytest.raises(UnsupportedOperationError, match="IBKR_FLEX_TOKEN"):
        transport.fetch_raw_option_events(ONE)


def test_the_same_payload_maps_to_the_same_frame() -> None:
    """The registry's mapper needs nothing but payload and proof."""
    told = statement(section("OptionEAE", "OptionEAE", ASSIGNED, DELIVERED))
    read = client_on(Source(document(told))).fetch_option_events()
    frame = map_payload("ibkr", Dataset.FLEX, read.payload, read.proof)[OPTION_EVENTS.name]

    OPTION_EVENTS.pandera.validate(frame)
    assert frame.equals(read.to_frames(read.payload, read.proof)[OPTION_EVENTS.name])


def test_fake_option_events_come_back_as_they_were_put_in() -> None:
    """Through text and back; those outside the window are left out."""
    early = make_simple_fake_option_event(event_date=date(2026, 4, 9), event_seq=1)
    broker = FakeBrokerAPI(option_events=[make_simple_fake_option_event(), early])

    everything = list(broker.fetch_option_events())
    of_the_day = list(broker.fetch_option_events(from_date=date(2026, 4, 10)))
    assert [make_simple_fake_option_event(), early] == everything
    assert [make_simple_fake_option_event()] == of_the_day
