"""Builders for the simulator's tests: books, tickets, layouts, and ib_async as a judge."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from ib_async.decoder import Decoder

from ibkr_pipeline.simulator.gateway.simulator import Simulator
from ibkr_pipeline.simulator.instruments import ContractQuery
from ibkr_pipeline.simulator.records import OrderTicket
from ibkr_pipeline.simulator.scenario import build_simulator
from ibkr_pipeline.simulator.wire.message import Layout
from ibkr_pipeline.simulator.wire.text import TimeText

APPLE = 265598


@pytest.fixture
def simulator() -> Callable[..., Simulator]:
    """Build a simulator with one account of 100,000 dollars; keywords are scenario keys."""

    def build(**document: object) -> Simulator:
        account = {"account": "DU0000001", "cash": {"USD": "100000.00"}}
        return build_simulator({"accounts": [account], **document})

    return build


@pytest.fixture
def ticket() -> Callable[..., OrderTicket]:
    """Build an order ticket: client 1 buys 10 Apple at market unless told otherwise."""

    def build(order_id: int = 1, **changes: Any) -> OrderTicket:
        values: dict[str, Any] = {
            "client_id": 1,
            "order_id": order_id,
            "contract": ContractQuery(con_id=APPLE),
            "action": "BUY",
            "quantity": Decimal(10),
            "order_type": "LMT" if "limit_price" in changes else "MKT",
            "account": "DU0000001",
        }
        return OrderTicket(**{**values, **changes})

    return build


@pytest.fixture
def layout() -> Callable[..., Layout]:
    """Build the layout of a server version."""

    def build(version: int = 178, style: str = "zoned") -> Layout:
        zone = ZoneInfo("America/New_York")
        return Layout(version, TimeText(style=style, zone=zone, label="US/Eastern"))

    return build


class Judge:
    """Decodes frames with ib_async and keeps what it called; any logged error fails the test."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.defaultTimezone = UTC
        self.ib = SimpleNamespace(TimezoneTWS="")

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *arguments: self.calls.append((name, arguments))

    def decode(self, version: int, body: bytes) -> tuple[str, tuple[Any, ...]]:
        """Return the wrapper method a frame calls and its arguments."""
        fields = body.decode("ascii").split("\0")[:-1]
        decoder: Any = Decoder(self, version)  # type: ignore[arg-type]
        errors: list[str] = []
        handler = logging.Handler()
        handler.emit = lambda record: errors.append(record.getMessage())  # type: ignore[method-assign]
        decoder.logger.addHandler(handler)
        try:
            decoder.interpret(fields)
        finally:
            decoder.logger.removeHandler(handler)
        assert errors == []
        return self.calls[-1]


@pytest.fixture
def judge() -> Judge:
    """An ib_async decoder that tells what it understood."""
    return Judge()
