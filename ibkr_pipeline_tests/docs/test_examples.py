"""What the pages tell a reader to type works: run blocks run, files are legal, options exist."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
import yaml

from ibkr_pipeline.primitives.enums import Dataset, Environment, LoadStatus
from ibkr_pipeline.settings import load_settings
from ibkr_pipeline.simulator.scenario import build_simulator
from ibkr_pipeline_tests.docs.pages import Block, blocks, pages
from ibkr_pipeline_tests.repository import ROOT

pytestmark = pytest.mark.usefixtures("unmeasured_children")

ALL_BLOCKS = [block for page in pages() for block in blocks(page)]
RUN_BLOCKS = [block for block in ALL_BLOCKS if "run" in block.marks]
TYPED_LINES = sorted(
    {
        line
        for block in ALL_BLOCKS
        if block.language == "bash"
        for line in block.text.splitlines()
        if line.startswith("ibkr-pipeline ")
    }
)

#: What the first page tells a reader to export.
IN_THE_DEMO = {"IBKR_PIPELINE_MODE": "simulated"}
#: What runs a `run` block of a language; the code is its last argument.
INTERPRETERS = {
    "bash": ("bash", "-euo", "pipefail", "-c"),
    "python": (sys.executable, "-c"),
    "sql": (
        sys.executable,
        "-c",
        "import sys; from ibkr_pipeline import open_warehouse; "
        "print(open_warehouse('data/simulated').sql(sys.argv[1]).pl())",
    ),
}


def _name(block: Block) -> str:
    return f"{block.page.name}:{block.line}"


@pytest.fixture(scope="module")
def after_the_demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which somebody has run the demo, with the program on the path."""
    folder = tmp_path_factory.mktemp("reader")
    program = folder / "bin" / "ibkr-pipeline"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ibkr_pipeline "$@"\n')
    program.chmod(0o755)
    _type(folder, ("bash", "-c", "ibkr-pipeline demo"))
    return folder


@pytest.mark.timeout(240)
@pytest.mark.xdist_group("docs")
@pytest.mark.parametrize("block", RUN_BLOCKS, ids=_name)
def test_a_block_marked_run_runs_after_the_demo(block: Block, after_the_demo: Path) -> None:
    """An example that fails teaches distrust; none may leave a reader without output."""
    said = _type(after_the_demo, (*INTERPRETERS[block.language], block.text))

    assert said.strip() or "--csv >" in block.text


@pytest.mark.parametrize("line", TYPED_LINES)
def test_a_command_a_page_shows_is_one_the_program_has(line: str) -> None:
    """Pages outlive options; here the arguments are parsed and nothing is run."""
    from ibkr_pipeline.cli.app import app

    _, name, *arguments = shlex.split(line.split(" > ", maxsplit=1)[0], comments=True)
    group = typer.main.get_group(app)
    context = group.make_context("ibkr-pipeline", [name])
    command = group.get_command(context, name)

    assert command is not None
    command.make_context(name, arguments, parent=context)


@pytest.mark.parametrize(
    "block", [block for block in ALL_BLOCKS if block.language == "yaml"], ids=_name
)
def test_a_yaml_block_is_a_legal_file_of_its_kind(block: Block, tmp_path: Path) -> None:
    """Somebody will copy it."""
    if "settings" in block.marks:
        file = tmp_path / "settings.yaml"
        file.write_text(block.text, encoding="utf-8")
        load_settings(file, environ={})
    else:
        assert "scenario" in block.marks
        build_simulator(yaml.safe_load(block.text))


def test_the_json_example_has_the_keys_the_program_writes() -> None:
    """Programs are written against this page."""
    from ibkr_pipeline.pipelines.summary import (
        DatasetSummary,
        RunFacts,
        SubjectSummary,
        to_document,
    )

    example = next(block for block in ALL_BLOCKS if block.language == "json")
    subject = SubjectSummary(account_id="DU0000001", status=LoadStatus.COMPLETE)
    summary = DatasetSummary(dataset=Dataset.POSITIONS, subjects=(subject,), left_out={})
    run = RunFacts(run_id="r", environment=Environment.PAPER)
    shown, written = json.loads(example.text), to_document([summary], run, is_all=False)

    assert written.keys() == shown.keys()
    assert written["subjects"][0].keys() == shown["subjects"][0].keys()


def test_the_page_names_every_key_of_the_doctor_and_the_rebuild() -> None:
    """Monitoring is written against these too."""
    from ibkr_pipeline.pipelines.doctor import Examination
    from ibkr_pipeline.pipelines.doctor_findings import ok
    from ibkr_pipeline.pipelines.rebuild import RebuildResult
    from ibkr_pipeline.pipelines.table_comparison import TableComparison

    table = TableComparison(
        table="core.orders", n_existing=1, n_rebuilt=1, n_only_existing=0, n_only_rebuilt=0
    )
    documents = (
        Examination(settings=(("mode", "paper", "default"),), findings=(ok("mode", "paper"),)),
        RebuildResult(tables=(table,), n_loads=1, is_replaced=False, remarks=()),
    )
    page = (ROOT / "docs/reference/exit_codes_and_json.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]*)`", page))))

    for document in documents:
        assert set() == set(_keys(document.to_document())) - named


def _keys(value: object) -> Iterator[str]:
    """Yield every key of a JSON document, at any depth."""
    if isinstance(value, dict):
        yield from value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in inner:
        yield from _keys(item)


def _type(folder: Path, command: tuple[str, ...]) -> str:
    """Run a command as a reader would, in `folder`, and return what it printed."""
    path = os.pathsep.join([str(folder / "bin"), os.environ["PATH"]])
    finished = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), **IN_THE_DEMO},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert finished.returncode == 0, f"{command} said:\n{finished.stdout}\n{finished.stderr}"
    return finished.stdout
