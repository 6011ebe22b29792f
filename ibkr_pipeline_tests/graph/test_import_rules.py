"""The import contracts hold, and each of them breaks when somebody sins against it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from ibkr_pipeline_tests.repository import PACKAGE, ROOT

#: Rooms that may know no I/O. Those not built yet join the contract with their first module.
PURE_ROOMS = ("normalization", "features", "strategies", "risk", "portfolio", "backtesting")

LAYERS = "A room imports only the rooms below it, never its neighbours"
PURITY = "Pure rooms reach no I/O room, database, network or Dagster"

#: Contract -> (new file, its source) that has to break it.
SINS = {
    LAYERS: ("landing/neighbour.py", "import ibkr_pipeline.control\n"),
    PURITY: ("normalization/impure.py", "import ibkr_pipeline.schemas.sneaky\n"),
    "Dagster is imported by defs alone": ("pipelines/orchestrated.py", "import dagster\n"),
    "IBKR is reached through the registry alone": (
        "pipelines/shortcut.py",
        "import ibkr_pipeline.brokers.ibkr\n",
    ),
    "ib_async is imported by the transport alone": (
        "brokers/ibkr/leak.py",
        "from ib_async import IB\n",
    ),
    "The simulated broker shares nothing with the client it tests": (
        "simulator/shared.py",
        "from ibkr_pipeline.primitives.enums import Side\n",
    ),
    "Only the command line starts the simulated broker": (
        "pipelines/simulated.py",
        "import ibkr_pipeline.simulator\n",
    ),
}


def test_the_contracts_hold() -> None:
    """Facts flow one way; an import against the flow is found before it is merged."""
    code, verdicts = _lint(ROOT)

    assert (0, dict.fromkeys(SINS, "KEPT")) == (code, verdicts)


def test_every_contract_breaks_when_it_is_sinned_against(house: Path) -> None:
    """A contract that cannot break protects nothing; purity is broken through a third module."""
    for name, source in SINS.values():
        (house / "ibkr_pipeline" / name).write_text(f'"""Sin."""\n\n{source}', encoding="utf-8")
    (house / "ibkr_pipeline/schemas/sneaky.py").write_text("import duckdb\n", encoding="utf-8")

    code, verdicts = _lint(house)

    assert (1, dict.fromkeys(SINS, "BROKEN")) == (code, verdicts)


def test_a_folder_without_a_place_in_the_order_breaks_the_layers(house: Path) -> None:
    """A `utils/` would be a room everybody imports and nobody owns."""
    (house / "ibkr_pipeline/utils").mkdir()
    (house / "ibkr_pipeline/utils/__init__.py").touch()

    code, verdicts = _lint(house)

    assert (1, "BROKEN") == (code, verdicts[LAYERS])


def test_every_pure_room_that_exists_is_under_the_purity_contract() -> None:
    """A room that is built later must not be forgotten."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = config["tool"]["importlinter"]["contracts"]
    purity = next(contract for contract in contracts if contract["name"] == PURITY)
    built = {f"ibkr_pipeline.{room}" for room in PURE_ROOMS if (PACKAGE / room).is_dir()}

    assert built == set(purity["source_modules"])


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the package and its contracts, to sin in."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE, tmp_path / "ibkr_pipeline", ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def _lint(folder: Path) -> tuple[int, dict[str, str]]:
    """Return lint-imports' exit code and contract name -> KEPT or BROKEN."""
    program = "import sys; from importlinter.cli import lint_imports_command as c; c()"
    finished = subprocess.run(
        [sys.executable, "-c", program, "--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    verdicts = dict(re.findall(r"^(\S.*?) ?(KEPT|BROKEN)$", finished.stdout, re.MULTILINE))
    assert verdicts, finished.stdout + finished.stderr
    return finished.returncode, verdicts
