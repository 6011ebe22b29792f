"""The doctor's look at the Flex web service: one request, three questions.

What lives here: what an answer says about service, token and query. What must not: the columns of
a query, which only a statement shows. The request counts against the token's allowance; it is not
spaced, so that a sync may follow at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import httpx

from ibkr_pipeline.brokers.ibkr.flex_client import FlexClient
from ibkr_pipeline.brokers.ibkr.flex_config import FlexConfig
from ibkr_pipeline.brokers.ibkr.flex_errors import (
    FLEX_ERRORS,
    FlexError,
    FlexNotReadyError,
    FlexQueryError,
    FlexReferenceError,
    FlexThrottledError,
    FlexTokenError,
    told_briefly,
)
from ibkr_pipeline.ports.budget import RequestBudget
from ibkr_pipeline.ports.clock import Clock

#: The longest the doctor waits, seconds.
PATIENCE_SECONDS = 20.0
_COULD_NOT_BE_VALIDATED = 1020


class FlexSubject(StrEnum):
    """What is looked at."""

    SERVICE = "service"
    TOKEN = "token"  # noqa: S105 - the word, not one
    QUERY = "query"


class FlexState(StrEnum):
    """What was found out about it."""

    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"


_WELL: Mapping[FlexSubject, str] = {
    FlexSubject.SERVICE: "answers",
    FlexSubject.TOKEN: "is accepted",
    FlexSubject.QUERY: "is accepted",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FlexFinding:
    """One answer.

    Attributes:
        found: What was found, in words.
        mend: What to do; None where all is well.
    """

    subject: FlexSubject
    state: FlexState
    found: str
    mend: str | None = None


def check_flex(
    config: FlexConfig,
    *,
    budget: RequestBudget,
    clock: Clock,
    sleep: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
    transport: httpx.BaseTransport | None = None,
) -> tuple[FlexFinding, ...]:
    """Ask for a statement once and say what the answer tells of service, token and query.

    Returns:
        One finding each, in that order. Nothing of the service raises.
    """
    client = FlexClient(
        replace(config, budget_seconds=PATIENCE_SECONDS),
        budget=budget,
        clock=clock,
        sleep=sleep,
        monotonic=monotonic,
        transport=transport,
    )
    try:
        client.probe()
    except FlexError as error:
        return _findings(_states_after(error), error)
    return _findings((FlexState.OK, FlexState.OK, FlexState.OK), None)


def _states_after(error: FlexError) -> tuple[FlexState, FlexState, FlexState]:
    """Return what a refusal tells of service, token and query; the token is judged first."""
    ok, failed, unknown = FlexState.OK, FlexState.FAILED, FlexState.UNKNOWN
    if isinstance(error, FlexThrottledError) and error.code is None:
        return unknown, unknown, unknown  # by our own count: nothing was sent
    if isinstance(error, FlexTokenError):
        return ok, failed, unknown
    if isinstance(error, FlexQueryError) and error.code != _COULD_NOT_BE_VALIDATED:
        return ok, ok, failed
    if error.code is None:
        return failed, unknown, unknown
    if isinstance(error, FlexNotReadyError | FlexReferenceError):
        return ok, ok, ok
    return ok, unknown, unknown


def _findings(
    states: tuple[FlexState, FlexState, FlexState], error: FlexError | None
) -> tuple[FlexFinding, ...]:
    subjects = zip(FlexSubject, states, strict=True)
    return tuple(_finding(subject, state, error) for subject, state in subjects)


def _finding(subject: FlexSubject, state: FlexState, error: FlexError | None) -> FlexFinding:
    if state is FlexState.OK or error is None:
        return FlexFinding(subject=subject, state=state, found=_WELL[subject])
    found = str(error)
    if state is FlexState.UNKNOWN:
        found = f"not found out: {told_briefly(error) if error.code in FLEX_ERRORS else error}"
    return FlexFinding(subject=subject, state=state, found=found, mend=_mend(error))


def _mend(error: FlexError) -> str:
    rule = FLEX_ERRORS.get(error.code) if error.code is not None else None
    return rule.mend if rule is not None else "Run the check again later."
