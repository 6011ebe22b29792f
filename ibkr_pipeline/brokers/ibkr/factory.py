"""Making an `IBKRClient` from the settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ibkr_pipeline.brokers.ibkr.client import IBKRClient
from ibkr_pipeline.brokers.ibkr.config import IBKRConnectionConfig
from ibkr_pipeline.brokers.ibkr.flex_source import make_flex_source
from ibkr_pipeline.brokers.ibkr.transport.transport import IBKRTransport
from ibkr_pipeline.ports.budget import RequestBudget
from ibkr_pipeline.ports.clock import Clock
from ibkr_pipeline.settings import Settings


def make_ibkr_client(
    settings: Settings,
    *,
    clock: Clock,
    budget: RequestBudget | None = None,
    on_progress: Callable[[str], None] | None = None,
    attempts: int | None = None,
) -> IBKRClient:
    """Return a client of the gateway the settings name, not yet connected.

    Raises:
        ConfigError: If the settings contradict the mode.
    """
    config = IBKRConnectionConfig.from_settings(settings)
    if attempts is not None:
        config = replace(config, read_attempts=attempts)
    transport = IBKRTransport(
        config,
        clock=clock,
        budget=budget,
        statements=lambda: make_flex_source(
            settings, clock=clock, budget=budget, on_progress=on_progress
        ),
        on_progress=on_progress,
    )
    return IBKRClient(transport, config)
