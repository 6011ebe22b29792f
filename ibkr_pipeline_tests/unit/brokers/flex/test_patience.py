"""The token's allowance is one for every process, and a statement is not asked for in a row."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from ibkr_pipeline.brokers.ibkr.flex_errors import (
    FlexError,
    FlexNotReadyError,
    FlexQueryError,
    FlexThrottledError,
    FlexUnavailableError,
)
from ibkr_pipeline.brokers.ibkr.pacing import InProcessBudget
from ibkr_pipeline.control.store import ControlStore
from ibkr_pipeline.ports.budget import RequestBudget
from ibkr_pipeline_tests.unit.brokers.flex.scripted_service import (
    CANARY,
    Reply,
    ScriptedService,
    Watch,
    client_of,
    page,
    promise,
    refusal,
    statement,
)

LIMITS: dict[str, Any] = {"requests_per_second": 1, "requests_per_minute": 10}


class Ledger:
    """A budget that writes down what was asked of it."""

    def __init__(self, budget: RequestBudget) -> None:
        self.buckets: list[str] = []
        self._budget = budget

    def take(self, bucket: str, *, cost: int, limit: int, per_seconds: float) -> float:
        """Pass the question on."""
        self.buckets.append(bucket)
        return self._budget.take(bucket, cost=cost, limit=limit, per_seconds=per_seconds)


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[Callable[[Watch], ControlStore]]:
    """Open the same control store again, as another process would."""
    opened: list[ControlStore] = []

    def open_it(watch: Watch) -> ControlStore:
        opened.append(ControlStore.open(tmp_path / "control.sqlite", clock=watch))
        return opened[-1]

    yield open_it
    for store in opened:
        store.close()


def test_requests_are_a_second_apart() -> None:
    """The statement is asked for 1.1 s after its promise: requests travel, arrivals count."""
    watch = Watch()

    client_of(ScriptedService(promise(), statement()), watch, **LIMITS).fetch(io.BytesIO())

    assert [1.1] == watch.slept


def test_two_runs_share_ten_requests_a_minute(open_store: Callable[[Watch], ControlStore]) -> None:
    """One promise and nine downloads are ten requests; the eleventh waits for the first to age."""
    watch = Watch()
    first, second = (
        client_of(service, watch, budget=open_store(watch), requests_per_minute=10)
        for service in (ScriptedService(promise(), statement()), ScriptedService(statement()))
    )
    ticket = first.request_statement()
    for _ in range(9):
        second.download(ticket, io.BytesIO())
    assert [] == watch.slept

    first.download(ticket, io.BytesIO())

    assert [62.0] == watch.slept


def test_another_token_has_its_own_allowance() -> None:
    """The service counts by token."""
    watch = Watch()
    budget = InProcessBudget(watch)
    for token in ("token-one", "token-two"):
        service = ScriptedService(promise())
        client_of(service, watch, budget=budget, token=SecretStr(token), **LIMITS).probe()

    assert [] == watch.slept


def test_bucket_names_hold_no_token() -> None:
    """They are rows of a database that people look into."""
    watch = Watch()
    ledger = Ledger(InProcessBudget(watch))

    client_of(
        ScriptedService(promise(), statement()), watch, budget=ledger, spacing_seconds=5.0, **LIMITS
    ).fetch(io.BytesIO())

    # A look and a mark for the statement, minute and second for each of two requests; the second
    # request has to ask again after 1.1 s.
    assert 7 == len(ledger.buckets)
    assert CANARY not in " ".join(ledger.buckets)
    assert {"flex"} == {bucket.split(":")[0] for bucket in ledger.buckets}


def test_too_many_requests_stop_every_run_for_a_minute(
    open_store: Callable[[Watch], ControlStore],
) -> None:
    """What one run was told, the others heed without asking."""
    watch = Watch()
    throttled = client_of(
        ScriptedService(refusal(1018)),
        watch,
        budget=open_store(watch),
        requests_per_minute=10,
        budget_seconds=30.0,
    )
    other = ScriptedService(promise())
    with pytest.raises(FlexThrottledError):
        throttled.request_statement()

    client_of(other, watch, budget=open_store(watch), requests_per_minute=10).request_statement()

    assert [62.0] == watch.slept
    assert 1 == len(other.asked)


def test_a_run_without_the_time_to_wait_does_not_ask() -> None:
    """It says how long the token is to be left alone, and sends nothing."""
    watch = Watch()
    budget = InProcessBudget(watch)
    service = ScriptedService(promise())
    client = client_of(service, watch, budget=budget, requests_per_minute=1, budget_seconds=10.0)
    client.request_statement()

    with pytest.raises(FlexThrottledError, match="62 s more") as refused:
        client.request_statement()

    assert 1 == len(service.asked)
    assert 62.0 == refused.value.retry_after


def test_the_same_statement_is_not_asked_for_in_a_row() -> None:
    """Ten minutes apart, although the minute has room; another window is another statement."""
    watch = Watch()
    service = ScriptedService(promise())
    client = client_of(service, watch, spacing_seconds=600.0, budget_seconds=60.0)
    client.request_statement()
    watch.at += 100

    with pytest.raises(FlexThrottledError, match="500 s more") as refused:
        client.request_statement()
    client.request_statement(date(2026, 11, 2), date(2026, 11, 2))
    watch.at += 500
    client.request_statement()

    assert 500.0 == refused.value.retry_after
    assert 3 == len(service.asked)


def test_a_wait_that_fits_is_waited() -> None:
    """Not every wait is an error."""
    watch = Watch()
    client = client_of(ScriptedService(promise()), watch, spacing_seconds=30.0)
    client.request_statement()

    client.request_statement()

    assert [30.0] == watch.slept


def test_a_lost_reference_is_replaced_without_spacing() -> None:
    """It is the same wish, not a new one."""
    watch = Watch()
    service = ScriptedService(promise("1"), refusal(1017), promise("2"), statement())

    client_of(service, watch, spacing_seconds=600.0).fetch(io.BytesIO())

    assert [] == watch.slept


@pytest.mark.parametrize(
    ("reply", "kind", "is_spaced"),
    [
        (page(503), FlexUnavailableError, False),
        (refusal(1016), FlexQueryError, False),
        (refusal(1001), FlexUnavailableError, True),
        (refusal(1004), FlexNotReadyError, True),
    ],
    ids=["server error", "account unknown", "not now", "incomplete"],
)
def test_only_what_the_service_took_note_of_is_spaced(
    reply: Reply, kind: type[FlexError], *, is_spaced: bool
) -> None:
    """Who mended the query, or whose network was down, need not wait ten minutes."""
    watch = Watch()
    bounds: dict[str, Any] = {
        "spacing_seconds": 600.0,
        "backoff_seconds": (),
        "slow_retry_seconds": (),
    }
    budget = InProcessBudget(watch)
    with pytest.raises(kind):
        client_of(ScriptedService(reply), watch, budget=budget, **bounds).request_statement()

    client_of(ScriptedService(promise()), watch, budget=budget, **bounds).request_statement()

    assert ([600.0] if is_spaced else []) == watch.slept
