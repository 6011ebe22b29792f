"""What the Flex web service refuses, and what is done about each refusal.

What lives here: the error classes, the table of the service's codes, and the error a code becomes.
What must not: waiting and asking again (`flex_patience.py`, `flex_client.py`).
Source: IBKR, Flex Web Service version 3, error codes: 1001 and 1003 to 1021, no others. IBKR
states no rule for trying again; the actions follow the wording and what users report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from ibkr_pipeline.primitives.errors import BrokerError, Retryable, Terminal
from ibkr_pipeline.primitives.secrets_registry import scrub

_LONGEST_FOREIGN_TEXT = 200


class FlexAction(StrEnum):
    """What follows a refusal."""

    RETRY_SEND = "retry_send"
    POLL = "poll"
    WAIT_FOR_DATA = "wait_for_data"
    THROTTLED = "throttled"
    PERMANENT_CONFIG = "permanent_config"
    PERMANENT_CREDENTIAL = "permanent_credential"
    NEW_REFERENCE = "new_reference"
    BACK_OFF = "back_off"
    """Not of the table: a server error or a lost connection, tried again after a while."""
    GIVE_UP = "give_up"
    """Not of the table: an unknown code or an answer that is none."""


class FlexError(BrokerError):
    """Something between us and the Flex web service did not work.

    Attributes:
        action: What may follow.
        code: The service's error code, where it gave one.
        retry_after: Seconds after which the same call may succeed; None where unknown or never.
        reference_code: Statement in the making that may still be fetched, where there is one.
    """

    action = FlexAction.GIVE_UP

    def __init__(
        self,
        message: str,
        *,
        action: FlexAction | None = None,
        code: int | None = None,
        retry_after: float | None = None,
        reference_code: str | None = None,
    ) -> None:
        super().__init__(scrub(message))
        self.action = action or type(self).action
        self.code = code
        self.retry_after = retry_after
        self.reference_code = reference_code


class FlexUnavailableError(FlexError, Retryable):
    """The service is away, overloaded or does not answer."""

    action = FlexAction.BACK_OFF


class FlexNotReadyError(FlexError, Retryable):
    """The statement does not exist yet; `retry_after` says when asking again is worth it."""

    action = FlexAction.WAIT_FOR_DATA


class FlexThrottledError(FlexError, Retryable):
    """Too many requests, by the service's count or by ours."""

    action = FlexAction.THROTTLED


class FlexReferenceError(FlexError, Retryable):
    """The service does not know the reference of a statement it promised."""

    action = FlexAction.NEW_REFERENCE


class FlexRefusedError(FlexError, Terminal):
    """The service refuses for a reason that another try cannot mend, or that nobody knows."""


class FlexQueryError(FlexRefusedError):
    """The query, or its combination with the token, cannot be used."""

    action = FlexAction.PERMANENT_CONFIG


class FlexTokenError(FlexRefusedError):
    """The token cannot be used: expired, unknown, or not from this address."""

    action = FlexAction.PERMANENT_CREDENTIAL


class FlexAnswerError(FlexError, Terminal):
    """The answer is neither a statement nor a refusal of the service."""


class FlexTooLargeError(FlexError, Terminal):
    """The answer is longer than may be read; raise the limit or ask for a shorter window."""


class FlexRedirectError(FlexError, Terminal):
    """The service sent us elsewhere; the token goes nowhere but to the configured host.

    Attributes:
        host: Where it would have gone.
    """

    def __init__(self, message: str, *, host: str) -> None:
        super().__init__(message)
        self.host = host


@dataclass(frozen=True, slots=True, kw_only=True)
class FlexErrorRule:
    """What a code means, what follows and what a person should do.

    Attributes:
        retry_after: Seconds after which another call is worth it, where that is known.
    """

    meaning: str
    action: FlexAction
    mend: str
    retry_after: float | None = None


_AGAIN = "Nothing to change; the next run asks again."
_TOKEN_PAGE = "Client Portal, Performance & Reports, Flex Queries, Flex Web Configuration"  # noqa: S105 - where it is found


def _rule(
    meaning: str, action: FlexAction, mend: str, retry_after: float | None = None
) -> FlexErrorRule:
    return FlexErrorRule(meaning=meaning, action=action, mend=mend, retry_after=retry_after)


