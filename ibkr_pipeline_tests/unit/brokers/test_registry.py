"""Brokers by name."""

from __future__ import annotations

import pytest

from ibkr_pipeline.brokers import registry
from ibkr_pipeline.brokers.exceptions import UnsupportedBrokerError
from ibkr_pipeline.brokers.fake_rows import map_fake
from ibkr_pipeline.brokers.ibkr.client import IBKRClient
from ibkr_pipeline.brokers.registry import get_broker_client, map_payload, register_broker
from ibkr_pipeline.brokers.testing import FakeBrokerAPI, make_fake_client
from ibkr_pipeline.primitives.clock import SystemClock
from ibkr_pipeline.primitives.enums import Dataset, Environment
from ibkr_pipeline.primitives.errors import ConfigError
from ibkr_pipeline.settings import load_settings
from ibkr_pipeline_tests.unit.brokers.frames import proof

SETTINGS = load_settings(environ={})


def test_interactive_brokers_is_the_default() -> None:
    """Nothing is connected yet."""
    client = get_broker_client(SETTINGS, clock=SystemClock())

    assert isinstance(client, IBKRClient)
    assert ("ibkr", Environment.PAPER) == (client.broker, client.environment)


def test_the_fake_is_known_by_name() -> None:
    """For demonstrations of everything behind the broker."""
    assert isinstance(
        get_broker_client(SETTINGS, clock=SystemClock(), broker="fake"), FakeBrokerAPI
    )


def test_an_unknown_broker_is_an_error_that_names_the_known_ones() -> None:
    """A typo must not read nothing."""
    with pytest.raises(UnsupportedBrokerError, match=r"'ibrk'.*fake, ibkr"):
        get_broker_client(SETTINGS, clock=SystemClock(), broker="ibrk")
    with pytest.raises(UnsupportedBrokerError):
        map_payload("ibrk", Dataset.POSITIONS, {}, proof(Dataset.POSITIONS))


def test_another_broker_can_be_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of the house knows the protocol alone."""
    monkeypatch.setattr(registry, "_registered", {})
    register_broker("mine", make_fake_client, map_fake)

    assert isinstance(
        get_broker_client(SETTINGS, clock=SystemClock(), broker="mine"), FakeBrokerAPI
    )


def test_settings_that_contradict_the_mode_make_no_client() -> None:
    """Refused before anything is opened."""
    settings = load_settings(environ={"IBKR_PORT": "7496"})

    with pytest.raises(ConfigError):
        get_broker_client(settings, clock=SystemClock())
