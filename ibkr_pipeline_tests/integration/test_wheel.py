"""The built wheel, installed into an empty environment, runs the demo from an empty folder.

The package comes from the wheel; the libraries it needs are lent by the environment the tests run
in, through a path file, because installing them anew takes a minute and a network.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from ibkr_pipeline_tests.repository import PACKAGE, ROOT

pytestmark = [pytest.mark.timeout(240), pytest.mark.xdist_group("wheel")]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the programs folder of a new environment that has the wheel in it."""
    folder = tmp_path_factory.mktemp("wheel")
    wheel = _build(folder)
    _run([sys.executable, "-m", "venv", "--without-pip", "venv"], folder)
    programs = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    python = programs / ("python.exe" if os.name == "nt" else "python")
    install = ["install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    _run([sys.executable, "-m", "pip", "--python", str(python), *install], folder)
    # A path file adds the folder alone; path files inside it, such as the one of an editable
    # install of this repository, are not followed.
    lent = _run(
        [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], folder
    )
    libraries = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    Path(lent.strip(), "libraries.pth").write_text("\n".join(sorted(libraries)), encoding="utf-8")
    return programs


@pytest.fixture(scope="module")
def demo(environment: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the demo once in an empty folder and return the folder."""
    folder = tmp_path_factory.mktemp("empty")
    _run([str(environment / "ibkr-pipeline"), "demo"], folder)
    return folder


def test_the_package_comes_from_the_wheel(environment: Path, tmp_path: Path) -> None:
    """A test that imported the repository instead would prove nothing."""
    program = "import ibkr_pipeline; print(ibkr_pipeline.__file__)"
    found = Path(_run([str(environment / "python"), "-c", program], tmp_path).strip())

    assert environment.parent in found.parents


def test_the_wheel_holds_every_data_file_of_the_package(environment: Path) -> None:
    """A scenario or an instance file left out is missed on the first run of every user."""
    installed = next((environment.parent).rglob("site-packages/ibkr_pipeline"))
    data = {
        path.relative_to(PACKAGE)
        for path in PACKAGE.rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc"}
    }

    assert data
    assert set() == {path for path in data if not (installed / path).is_file()}


def test_the_demo_runs_from_an_empty_folder(demo: Path) -> None:
    """The first thing anybody does with the package has to work anywhere."""
    left = {path.name for path in (demo / "data" / "simulated").iterdir()}

    assert {"warehouse.duckdb", "warehouse_read.duckdb", "raw"} <= left


def test_what_the_demo_landed_can_be_shown_as_json(environment: Path, demo: Path) -> None:
    """Installed programs must talk to other programs."""
    command = [str(environment / "ibkr-pipeline"), "show", "positions", "--json"]
    rows = json.loads(_run(command, demo, IBKR_PIPELINE_MODE="simulated"))

    assert {"DU0000001", "DU0000002"} == {row["account_id"] for row in rows}


def _build(folder: Path) -> Path:
    """Build the wheel from a copy, so that nothing is left in the repository."""
    source = folder / "source"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE, source / "ibkr_pipeline", ignore=ignored)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    _run([*build, str(source)], folder)
    return next(folder.glob("*.whl"))


def _run(command: list[str], folder: Path, **variables: str) -> str:
    """Run a command in `folder` and return its output; a failure shows everything it said."""
    without = ("PYTHON", "COVERAGE", "COV_CORE", "VIRTUAL_ENV")
    environ = {name: text for name, text in os.environ.items() if not name.startswith(without)}
    finished = subprocess.run(
        command,
        cwd=folder,
        env={**environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert finished.returncode == 0, f"{command} said:\n{finished.stdout}\n{finished.stderr}"
    return finished.stdout
