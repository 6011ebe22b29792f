"""What cannot be used is told with key, value, origin and what was expected, never a secret."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from ibkr_pipeline.primitives.errors import ConfigError
from ibkr_pipeline.primitives.setting_problems import SettingsError
from ibkr_pipeline.primitives.setting_types import keys_of
from ibkr_pipeline.settings import (
    Settings,
    contradictions,
    load_settings,
    require_no_contradictions,
)


def write(folder: Path, text: str) -> Path:
    """Write a configuration file."""
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(
    path: Path | None = None, *, environ: Mapping[str, str] | None = None
) -> list[tuple[str, str, str, str]]:
    """Return (key, found, origin, expected) of every setting that cannot be used."""
    with pytest.raises(SettingsError) as caught:
        load_settings(path, environ=environ or {})
    return [(p.key, p.found, p.origin, p.expected) for p in caught.value.problems]


@pytest.mark.parametrize(
    ("variable", "value", "key", "expected"),
    [
        ("IBKR_PORT", "70000", "ibkr.port", "a whole number from 1 to 65535"),
        ("IBKR_PORT", "abc", "ibkr.port", "a whole number from 1 to 65535"),
        ("IBKR_CLIENT_ID", "-1", "ibkr.client_id", "a whole number from 0 to 2147483647"),
        ("IBKR_PIPELINE_MODE", "papr", "mode", "paper, live or simulated"),
        ("IBKR_USE_GATEWAY", "perhaps", "ibkr.use_gateway", "true or false"),
    ],
)
def test_an_illegal_value_is_told_with_its_variable_and_what_was_expected(
    variable: str, value: str, key: str, expected: str
) -> None:
    """Whoever set it finds it without a search, and reads no validator's words."""
    found = problems(environ={variable: value})

    assert [(key, f"was {value!r}", f"environment {variable}", expected)] == found


@pytest.mark.parametrize(
    ("text", "key", "expected"),
    [
        ("ibkr: {prot: 1}", "ibkr.prot", "ibkr.port, the nearest there is"),
        ("port: 1", "port", "ibkr.port, the nearest there is"),
        ("MODE: paper", "MODE", "mode, the nearest there is"),
        ("log: {zzzz: 1}", "log.zzzz", "one of level, format, file"),
        ("7: 1", "7", f"one of {', '.join(keys_of(Settings))}"),
        (
            "lock_timeout_seconds: 5",
            "lock_timeout_seconds",
            "lock_timeout, the nearest there is",
        ),
    ],
)
def test_an_unknown_key_is_told_with_its_file_and_the_nearest_legal_one(
    tmp_path: Path, text: str, key: str, expected: str
) -> None:
    """A slip of one letter is seen at once."""
    path = write(tmp_path, text)

    assert [(key, "is no setting", f"file {path}", expected)] == problems(path)


