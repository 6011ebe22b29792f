"""Environment beats file beats default, and what cannot be used is named with its key."""

from __future__ import annotations

from pathlib import Path

import pytest

from ibkr_pipeline.primitives.enums import Environment
from ibkr_pipeline.primitives.errors import ConfigError
from ibkr_pipeline.primitives.setting_variables import unknown_variables
from ibkr_pipeline.settings import CONFIG_VARIABLE, ENVIRONMENT, Settings, load_settings


def write(folder: Path, text: str) -> Path:
    """Write a configuration file."""
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_without_anything_the_defaults_are_paper_on_the_loopback() -> None:
    """The safe ones: nothing live, nothing remote."""
    settings = load_settings(environ={})

    assert (
        settings.mode,
        settings.ibkr.host,
        settings.ibkr.effective_port,
        settings.ibkr.client_id,
        settings.ibkr.accounts,
    ) == (Environment.PAPER, "127.0.0.1", 7497, 1, ())
    assert settings.origins == {}


def test_environment_beats_file_beats_default_and_options_beat_all(tmp_path: Path) -> None:
    """Each value says where it came from."""
    path = write(tmp_path, "ibkr: {host: filehost, port: 4002, client_id: 7}\nmode: paper\n")
    settings = load_settings(
        path,
        environ={"IBKR_PORT": "7497", "IBKR_CLIENT_ID": "8", "IBKR_HOST": ""},
        overrides={"ibkr.client_id": 9},
    )

    assert (
        settings.ibkr.host,
        settings.ibkr.port,
        settings.ibkr.client_id,
    ) == ("filehost", 7497, 9)
    assert {
        "ibkr.host": f"file {path}",
        "ibkr.port": "environment IBKR_PORT",
        "ibkr.client_id": "command line",
        "mode": f"file {path}",
    } == settings.origins


def test_every_environment_variable_reaches_its_setting() -> None:
    """A variable that is documented and not read is a trap."""
    environ = {
        "IBKR_HOST": "h",
        "IBKR_PORT": "1",
        "IBKR_CLIENT_ID": "2",
        "IBKR_USE_GATEWAY": "true",
        "IBKR_ACCOUNTS": " DU0000001, ,DU0000002 ",
        "IBKR_FLEX_TOKEN": "t",
        "IBKR_FLEX_QUERY_ID": "q",
        "IBKR_FLEX_URL": "u",
        "IBKR_PIPELINE_DATA": "d",
        "IBKR_PIPELINE_MODE": "live",
        "IBKR_PIPELINE_POSTGRES_URL": "postgresql://h/d",
        "DAGSTER_HOME": "home",
    }
    settings = load_settings(environ=environ)

    assert environ.keys() == ENVIRONMENT.keys()
    assert {key: f"environment {name}" for name, key in ENVIRONMENT.items()} == settings.origins
    assert (
        settings.ibkr.use_gateway,
        settings.ibkr.accounts,
        settings.mode.value,
    ) == (True, ("DU0000001", "DU0000002"), "live")


@pytest.mark.parametrize(
    ("environ", "port"),
    [
        ({}, 7497),
        ({"IBKR_USE_GATEWAY": "1"}, 4002),
        ({"IBKR_USE_GATEWAY": "1", "IBKR_PORT": "4001"}, 4001),
    ],
    ids=["TWS", "Gateway", "set"],
)
def test_the_port_follows_the_program_unless_it_is_set(environ: dict[str, str], port: int) -> None:
    """Both defaults are paper ports."""
    assert port == load_settings(environ=environ).ibkr.effective_port


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "data"),
        ({"IBKR_PIPELINE_MODE": "live"}, "data/live"),
        ({"IBKR_PIPELINE_MODE": "simulated"}, "data/simulated"),
        ({"IBKR_PIPELINE_MODE": "live", "IBKR_PIPELINE_DATA": "mine"}, "mine"),
    ],
)
def test_each_mode_has_a_data_directory_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], expected: str
) -> None:
    """Demo rows never mix with real ones; a directory that was set is used as it is."""
    monkeypatch.chdir(tmp_path)
    settings = load_settings(environ=environ)

    assert tmp_path / expected == settings.environment_dir
    assert tmp_path / expected / "warehouse.duckdb" == settings.warehouse_path
    assert tmp_path / expected / "control.sqlite" == settings.control_path


