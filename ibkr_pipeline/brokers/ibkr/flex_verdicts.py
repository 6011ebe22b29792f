"""Whether an answer of the Flex web service is the one that was asked for.

What lives here: the judgement of HTTP status and body together, and the error each misfit becomes.
What must not: reading bodies (`flex_answers.py`), asking again (`flex_client.py`).
The service sends its own refusals with HTTP 200; pages with other statuses come from what stands
before it.
"""

from __future__ import annotations

import re

from ibkr_pipeline.brokers.ibkr.flex_answers import (
    Answer,
    Envelope,
    Foreign,
    ForeignKind,
    StatementBody,
)
from ibkr_pipeline.brokers.ibkr.flex_errors import (
    FLEX_ERRORS,
    FlexAction,
    FlexAnswerError,
    FlexError,
    FlexQueryError,
    FlexRefusedError,
    FlexThrottledError,
    FlexUnavailableError,
    error_of_code,
    one_line,
)
from ibkr_pipeline.brokers.ibkr.flex_http import HttpFacts

SEND, GET = "SendRequest", "GetStatement"

_TOO_MANY_REQUESTS = 1018
_REFERENCE = re.compile(r"[0-9A-Za-z_-]{1,64}")


def require_readable(facts: HttpFacts, answer: Answer, *, step: str) -> None:
    """Raise unless the answer is an envelope, or a statement with a status of success.

    Raises:
        FlexUnavailableError: For a server error, an HTML page or nothing at all.
        FlexThrottledError: For HTTP 429.
        FlexQueryError: For CSV: the query's format is not XML.
        FlexRefusedError: For any other status of refusal.
        FlexAnswerError: For anything else that is no answer of the service.
    """
    if isinstance(answer, Envelope) or (isinstance(answer, StatementBody) and facts.is_success):
        return
    found = answer.found if isinstance(answer, Foreign) else "a statement"
    told = f"{step} of the Flex web service was answered with HTTP {facts.status}, and the body "
    told += f"was {found}; expected HTTP 200 and an XML answer."
    raise _misfit(facts, answer, told)


def promised_reference(answer: Answer) -> str:
    """Return the reference under which a statement was promised.

    Raises:
        FlexError: If none was.
    """
    if not isinstance(answer, Envelope):
        raise FlexAnswerError(
            f"{SEND} was answered with a statement; expected the promise of one. Check "
            f"IBKR_FLEX_URL."
        )
    reference = answer.reference_code
    if reference is not None and not _REFERENCE.fullmatch(reference):
        raise FlexAnswerError(
            f"The reference of the statement was {one_line(reference)!r}; expected a number. "
            f"Check IBKR_FLEX_URL."
        )
    # A warning that the statement is still being made may come with the promise itself.
    making = answer.code is None or _action_of(answer.code) is FlexAction.POLL
    if reference is not None and making and answer.status in {"Success", "Warn"}:
        return reference
    if answer.status == "Success" and answer.code is None:
        raise FlexAnswerError(
            f"{SEND} was answered with status 'Success' and no reference; expected the reference "
            f"of a statement. Check IBKR_FLEX_URL."
        )
    error = error_of_code(answer.code, answer.message, step=SEND)
    if error.action is FlexAction.POLL:  # nothing to poll without a reference: ask anew
        error.action = FlexAction.RETRY_SEND
    raise error


def require_statement(answer: Answer, *, reference_code: str) -> StatementBody:
    """Return the statement an answer is.

    Raises:
        FlexError: If it is a refusal or an envelope without any.
    """
    if isinstance(answer, StatementBody):
        return answer
    if isinstance(answer, Envelope) and (answer.code is not None or answer.status != "Success"):
        raise error_of_code(answer.code, answer.message, step=GET, reference_code=reference_code)
    raise FlexAnswerError(
        f"{GET} was answered with status 'Success' and no statement; expected the statement of "
        f"reference {reference_code}. Check IBKR_FLEX_URL.",
        reference_code=reference_code,
    )


def _misfit(facts: HttpFacts, answer: Answer, told: str) -> FlexError:
    kind = answer.kind if isinstance(answer, Foreign) else None
    if facts.status == 429:
        rule = FLEX_ERRORS[_TOO_MANY_REQUESTS]
        return FlexThrottledError(f"{told} {rule.mend}", retry_after=rule.retry_after)
    if facts.status >= 500 or facts.status == 408:
        return FlexUnavailableError(f"{told} The service is in trouble; the next run asks again.")
    if not facts.is_success:
        return FlexRefusedError(f"{told} Check IBKR_FLEX_URL, and any proxy before the service.")
    if kind in {ForeignKind.HTML, ForeignKind.EMPTY}:
        return FlexUnavailableError(
            f"{told} The service may be under maintenance; the next run asks again."
        )
    if kind is ForeignKind.CSV:
        return FlexQueryError(f"{told} Set the query's format to XML in the Client Portal.")
    return FlexAnswerError(f"{told} Check IBKR_FLEX_URL, and the query's format (XML).")


def _action_of(code: int) -> FlexAction | None:
    rule = FLEX_ERRORS.get(code)
    return rule.action if rule is not None else None
