"""The program as a person and a scheduler call it, against the simulated broker."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ibkr_pipeline.cli.app import app
from ibkr_pipeline.control.store import ControlStore
from ibkr_pipeline.primitives.clock import SystemClock
from ibkr_pipeline.simulator.testing import SimulatorThread
from ibkr_pipeline_tests.pipeline_runs import FIRST, SECOND, lock_held
from ibkr_pipeline_tests.repository import ROOT

ACCOUNT_UPDATES, POSITIONS, COMPLETED_ORDERS = 6, 61, 99
SUBJECT = {
    "type", "id", "kind", "status", "read", "new", "changed", "unchanged", "gone", "error",
}  # fmt: skip


@dataclass(frozen=True)
class Ended:
    """How a call of the program ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.stdout)


@pytest.fixture
def gateway() -> Iterator[SimulatorThread]:
    """The default book: two paper accounts, a day of trading behind them."""
    with SimulatorThread("default") as simulator:
        yield simulator


def environment(
    folder: Path, gateway: SimulatorThread | None = None, **extra: str
) -> dict[str, str]:
    """Return the environment of a call: the gateway's address, a data directory of its own."""
    where = {} if gateway is None else {"IBKR_HOST": gateway.host, "IBKR_PORT": str(gateway.port)}
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "IBKR_PIPELINE_DATA": str(folder / "data"),
        **where,
        **extra,
    }


def call_here(folder: Path, environ: Mapping[str, str], *arguments: str) -> Ended:
    """Run the program in this process: what is tested is not how a process ends."""
    before, logged = Path.cwd(), list(logging.getLogger().handlers)
    os.chdir(folder)
    try:
        result = CliRunner().invoke(app, list(arguments), env=dict(environ))
    finally:
        os.chdir(before)
        # The program sends its logs to streams that end with it.
        logging.getLogger().handlers[:] = logged
    return Ended(result.exit_code, result.stdout, result.stderr)


