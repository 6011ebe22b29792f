"""Which accounts a read asks for."""

from __future__ import annotations

import pytest

from ibkr_pipeline.pipelines.account_choice import choose_accounts, kind_in, kind_of, left_out
from ibkr_pipeline.primitives.enums import Environment, LoadStatus

A, B, C = "DU0000001", "DU0000002", "DU0000003"


def test_without_a_choice_the_broker_chooses() -> None:
    """Only the broker knows which codes stand for several accounts together."""
    assert choose_accounts([A, B], named=None, allowed=()).readable is None


def test_an_allow_list_binds_reading() -> None:
    """An account that is not on the list is never asked for, named or not."""
    choice = choose_accounts([A, B, C], named=[A, B], allowed=(A, C))

    assert ((A,), [(B, LoadStatus.FAILED)]) == (
        choice.readable,
        [(outcome.account_id, outcome.status) for outcome in choice.refused],
    )


def test_an_allow_list_is_what_is_read_when_nobody_names_accounts() -> None:
    """The list says what the owner wants read."""
    assert (A, C) == choose_accounts([A, B, C], named=None, allowed=(A, C)).readable


def test_an_unknown_account_does_not_hold_back_the_others() -> None:
    """One mistyped code must not cost the night's read of the rest."""
    choice = choose_accounts([A], named=[A, "DU0000009", A], allowed=())

    assert (A,) == choice.readable
    assert "DU0000009 is not among those the gateway manages (DU0000001)" in str(
        choice.refused[0].reason
    )


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("../x", "account '../x' is not among those the gateway manages (DU0000001, DU0000002)"),
        ("", "account '' is not among"),
        ("du0000001", "; was DU0000001 meant?"),
        ("'DU0000002' ", "; was DU0000002 meant?"),
    ],
)
def test_a_code_that_is_no_account_is_quoted_and_the_one_it_resembles_is_named(
    code: str, words: str
) -> None:
    """An empty or odd code must be seen as such, and wrong case is not another account."""
    (refused,) = choose_accounts([A, B], named=[code], allowed=()).refused

    assert words in str(refused.reason)


def test_what_is_left_out_is_named_with_its_reason() -> None:
    """A person who misses an account must see why without searching."""
    found = left_out([A, B, C, "DF0000001A"], read=[A], allowed=(A, C), groups=["DF0000001A"])

    assert {
        B: "not on the allow-list ibkr.accounts",
        C: "not named with --account",
        "DF0000001A": "stands for several accounts together, which are read one by one",
    } == found


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("DU0000001", "PAPER"),
        ("DF0000001", "PAPER"),
        ("U0000001", "LIVE"),
        ("F0000001", "LIVE"),
        ("DI0000001", "LIVE"),
        ("I0000001", "LIVE"),
    ],
)
def test_paper_and_live_are_told_apart_by_prefix(code: str, kind: str) -> None:
    """A port proves nothing; what is neither DU nor DF is live, the careful answer."""
    assert kind == kind_of(code)


def test_an_account_of_the_simulated_broker_is_neither() -> None:
    """Its code looks like a paper account's; there is no such account."""
    assert ["SIMULATED", "PAPER", "LIVE"] == [
        kind_in("DU0000001", Environment.SIMULATED),
        kind_in("DU0000001", Environment.PAPER),
        kind_in("U0000001", Environment.LIVE),
    ]
