"""Rules of the source that no linter knows: where the environment is read, what is never used."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ibkr_pipeline_tests.repository import (
    PACKAGE,
    ROOT,
    imported_names,
    package_modules,
    relative,
    repository_files,
    syntax_tree,
)

#: Loading one of these runs whatever the bytes say.
UNSAFE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "jsonpickle"}
UNSAFE_CALLS = {"eval", "exec", "yaml.load", "yaml.unsafe_load", "yaml.full_load"}
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "manager"}
LONGEST_FILE = 600

MACHINE_PATH = re.compile(r"(?<![\w.~-])/(?:home|Users|root|work)/\w")
INDEX_ADDRESS = re.compile(
    r"--(?:extra-)?index-url|--find[-]links|https?://[^\s\"']+/(?:simple|packages)/"
)


def test_the_environment_is_read_in_settings_alone() -> None:
    """A setting read anywhere else could not be shown, checked or overridden."""
    readers = _modules_where(
        lambda node: (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "os"
            and node.attr in {"environ", "environb", "getenv", "putenv"}
        )
    )

    assert {"ibkr_pipeline/settings.py"} == readers


def test_nothing_that_runs_its_input_is_used() -> None:
    """Pickle, eval and yaml.load turn a data file into a program."""
    calls = _modules_where(
        lambda node: isinstance(node, ast.Call) and ast.unparse(node.func) in UNSAFE_CALLS
    )
    imports = {
        relative(path)
        for path in package_modules()
        if UNSAFE_MODULES & {name.split(".")[0] for name in imported_names(syntax_tree(path))}
    }

    assert (set(), set()) == (calls, imports)


def test_the_simulated_broker_needs_only_the_standard_library_and_yaml() -> None:
    """It stands in for another company's program; it must not lean on ours or on a client's."""
    allowed = {*sys.stdlib_module_names, "yaml"}
    foreign = {
        f"{relative(path)}: {name}"
        for path in sorted((PACKAGE / "simulator").rglob("*.py"))
        for name in imported_names(syntax_tree(path))
        if name.split(".")[0] not in allowed and not name.startswith("ibkr_pipeline.simulator")
    }

    assert set() == foreign


def test_imports_are_absolute() -> None:
    """A module that moves keeps meaning the same, and `dagster -f` can load it."""
    offenders = _modules_where(lambda node: isinstance(node, ast.ImportFrom) and node.level > 0)

    assert set() == offenders


def test_every_module_says_what_lives_in_it() -> None:
    """The first lines of a file are the shortest documentation there is."""
    silent = {
        relative(path)
        for path in package_modules()
        if not ast.get_docstring(syntax_tree(path)) and not _is_empty_init(path)
    }

    assert set() == silent


def test_no_file_is_named_for_nothing_or_longer_than_it_can_be_read() -> None:
    """A vague name collects strangers; a long file hides them."""
    vague = {relative(p) for p in package_modules() if {p.stem, p.parent.name} & VAGUE_NAMES}
    long = {
        relative(path)
        for path in package_modules()
        if len(path.read_text(encoding="utf-8").splitlines()) > LONGEST_FILE
    }

    assert (set(), set()) == (vague, long)


@pytest.mark.parametrize("pattern", [MACHINE_PATH, INDEX_ADDRESS], ids=["machine path", "index"])
def test_no_file_names_a_machine_or_a_package_index(pattern: re.Pattern[str]) -> None:
    """A clone has to work wherever it lies and wherever its packages come from."""
    found = {
        f"{relative(path)}: {match.group(0)}"
        for path in repository_files()
        for match in [pattern.search(_text(path))]
        if match
    }

    assert set() == found


def test_no_file_holds_the_path_it_was_made_under() -> None:
    """The folder of this clone is nobody else's."""
    parent = f"{ROOT}/"

    assert [] == [relative(path) for path in repository_files() if parent in _text(path)]


def _modules_where(matches: Callable[[ast.AST], bool]) -> set[str]:
    return {
        relative(path)
        for path in package_modules()
        if any(matches(node) for node in ast.walk(syntax_tree(path)))
    }


def _is_empty_init(path: Path) -> bool:
    return path.name == "__init__.py" and not path.read_text(encoding="utf-8").strip()


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", errors="replace")
