"""What is refused before a socket is opened."""

from __future__ import annotations

import pytest

from ibkr_pipeline.brokers.ibkr.config import IBKRConnectionConfig
from ibkr_pipeline.primitives.enums import Environment
from ibkr_pipeline.primitives.errors import ConfigError
from ibkr_pipeline.settings import is_loopback, load_settings


def test_the_settings_become_a_configuration() -> None:
    """Host, port, client id, gateway and accounts keep their names."""
    settings = load_settings(
        environ={
            "IBKR_HOST": "gateway",
            "IBKR_CLIENT_ID": "7",
            "IBKR_USE_GATEWAY": "true",
            "IBKR_ACCOUNTS": "DU0000001,DU0000002",
        }
    )

    config = IBKRConnectionConfig.from_settings(settings)

    assert ("gateway", 4002, 7, True, ("DU0000001", "DU0000002"), "gateway:4002") == (
        config.host,
        config.port,
        config.client_id,
        config.use_gateway,
        config.accounts,
        config.address,
    )


@pytest.mark.parametrize("port", [7496, 4001])
def test_paper_refuses_the_live_ports(port: int) -> None:
    """A paper configuration on a live port has traded real money."""
    with pytest.raises(ConfigError, match="7497 TWS, 4002 Gateway"):
        IBKRConnectionConfig(port=port, mode=Environment.PAPER)


@pytest.mark.parametrize("port", [7496, 4001, 7497])
def test_live_takes_any_port(port: int) -> None:
    """The port proves nothing; the accounts do."""
    assert port == IBKRConnectionConfig(port=port, mode=Environment.LIVE).port


@pytest.mark.parametrize("host", ["192.0.2.1", "gateway", "0.0.0.0", "127.0.0.1.example.com"])
def test_simulated_talks_to_this_machine_alone(host: str) -> None:
    """A rehearsal must not reach a broker."""
    with pytest.raises(ConfigError, match=r"IBKR_HOST=127\.0\.0\.1"):
        IBKRConnectionConfig(host=host, mode=Environment.SIMULATED)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "localhost", "LOCALHOST", "::1"])
def test_loopback_has_several_names(host: str) -> None:
    """All of them are this machine."""
    assert is_loopback(host)


def test_a_time_zone_that_does_not_exist_is_refused() -> None:
    """It would move every bare time."""
    with pytest.raises(ConfigError, match="America/Gotham"):
        IBKRConnectionConfig(timezone="America/Gotham")
    with pytest.raises(ConfigError, match="timezone_aliases"):
        IBKRConnectionConfig(timezone_aliases={"CST": "Chicago time"})
