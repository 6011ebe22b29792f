"""A statement read in one pass into staged rows, with a verdict on each of its sections.

What lives here: the sink between the reader and the staged parts. What must not: the format
(`brokers/`), rules about rows (`normalization/`), control or landing (`receiving.py`).

Rows are worth nothing until the file was read to its end: they wait as Parquet parts, so memory
does not grow with the file.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import polars as pl

from ibkr_pipeline.brokers.registry import read_statement, statement_tables
from ibkr_pipeline.brokers.statements import SectionResult, StatementDocument, StatementHeader
from ibkr_pipeline.models.requests import Load, SubjectOutcome
from ibkr_pipeline.normalization.option_events import evidence_of_statement
from ibkr_pipeline.normalization.statement_provenance import (
    StatementProvenance,
    provenance_of_load,
)
from ibkr_pipeline.normalization.statement_rows import normalize_section
from ibkr_pipeline.normalization.statement_trades import event_rows
from ibkr_pipeline.primitives.enums import Dataset, Environment, LoadStatus
from ibkr_pipeline.primitives.errors import SchemaError
from ibkr_pipeline.primitives.identifiers import load_id_of
from ibkr_pipeline.primitives.sessions import is_session
from ibkr_pipeline.schemas import flex
from ibkr_pipeline.warehouse.staging import StagedRows
from ibkr_pipeline.warehouse.statements import HEADERS

#: Sections that tell fills; the activity statement's own before the confirmations.
FILL_SECTIONS = ("Trades", "TradeConfirms")
EXERCISES = "OptionEAE"
_PARTS = "parts"
#: Days between two sessions, at most; the exchange was never closed for longer.
LONGEST_CLOSURE = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementRequest:
    """The request a statement came with.

    Attributes:
        received_at: When its last byte was here: what its rows are available at.
    """

    request_id: str
    broker: str
    environment: Environment
    started_at: datetime
    received_at: datetime


class StagedStatement:
    """The rows of a statement, waiting for their commit.

    Args:
        request: The request the statement came with.
        folder: A scratch folder of the caller's for the parts; gone after `close`.
        accounts: Accounts whose rows are wanted; None means all.
        load_ids: Loads whose rows are wanted; None means all.
    """

    def __init__(
        self,
        request: StatementRequest,
        folder: Path,
        *,
        accounts: Collection[str] | None = None,
        load_ids: Collection[str] | None = None,
    ) -> None:
        self.request = request
        self.folder = folder
        self.rows = StagedRows(folder / _PARTS)
        self._document: StatementDocument | None = None
        self._accounts = accounts
        self._load_ids = load_ids
        self._tables = statement_tables(request.broker)
        self._refused: dict[str, str] = {}
        self._events: dict[str, list[pl.DataFrame]] = {}

    def read(self, source: BinaryIO) -> StatementDocument:
        """Read a statement to its end, keeping the wanted rows.

        Raises:
            StatementError: If it is no statement, or not all of one.
        """
        document = read_statement(self.request.broker, source, self)
        for result in document.sections:
            if result.status is not LoadStatus.COMPLETE:
                load_id = self._load_id(result.account_id, result.section)
                self._forget(load_id)
                self._refused[load_id] = result.reason or "the reader gave no reason"
        self._document = document
        return document

    @property
    def read_document(self) -> StatementDocument:
        """The statement, once it was read to its end."""
        if self._document is None:
            raise ValueError("The statement was not read to its end yet; call read() first.")
        return self._document

    def add(self, header: StatementHeader, section: str, frame: pl.DataFrame) -> None:
        """Take a chunk of rows; see `RowSink`. A row that does not fit fails its section alone."""
        load = self._load(header, section)
        if not self._is_wanted(load) or load.load_id in self._refused:
            return
        provenance = provenance_of_load(load, generated_at=self._made_at(header))
        table = self._tables[section]
        try:
            for name, rows in normalize_section(frame, table, provenance).items():
                self.rows.add(name, load.load_id, rows)
        except SchemaError as error:
            self._forget(load.load_id)
            self._refused[load.load_id] = str(error)
            return
        kept = {flex.TRADES.name: event_rows, flex.OPTION_EAE.name: _all}.get(table)
        if kept is not None:
            self._events.setdefault(load.load_id, []).append(kept(frame))

    def outcomes(self) -> tuple[SubjectOutcome, ...]:
        """Return the verdict on each wanted section, in the order of the statement.

        A section nobody knows has none: its rows are in the document and nowhere else.
        """
        return tuple(
            self._outcome(result)
            for result in self.read_document.sections
            if result.table is not None and self._is_of_wanted(result)
        )

    def require_readable(self, loads: Sequence[Load]) -> None:
        """Refuse sections that were complete once and cannot be read now.

        Raises:
            SchemaError: Names the first of them.
        """
        for load in loads:
            reason = self._refused.get(load.load_id)
            if reason is not None:
                raise SchemaError(reason)

    def headers(self, loads: Sequence[Load]) -> pl.DataFrame:
        """Return what the statement says of itself, for each of the loads."""
        document = self.read_document
        return pl.DataFrame(
            [
                {
                    "load_id": load.load_id,
                    "generated_at": self._generated_at(load.account_id),
                    "query_name": document.query_name,
                    "statement_kind": document.statement_kind,
                    "raw_sha256": document.sha256,
                    "source": self._provenance(load).source,
                }
                for load in loads
            ],
            schema=dict(HEADERS),
            orient="row",
        )

    def evidence(self, loads: Sequence[Load]) -> pl.DataFrame | None:
        """Return the evidence of option events in these loads; None where there is none."""
        by_account: dict[str, dict[str, Load]] = {}
        for load in loads:
            by_account.setdefault(load.account_id, {})[load.section] = load
        found = [self._evidence_of(sections) for sections in by_account.values()]
        told = [frame for frame in found if frame is not None and not frame.is_empty()]
        return pl.concat(told) if told else None

    def close(self) -> None:
        """Remove the parts and the scratch folder."""
        self._events.clear()
        self.rows.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _evidence_of(self, sections: Mapping[str, Load]) -> pl.DataFrame | None:
        fills = next((sections[name] for name in FILL_SECTIONS if name in sections), None)
        exercises = sections.get(EXERCISES)
        if fills is None and exercises is None:
            return None
        return evidence_of_statement(
            self._event_rows(fills, flex.TRADES.empty()),
            self._event_rows(exercises, flex.OPTION_EAE.empty()),
            trades=None if fills is None else self._provenance(fills),
            eae=None if exercises is None else self._provenance(exercises),
        )

    def _event_rows(self, load: Load | None, empty: pl.DataFrame) -> pl.DataFrame:
        kept = [] if load is None else self._events.get(load.load_id, [])
        return pl.concat(kept) if kept else empty

    def _provenance(self, load: Load) -> StatementProvenance:
        return provenance_of_load(load, generated_at=self._generated_at(load.account_id))

    def _generated_at(self, account_id: str) -> datetime:
        return max(self._made_at(header) for header in self._headers_of(account_id))

    def _made_at(self, header: StatementHeader) -> datetime:
        return header.generated_at or self.request.received_at

    def _headers_of(self, account_id: str) -> list[StatementHeader]:
        headers = self.read_document.headers
        return [header for header in headers if header.account_id == account_id]

    def _outcome(self, result: SectionResult) -> SubjectOutcome:
        reason = self._refused.get(self._load_id(result.account_id, result.section))
        first, last = unbroken_window(self._headers_of(result.account_id))
        return SubjectOutcome(
            account_id=result.account_id,
            section=result.section,
            status=LoadStatus.COMPLETE if reason is None else LoadStatus.FAILED,
            reason=reason,
            from_date=first,
            to_date=last,
            n_rows=result.n_rows,
        )

    def _is_of_wanted(self, result: SectionResult) -> bool:
        return self._accounts is None or result.account_id in self._accounts

    def _is_wanted(self, load: Load) -> bool:
        is_of_account = self._accounts is None or load.account_id in self._accounts
        return is_of_account and (self._load_ids is None or load.load_id in self._load_ids)

    def _forget(self, load_id: str) -> None:
        self.rows.drop(load_id)
        self._events.pop(load_id, None)

    def _load_id(self, account_id: str, section: str) -> str:
        return load_id_of(self.request.request_id, account_id, section)

    def _load(self, header: StatementHeader, section: str) -> Load:
        return Load(
            load_id=self._load_id(header.account_id, section),
            request_id=self.request.request_id,
            broker=self.request.broker,
            environment=self.request.environment,
            dataset=Dataset.FLEX,
            account_id=header.account_id,
            section=section,
            from_date=header.from_date,
            to_date=header.to_date,
            status=LoadStatus.COMPLETE,
            started_at=self.request.started_at,
            available_at=self.request.received_at,
        )


def unbroken_window(headers: Sequence[StatementHeader]) -> tuple[date, date]:
    """Return the last run of session dates the statements of an account speak of without a gap.

    A file may hold one statement per day; days without a session between them are no gap.
    """
    windows = sorted((header.from_date, header.to_date) for header in headers)
    first, last = windows[0]
    for start, end in windows[1:]:
        if _has_session_between(last, start):
            first = start
        last = max(last, end)
    return first, last


def _has_session_between(last: date, start: date) -> bool:
    days = range(1, min((start - last).days, LONGEST_CLOSURE))
    is_long = (start - last).days > LONGEST_CLOSURE
    return is_long or any(is_session(last + timedelta(days=n)) for n in days)


def _all(frame: pl.DataFrame) -> pl.DataFrame:
    return frame