@pytest.mark.parametrize(
    ("text", "key", "found", "expected"),
    [
        (
            "ibkr: {timezone: america/new_yrk}",
            "ibkr.timezone",
            "was 'america/new_yrk'",
            "the IANA name of a time zone, such as America/New_York",
        ),
        (
            "ibkr: {timezone_aliases: {CST: Chicago}}",
            "ibkr.timezone_aliases.CST",
            "was 'Chicago'",
            "the IANA name of a time zone, such as America/Chicago",
        ),
        (
            "ibkr: {connect_timeout_seconds: 0}",
            "ibkr.connect_timeout_seconds",
            "was 0",
            "a number, more than 0 and at most 300",
        ),
        ("ibkr: {accounts: DU0000001}", "ibkr.accounts", "was 'DU0000001'", "a list of text"),
        ("log: {level: info}", "log.level", "was 'info'", "DEBUG, INFO, WARNING or ERROR"),
        ("strategies: 7", "strategies", "was 7", "a list of entries"),
        (
            "portfolios: [{portfolio_id: x}]",
            "portfolios[0].accounts",
            "was missing",
            "a list of text",
        ),
        (
            "strategies: [{name: x, class_path: 7x}]",
            "strategies[0].class_path",
            "was '7x'",
            "text such as my_strategies.value.Value",
        ),
        ("ibkr: {host: {a: 1}}", "ibkr.host", "had keys of its own", "text"),
        ("ibkr: {host: null}", "ibkr.host", "was empty", "text"),
    ],
)
def test_what_was_expected_is_told_in_plain_words(
    tmp_path: Path, text: str, key: str, found: str, expected: str
) -> None:
    """Each kind of value has its own words."""
    path = write(tmp_path, text)

    assert [(key, found, f"file {path}", expected)] == problems(path)


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    """Mending one after the other is a waste of somebody's evening."""
    path = write(tmp_path, "ibkr: {prot: 1}\nmode: papr\n")
    with pytest.raises(SettingsError) as caught:
        load_settings(path, environ={"IBKR_CLIENT_ID": "x"})

    assert {"ibkr.prot", "mode", "ibkr.client_id"} == {p.key for p in caught.value.problems}
    assert f"correct mode in {path}" in str(caught.value)
    assert "correct IBKR_CLIENT_ID, or unset it" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "mode: [paper\nibkr: {flex_token: CANARY\n",
        "ibkr:\n  flex_token:CANARY\n",
        "ibkr:\n  port: 7497\n    flex_token:CANARY\n",
        "ibkr: {flex_tokn: CANARY}",
        "ibkr: {flex_token: [CANARY]}",
        "ibkr: [CANARY]",
        "CANARY",
        "- CANARY",
        "postgres_url: CANARY://u:CANARY@h/d",
        "mode: CANARY\nibkr: {flex_token: CANARY}",
        "mode: CANARY\npostgres_url: postgresql://u:CANARY@h/d",
    ],
)
def test_no_error_tells_what_may_be_a_secret(tmp_path: Path, text: str) -> None:
    """Neither a flaw beside it, nor a slip in its key, nor the secret in the wrong place."""
    with pytest.raises(ConfigError) as caught:
        load_settings(write(tmp_path, text), environ={})

    chain = (caught.value, caught.value.__cause__)
    assert "CANARY" not in " ".join(f"{error} {error!r}" for error in chain)


def test_a_flaw_in_the_file_is_told_by_its_place(tmp_path: Path) -> None:
    """The line to look at, and what is wrong there."""
    path = write(tmp_path, "mode: [paper\nibkr: {flex_token: CANARY\n")

    with pytest.raises(ConfigError, match=r"config\.yaml cannot be read as YAML: line 2, column 5"):
        load_settings(path, environ={})


def test_a_file_the_environment_named_is_told_with_its_variable(tmp_path: Path) -> None:
    """Nobody remembers a line of a shell's start-up file."""
    named = {"IBKR_PIPELINE_CONFIG": str(tmp_path / "none.yaml")}

    with pytest.raises(ConfigError, match=r"named by IBKR_PIPELINE_CONFIG\) does not exist"):
        load_settings(environ=named)


def test_a_heading_with_nothing_below_it_changes_nothing(tmp_path: Path) -> None:
    """Every line below it may be commented out."""
    path = write(tmp_path, "ibkr:\nlog: {}\nportfolios:\n")

    assert 4 == load_settings(path, environ={"IBKR_CLIENT_ID": "4"}).ibkr.client_id


@pytest.mark.parametrize(
    ("environ", "key", "origin"),
    [
        ({"IBKR_PORT": "7496"}, "ibkr.port", "environment IBKR_PORT"),
        ({"IBKR_PORT": "4001"}, "ibkr.port", "environment IBKR_PORT"),
        (
            {"IBKR_PIPELINE_MODE": "simulated", "IBKR_HOST": "gateway"},
            "ibkr.host",
            "environment IBKR_HOST",
        ),
    ],
)
def test_what_contradicts_the_mode_is_told_with_its_origin(
    environ: dict[str, str], key: str, origin: str
) -> None:
    """It loads, because looking at rows asks no gateway; a read is refused with it."""
    settings = load_settings(environ=environ)

    assert [(key, origin)] == [(p.key, p.origin) for p in contradictions(settings)]
    with pytest.raises(SettingsError, match=key):
        require_no_contradictions(settings)


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"IBKR_PIPELINE_MODE": "live", "IBKR_PORT": "7496", "IBKR_HOST": "gateway"},
        {"IBKR_PIPELINE_MODE": "simulated"},
    ],
    ids=["defaults", "live", "simulated"],
)
def test_settings_that_fit_the_mode_do_not_contradict_it(environ: dict[str, str]) -> None:
    """A live account may be read anywhere."""
    settings = load_settings(environ=environ)
    require_no_contradictions(settings)

    assert () == contradictions(settings)
