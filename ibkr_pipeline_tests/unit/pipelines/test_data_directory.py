"""Rows of two environments never share a directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from ibkr_pipeline.pipelines.data_directory import (
    STAMP_NAME,
    prepare_directory,
    stamped_environment,
    with_stamped_mode,
)
from ibkr_pipeline.pipelines.workspace import open_workspace
from ibkr_pipeline.primitives.enums import Environment
from ibkr_pipeline.primitives.errors import ConfigError
from ibkr_pipeline_tests.pipeline_runs import make_settings


def test_a_new_directory_is_stamped_and_for_its_owner_alone(tmp_path: Path) -> None:
    """It will hold balances."""
    directory = prepare_directory(make_settings(tmp_path / "deep" / "data"))

    assert (Environment.PAPER, 0o700) == (
        stamped_environment(directory),
        directory.stat().st_mode & 0o777,
    )


def test_a_directory_of_another_environment_is_refused(tmp_path: Path) -> None:
    """Demo rows beside real ones would be taken for real ones."""
    prepare_directory(make_settings(tmp_path, mode="simulated"))

    with (
        pytest.raises(ConfigError, match="holds rows of the simulated environment"),
        open_workspace(make_settings(tmp_path)),
    ):
        pass


def test_a_command_that_only_reads_takes_the_mode_of_the_directory(tmp_path: Path) -> None:
    """Where nobody chose a mode, the rows are of the environment the directory is of."""
    prepare_directory(make_settings(tmp_path, mode="simulated"))
    found = with_stamped_mode(make_settings(tmp_path))

    assert (Environment.SIMULATED, tmp_path) == (found.mode, found.environment_dir)


def test_a_mode_somebody_chose_is_refused_by_the_rows_of_another(tmp_path: Path) -> None:
    """They expect paper rows; simulated ones would be taken for them."""
    prepare_directory(make_settings(tmp_path, mode="simulated"))

    with pytest.raises(ConfigError, match="holds rows of the simulated environment"):
        with_stamped_mode(make_settings(tmp_path, mode="paper"))


def test_a_mode_somebody_chose_stays_where_nothing_contradicts_it(tmp_path: Path) -> None:
    """A directory that is not there yet, and one of the same environment."""
    chosen = make_settings(tmp_path, mode="live")
    before = with_stamped_mode(chosen).mode
    prepare_directory(chosen)

    assert (Environment.LIVE, Environment.LIVE) == (before, with_stamped_mode(chosen).mode)


@pytest.mark.parametrize("content", ["", "[]", '{"environment": "moon"}', "\x00"])
def test_a_torn_stamp_is_told_and_not_replaced(tmp_path: Path, content: str) -> None:
    """Guessing whose rows they are is what the stamp is there to prevent."""
    (tmp_path / STAMP_NAME).write_text(content)

    with pytest.raises(ConfigError, match="stamp"):
        prepare_directory(make_settings(tmp_path))


def test_a_directory_that_cannot_be_made_says_what_to_set(tmp_path: Path) -> None:
    """A file in the way is not a fault of the program."""
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigError, match="IBKR_PIPELINE_DATA"):
        prepare_directory(make_settings(tmp_path / "file" / "data"))