def call(folder: Path, environ: Mapping[str, str], *arguments: str) -> Ended:
    """Run the program in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "ibkr_pipeline", *arguments],
        cwd=folder,
        env=dict(environ),
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def config(folder: Path, text: str) -> str:
    """Write a configuration file and return its path."""
    path = folder / "config.yaml"
    path.write_text(text)
    return str(path)


def test_sync_all_tells_one_document_and_nothing_else_on_stdout(
    tmp_path: Path, gateway: SimulatorThread
) -> None:
    """Four datasets, two accounts, every name as documented; then `show` and `rebuild`.

    Statements were never switched on, and it says so.
    """
    environ = environment(tmp_path, gateway)
    ended = call(tmp_path, environ, "sync", "all", "--json")
    datasets = ended.document["datasets"]

    names = {"run_id", "environment", "datasets", "left_out", "failed_checks", "skipped"}
    assert (0, names) == (ended.code, set(ended.document))
    assert ["flex"] == [item["dataset"] for item in ended.document["skipped"]]
    assert ("paper", []) == (ended.document["environment"], ended.document["left_out"])
    assert [] == ended.document["failed_checks"]
    assert ["accounts", "positions", "orders", "executions"] == [d["dataset"] for d in datasets]
    for dataset in datasets:
        assert {"dataset", "subjects"} == set(dataset)
        assert [FIRST, SECOND] == [item["id"] for item in dataset["subjects"]]
        names = SUBJECT | ({"gone_orders"} if dataset["dataset"] == "orders" else set())
        for item in dataset["subjects"]:
            assert (names, "account", "complete", None) == (
                set(item),
                item["type"],
                item["status"],
                item["error"],
            )
            assert item["read"] == item["new"] + item["changed"] + item["unchanged"]
    shown = call_here(tmp_path, environ, "show", "positions", "--json")
    assert (10, 0o700) == (len(shown.document), (tmp_path / "data").stat().st_mode & 0o777)
    assert (0, True) == _rebuilt(call_here(tmp_path, environ, "rebuild", "--json"))


def test_one_failed_account_ends_with_1_and_the_other_is_in(
    tmp_path: Path, gateway: SimulatorThread
) -> None:
    """Scenario O as a scheduler sees it."""
    gateway.arm("error", request=ACCOUNT_UPDATES, account=SECOND, code=321, text="refused", times=0)
    environ = environment(tmp_path, gateway)
    ended = call_here(tmp_path, environ, "sync", "accounts", "--json")

    assert (1, ["complete", "failed"]) == (
        ended.code,
        [item["status"] for item in ended.document["subjects"]],
    )
    shown = call_here(tmp_path, environ, "show", "accounts", "--json").document
    assert [FIRST] == [row["account_id"] for row in shown]


def test_an_account_can_be_chosen_and_the_other_is_named(
    tmp_path: Path, gateway: SimulatorThread
) -> None:
    """For people: a table, what was left out and why."""
    ended = call_here(
        tmp_path, environment(tmp_path, gateway), "sync", "positions", "--account", SECOND
    )

    assert 0 == ended.code, ended.stderr
    assert f"left out: {FIRST} (PAPER): not named with --account" in ended.stdout
    assert re.search(rf"{SECOND} │ PAPER │ complete │\s+3 │", ended.stdout)
    assert "PAPER run" in ended.stdout


def test_an_unknown_account_is_told_with_those_there_are(
    tmp_path: Path, gateway: SimulatorThread
) -> None:
    """A mistyped code costs nothing but a clear word."""
    ended = call_here(
        tmp_path,
        environment(tmp_path, gateway),
        "sync",
        "orders",
        "--account",
        "DU0000009",
        "--json",
    )
    (item,) = ended.document["subjects"]

    assert (1, "failed") == (ended.code, item["status"])
    assert f"({FIRST}, {SECOND})" in item["error"]
    assert [FIRST, SECOND] == [item["id"] for item in ended.document["left_out"]]


def test_an_order_that_ended_unread_is_counted_and_named(
    tmp_path: Path, gateway: SimulatorThread
) -> None:
    """A DAY order that rested in the evening is neither open nor told as completed next day."""
    environ = environment(tmp_path, gateway)
    call_here(tmp_path, environ, "sync", "orders", "--json")
    shown = call_here(tmp_path, environ, "show", "orders", "--json").document
    (resting,) = [row for row in shown if row["order_ref"] == "core-spy-2"]
    gateway.command("advance_session")
    ended = call_here(tmp_path, environ, "sync", "orders", "--json")

    assert 0 == ended.code, ended.stderr
    assert [(FIRST, 0, []), (SECOND, 1, [resting["order_key"]])] == [
        (item["id"], item["gone"], item["gone_orders"]) for item in ended.document["subjects"]
    ]
    after = call_here(tmp_path, environ, "show", "orders", "--json").document
    assert ["gone"] == [row["status"] for row in after if row["order_ref"] == "core-spy-2"]


def test_a_break_of_the_reconciliation_is_named_and_is_not_all_well(
    tmp_path: Path, gateway: SimulatorThread
) -> None:
    """Every read was complete, and still the second answer contradicts the first."""
    environ = environment(tmp_path, gateway)
    call_here(tmp_path, environ, "sync", "all", "--json")
    with SimulatorThread({"accounts": [{"account": FIRST}, {"account": SECOND}]}) as emptied:
        moved = {**environ, "IBKR_PORT": str(emptied.port)}
        ended = call_here(tmp_path, moved, "sync", "all", "--json")

    names = {check["check"] for check in ended.document["failed_checks"]}
    assert 1 == ended.code
    assert {"positions_follow_from_executions", "changed_positions_have_executions"} <= names
    assert "positions_follow_from_executions" in ended.stderr


def test_a_run_that_could_not_apply_tells_why_in_the_document_and_once_beside_it(
    tmp_path: Path, gateway: SimulatorThread
) -> None:
    """Somebody removed the warehouse: a scheduler sees the reason, not only that there is one."""
    environ = environment(tmp_path, gateway)
    call_here(tmp_path, environ, "sync", "accounts")
    (tmp_path / "data" / "warehouse.duckdb").unlink()
    ended = call_here(tmp_path, environ, "sync", "accounts", "--json")

    assert 1 == ended.code
    for item in ended.document["subjects"]:
        assert "not in core yet: There is no warehouse at" in item["error"]
    assert 1 == ended.stderr.count("error: core__accounts_loads: There is no warehouse at")


def test_a_busy_warehouse_ends_with_75_naming_the_holder(
    tmp_path: Path, gateway: SimulatorThread
) -> None:
    """A second run waits a bounded time, then says who holds it; readers never wait."""
    environ = environment(tmp_path, gateway)
    call_here(tmp_path, environ, "sync", "accounts")
    file = config(tmp_path, "lock_timeout: 0.5\n")
    with lock_held(tmp_path / "data" / "warehouse.lock", purpose="a long night"):
        ended = call_here(tmp_path, environ, "sync", "accounts", "--config", file)
        shown = call_here(tmp_path, environ, "show", "accounts", "--json")

    assert 75 == ended.code
    assert f"process {os.getpid()}" in ended.stderr
    assert "a long night" in ended.stderr
    assert "a long night" in ended.stdout
    assert 2 == len(shown.document)


def test_a_gateway_another_run_talks_to_ends_with_75_naming_that_run(
    tmp_path: Path, gateway: SimulatorThread
) -> None:
    """Two runs have one client id; the second asks for nothing and fails no account."""
    environ = environment(tmp_path, gateway)
    file = config(tmp_path, "lock_timeout: 0.5\n")
    with lock_held(tmp_path / "data" / f"gateway-{gateway.port}-1.lock", purpose="a long night"):
        ended = call_here(tmp_path, environ, "sync", "all", "--config", file, "--json")

    assert 75 == ended.code
    for dataset in ended.document["datasets"]:
        assert ([], True) == (dataset["subjects"], "a long night" in dataset["error"])
    assert not gateway.simulator.recorder.of(ACCOUNT_UPDATES)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda item: item.name)
def test_a_sync_told_to_stop_says_so_and_records_it(
    tmp_path: Path, gateway: SimulatorThread, number: signal.Signals
) -> None:
    """The load is `failed: interrupted`, the connection closed, no traceback shown."""
    gateway.arm("mute", request=POSITIONS, times=0)
    environ = environment(tmp_path, gateway)
    child = subprocess.Popen(
        [sys.executable, "-m", "ibkr_pipeline", "sync", "positions"],
        cwd=tmp_path,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    _wait_until(lambda: bool(gateway.simulator.recorder.of(POSITIONS)), child)
    child.send_signal(number)
    _out, err = child.communicate(timeout=30)
    with ControlStore.open(tmp_path / "data" / "control.sqlite", clock=SystemClock()) as control:
        reasons = {row.reason for row in control.requests() if row.dataset.value == "positions"}

    assert 130 == child.returncode, err
    assert {"interrupted"} == reasons
    assert "Interrupted." in err
    assert "Traceback" not in err


def test_the_demo_finds_nothing_new_the_second_time_and_keeps_to_itself(
    tmp_path: Path, gateway: SimulatorThread
) -> None:
    """From an empty folder, whatever the environment says about a real gateway.

    The directory knows whose rows it holds: looking at them needs no mode, adding to them does.
    """
    environ = environment(tmp_path, gateway, IBKR_ACCOUNTS="U0000001")
    first = call_here(tmp_path, environ, "demo", "--json")
    told = call_here(tmp_path, environ, "show", "positions").stdout
    second = call_here(tmp_path, environ, "demo")
    refused = call_here(tmp_path, environ, "sync", "accounts")
    shown = call_here(tmp_path, environ, "show", "positions", "--json")

    assert (0, 0) == (first.code, second.code), first.stderr + second.stderr
    assert "SPXW  261120P05900000" in told
    assert [("2026-11-18", 6), ("2026-11-19", 2), ("2026-11-20", 2)] == [
        (night["session"], night["new_executions"]) for night in first.document["sessions"]
    ]
    paths = first.document["paths"]
    assert {"data", "warehouse", "read_copy", "dagster_home", "log"} == set(paths)
    assert [] == [path for path in paths.values() if not Path(path).exists()]
    checks = first.document["checks"]
    assert {"asset", "check", "severity", "passed", "reason"} == set(checks[0])
    assert all(check["passed"] for check in checks)
    assert "0 new executions; current positions: equal to those of the last run." in second.stdout
    for text in (
        "net_liquidation_value",
        "commission",
        "741000202:20261119:assignment",
        "reconciliation: clean, no break is open",
        "0 failed",
        "What to do next",
    ):
        assert text in second.stdout
    assert (2, True) == (refused.code, "simulated environment" in refused.stderr)
    assert {"simulated"} == {row["environment"] for row in shown.document}
    assert 7 == len(shown.document)


@pytest.mark.parametrize(
    ("fault", "check", "words"),
    [
        (None, None, "API version 178"),
        ({"name": "client_id_in_use", "times": 0}, "client id", "326"),
        ({"name": "no_accounts", "times": 0}, "gateway", "named no account"),
        ({"name": "drop_in_startup", "times": 0}, "gateway", "closed the connection"),
        ({"name": "mute", "request": COMPLETED_ORDERS, "times": 0}, "reading", "orders"),
    ],
    ids=["well", "client-id-taken", "no-accounts", "dropped", "never-answers"],
)
def test_the_doctor_says_what_is_wrong_and_leaves_no_trace(
    tmp_path: Path,
    gateway: SimulatorThread,
    fault: dict[str, object] | None,
    check: str | None,
    words: str,
) -> None:
    """In words a person can act on; no directory is made and no order message sent."""
    if fault is not None:
        gateway.arm(**fault)  # type: ignore[arg-type]  # as the scenario files spell them
    file = config(tmp_path, "ibkr: {connect_timeout_seconds: 1, request_timeout_seconds: 0.5}\n")
    ended = call_here(
        tmp_path, environment(tmp_path, gateway), "doctor", "--config", file, "--json"
    )
    findings = ended.document["findings"]
    failed = [item for item in findings if item["level"] == "fail"]

    assert ([] if check is None else [check]) == [item["check"] for item in failed]
    assert (0 if check is None else 1) == ended.code
    assert words in json.dumps(failed or findings)
    assert not (tmp_path / "data").exists()


def test_the_doctor_tells_a_port_that_is_no_gateway(tmp_path: Path) -> None:
    """Something listens there and never speaks the protocol."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        file = config(tmp_path, "ibkr: {connect_timeout_seconds: 1}\n")
        environ = environment(tmp_path, IBKR_PORT=str(silent.getsockname()[1]))
        ended = call_here(tmp_path, environ, "doctor", "--config", file, "--json")
    failed = [item for item in ended.document["findings"] if item["level"] == "fail"]

    assert ["gateway"] == [item["check"] for item in failed]
    assert "but not as a TWS or Gateway" in failed[0]["found"]


