"""One request tells the doctor of service, token and query."""

from __future__ import annotations

import pytest

from ibkr_pipeline.brokers.ibkr.flex_check import FlexState, check_flex
from ibkr_pipeline.brokers.ibkr.flex_client import FlexClient
from ibkr_pipeline.brokers.ibkr.flex_errors import FLEX_ERRORS
from ibkr_pipeline.brokers.ibkr.pacing import InProcessBudget
from ibkr_pipeline_tests.unit.brokers.flex.scripted_service import (
    CANARY,
    Reply,
    ScriptedService,
    Watch,
    config_of,
    page,
    promise,
    refusal,
)

OK, FAILED, UNKNOWN = FlexState.OK, FlexState.FAILED, FlexState.UNKNOWN
ALL_WELL = (OK, OK, OK)
BY_CODE = {
    **dict.fromkeys((1003, 1004, 1005, 1006, 1007, 1008, 1017, 1019, 1021), ALL_WELL),
    **dict.fromkeys((1001, 1009, 1018, 1020), (OK, UNKNOWN, UNKNOWN)),
    **dict.fromkeys((1011, 1012, 1013, 1015), (OK, FAILED, UNKNOWN)),
    **dict.fromkeys((1010, 1014, 1016), (OK, OK, FAILED)),
}


def states(reply: Reply) -> tuple[FlexState, ...]:
    """Return what is found of service, token and query; exactly one request is sent."""
    service, watch = ScriptedService(reply), Watch()

    findings = check_flex(
        config_of(spacing_seconds=600.0),
        budget=InProcessBudget(watch),
        clock=watch,
        sleep=watch.sleep,
        monotonic=watch,
        transport=service.transport(),
    )

    assert ["SendRequest"] == service.steps
    assert [] == watch.slept
    assert CANARY not in repr(findings)
    assert all((finding.state is OK) == (finding.mend is None) for finding in findings)
    return tuple(finding.state for finding in findings)


def test_a_promise_means_all_is_well() -> None:
    """The statement itself is not fetched."""
    assert ALL_WELL == states(promise())


def test_every_code_is_judged() -> None:
    """The table is complete or the doctor guesses."""
    assert FLEX_ERRORS.keys() == BY_CODE.keys()


@pytest.mark.parametrize("code", sorted(BY_CODE))
def test_a_refusal_tells_what_it_tells_and_no_more(code: int) -> None:
    """A throttled request says nothing of the query; a query that is refused clears the token."""
    assert BY_CODE[code] == states(refusal(code))


@pytest.mark.parametrize(
    "reply",
    [page(503), page(404), Reply(), Reply(body=b"{}"), Reply(status=302)],
    ids=["503", "404", "empty", "JSON", "redirect"],
)
def test_a_service_that_does_not_answer_as_it_should_has_failed(reply: Reply) -> None:
    """Token and query were not judged."""
    assert (FAILED, UNKNOWN, UNKNOWN) == states(reply)


def test_a_token_that_must_rest_is_not_used_to_look() -> None:
    """Nothing is sent, and nothing is said that was not found out."""
    service, watch = ScriptedService(promise()), Watch()
    budget = InProcessBudget(watch)
    config = config_of(requests_per_minute=1)
    found = [
        check_flex(
            config,
            budget=budget,
            clock=watch,
            sleep=watch.sleep,
            monotonic=watch,
            transport=service.transport(),
        )
        for _ in range(2)
    ]

    assert ALL_WELL == tuple(finding.state for finding in found[0])
    assert (UNKNOWN, UNKNOWN, UNKNOWN) == tuple(finding.state for finding in found[1])
    assert 1 == len(service.asked)


def test_an_unknown_code_clears_the_service_alone() -> None:
    """It did answer."""
    assert (OK, UNKNOWN, UNKNOWN) == states(refusal(1099))


def test_a_sync_may_follow_at_once() -> None:
    """Looking must not cost ten minutes of waiting."""
    watch = Watch()
    budget, service = InProcessBudget(watch), ScriptedService(promise())
    config = config_of(spacing_seconds=600.0)
    check_flex(
        config,
        budget=budget,
        clock=watch,
        sleep=watch.sleep,
        monotonic=watch,
        transport=service.transport(),
    )

    FlexClient(
        config,
        budget=budget,
        clock=watch,
        sleep=watch.sleep,
        monotonic=watch,
        transport=service.transport(),
    ).request_statement()

    assert [] == watch.slept
