"""What the Flex service answers when it does not send a statement.

What lives here: the envelope and the texts of the error codes. Source: the error table of the
broker's Flex Web Service page; there is no code 1002.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from ibkr_pipeline.simulator.flex.texts import ZONE

_AGAIN = "Please try again shortly."
ERROR_TEXTS: Mapping[int, str] = {
    1001: f"Statement could not be generated at this time. {_AGAIN}",
    1003: "Statement is not available.",
    1004: f"Statement is incomplete at this time. {_AGAIN}",
    1005: f"Settlement data is not ready at this time. {_AGAIN}",
    1006: f"FIFO P/L data is not ready at this time. {_AGAIN}",
    1007: f"MTM P/L data is not ready at this time. {_AGAIN}",
    1008: f"MTM and FIFO P/L data is not ready at this time. {_AGAIN}",
    1009: (
        "The server is under heavy load. Statement could not be generated at this time. " + _AGAIN
    ),
    1010: "Legacy Flex Queries are no longer supported. Please convert to Activity Flex.",
    1011: "Service account is inactive.",
    1012: "Token has expired.",
    1013: "IP restriction.",
    1014: "Query is invalid.",
    1015: "Token is invalid.",
    1016: "Account is invalid.",
    1017: "Reference code is invalid.",
    1018: f"Too many requests have been made from this token. {_AGAIN}",
    1019: f"Statement generation in progress. {_AGAIN}",
    1020: "Invalid request or unable to validate request.",
    1021: f"Statement could not be retrieved at this time. {_AGAIN}",
}
#: The one code that comes as a warning.
_IN_PROGRESS = 1019


def success(reference: str, url: str, url_element: str, at: datetime) -> str:
    """Return the envelope of an accepted request.

    Args:
        reference: Reference code to ask for the statement with.
        url: Address the envelope names.
        url_element: Name of the element for it, empty to leave it out.
        at: The service's time.
    """
    address = f"<{url_element}>{url}</{url_element}>\n" if url_element else ""
    body = f"<Status>Success</Status>\n<ReferenceCode>{reference}</ReferenceCode>\n{address}"
    return _envelope(body, at)


def failure(code: int, at: datetime, text: str = "") -> str:
    """Return the envelope of a refusal; 1019 is a warning, all others are failures."""
    status = "Warn" if code == _IN_PROGRESS else "Fail"
    message = text or ERROR_TEXTS.get(code, "Unknown error.")
    body = (
        f"<Status>{status}</Status>\n<ErrorCode>{code}</ErrorCode>\n"
        f"<ErrorMessage>{message}</ErrorMessage>\n"
    )
    return _envelope(body, at)


def _envelope(body: str, at: datetime) -> str:
    local = at.astimezone(ZONE)
    stamp = f"{local:%d %B, %Y %I:%M %p %Z}"
    return f'<FlexStatementResponse timestamp="{stamp}">\n{body}</FlexStatementResponse>\n'
