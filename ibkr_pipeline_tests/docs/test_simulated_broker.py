"""The pages about the simulated broker say what it takes, does and answers."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import fields
from pathlib import Path

import polars as pl
import pytest
import typer
import yaml

from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.simulator.__main__ import main
from ibkr_pipeline.simulator.flex.service import FlexRequest
from ibkr_pipeline.simulator.gateway.dispatch import ANSWERS
from ibkr_pipeline.simulator.gateway.recording import Recorder
from ibkr_pipeline.simulator.instruments import built_in_instruments
from ibkr_pipeline.simulator.process import ControlClient
from ibkr_pipeline.simulator.scenario import bundled_scenarios
from ibkr_pipeline.simulator.testing import SimulatorThread
from ibkr_pipeline_tests.docs.pages import blocks, prose, tables
from ibkr_pipeline_tests.pipeline_runs import SYNCS, rows, simulated_workspace
from ibkr_pipeline_tests.repository import PACKAGE, ROOT, syntax_tree

REFERENCE = ROOT / "docs/reference/simulated_broker.md"
GUIDE = ROOT / "docs/how_to/use_the_simulated_broker.md"
FAILED = ROOT / "docs/how_to/read_a_failed_load.md"

#: Where messages are made, and by which functions.
WIRE = PACKAGE / "simulator/wire"
MAKERS = ("message", "joined", "Message")


def test_the_bundled_scenarios_are_all_on_the_page() -> None:
    """They are the first thing somebody tries."""
    assert bundled_scenarios() == sorted(_column("Bundled scenarios"))


def test_the_built_in_instruments_are_all_on_the_page() -> None:
    """A scenario names them as they stand there, spaces included."""
    cells = [row[1] for row in tables(REFERENCE)["Built-in instruments"]]
    named = {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}

    assert {instrument.local_symbol for instrument in built_in_instruments()} == named


def test_the_options_of_both_commands_are_on_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    """The table says which of the two has which."""
    from ibkr_pipeline.cli.app import app

    with pytest.raises(SystemExit):
        main(["--help"])
    of_module = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    group = typer.main.get_group(app)
    command = group.commands["simulate"]
    of_command = {option for parameter in command.params for option in parameter.opts}
    rows = tables(REFERENCE)["Command"]

    assert of_module == {_plain(row[0]) for row in rows}
    assert of_command == {_plain(row[0]) for row in rows if row[1] == "yes"}


def test_a_talk_with_the_control_port_goes_as_the_page_shows() -> None:
    """Clients in other languages are written from these lines."""
    talk = next(block for block in blocks(REFERENCE) if "control" in block.marks)
    lines = [line for line in talk.text.splitlines() if line]
    asked = [json.loads(line[2:]) for line in lines if line.startswith("> ")]
    shown = [json.loads(line[2:]) for line in lines if line.startswith("< ")]

    with SimulatorThread("single_account") as broker:
        control = ControlClient(broker.host, broker.control_port)
        answers = [control.send(document) for document in asked]
        address = f"127.0.0.1:{broker.port}"

    told = json.loads(json.dumps(answers).replace(address, "127.0.0.1:PORT"))
    assert shown == told
    assert {*_column("Control commands"), "rewind"} == {item["command"] for item in asked}


def test_every_control_command_is_on_the_page() -> None:
    """The simulator names them all when it is asked for one it does not have."""
    with SimulatorThread("empty") as broker:
        error = str(broker.command("no_such_command")["error"])

    known = error.rpartition("expected one of: ")[2].rstrip(".").split(", ")
    assert sorted(known) == sorted(_column("Control commands"))


def test_a_recorded_request_has_the_keys_on_the_page() -> None:
    """Recordings are compared by programs."""
    recorded = Recorder().add(7, 178, ["61", "1"])

    of_statements = [field.name for field in fields(FlexRequest)]
    assert [*recorded.__slots__, *of_statements] == _column("Recording")


def test_the_messages_by_number_are_those_the_simulator_sends_and_takes() -> None:
    """A fault that waits for a number nobody sends never happens."""
    rows = tables(REFERENCE)["Messages by number"]
    asked = {int(number) for row in rows for number in re.findall(r"\d+", row[0])}
    answered = {int(number) for row in rows for number in re.findall(r"\d+", row[2])}

    # 71 starts the API before requests are dispatched.
    assert asked - {71} <= set(ANSWERS)
    # 4 and 100 stand in the sentence below the table.
    assert answered | {4, 100} == _sent_messages()
    assert "answered by 4, an error" in prose(REFERENCE)


def test_the_worked_example_becomes_the_rows_the_guide_promises(tmp_path: Path) -> None:
    """The guide says what the pipeline reads from it, to the cent."""
    example = next(block for block in blocks(GUIDE) if "worked-example" in block.marks)

    with (
        SimulatorThread(yaml.safe_load(example.text)) as broker,
        simulated_workspace(tmp_path, broker) as workspace,
    ):
        # Positions bring the executions around them.
        for dataset in (Dataset.ACCOUNTS, Dataset.POSITIONS, Dataset.ORDERS):
            SYNCS[dataset](workspace)
        positions = rows(workspace, "positions")
        executions = rows(workspace, "executions")
        orders = rows(workspace, "orders")
        cash = rows(workspace, "account_ledger")

    assert {("KO", 100), ("AAPL", 100), ("AAPL", -1)} == set(
        positions.select("symbol", pl.col("quantity").cast(int)).rows()
    )
    assert ["example-3"] == orders.filter(pl.col("status") == "submitted")["order_ref"].to_list()
    assert {("231.40", "final"), ("231.45", "final"), ("3.90", "pending")} == {
        (f"{price:.2f}", status)
        for price, status in executions.select("price", "commission_status").rows()
    }
    # 40000 - 60 x 231.40 - 40 x 231.45 + 100 x 3.90 - 1.00 - 1.00 - 0.65 commission
    assert {"USD": "17245.35", "EUR": "1500.00"} == {
        currency: f"{amount:.2f}"
        for currency, amount in cash.select("currency", "cash_balance").rows()
        if currency != "BASE"
    }


def test_the_failing_scenario_fails_the_second_sync_alone(tmp_path: Path) -> None:
    """The page promises 0, 1 and 0, with the position there all the time."""
    scenario = next(block for block in blocks(FAILED) if "scenario" in block.marks)
    statuses, held = [], []

    with (
        SimulatorThread(yaml.safe_load(scenario.text)) as broker,
        simulated_workspace(tmp_path, broker, ibkr__read_attempts=3) as workspace,
    ):
        for _ in range(3):
            summary = SYNCS[Dataset.POSITIONS](workspace)
            statuses += [subject.status.value for subject in summary.subjects]
            held += rows(workspace, "positions")["quantity"].to_list()

    assert ["complete", "failed", "complete"] == statuses
    assert [50, 50, 50] == held


def _column(heading: str) -> list[str]:
    return [_plain(row[0]) for row in tables(REFERENCE)[heading]]


def _plain(cell: str) -> str:
    return cell.strip("`")


def _sent_messages() -> set[int]:
    """Return the number of every message the wire layouts make."""
    calls = (
        node
        for path in WIRE.glob("*_messages.py")
        for node in ast.walk(syntax_tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    )
    return {
        call.args[0].value
        for call in calls
        if call.func.id in MAKERS  # type: ignore[attr-defined]  # narrowed above
        and call.args
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, int)
    }
