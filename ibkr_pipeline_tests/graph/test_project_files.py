"""Makefile, pins and instance files say what the package says."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from ibkr_pipeline_tests.repository import (
    PACKAGE,
    ROOT,
    imported_names,
    package_modules,
    relative,
    syntax_tree,
)

STABLE_TARGETS = {"demo", "test", "check", "ui", "bench", "soak", "interop"}


def test_every_dependency_is_pinned_within_its_range() -> None:
    """What is installed is what was tested; a range that excludes its pin cannot be installed."""
    pins = _pins()
    outside = {
        str(requirement)
        for requirement in _declared_requirements()
        if canonicalize_name(requirement.name) not in pins
        or not requirement.specifier.contains(pins[canonicalize_name(requirement.name)])
    }

    assert set() == outside


def test_every_library_the_package_imports_is_declared() -> None:
    """A library that only happens to be there is missing on the next machine."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {canonicalize_name(Requirement(line).name) for line in project["dependencies"]}
    providers = importlib.metadata.packages_distributions()
    undeclared = {
        f"{relative(path)}: {name}"
        for path in package_modules()
        for name in {full.split(".")[0] for full in imported_names(syntax_tree(path))}
        if name not in sys.stdlib_module_names
        and name != "ibkr_pipeline"
        and not declared & {canonicalize_name(found) for found in providers.get(name, [])}
    }

    assert set() == undeclared


def test_constraints_hold_names_and_versions_alone() -> None:
    """A path or an address in the pins works on one machine only."""
    pattern = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9.+!]+")
    lines = _constraint_lines()

    assert lines
    assert [] == [line for line in lines if not pattern.fullmatch(line)]


def test_make_lists_every_stable_target_with_what_it_does() -> None:
    """Somebody who types `make` sees what there is."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed here")
    described = dict(re.findall(r"^ +make (\w+) +(\S.*)$", _make().stdout, re.MULTILINE))

    assert set() == STABLE_TARGETS - described.keys()


def test_make_refuses_an_old_python_in_plain_words() -> None:
    """The first thing that can go wrong on a fresh machine is its Python."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed here")
    refused = _make("install", "PYTHON=false", "VENV=build/no-such-environment")

    assert refused.returncode != 0
    assert "No Python between 3.11 and 3.14 was found" in refused.stderr
    assert "make PYTHON=" in refused.stderr


def test_the_package_carries_the_instance_file_of_the_root() -> None:
    """An install without the repository runs on the same instance settings."""
    root = (ROOT / "dagster.yaml").read_text(encoding="utf-8")
    packaged = (PACKAGE / "defs/dagster.yaml").read_text(encoding="utf-8")

    assert root == packaged


def test_the_postgres_instance_differs_in_its_storage_alone() -> None:
    """Moving the run history must not turn telemetry on or monitoring off."""
    default = yaml.safe_load((ROOT / "dagster.yaml").read_text(encoding="utf-8"))
    postgres = yaml.safe_load((ROOT / "deploy/postgres/dagster.yaml").read_text(encoding="utf-8"))
    storage = postgres.pop("storage")

    assert default == postgres
    assert {"postgres": {"postgres_url": {"env": "IBKR_PIPELINE_POSTGRES_URL"}}} == storage


def test_telemetry_is_off() -> None:
    """Nothing about anybody's account or habits leaves the machine."""
    default = yaml.safe_load((ROOT / "dagster.yaml").read_text(encoding="utf-8"))

    assert {"enabled": False} == default["telemetry"]
    assert "storage" not in default


def _make(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: text for name, text in os.environ.items() if "MAKE" not in name}
    return subprocess.run(
        ["make", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def _declared_requirements() -> Iterator[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    for group in groups:
        yield from (Requirement(line) for line in group)


def _constraint_lines() -> list[str]:
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def _pins() -> dict[str, Version]:
    pairs = (line.split("==") for line in _constraint_lines())
    return {canonicalize_name(name): Version(version) for name, version in pairs}
