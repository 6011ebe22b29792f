"""The client over TCP, with short waits that a fault can be waited out in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ibkr_pipeline.brokers.ibkr.client import IBKRClient
from ibkr_pipeline.brokers.ibkr.config import IBKRConnectionConfig
from ibkr_pipeline.brokers.ibkr.transport.transport import IBKRTransport
from ibkr_pipeline.primitives.clock import SystemClock
from ibkr_pipeline.primitives.enums import Environment
from ibkr_pipeline.simulator.testing import SimulatorThread

ONE, TWO = "DU0000001", "DU0000002"
#: Inbound message ids of the handshake: startApi.
START_API = 71


def client_of(simulator: SimulatorThread, **changes: Any) -> IBKRClient:
    """Return a client with short waits; a fault that is waited out costs a fraction of a second."""
    config = IBKRConnectionConfig(
        host=simulator.host,
        port=simulator.port,
        mode=Environment.SIMULATED,
        connect_timeout_seconds=2.0,
        request_timeout_seconds=0.4,
        price_timeout_seconds=0.4,
        commission_wait_seconds=0.4,
        max_messages_per_second=0,
        read_attempts=1,
        backoff_seconds=0.01,
    )
    config = replace(config, **changes)
    return IBKRClient(IBKRTransport(config, clock=SystemClock()), config)