def test_a_port_that_is_no_gateway_is_asked_once_and_told(tmp_path: Path) -> None:
    """Another try would wait again for words that never come."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(0)
        file = config(tmp_path, "ibkr: {connect_timeout_seconds: 0.5, read_attempts: 3}\n")
        environ = environment(tmp_path, IBKR_PORT=str(silent.getsockname()[1]))
        ended = call_here(tmp_path, environ, "sync", "all", "--config", file, "--json")
        n_connections = 0
        with suppress(BlockingIOError):
            while silent.accept():
                n_connections += 1

    assert (1, 1) == (ended.code, n_connections)
    for dataset in ended.document["datasets"]:
        assert "said nothing within 0.5 s" in dataset["error"]


def _rebuilt(ended: Ended) -> tuple[int, bool]:
    return ended.code, ended.document["equal"]


def _wait_until(is_so: Any, child: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert child.poll() is None, child.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_reader_that_stops_reading_is_no_error(tmp_path: Path) -> None:
    """`show … | head -1` is how people look; it must not end in a traceback."""
    with subprocess.Popen(
        [sys.executable, "-c", _WRITES_FOR_EVER],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.readline()
        child.stdout.close()
        told = child.stderr.read()

    assert (1, "") == (child.returncode, told)


_WRITES_FOR_EVER = """
import sys
from ibkr_pipeline.cli import app

@app.app.command("endless")
def endless() -> None:
    while True:
        sys.stdout.write("row\\n")

app.app(["endless"])
"""
