"""One run history for every mode, under the dagster.yaml in force."""

from pathlib import Path

import pytest

from ibkr_pipeline.defs.home import ensure_dagster_home
from ibkr_pipeline.primitives.errors import ConfigError
from ibkr_pipeline.settings import Settings, child_environment, load_settings


def _settings(data: Path, **environ: str) -> Settings:
    return load_settings(environ={"IBKR_PIPELINE_DATA": str(data), **environ})


def test_the_history_is_under_the_data_directory_with_the_packaged_file(tmp_path: Path) -> None:
    """An installed package has no project folder to keep a dagster.yaml in."""
    home = ensure_dagster_home(_settings(tmp_path / "data"), project=tmp_path)

    assert tmp_path / "data" / "dagster" == home
    assert "telemetry" in (home / "dagster.yaml").read_text(encoding="utf-8")
    assert 0o700 == home.stat().st_mode & 0o777


def test_every_mode_shares_one_history(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The UI shows the demo's runs although its own mode is paper."""
    monkeypatch.chdir(tmp_path)

    homes = {
        ensure_dagster_home(load_settings(environ={"IBKR_PIPELINE_MODE": mode}))
        for mode in ("paper", "live", "simulated")
    }

    assert {tmp_path / "data" / "dagster"} == homes


def test_an_explicit_home_wins(tmp_path: Path) -> None:
    """The Postgres switch is a DAGSTER_HOME; its file is not touched."""
    home = tmp_path / "postgres"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")

    found = ensure_dagster_home(_settings(tmp_path, DAGSTER_HOME=str(home)), project=tmp_path)

    assert home == found
    assert "telemetry: {enabled: false}\n" == (home / "dagster.yaml").read_text(encoding="utf-8")


def test_the_file_at_the_root_of_the_project_is_in_force(tmp_path: Path) -> None:
    """What a user edits at the root must not be ignored."""
    (tmp_path / "pyproject.toml").write_text(
        '[tool.dagster]\nmodule_name = "ibkr_pipeline.definitions"\n', encoding="utf-8"
    )
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    settings = _settings(tmp_path / "data")
    ensure_dagster_home(settings, project=tmp_path)
    (tmp_path / "dagster.yaml").write_text("nux: {enabled: false}\n", encoding="utf-8")

    home = ensure_dagster_home(settings, project=tmp_path)

    assert "nux: {enabled: false}\n" == (home / "dagster.yaml").read_text(encoding="utf-8")


def test_the_file_of_another_project_is_not_taken(tmp_path: Path) -> None:
    """The command may be run from anywhere, another Dagster project included."""
    (tmp_path / "pyproject.toml").write_text(
        '[tool.dagster]\nmodule_name = "other.definitions"\n', encoding="utf-8"
    )
    (tmp_path / "dagster.yaml").write_text("nux: {enabled: true}\n", encoding="utf-8")

    home = ensure_dagster_home(_settings(tmp_path / "data"), project=tmp_path)

    assert "nux: {enabled: true}" not in (home / "dagster.yaml").read_text(encoding="utf-8")


def test_a_file_edited_in_the_history_stays(tmp_path: Path) -> None:
    """Outside a project, the copy is the user's to change."""
    settings = _settings(tmp_path / "data")
    home = ensure_dagster_home(settings, project=tmp_path)
    (home / "dagster.yaml").write_text("nux: {enabled: false}\n", encoding="utf-8")

    ensure_dagster_home(settings, project=tmp_path)

    assert "nux: {enabled: false}\n" == (home / "dagster.yaml").read_text(encoding="utf-8")


def test_a_home_that_cannot_be_made_is_a_setting_to_change(tmp_path: Path) -> None:
    """The message names the variables."""
    (tmp_path / "file").write_text("", encoding="utf-8")

    with pytest.raises(ConfigError, match="set DAGSTER_HOME or IBKR_PIPELINE_DATA"):
        ensure_dagster_home(_settings(tmp_path / "file"), project=tmp_path)


def test_a_child_process_sees_the_same_settings(tmp_path: Path) -> None:
    """The UI's runs must not go to another gateway than the command line's."""
    config = tmp_path / "ibkr.yaml"
    config.write_text("lock_timeout: 5\n", encoding="utf-8")
    settings = load_settings(
        config,
        environ={},
        overrides={"ibkr.port": 4555, "mode": "simulated", "ibkr.accounts": ("DU0000001",)},
    )

    environ = child_environment(settings, dagster_home=tmp_path)

    assert ("4555", "simulated", "DU0000001", str(config), str(tmp_path)) == tuple(
        environ[name]
        for name in (
            "IBKR_PORT",
            "IBKR_PIPELINE_MODE",
            "IBKR_ACCOUNTS",
            "IBKR_PIPELINE_CONFIG",
            "DAGSTER_HOME",
        )
    )
    child = load_settings(environ=environ)
    assert (settings.ibkr, settings.environment_dir) == (child.ibkr, child.environment_dir)


def test_a_child_process_in_another_folder_sees_the_same_data_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative path means the folder the command was run in, also where it is the default."""
    monkeypatch.chdir(tmp_path)
    settings = [load_settings(environ={"IBKR_PIPELINE_DATA": text}) for text in ("", "mine")]
    environs = [child_environment(item, dagster_home=tmp_path) for item in settings]
    monkeypatch.chdir(tmp_path.parent)

    assert [tmp_path / "data", tmp_path / "mine"] == [
        load_settings(environ=environ).environment_dir for environ in environs
    ]
