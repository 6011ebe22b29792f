"""Where account statements come from, for any broker.

What lives here: the protocol of a statement service and what it returns. What must not: any
service (`brokers/ibkr/flex_*.py`), or what a statement says (`statements.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import BinaryIO, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementDownload:
    """A statement as it was received.

    Attributes:
        n_bytes, sha256: Length and hash of its bytes.
        received_at: When the last byte was there, UTC.
        details: What a reader of its proof wants to know; never a secret.
    """

    n_bytes: int
    sha256: str
    received_at: datetime
    details: Mapping[str, str] = field(default_factory=dict)


class ServiceState(StrEnum):
    """What was found out about a part of the service."""

    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceFinding:
    """One answer of a look at the service.

    Attributes:
        subject: What was looked at: the service, the token, the query.
        found: What was found, in words.
        mend: What to do; None where all is well.
    """

    subject: str
    state: ServiceState
    found: str
    mend: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryGap:
    """What the query of a statement lacks in one section, in the words of the broker's portal.

    Attributes:
        section: Name of the section.
        boxes: Fields to tick; none where the whole section is missing.
        is_needed: Whether the section's rows cannot be used without.
    """

    section: str
    boxes: tuple[str, ...]
    is_needed: bool


class StatementSource(Protocol):
    """Fetches account statements."""

    def fetch(
        self, into: BinaryIO, from_date: date | None = None, to_date: date | None = None
    ) -> StatementDownload:
        """Fetch a statement, waiting while it is made, within the source's own budget.

        Args:
            into: Seekable file its bytes go to, untouched.
            from_date: First session date it is to speak of; None, with `to_date`, leaves the
                window to the broker's query.
            to_date: Last session date, included.

        Raises:
            StatementNotPublishedError: If the broker has no statement of that window yet.
            BrokerError: For everything else that went wrong, marked worth another try or not.
            ValueError: If the window cannot be asked for at once.
        """
        ...

    def check(self) -> tuple[ServiceFinding, ...]:
        """Look at the service with one request; nothing of the service raises."""
        ...
