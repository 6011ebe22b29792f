"""Reads Flex statements: a file of any length, as typed rows and a verdict on every section.

What lives here: `read_statement` and the shape of the document. What must not: sections and their
attributes (`flex_sections.py`), values (`flex_values.py`), or what becomes of the rows.

    FlexQueryResponse > FlexStatements > FlexStatement > section > rows

Rows are handed over while the file is read, but nothing may be made of them before the reader has
returned: a file that breaks off has handed over most of its rows by then.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date, datetime
from typing import BinaryIO, Final

from ibkr_pipeline.brokers.ibkr import flex_values as values
from ibkr_pipeline.brokers.ibkr.flex_handover import Handover
from ibkr_pipeline.brokers.ibkr.flex_rows import BLOCK_ROWS, Block, RowCollector
from ibkr_pipeline.brokers.ibkr.flex_sections import SECTION_OF_TAG
from ibkr_pipeline.brokers.ibkr.flex_xml import FlexLimits, GuardedParser
from ibkr_pipeline.brokers.statements import RowSink, StatementDocument, StatementHeader

_LIMITS: Final = FlexLimits()
#: Chunks of bytes after which gathered rows are handed over, however few; a full block of rows
#: with every attribute is fewer.
_CHUNKS_GATHERED: Final = 16
_TURN_SECONDS: Final = 0.001
_ROOT: Final = "FlexQueryResponse"
_SERVICE_ANSWER: Final = "FlexStatementResponse"
_STATEMENTS: Final = "FlexStatements"
_STATEMENT: Final = "FlexStatement"


def read_statement(
    source: BinaryIO, sink: RowSink, *, limits: FlexLimits = _LIMITS
) -> StatementDocument:
    """Read a statement to its end, handing its rows to `sink` on the way.

    Memory does not grow with the file. A section with a bad row, or without the attributes its
    rows need, fails for the account concerned; every other section is read. Sections, attributes
    and values nobody knows are counted and never fatal.

    Args:
        source: Bytes of the file, from its beginning.
        sink: Takes the rows; called by another thread.
        limits: How much is read before the file is refused.

    Raises:
        StatementError: The file is no statement, not well-formed, cut off, hostile or too large.
    """
    handover = Handover(sink, max_sections=limits.max_sections)
    with _short_turns(), ThreadPoolExecutor(max_workers=1, thread_name_prefix="flex-rows") as pool:
        document = _Document(handover, _Beside(pool), limits)
        return document.read(source)


@contextmanager
def _short_turns() -> Iterator[None]:
    """Have the parser give way to other threads after a millisecond instead of five.

    They compute outside of the interpreter and need it again and again for a moment; the parser,
    which has it all the time, would else have to wait for them in the end.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(min(before, _TURN_SECONDS))
    try:
        yield
    finally:
        sys.setswitchinterval(before)


