"""Brokers by name: how a client is made, a payload mapped, a statement fetched and read.

What lives here: the only import of `brokers/ibkr`. What must not: knowledge of any broker.
A broker's modules are imported when it is first asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from ibkr_pipeline.brokers.base import BrokerAPI
from ibkr_pipeline.brokers.exceptions import UnsupportedBrokerError, UnsupportedOperationError
from ibkr_pipeline.brokers.read import Frames
from ibkr_pipeline.brokers.statement_source import QueryGap, StatementSource
from ibkr_pipeline.brokers.statements import RowSink, StatementDocument
from ibkr_pipeline.models.requests import Payload, RequestProof
from ibkr_pipeline.ports.budget import RequestBudget
from ibkr_pipeline.ports.clock import Clock
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.settings import Settings

Mapper = Callable[[Dataset, Payload, RequestProof], Frames]


class BrokerFactory(Protocol):
    """Makes a client from the settings."""

    def __call__(
        self,
        settings: Settings,
        *,
        clock: Clock,
        budget: RequestBudget | None,
        on_progress: Callable[[str], None] | None,
        attempts: int | None,
    ) -> BrokerAPI:
        """Return a client that is not yet connected."""
        ...


@dataclass(frozen=True, slots=True)
class _Registration:
    factory: BrokerFactory
    mapper: Mapper


_registered: dict[str, _Registration] = {}


def get_broker_client(
    settings: Settings,
    *,
    clock: Clock,
    budget: RequestBudget | None = None,
    broker: str = "ibkr",
    on_progress: Callable[[str], None] | None = None,
    attempts: int | None = None,
) -> BrokerAPI:
    """Return a client of a broker, not yet connected.

    Args:
        settings: Where the broker is and what may be read there.
        clock: For the instants of proofs.
        budget: Request budget shared with other runs; one of its own by default.
        broker: Name of the broker.
        on_progress: Told about long work.
        attempts: How often a lost read is tried in all; the settings' number by default, 1 for a
            caller that starts lost reads anew itself.

    Raises:
        UnsupportedBrokerError: If no broker of that name is registered.
        ConfigError: If the settings contradict the mode.
    """
    return _registration(broker).factory(
        settings, clock=clock, budget=budget, on_progress=on_progress, attempts=attempts
    )


def map_payload(broker: str, dataset: Dataset, payload: Payload, proof: RequestProof) -> Frames:
    """Return the typed frames of a payload; pure, for live reads and for rebuild alike.

    Raises:
        UnsupportedBrokerError: If no broker of that name is registered.
        TradeDataError: If a field holds what cannot be right.
    """
    return _registration(broker).mapper(dataset, payload, proof)


def get_statement_source(
    settings: Settings,
    *,
    clock: Clock,
    budget: RequestBudget | None = None,
    broker: str = "ibkr",
    on_progress: Callable[[str], None] | None = None,
) -> StatementSource:
    """Return where statements of a broker are fetched.

    Args:
        settings: Token and query.
        clock: For the instants in what is returned.
        budget: Allowance of the token, shared with other runs; one of its own by default.
        broker: Name of the broker.
        on_progress: Told about every wait.

    Raises:
        UnsupportedOperationError: If the broker has no statements.
        ConfigError: If token or query is not set, or cannot be used.
    """
    _require_statements(broker)
    from ibkr_pipeline.brokers.ibkr.flex_source import make_flex_source

    return make_flex_source(settings, clock=clock, budget=budget, on_progress=on_progress)


def read_statement(broker: str, source: BinaryIO, sink: RowSink) -> StatementDocument:
    """Read a statement of a broker in a stream, handing its rows over as typed frames.

    Args:
        broker: Name of the broker.
        source: The statement's bytes.
        sink: Takes the rows, section by section.

    Raises:
        UnsupportedOperationError: If the broker has no statements.
        StatementError: If it is no statement, or not all of one; nothing handed over counts.
    """
    _require_statements(broker)
    from ibkr_pipeline.brokers.ibkr.flex_reader import read_statement as read

    return read(source, sink)


def statement_tables(broker: str) -> Mapping[str, str]:
    """Return section of a broker's statements -> `flex.…` table its rows are handed over in.

    Raises:
        UnsupportedOperationError: If the broker has no statements.
    """
    _require_statements(broker)
    from ibkr_pipeline.brokers.ibkr.flex_sections import SECTIONS

    return {section.name: section.table.name for section in SECTIONS}


def query_gaps(broker: str, source: BinaryIO) -> tuple[QueryGap, ...]:
    """Return what the query that made a statement lacks.

    Raises:
        UnsupportedOperationError: If the broker has no statements.
        StatementError: If the file is no statement.
    """
    _require_statements(broker)
    from ibkr_pipeline.brokers.ibkr.flex_query import query_gaps as gaps

    return gaps(source)


def register_broker(name: str, factory: BrokerFactory, mapper: Mapper) -> None:
    """Make a broker known by name; a name that is known is replaced."""
    _registered[name] = _Registration(factory, mapper)


def _require_statements(broker: str) -> None:
    if broker != "ibkr":
        raise UnsupportedOperationError(
            f"Statements of the broker {broker!r} were asked for; only those of 'ibkr' can be read."
        )


def _registration(name: str) -> _Registration:
    found = _registered.get(name) or _built_in(name)
    if found is None:
        known = ", ".join(sorted({*_registered, "ibkr", "fake"}))
        raise UnsupportedBrokerError(
            f"The broker was {name!r}; known are {known}. Others are added with register_broker()."
        )
    return found


def _built_in(name: str) -> _Registration | None:
    if name == "ibkr":
        from ibkr_pipeline.brokers.ibkr.factory import make_ibkr_client
        from ibkr_pipeline.brokers.ibkr.mappers.mapping import map_ibkr

        return _Registration(make_ibkr_client, map_ibkr)
    if name == "fake":
        from ibkr_pipeline.brokers.fake_rows import map_fake
        from ibkr_pipeline.brokers.testing import make_fake_client

        return _Registration(make_fake_client, map_fake)
    return None