#: The service's code -> its rule. Settlement, FIFO and mark-to-market figures are made overnight:
#: waiting inside a run does not bring them.
FLEX_ERRORS: Mapping[int, FlexErrorRule] = {
    1001: _rule("statement could not be generated now", FlexAction.RETRY_SEND, _AGAIN, 1800),
    1003: _rule(
        "statement is not available",
        FlexAction.WAIT_FOR_DATA,
        "If the window ends on the last session, it is not published yet: ask again tomorrow, or "
        "end the window one session earlier.",
        4 * 3600,
    ),
    1004: _rule("statement is incomplete", FlexAction.WAIT_FOR_DATA, _AGAIN, 900),
    1005: _rule("settlement data are not ready", FlexAction.WAIT_FOR_DATA, _AGAIN, 1800),
    1006: _rule("FIFO profit and loss is not ready", FlexAction.WAIT_FOR_DATA, _AGAIN, 1800),
    1007: _rule("mark-to-market data are not ready", FlexAction.WAIT_FOR_DATA, _AGAIN, 1800),
    1008: _rule(
        "mark-to-market and FIFO data are not ready", FlexAction.WAIT_FOR_DATA, _AGAIN, 1800
    ),
    1009: _rule("service is under heavy load", FlexAction.RETRY_SEND, _AGAIN, 1800),
    1010: _rule(
        "query is of an old kind",
        FlexAction.PERMANENT_CONFIG,
        "Make the query anew as an Activity Flex Query and set IBKR_FLEX_QUERY_ID.",
    ),
    1011: _rule(
        "service account is inactive",
        FlexAction.PERMANENT_CREDENTIAL,
        f"Switch the Flex web service on: {_TOKEN_PAGE}.",
    ),
    1012: _rule(
        "token has expired",
        FlexAction.PERMANENT_CREDENTIAL,
        f"Make a new token ({_TOKEN_PAGE}; up to a year) and set IBKR_FLEX_TOKEN.",
    ),
    1013: _rule(
        "token may not be used from this IP address",
        FlexAction.PERMANENT_CREDENTIAL,
        f"Allow this address for the token, or make one without restriction: {_TOKEN_PAGE}.",
    ),
    1014: _rule(
        "query is not known",
        FlexAction.PERMANENT_CONFIG,
        "Compare IBKR_FLEX_QUERY_ID with the number shown beside the query; the query and the "
        "token must belong to the same user name.",
    ),
    1015: _rule(
        "token is not known",
        FlexAction.PERMANENT_CREDENTIAL,
        f"Copy the token again into IBKR_FLEX_TOKEN; a newer one ends it. {_TOKEN_PAGE}.",
    ),
    1016: _rule(
        "account is not known",
        FlexAction.PERMANENT_CONFIG,
        "Open the query in the Client Portal and choose its accounts anew.",
    ),
    1017: _rule(
        "reference of the statement is not known",
        FlexAction.NEW_REFERENCE,
        "The statement is asked for once more by itself.",
        600,
    ),
    1018: _rule(
        "too many requests were made with this token",
        FlexAction.THROTTLED,
        "Leave the token alone for a while; the portal's Run button counts too.",
        600,
    ),
    1019: _rule("statement is being generated", FlexAction.POLL, _AGAIN, 300),
    1020: _rule(
        "request is invalid or could not be validated",
        FlexAction.PERMANENT_CONFIG,
        "Mostly a token and a query that do not belong together: compare IBKR_FLEX_TOKEN and "
        "IBKR_FLEX_QUERY_ID with the Client Portal.",
    ),
    1021: _rule("statement could not be retrieved now", FlexAction.POLL, _AGAIN, 300),
}

_CLASSES: Mapping[FlexAction, type[FlexError]] = {
    FlexAction.RETRY_SEND: FlexUnavailableError,
    FlexAction.POLL: FlexNotReadyError,
    FlexAction.WAIT_FOR_DATA: FlexNotReadyError,
    FlexAction.THROTTLED: FlexThrottledError,
    FlexAction.PERMANENT_CONFIG: FlexQueryError,
    FlexAction.PERMANENT_CREDENTIAL: FlexTokenError,
    FlexAction.NEW_REFERENCE: FlexReferenceError,
}


def error_of_code(
    code: int | None, text: str, *, step: str, reference_code: str | None = None
) -> FlexError:
    """Return the error a refusal of the service becomes.

    Args:
        code: The service's code; None where it gave none that is a number.
        text: The service's own words.
        step: `SendRequest` or `GetStatement`.
        reference_code: Statement that was asked for, if any.
    """
    said = f" The service says: {one_line(text)!r}." if text.strip() else ""
    rule = FLEX_ERRORS.get(code) if code is not None else None
    if rule is None:
        return FlexRefusedError(
            f"The Flex web service refused {step} with "
            f"{'no code' if code is None else f'the unknown code {code}'}; expected one of 1001 "
            f"and 1003 to 1021.{said} Look the code up in IBKR's Flex Web Service documentation.",
            code=code,
        )
    return _CLASSES[rule.action](
        f"The Flex web service refused {step}: {rule.meaning} (code {code}).{said} {rule.mend}",
        action=rule.action,
        code=code,
        retry_after=rule.retry_after,
        reference_code=reference_code,
    )


def told_briefly(error: FlexError) -> str:
    """Return in a few words what was refused, for people who watch."""
    rule = FLEX_ERRORS.get(error.code) if error.code is not None else None
    return rule.meaning if rule is not None else "the service did not answer as it should"


def one_line(text: str) -> str:
    """Return foreign text as one short printable line without secrets."""
    printable = "".join(letter if letter.isprintable() else " " for letter in scrub(text))
    line = " ".join(printable.split())
    return line if len(line) <= _LONGEST_FOREIGN_TEXT else f"{line[:_LONGEST_FOREIGN_TEXT]}…"