def test_the_file_may_be_named_by_the_environment(tmp_path: Path) -> None:
    """The option beats the variable."""
    path = write(tmp_path, "mode: simulated\n")
    other = tmp_path / "other.yaml"
    other.write_text("mode: live\n")
    environ = {"IBKR_PIPELINE_CONFIG": str(other)}

    assert Environment.LIVE is load_settings(environ=environ).mode
    assert Environment.SIMULATED is load_settings(path, environ=environ).mode


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    """Every line may be commented out."""
    path = write(tmp_path, "# nothing yet\n")

    assert load_settings(environ={}).ibkr == load_settings(path, environ={}).ibkr


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        ("ibkr: {prot: 7497}", "ibkr.prot"),
        ("ibkr: {port: 70000}", "ibkr.port"),
        ("ibkr: {accounts: [NO]}", "ibkr.accounts"),
        ("mode: production", "mode"),
        ("[1, 2]", "held a list"),
        ("a: [", "cannot be read as YAML"),
        ("x: !!python/object/apply:os.system ['true']", "cannot be read as YAML"),
        ("origins: {}", "origins is no setting"),
        ("config_file: x", "config_file is no setting"),
        ("unknown_variables: {}", "unknown_variables is no setting"),
        ("mode: paper\nmode: live", "the key `mode` stands on line 1 already"),
    ],
)
def test_a_file_that_cannot_be_used_names_its_flaw(tmp_path: Path, text: str, flaw: str) -> None:
    """Usage error: exit code 2. A misspelt key is an error, not a default."""
    with pytest.raises(ConfigError, match=flaw.replace("[", r"\[")) as caught:
        load_settings(write(tmp_path, text), environ={})
    assert caught.value.exit_code == 2


def test_the_wait_for_a_lock_is_set_in_seconds_under_the_name_people_know(tmp_path: Path) -> None:
    """Messages name `lock_timeout`, and so does the file."""
    assert 60.0 == load_settings(environ={}).lock_timeout
    assert 0.5 == load_settings(write(tmp_path, "lock_timeout: 0.5\n"), environ={}).lock_timeout


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("IBKR_PROT", "IBKR_PORT"),
        ("IBKR_ACCOUNT", "IBKR_ACCOUNTS"),
        ("IBKR_MODE", "IBKR_PIPELINE_MODE"),
        ("IBKR_PIPELINE_PORT", "IBKR_PORT"),
        ("IBKR_PIPELINE_DATE", "IBKR_PIPELINE_DATA"),
        ("IBKR_DAGSTER_HOME", "DAGSTER_HOME"),
        ("ibkr_port", "IBKR_PORT"),
        ("IBKR_USERNAME", None),
    ],
)
def test_a_variable_nothing_reads_is_told_with_the_one_that_was_meant(
    name: str, nearest: str | None
) -> None:
    """A slip in a name would be a default without a word: perhaps another account."""
    settings = load_settings(environ={name: "7", "PATH": "/bin", "IBKR_PORT": "7"})

    assert {name: nearest} == settings.unknown_variables


def test_every_known_variable_is_no_slip() -> None:
    """Each of them may be set without a warning."""
    assert {} == unknown_variables([*ENVIRONMENT, CONFIG_VARIABLE, "PATH", "DAGSTER_DEBUG"])


def test_a_section_that_is_no_section_is_named(tmp_path: Path) -> None:
    """The environment cannot be merged into a number."""
    path = write(tmp_path, "ibkr: 7\n")

    with pytest.raises(ConfigError, match=r"ibkr was 7 .*config\.yaml.*keys below it"):
        load_settings(path, environ={"IBKR_PORT": "1"})


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    """Somebody named it; going on with defaults could mean another account."""
    with pytest.raises(ConfigError, match="does not exist"):
        load_settings(tmp_path / "none.yaml", environ={})


def test_secrets_are_not_shown() -> None:
    """Neither by the settings nor by the error about them."""
    environ = {
        "IBKR_FLEX_TOKEN": "hunter22",
        "IBKR_PIPELINE_POSTGRES_URL": "postgresql://u:hunter22@h/d",
    }
    settings = load_settings(environ=environ)
    with pytest.raises(ConfigError) as caught:
        load_settings(environ=environ, overrides={"ibkr.port": "hunter22"})

    assert "hunter22" not in f"{settings!r} {settings} {caught.value}"
    assert settings.ibkr.flex_token is not None
    assert settings.ibkr.flex_token.get_secret_value() == "hunter22"


def test_settings_do_not_change() -> None:
    """What doctor shows is what the run uses."""
    settings = load_settings(environ={})

    with pytest.raises(ValueError, match="frozen"):
        settings.mode = Environment.LIVE
    assert isinstance(settings, Settings)
