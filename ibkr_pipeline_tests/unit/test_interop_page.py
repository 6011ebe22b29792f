"""Answers of other clients are judged strictly, and the page says no more than what was seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ibkr_pipeline_tests.repository import ROOT
from interop.canonical import UnreadableValueError, canonical
from interop.clients import CLIENTS, Client
from interop.limitations import LIMITATIONS, WHOLE, Limitation
from interop.page import Results, interop_page
from interop.runs import Run
from interop.verdicts import Verdict, judge

PAGE = ROOT / "docs/reference/interop.md"

ALPHA = Client(name="alpha", version="1", origin="pypi", program="a", module="a", about="one")
BETA = replace(ALPHA, name="beta")
GAMMA = replace(ALPHA, name="gamma")

#: What the control port says of a book with one account and two fills.
STATE: dict[str, Any] = {
    "next_order_id": 4,
    "fills": 2,
    "accounts": {
        "DU0000001": {"net_liquidation": "100", "cash": {"USD": "100"}, "positions": {"AAPL": "5"}}
    },
    "open_orders": [],
    "completed_orders": [],
}


def test_a_value_unlike_the_book_s_fails() -> None:
    """That all clients agree on a wrong number must not make it right."""
    wrong = [{"account": "DU0000001"}, {"account": "DU0000009"}]
    verdicts = _judged("managed_accounts", dict.fromkeys((ALPHA, BETA, GAMMA), wrong))

    assert ["2 rows were told, the book has 1"] * 3 == [v.differences[0].text for v in verdicts]


def test_an_empty_answer_fails_where_the_book_has_rows() -> None:
    """Silence is the failure this page exists to find."""
    (verdict,) = _judged("next_valid_id", {ALPHA: []})

    assert "0 rows were told, the book has 1" == verdict.differences[0].text


def test_a_value_unlike_the_other_clients_fails() -> None:
    """The book does not tell bars and contracts; three decoders that agree do."""
    verdicts = _judged("daily_bars", {ALPHA: [_bar()], BETA: [_bar()], GAMMA: [_bar(close=7)]})

    assert [(), (), ("close",)] == [tuple(d.column for d in v.differences) for v in verdicts]
    assert "20261118 close was '7', others say '10'" == verdicts[2].differences[0].text


def test_two_clients_that_disagree_both_fail() -> None:
    """Nobody knows which of them is right."""
    verdicts = _judged("daily_bars", {ALPHA: [_bar()], BETA: [_bar(close=7)]})

    assert [1, 1] == [len(v.differences) for v in verdicts]


def test_a_column_a_client_leaves_out_fails() -> None:
    """What was not compared must not look compared."""
    short = {column: value for column, value in _bar().items() if column != "wap"}
    verdicts = _judged("daily_bars", {ALPHA: [_bar()], BETA: [short]})

    assert "20261118 wap is not told by this client" == verdicts[1].differences[0].text


@pytest.mark.parametrize(
    ("column", "server_version", "fails"),
    [("close", 176, False), ("close", 177, True), ("open", 176, True)],
    ids=["as known", "at a version it does not name", "in a column it does not name"],
)
def test_a_known_limit_excuses_what_it_names(
    column: str, server_version: int, *, fails: bool
) -> None:
    """A wider excuse would hide the next mistake of the simulated broker."""
    limit = Limitation(
        client="gamma", operation="daily_bars", columns=("close",), reason="Rounds.", below=177
    )
    answers = {ALPHA: [_bar()], BETA: [_bar()], GAMMA: [_bar(**{column: 7})]}
    verdict = _judged("daily_bars", answers, (limit,), server_version)[2]

    assert fails is bool(verdict.differences)
    assert fails is not bool(verdict.excused)


def test_a_client_with_a_known_limit_has_no_voice_there() -> None:
    """Two clients with one mistake must not outvote one without it."""
    limits = [
        Limitation(client=name, operation="daily_bars", columns=("close",), reason="Rounds.")
        for name in ("alpha", "beta")
    ]
    answers = {ALPHA: [_bar(close=7)], BETA: [_bar(close=7)], GAMMA: [_bar()]}
    verdicts = _judged("daily_bars", answers, limits)

    assert [(), (), ()] == [v.differences for v in verdicts]
    assert [1, 1, 0] == [len(v.excused) for v in verdicts]


def test_what_was_not_tried_fails() -> None:
    """A program that ends early leaves no answer, and no answer is not a pass."""
    run = Run(client=ALPHA, gateway_version=178, before=STATE, after=STATE, problem="it ended")

    assert {"it ended"} == {v.differences[0].text for v in judge([run], ())}


def test_spellings_of_one_value_are_equal() -> None:
    """Clients differ in types and sentinels; that is not what is compared."""
    assert "0.1" == canonical("number", "0.10") == canonical("number", 0.1)
    assert canonical("number", 1.7976931348623157e308) is None
    assert canonical("right", "?") is canonical("right", "0") is canonical("right", None) is None
    assert "2026-11-18T14:45:04+00:00" == canonical("instant", "20261118 09:45:04 US/Eastern")


@pytest.mark.parametrize("text", ["20261118  09:45:04", "2026-11-18T09:45:04", "yesterday"])
def test_an_instant_without_its_zone_is_refused(text: str) -> None:
    """It would be read in the zone of the machine, and the page would depend on it."""
    with pytest.raises(UnreadableValueError, match="Time was"):
        canonical("instant", text)


def test_a_client_that_is_not_installed_never_passes() -> None:
    """An empty column is no success."""
    page = interop_page(Results(verdicts=(), missing={"alpha": "npm was not found"}), (ALPHA,))

    assert "| `alpha` | 1 | PyPI | not installed: npm was not found | one |" in page
    assert "| positions | not installed |" in page
    assert "| ok |" not in page


def test_a_page_about_one_client_says_what_was_not_compared() -> None:
    """With nobody to agree with, most of its columns were held against nothing."""
    note = "compared with nothing"
    told = _judged("daily_bars", {ALPHA: [_bar()], BETA: [_bar()]})
    alone, both = told[:1], told

    assert note in interop_page(Results(verdicts=alone, missing={}), (ALPHA,))
    assert note not in interop_page(Results(verdicts=both, missing={}), (ALPHA, BETA))


def test_the_page_does_not_repeat_what_a_machine_said() -> None:
    """Paths and messages differ from run to run; they belong on stderr."""
    run = Run(client=ALPHA, gateway_version=178, problem="No module below /opt/somewhere")
    page = interop_page(Results(verdicts=judge([run], ()), missing={}), (ALPHA,))

    assert "| positions | differs |" in page
    assert "somewhere" not in page


def test_the_stored_page_is_about_the_clients_that_are_tried() -> None:
    """Another pinned version needs another run."""
    page = PAGE.read_text(encoding="utf-8")
    told = {
        tuple(cell.strip(" `") for cell in line.split("|")[1:3])
        for line in page.splitlines()
        if line.startswith("| `")
    }

    assert {(client.name, client.version) for client in CLIENTS} == told


def test_the_stored_page_names_no_limit_that_is_not_known() -> None:
    """A limit taken out of the list may not live on in the page."""
    page = PAGE.read_text(encoding="utf-8")
    listed = page.partition("## Known limits")[2].strip().splitlines()

    assert [] == [line for line in listed if not any(k.reason in line for k in LIMITATIONS)]
    assert "differs |" not in page


def test_a_limit_on_a_whole_answer_says_from_when_the_client_can_do_it() -> None:
    """A client that can never do something would be tried in vain; it is left out instead."""
    assert [] == [k for k in LIMITATIONS if WHOLE in k.columns and not k.below]


def _bar(**changed: float) -> dict[str, Any]:
    names = ("open", "high", "low", "close", "volume", "wap", "trades")
    return {"date": "20261118", **dict.fromkeys(names, 10), **changed}


def _judged(
    operation: str,
    answers: dict[Client, list[dict[str, Any]]],
    limitations: Any = (),
    server_version: int = 178,
) -> list[Verdict]:
    runs = [
        Run(
            client=client,
            gateway_version=server_version,
            operations={operation: {"rows": rows}},
            before=STATE,
            after=STATE,
        )
        for client, rows in answers.items()
    ]
    return [v for v in judge(runs, limitations) if v.operation.name == operation]
