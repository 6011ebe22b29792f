"""A Flex configuration that could not work, or would leak, is refused before anything is sent."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from pydantic import SecretStr

from ibkr_pipeline.brokers.ibkr.flex_config import (
    DEFAULT_FLEX_URL,
    FlexConfig,
    window_parameters,
)
from ibkr_pipeline.primitives.errors import ConfigError
from ibkr_pipeline.settings import Settings, load_settings
from ibkr_pipeline_tests.unit.brokers.flex.scripted_service import CANARY, LOCAL_URL, config_of


def settings_with(**environ: str) -> Settings:
    """Return settings from an environment of only these variables."""
    return load_settings(environ=environ)


@pytest.mark.parametrize(
    "url",
    [
        "http://ndcdyn.interactivebrokers.com/Flex",
        "ftp://127.0.0.1/Flex",
        "ndcdyn.interactivebrokers.com/Flex",
        f"https://user:{CANARY}@ndcdyn.interactivebrokers.com/Flex",
        f"https://ndcdyn.interactivebrokers.com/Flex?t={CANARY}",
        "https:///Flex",
        "https://host:99999/Flex",
    ],
)
def test_an_address_that_would_send_the_token_astray_is_refused(url: str) -> None:
    """The token travels in the address: it must be encrypted and hold nothing else."""
    with pytest.raises(ConfigError, match="IBKR_FLEX_URL") as refused:
        config_of(url=url)

    assert CANARY not in str(refused.value)


@pytest.mark.parametrize("url", [DEFAULT_FLEX_URL, LOCAL_URL, "http://[::1]:8080/x"])
def test_https_and_this_machine_are_accepted(url: str) -> None:
    """The simulated service has no certificate and needs none."""
    assert url == config_of(url=url).url


@pytest.mark.parametrize("token", ["", "abc", "with space", "tab\tinside", "naïve"])
def test_a_token_that_was_copied_badly_is_refused_without_being_shown(token: str) -> None:
    """A stray space is the usual mistake."""
    with pytest.raises(ConfigError, match="IBKR_FLEX_TOKEN") as refused:
        config_of(token=SecretStr(token))

    assert not token or token not in str(refused.value)


@pytest.mark.parametrize("query_id", ["", "12 34", "12/34", "12&q=1"])
def test_a_query_id_that_is_none_is_refused(query_id: str) -> None:
    """It becomes part of an address."""
    with pytest.raises(ConfigError, match="IBKR_FLEX_QUERY_ID"):
        config_of(query_id=query_id)


@pytest.mark.parametrize(
    "change",
    [
        {"budget_seconds": 0},
        {"max_requests": 0},
        {"max_bytes": -1},
        {"poll_seconds": ()},
        {"poll_seconds": (5.0, 0.0)},
    ],
)
def test_bounds_that_bound_nothing_are_refused(change: dict[str, Any]) -> None:
    """A wait of nothing would hammer the service."""
    with pytest.raises(ConfigError, match=next(iter(change))):
        config_of(**change)


def test_nobody_sees_the_token() -> None:
    """A configuration is what people print first when something fails."""
    config = config_of()

    assert CANARY not in f"{config!r} {config} {config.token_digest}"
    assert 12 == len(config.token_digest)


def test_requests_for_one_statement_are_spaced_for_the_real_service_alone() -> None:
    """Ten minutes for IBKR's; a demo on this machine must not wait."""
    spacings = [
        config_of(url=DEFAULT_FLEX_URL).spacing,
        config_of().spacing,
        config_of(spacing_seconds=30.0).spacing,
    ]

    assert [600.0, 0.0, 30.0] == spacings


def test_the_user_agent_names_program_and_version() -> None:
    """The service refuses requests without one."""
    name, _, number = config_of().user_agent.partition("/")

    assert "ibkr-pipeline" == name
    assert number[0].isdigit()


def test_settings_give_token_query_and_address() -> None:
    """Two variables switch statements on."""
    config = FlexConfig.from_settings(
        settings_with(IBKR_FLEX_TOKEN=CANARY, IBKR_FLEX_QUERY_ID="77")
    )

    assert (CANARY, "77", DEFAULT_FLEX_URL, 10) == (
        config.token.get_secret_value(),
        config.query_id,
        config.url,
        config.requests_per_minute,
    )


@pytest.mark.parametrize("missing", ["IBKR_FLEX_TOKEN", "IBKR_FLEX_QUERY_ID"])
def test_what_is_not_set_is_named(missing: str) -> None:
    """The message is the way to the setting."""
    given = {"IBKR_FLEX_TOKEN": CANARY, "IBKR_FLEX_QUERY_ID": "77"}
    del given[missing]

    with pytest.raises(ConfigError, match=f"{missing} was not set"):
        FlexConfig.from_settings(settings_with(**given))


def test_simulated_mode_never_asks_the_real_service() -> None:
    """A demo with a real token in the environment must stay a demo."""
    given = {
        "IBKR_FLEX_TOKEN": CANARY,
        "IBKR_FLEX_QUERY_ID": "77",
        "IBKR_PIPELINE_MODE": "simulated",
    }

    with pytest.raises(ConfigError, match="simulated"):
        FlexConfig.from_settings(settings_with(**given))
    local = FlexConfig.from_settings(settings_with(**given, IBKR_FLEX_URL=LOCAL_URL))
    assert (0.0, 0, 0) == (local.spacing, local.requests_per_minute, local.requests_per_second)


def test_a_window_overrides_with_both_ends_or_not_at_all() -> None:
    """The service takes fd and td together; 2025 has exactly 365 days."""
    assert {} == window_parameters(None, None)
    assert {"fd": "20250101", "td": "20251231"} == window_parameters(
        date(2025, 1, 1), date(2025, 12, 31)
    )
    assert {"fd": "20250101", "td": "20250101"} == window_parameters(
        date(2025, 1, 1), date(2025, 1, 1)
    )


@pytest.mark.parametrize(
    ("from_date", "to_date"),
    [
        (date(2025, 1, 1), None),
        (None, date(2025, 1, 1)),
        (date(2025, 1, 2), date(2025, 1, 1)),
        (date(2025, 1, 1), date(2026, 1, 1)),
    ],
    ids=["no end", "no start", "backwards", "366 days"],
)
def test_a_window_the_service_would_refuse_is_refused_here(
    from_date: date | None, to_date: date | None
) -> None:
    """A refusal of the service costs one of ten requests a minute."""
    with pytest.raises(ValueError, match="window"):
        window_parameters(from_date, to_date)
