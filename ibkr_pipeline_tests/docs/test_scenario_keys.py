"""The page of scenario keys says what the loader takes: each key, whether needed, its default."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from ibkr_pipeline.simulator.document import ScenarioError
from ibkr_pipeline.simulator.gateway.simulator import Simulator
from ibkr_pipeline.simulator.scenario import build_simulator
from ibkr_pipeline_tests.docs.pages import tables
from ibkr_pipeline_tests.repository import ROOT

REFERENCE = ROOT / "docs/reference/simulated_broker.md"
_EVENTS = "sessions[].events[]"

#: A document with one of everything; of each section little more than it cannot do without.
SMALLEST: dict[str, Any] = {
    "clock": {},
    "liquidity": {},
    "gateway": {},
    "generate_accounts": {"count": 2},
    "generate_executions": {"count": 12},
    "instruments": [{"con_id": 1, "symbol": "KO", "mark": "70"}],
    "accounts": [
        {
            "account": "DU0000009",
            "positions": [{"instrument": "SPY", "quantity": 1, "average_price": "560"}],
        }
    ],
    "orders": [
        {
            "account": "DU0000009",
            "instrument": "SPY",
            "quantity": 1,
            "fills": [{"quantity": 1, "price": "590"}],
        }
    ],
    "sessions": [{"number": 2}],
    "flex": {"queries": {"7": {}}},
}
#: Of each event the keys it cannot do without.
EVENTS: Mapping[str, dict[str, Any]] = {
    "split": {"instrument": "SPY", "new": 2, "old": 1},
    "symbol_change": {"instrument": "SPY", "symbol": "SPZ", "con_id": 2},
    "dividend": {"instrument": "SPY", "per_share": "1.5"},
    "deposit": {"account": "DU0000009", "amount": 100},
    "withdrawal": {"account": "DU0000009", "amount": 100},
    "cash": {"account": "DU0000009", "amount": -5, "type": "Other Fees"},
    "transfer": {"account": "DU0000009", "instrument": "SPY", "quantity": 1},
    "assign": {"account": "DU0000009", "instrument": "SPY   261218C00600000", "quantity": 1},
    "exercise": {"account": "DU0000009", "instrument": "SPY   261218C00600000", "quantity": 1},
}
#: Heading of the page -> where its section is in the document above.
SECTIONS: Mapping[str, tuple[str | int, ...]] = {
    "scenario": (),
    "clock": ("clock",),
    "liquidity": ("liquidity",),
    "instruments[]": ("instruments", 0),
    "accounts[]": ("accounts", 0),
    "accounts[].positions[]": ("accounts", 0, "positions", 0),
    "orders[]": ("orders", 0),
    "orders[].fills[]": ("orders", 0, "fills", 0),
    "sessions[]": ("sessions", 0),
    "flex": ("flex",),
    "flex.queries": ("flex", "queries", "7"),
    "generate_accounts": ("generate_accounts",),
    "generate_executions": ("generate_executions",),
    "gateway": ("gateway",),
}


@pytest.mark.parametrize("heading", SECTIONS)
def test_the_keys_of_a_section_are_those_the_loader_takes(heading: str) -> None:
    """A key that is missing is never found, one too many ends with an error."""
    document = _with(SECTIONS[heading], {"no_such_key": 1})

    with pytest.raises(ScenarioError, match="no_such_key") as caught:
        build_simulator(document)

    accepted = str(caught.value).rpartition("expected: ")[2].rstrip(".").split(", ")
    assert sorted(accepted) == sorted(_plain(row[0]) for row in tables(REFERENCE)[heading])


@pytest.mark.parametrize("heading", SECTIONS)
def test_a_default_on_the_page_is_what_a_missing_key_means(heading: str) -> None:
    """Whoever leaves a key out gets what the page says."""
    place = SECTIONS[heading]
    # `end` has two, in words; the worked example has both.
    defaults = {
        _plain(row[0]): yaml.safe_load(_plain(row[2]))
        for row in tables(REFERENCE)[heading]
        if row[2].startswith("`") and row[0] != "`end`"
    }
    wrong = {
        key
        for key, default in defaults.items()
        if _outcome(_without(place, key)) != _outcome(_with(place, {key: default}))
    }

    assert set() == wrong


@pytest.mark.parametrize("heading", [name for name in SECTIONS if name != "scenario"])
def test_a_key_that_the_page_calls_required_is(heading: str) -> None:
    """A file with the required keys alone loads, and with one of them less it does not."""
    required = {_plain(row[0]) for row in tables(REFERENCE)[heading] if row[2] == "required"}
    place = SECTIONS[heading]

    assert required == {
        key for key in _at(SMALLEST, place) if isinstance(_outcome(_without(place, key)), str)
    }


def test_the_events_of_the_nights_are_all_on_the_page() -> None:
    """Their names are words of the file too."""
    with pytest.raises(ScenarioError) as caught:
        build_simulator(_with_event({"event": "no_such_event"}))

    accepted = str(caught.value).rpartition("expected one of ")[2].rstrip(".").split(", ")
    assert sorted(accepted) == sorted(_plain(row[0]) for row in tables(REFERENCE)[_EVENTS])
    assert sorted(accepted) == sorted(EVENTS)


@pytest.mark.parametrize("event", EVENTS)
def test_the_keys_of_an_event_are_those_the_loader_takes(event: str) -> None:
    """A key that is missing is never found, one too many ends with an error."""
    row = next(row for row in tables(REFERENCE)[_EVENTS] if _plain(row[0]) == event)
    required, further = (set(re.findall(r"`(\w+)`", cell)) for cell in row[1:3])
    smallest = {"event": event, **EVENTS[event]}

    with pytest.raises(ScenarioError, match="no_such_key") as caught:
        build_simulator(_with_event({**smallest, "no_such_key": 1}))

    accepted = str(caught.value).rpartition("expected: ")[2].rstrip(".").split(", ")
    assert {*accepted} == {"event", *required, *further}
    assert isinstance(_outcome(_with_event(smallest)), tuple)
    assert required == {
        key
        for key in EVENTS[event]
        if isinstance(_outcome(_with_event({k: v for k, v in smallest.items() if k != key})), str)
    }


def _plain(cell: str) -> str:
    return cell.strip("`")


def _copy(document: dict[str, Any]) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(document))
    return copy


def _at(document: Any, place: tuple[str | int, ...]) -> dict[str, Any]:
    for step in place:
        document = document[step]
    found: dict[str, Any] = document
    return found


def _with(place: tuple[str | int, ...], values: Mapping[str, Any]) -> dict[str, Any]:
    document = _copy(SMALLEST)
    _at(document, place).update(values)
    return document


def _with_event(event: dict[str, Any]) -> dict[str, Any]:
    return _with(("sessions", 0), {"events": [event]})


def _without(place: tuple[str | int, ...], key: str) -> dict[str, Any]:
    document = _copy(SMALLEST)
    _at(document, place).pop(key, None)
    return document


def _outcome(document: dict[str, Any]) -> tuple[object, ...] | str:
    try:
        return _facts(build_simulator(document))
    except ScenarioError as error:
        return str(error)


def _facts(simulator: Simulator) -> tuple[object, ...]:
    """Return everything a scenario decides."""
    book = simulator.book
    market = book.market
    return (
        simulator.options,
        list(market.catalogue),
        market.liquidity,
        market.base_currency,
        (market.clock.now(), market.clock.zone),
        {account: (book.value(account), ledger.cash) for account, ledger in book.accounts.items()},
        book.orders,
        book.fills,
        simulator.faults.state(),
        book.script,
        simulator.flex_options,
    )
