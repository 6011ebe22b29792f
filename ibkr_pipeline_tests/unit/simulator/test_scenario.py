"""Scenario files: the bundled ones load, wrong ones say what is wrong."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from ibkr_pipeline.simulator.document import ScenarioError
from ibkr_pipeline.simulator.gateway.recording import Recorder
from ibkr_pipeline.simulator.records import OrderStatus
from ibkr_pipeline.simulator.scenario import build_simulator, bundled_scenarios, load_simulator

ACCOUNT: dict[str, object] = {"account": "DU0000001", "cash": {"USD": "1000.00"}}


def test_the_small_bundled_scenarios_load() -> None:
    """Each is named in the documentation; the two large ones are generated the same way."""
    names = bundled_scenarios()

    accounts = {
        name: list(load_simulator(name).book.accounts)
        for name in names
        if name not in ("bulk_executions", "many_accounts")
    }

    assert accounts == {
        "advisor": ["DF0000001", "DU0000001", "DU0000002"],
        "default": ["DU0000001", "DU0000002"],
        "empty": ["DU0000001"],
        "live_account": ["U0000001"],
        "reissued_ids": ["DU0000001"],
        "single_account": ["DU0000001"],
        "three_sessions": ["DU0000001", "DU0000002"],
    }
    assert {"bulk_executions", "many_accounts"} <= set(names)


def test_the_default_day_has_every_kind_of_order() -> None:
    """Filled in pieces, corrected, closing, short option, currency, manual, cancelled, rejected."""
    book = load_simulator().book

    completed = {o.order_ref: o for o in book.completed_orders()}
    working = {o.order_ref: (o.status, o.tif) for o in book.open_orders()}
    fills = book.todays_fills()

    assert {r: o.status for r, o in completed.items()} == {
        "core-aapl-1": OrderStatus.FILLED,
        "core-msft-1": OrderStatus.FILLED,
        "calls-aapl-1": OrderStatus.FILLED,
        "fx-eur-1": OrderStatus.FILLED,
        "": OrderStatus.FILLED,
        "core-spy-1": OrderStatus.CANCELLED,
        "core-brk-1": OrderStatus.INACTIVE,
    }
    assert working == {
        "core-msft-2": (OrderStatus.SUBMITTED, "GTC"),
        "core-spy-2": (OrderStatus.SUBMITTED, "DAY"),
    }
    assert [f.cum_quantity for f in fills[:4]] == [100, 250, 250, 300]
    assert [f.exec_id[-3:] for f in fills[:4]] == [".01", ".01", ".02", ".01"]
    assert [f.realized_pnl is None for f in fills[:5]] == [True, True, True, True, False]
    assert {f.instrument.sec_type for f in fills} == {"STK", "OPT", "CASH"}


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ([], "was list, expected a mapping"),
        ({}, "no account is defined"),
        ({"accounts": [ACCOUNT], "colour": "red"}, "unknown key 'colour'; expected: accounts"),
        ({"accounts": [{"cash": {}}]}, r"accounts\[0\] lacks 'account'"),
        ({"accounts": [ACCOUNT, ACCOUNT]}, "DU0000001 is defined twice"),
        ({"accounts": [ACCOUNT], "seed": -1}, "seed was -1, expected an integer from 0"),
        ({"accounts": [ACCOUNT], "seed": True}, "seed was True"),
        ({"accounts": [ACCOUNT], "gateway": {"server_version": 179}}, "from 157 to 178"),
        ({"accounts": [ACCOUNT], "gateway": {"time_format": "swatch"}}, "one of zoned"),
        ({"accounts": [ACCOUNT], "gateway": {"advisor": "DF1"}}, "DF1"),
        ({"accounts": [ACCOUNT], "gateway": {"groups": {"A": "x"}}}, "expected a list of accounts"),
        ({"accounts": [ACCOUNT], "clock": {"session": "2026-11-21"}}, "expected a trading session"),
        ({"accounts": [ACCOUNT], "clock": {"time": 980}}, "expected a quoted HH:MM"),
        ({"accounts": [ACCOUNT], "marks": {"NOPE": 1}}, "marks names 'NOPE'"),
        ({"accounts": [ACCOUNT], "faults": [{"name": "meteor"}]}, "meteor"),
        ({"accounts": [ACCOUNT], "orders": [{"instrument": "XYZ"}]}, "'XYZ' matched 0"),
        ({"accounts": [{"account": "DU1", "cash": {"CHF": 1}}]}, "holds CHF, which has no pair"),
        ({"accounts": [ACCOUNT], "clock": {"time_zone": "Mars/Olympus"}}, "a known zone"),
        ({"generate_accounts": {"count": 1, "first": "DUX"}}, "two letters and digits"),
        (
            {
                "accounts": [ACCOUNT],
                "orders": [{"account": "DU0000001", "instrument": "AAPL", "quantity": -5}],
            },
            "quantity was '-5', expected a number above 0",
        ),
        (
            {"accounts": [{"account": "DU1", "cash": {"USD": ".nan"}}]},
            "cash.USD was '.nan', expected a number",
        ),
        (
            {
                "accounts": [ACCOUNT],
                "orders": [
                    {
                        "account": "DU0000001",
                        "instrument": "AAPL",
                        "quantity": 5,
                        "fills": [{"quantity": 4, "price": 1}],
                    }
                ],
            },
            "fills add up to 4, the order has 5 and ends filled",
        ),
        (
            {
                "accounts": [ACCOUNT],
                "orders": [
                    {"account": "DU0000001", "instrument": "AAPL", "quantity": 5, "at": "23:00:00"}
                ],
            },
            "later than the clock",
        ),
    ],
    ids=lambda value: str(value)[:48],
)
def test_a_wrong_scenario_says_what_is_wrong_and_where(document: object, complaint: str) -> None:
    """A key that is silently ignored would make a test mean something else."""
    with pytest.raises(ScenarioError, match=complaint):
        build_simulator(document)


def test_a_scenario_comes_from_a_file_or_a_bundled_name(tmp_path: Path) -> None:
    """A missing file names the bundled scenarios; a file that is no YAML says so."""
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("accounts: [{account: DU0000007}]\nclock: {session: 2026-11-20}\n")
    bad.write_text("accounts: [")

    assert list(load_simulator(good).book.accounts) == ["DU0000007"]
    assert load_simulator(good).book.market.clock.today().isoformat() == "2026-11-20"
    with pytest.raises(ScenarioError, match="is not YAML"):
        load_simulator(bad)
    with pytest.raises(ScenarioError, match="give a file or one of: advisor"):
        load_simulator(tmp_path / "none.yaml")


def test_generated_accounts_and_executions_have_the_asked_size() -> None:
    """Numbers from parameters; every position and price from the seed."""
    document = {
        "generate_accounts": {"count": 3, "positions": 2, "first": "DU0000005"},
        "generate_executions": {"count": 7, "per_order": 3},
    }

    book, again = build_simulator(document).book, build_simulator(document).book

    assert list(book.accounts) == ["DU0000005", "DU0000006", "DU0000007"]
    assert [len(book.value(a).positions) for a in ("DU0000006", "DU0000007")] == [2, 2]
    assert len(book.todays_fills()) == 7
    assert [o.quantity for o in book.completed_orders()] == [300, 300, 100]
    assert book.fills == again.fills
    assert build_simulator(document, seed=8).book.fills != book.fills


def test_listed_instruments_and_marks_can_be_added() -> None:
    """A scenario may bring symbols of its own, an awkward one included."""
    document = {
        "accounts": [ACCOUNT],
        "marks": {"AAPL": "99.99"},
        "instruments": [{"con_id": 1, "symbol": "../x", "mark": "5.00"}],
    }

    catalogue = build_simulator(document).book.market.catalogue

    assert catalogue.named("AAPL").mark == Decimal("99.99")
    assert catalogue.get(1).symbol == "../x"


def test_a_scenario_may_bring_its_faults() -> None:
    """They are armed from the first connection on."""
    document = {"accounts": [ACCOUNT], "faults": [{"name": "omit", "message": 62, "times": 3}]}

    state = build_simulator(document).faults.state()

    assert state == [{"name": "omit", "fired": 0, "spent": False}]


def test_requests_are_recorded_in_a_file_as_they_come(tmp_path: Path) -> None:
    """Each line is complete before the next request is answered."""
    path = tmp_path / "requests.jsonl"
    with Recorder(path) as recorder:
        recorder.add(1, 178, ["61", "1"])
        recorder.add(1, 178, ["x"])
        lines = path.read_text().splitlines()

    assert len(lines) == 2
    assert [r.message_id for r in recorder.requests] == [61, -1]
    assert recorder.of(61)[0].fields == ("61", "1")
