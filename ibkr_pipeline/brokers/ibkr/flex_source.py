"""The Flex web service as a `StatementSource`.

What lives here: the translation of what the Flex client returns and raises. What must not: asking
(`flex_client.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import BinaryIO

from ibkr_pipeline.brokers.exceptions import StatementNotPublishedError
from ibkr_pipeline.brokers.ibkr.flex_check import check_flex
from ibkr_pipeline.brokers.ibkr.flex_client import FlexClient, FlexDownload
from ibkr_pipeline.brokers.ibkr.flex_config import FlexConfig
from ibkr_pipeline.brokers.ibkr.flex_errors import FlexError
from ibkr_pipeline.brokers.ibkr.pacing import InProcessBudget
from ibkr_pipeline.brokers.statement_source import (
    ServiceFinding,
    ServiceState,
    StatementDownload,
)
from ibkr_pipeline.ports.budget import RequestBudget
from ibkr_pipeline.ports.clock import Clock
from ibkr_pipeline.settings import Settings

#: "Statement is not available": of a window that ends on the last session, not published yet.
NOT_AVAILABLE = 1003


class FlexStatementSource:
    """Fetches the statements of one query.

    Args:
        config: Where, with which token, and how patiently.
        budget: Allowance of the token, shared with other processes.
        clock: For the instants in what is returned.
        on_progress: Told about every wait.
    """

    def __init__(
        self,
        config: FlexConfig,
        *,
        budget: RequestBudget,
        clock: Clock,
        on_progress: Callable[[str], None] | None = None,
    ) -> None:
        self._config = config
        self._budget = budget
        self._clock = clock
        self._client = FlexClient(config, budget=budget, clock=clock, on_progress=on_progress)

    def fetch(
        self, into: BinaryIO, from_date: date | None = None, to_date: date | None = None
    ) -> StatementDownload:
        """Ask for a statement and download it; see `StatementSource`."""
        try:
            download = self._client.fetch(into, from_date, to_date)
        except FlexError as error:
            if error.code == NOT_AVAILABLE:
                raise StatementNotPublishedError(str(error)) from error
            raise
        return StatementDownload(
            n_bytes=download.n_bytes,
            sha256=download.sha256,
            received_at=download.received_at,
            details=_details(download),
        )

    def check(self) -> tuple[ServiceFinding, ...]:
        """Look at service, token and query with one request; see `StatementSource`."""
        findings = check_flex(self._config, budget=self._budget, clock=self._clock)
        return tuple(
            ServiceFinding(
                subject=item.subject.value,
                state=ServiceState(item.state.value),
                found=item.found,
                mend=item.mend,
            )
            for item in findings
        )


def make_flex_source(
    settings: Settings,
    *,
    clock: Clock,
    budget: RequestBudget | None = None,
    on_progress: Callable[[str], None] | None = None,
) -> FlexStatementSource:
    """Return the source the settings name.

    Raises:
        ConfigError: If token or query is not set, or cannot be used.
    """
    return FlexStatementSource(
        FlexConfig.from_settings(settings),
        budget=budget or InProcessBudget(),
        clock=clock,
        on_progress=on_progress,
    )


def _details(download: FlexDownload) -> dict[str, str]:
    ticket = download.ticket
    asked = {"from_date": ticket.from_date, "to_date": ticket.to_date}
    return {
        "query_id": ticket.query_id,
        "reference_code": ticket.reference_code,
        "n_requests": str(download.n_requests),
        **{name: day.isoformat() for name, day in asked.items() if day is not None},
    }
