"""The command that opens the UI: its port, its folder, its environment."""

import socket
from pathlib import Path

import pytest

from ibkr_pipeline.defs import web_ui
from ibkr_pipeline.defs.web_ui import ui_command
from ibkr_pipeline.primitives.errors import ConfigError
from ibkr_pipeline_tests.pipeline_runs import make_settings


def _ports(address: str, arguments: tuple[str, ...]) -> tuple[str, str]:
    return address.rpartition(":")[2], arguments[arguments.index("-p") + 1]


def test_the_address_that_is_told_is_the_one_that_is_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the usual port is taken, Dagster would take another one without a word to us."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        monkeypatch.setattr(web_ui, "USUAL_PORT", taken)
        monkeypatch.setattr(web_ui, "PORTS_TRIED", 1)
        command = ui_command(make_settings(tmp_path))
    told, served = _ports(command.address, command.arguments)

    assert told == served
    assert str(taken) != told


def test_the_usual_port_is_taken_where_it_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the one bookmarks have."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    monkeypatch.setattr(web_ui, "USUAL_PORT", free)

    assert f"http://127.0.0.1:{free}" == ui_command(make_settings(tmp_path)).address


@pytest.mark.parametrize("port", [0, -1, 70000])
def test_a_port_that_cannot_be_is_a_usage_error(tmp_path: Path, port: int) -> None:
    """Before anything is started."""
    with pytest.raises(ConfigError, match=f"--port was {port}; expected a port from 1 to 65535"):
        ui_command(make_settings(tmp_path), port=port)


def test_a_port_somebody_asked_for_is_never_another(tmp_path: Path) -> None:
    """They would look for the UI where it is not."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=f"--port was {port}, which another program"):
            ui_command(make_settings(tmp_path), port=port)


def test_it_runs_in_dagsters_home_and_still_finds_what_is_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster remarks on a dagster.yaml of the folder it runs in, unless that is its home."""
    monkeypatch.chdir(tmp_path)
    command = ui_command(make_settings(tmp_path / "data"))

    assert Path(command.environment["DAGSTER_HOME"]) == command.directory
    assert (command.directory / "dagster.yaml").is_file()
    assert str(tmp_path) == command.arguments[command.arguments.index("-d") + 1]
    assert str(tmp_path / "data") == command.environment["IBKR_PIPELINE_DATA"]
