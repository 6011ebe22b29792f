"""Every code of the service has its meaning, its action and its advice."""

from __future__ import annotations

import pytest

from ibkr_pipeline.brokers.ibkr.flex_errors import (
    FLEX_ERRORS,
    FlexAction,
    FlexNotReadyError,
    FlexQueryError,
    FlexReferenceError,
    FlexRefusedError,
    FlexThrottledError,
    FlexTokenError,
    FlexUnavailableError,
    error_of_code,
    one_line,
)
from ibkr_pipeline.primitives.errors import BrokerError, Retryable, Terminal
from ibkr_pipeline.primitives.secrets_registry import register_secret

#: By hand, from the service's own table and what users report of it.
ACTIONS = {
    FlexAction.RETRY_SEND: {1001, 1009},
    FlexAction.WAIT_FOR_DATA: {1003, 1004, 1005, 1006, 1007, 1008},
    FlexAction.PERMANENT_CONFIG: {1010, 1014, 1016, 1020},
    FlexAction.PERMANENT_CREDENTIAL: {1011, 1012, 1013, 1015},
    FlexAction.NEW_REFERENCE: {1017},
    FlexAction.THROTTLED: {1018},
    FlexAction.POLL: {1019, 1021},
}


def test_the_table_holds_exactly_the_codes_of_the_service() -> None:
    """There is no 1002 and nothing above 1021."""
    assert {1001, *range(1003, 1022)} == FLEX_ERRORS.keys()
    assert 20 == len(FLEX_ERRORS)


def test_each_code_has_the_action_that_helps() -> None:
    """Repeating what cannot work gets the token throttled."""
    found = {
        action: {code for code, rule in FLEX_ERRORS.items() if rule.action is action}
        for action in ACTIONS
    }

    assert ACTIONS == found


@pytest.mark.parametrize(
    ("code", "kind", "mark"),
    [
        (1001, FlexUnavailableError, Retryable),
        (1004, FlexNotReadyError, Retryable),
        (1012, FlexTokenError, Terminal),
        (1014, FlexQueryError, Terminal),
        (1017, FlexReferenceError, Retryable),
        (1018, FlexThrottledError, Retryable),
        (1019, FlexNotReadyError, Retryable),
    ],
)
def test_a_code_becomes_an_error_with_the_mark_retry_policies_read(
    code: int, kind: type[BrokerError], mark: type
) -> None:
    """A retry policy asks the type, not the text."""
    error = error_of_code(code, "Said so.", step="GetStatement")

    assert type(error) is kind
    assert isinstance(error, mark)
    assert code == error.code


@pytest.mark.parametrize("code", sorted(FLEX_ERRORS))
def test_every_message_says_what_it_means_and_what_to_do(code: int) -> None:
    """A number alone sends people to a search engine."""
    rule, error = FLEX_ERRORS[code], error_of_code(code, "Said so.", step="SendRequest")

    assert f"(code {code})" in str(error)
    assert rule.meaning in str(error)
    assert rule.mend in str(error)
    assert "'Said so.'" in str(error)


def test_what_may_work_later_says_when() -> None:
    """A sensor asks again after that, not at every tick."""
    unsaid = {
        code
        for code, rule in FLEX_ERRORS.items()
        if rule.retry_after is None
        and rule.action not in {FlexAction.PERMANENT_CONFIG, FlexAction.PERMANENT_CREDENTIAL}
    }

    assert set() == unsaid


@pytest.mark.parametrize("code", [1002, 1022, 7, None])
def test_an_unknown_code_is_final_and_shown(code: int | None) -> None:
    """Nobody knows whether repeating it does harm."""
    error = error_of_code(code, "New trouble.", step="SendRequest")

    assert type(error) is FlexRefusedError
    assert FlexAction.GIVE_UP is error.action
    assert isinstance(error, Terminal)
    assert ("no code" if code is None else str(code)) in str(error)
    assert "New trouble." in str(error)


def test_foreign_text_is_one_short_printable_line_without_secrets() -> None:
    """It ends in a terminal, a log and the run page."""
    register_secret("SECRET-0001")

    assert "a b <secret> c" == one_line("a\n\tb SECRET-0001\x1b\x00 c")
    assert 201 == len(one_line("x" * 5000))