class _Beside:
    """Runs one job at a time beside the XML parser, and makes it wait for the one before."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._job: Future[None] | None = None

    def run(self, job: Callable[[], None]) -> None:
        self.wait()
        self._job = self._pool.submit(job)

    def wait(self) -> None:
        """Wait for the last job; raises what it raised."""
        job, self._job = self._job, None
        if job is not None:
            job.result()


class _Document:
    """The elements of a statement, from the root to the sections."""

    def __init__(self, handover: Handover, beside: _Beside, limits: FlexLimits) -> None:
        self._handover = handover
        self._beside = beside
        self._collectors: dict[str, RowCollector] = {}
        self._opened: dict[tuple[str, str], None] = {}
        self._strangers: dict[tuple[str, str], int] = {}
        self._stranger: tuple[str, str] | None = None
        self._max_sections = limits.max_sections
        self._query_name = ""
        self._kind = ""
        self._announced: int | None = None
        self._root_seen = False
        self._n_chunks = 0
        self._within: list[str] = []
        self._guard = GuardedParser(
            limits=limits, opened=self._open, closed=self._close, went_on=self._went_on
        )

    def read(self, source: BinaryIO) -> StatementDocument:
        try:
            read = self._guard.read(source)
            self._check_whole()
            for collector in self._collectors.values():
                collector.flush()
            self._beside.run(self._handover.finish)
            self._beside.wait()
            self._settle()
        except OverflowError:
            self._guard.refuse(f"There are more than {self._max_sections} accounts times sections")
        return StatementDocument(
            query_name=self._query_name,
            statement_kind=self._kind,
            headers=self._handover.headers(),
            sections=self._handover.results(),
            n_bytes=read.n_bytes,
            sha256=read.sha256,
        )

    def _open(self, depth: int, tag: str, attributes: list[str]) -> None:
        told = dict(zip(attributes[::2], attributes[1::2], strict=True))
        if depth == 1:
            self._open_root(tag, told)
        elif tag == _STATEMENTS and depth == 2:
            self._open_statements(told)
        elif tag == _STATEMENT and self._within == [_ROOT, _STATEMENTS]:
            self._handover.statements.append(self._header(told))
        elif tag == _STATEMENT:
            self._guard.refuse("A FlexStatement stands outside of FlexStatements")
        elif self._within == [_ROOT, _STATEMENTS, _STATEMENT]:
            self._open_section(tag, attributes)
        self._within.append(tag)

    def _close(self, _depth: int) -> None:
        self._within.pop()
        if len(self._within) <= 3:
            self._stranger = None
            self._guard.give_rows_to(self._row_of_stranger)

    def _open_root(self, tag: str, told: dict[str, str]) -> None:
        if tag == _SERVICE_ANSWER:
            self._guard.refuse("The file is an answer of the Flex service, not the statement")
        if tag != _ROOT:
            self._guard.refuse(f"The file is not a Flex statement: its root is {tag[:40]!a}")
        self._query_name = told.get("queryName", "")
        self._kind = told.get("type", "")

    def _open_statements(self, told: dict[str, str]) -> None:
        self._root_seen = True
        count = told.get("count")
        if count is None:
            return
        if not count.isascii() or not count.isdigit():
            self._guard.refuse(f"FlexStatements counts {count[:20]!a} statements")
        self._announced = (self._announced or 0) + int(count)

    def _header(self, told: dict[str, str]) -> StatementHeader:
        account = told.get("accountId", "")
        if not account:
            self._guard.refuse("A FlexStatement names no account (accountId)")
        generated = told.get("whenGenerated", "")
        return StatementHeader(
            account_id=account,
            from_date=self._date(told, "fromDate"),
            to_date=self._date(told, "toDate"),
            period=told.get("period", ""),
            generated_at=self._generated_at(generated),
            generated_text=generated,
        )

    def _date(self, told: dict[str, str], name: str) -> date:
        text = told.get(name, "")
        try:
            on = values.day(text)
        except ValueError as e:
            self._guard.refuse(f"{name} of a FlexStatement was {text[:24]!a}, not {e}")
        if on is None:
            self._guard.refuse(f"A FlexStatement has no {name}")
        return on

    def _generated_at(self, text: str) -> datetime | None:
        try:
            return values.instant(text)
        except ValueError as e:
            self._guard.refuse(f"whenGenerated of a FlexStatement was {text[:40]!a}, not {e}")

    def _open_section(self, tag: str, attributes: list[str]) -> None:
        account = self._handover.statements[-1].account_id
        section = SECTION_OF_TAG.get(tag)
        self._opened.setdefault((account, section.name if section else tag))
        if len(self._opened) > self._max_sections:
            raise OverflowError(self._max_sections)
        if section is None:
            self._stranger = (account, tag)
            self._strangers[self._stranger] = self._strangers.get(self._stranger, 0)
            if attributes:
                self._row_of_stranger(tag, attributes)
            return
        if section.name not in self._collectors:
            self._collectors[section.name] = RowCollector(
                section, give=self._give, give_rows_to=self._guard.give_rows_to
            )
        collector = self._collectors[section.name]
        collector.begin(len(self._handover.statements) - 1)
        if section.is_row:
            collector.turn_to(tag, attributes)

    def _row_of_stranger(self, _tag: str, _attributes: list[str]) -> None:
        """Count an element directly in a section nobody knows."""
        if self._stranger is not None:
            self._strangers[self._stranger] += 1

    def _went_on(self) -> None:
        """Hand everything over once a block is full, or after some chunks: rows can be long."""
        self._n_chunks += 1
        collectors = self._collectors.values()
        if self._n_chunks >= _CHUNKS_GATHERED or any(
            collector.n_gathered >= BLOCK_ROWS for collector in collectors
        ):
            self._n_chunks = 0
            for collector in collectors:
                collector.flush()

    def _give(self, block: Block) -> None:
        self._beside.run(lambda: self._handover.take(block))

    def _check_whole(self) -> None:
        n_statements = len(self._handover.statements)
        if not self._root_seen:
            self._guard.refuse("The file has no FlexStatements")
        if self._announced is not None and self._announced != n_statements:
            self._guard.refuse(
                f"FlexStatements counts {self._announced} statements, and there are {n_statements}"
            )

    def _settle(self) -> None:
        """Give every section that was opened its result, rows or none."""
        for account, name in self._opened:
            section = SECTION_OF_TAG.get(name)
            tally = self._handover.tally(account, name, section)
            n_strange = self._strangers.get((account, name), 0)
            if n_strange:
                tally.heard(None, n_strange)
