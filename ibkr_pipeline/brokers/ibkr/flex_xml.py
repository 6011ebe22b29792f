"""The bytes of a statement as elements, with everything refused that no statement has.

What lives here: the guarded XML parser and its limits. What must not: what an element means
(`flex_reader.py`).

Statements have no DOCTYPE, no entities and no processing instructions: one of these is an attack
or an error page. Bytes go to expat in large chunks, and a tag is bounded: expat 2.5 takes
quadratic time for one huge token that comes in small pieces.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import BinaryIO, Final, NoReturn
from xml.parsers import expat

from ibkr_pipeline.brokers.exceptions import StatementError

#: Depth of the element of a section; deeper ones are its rows.
SECTION_DEPTH: Final = 4

_CHUNK: Final = 1 << 20
_WHOLE = "a Flex statement in XML, whole and as the broker sent it"
_AGAIN = "Get the statement again; the query's output format has to be XML."


@dataclass(frozen=True, slots=True, kw_only=True)
class FlexLimits:
    """How much of a statement is read before it is refused.

    Attributes:
        max_bytes: Longest file.
        max_depth: Deepest nesting of elements; statements have 6.
        max_elements: Most elements.
        max_attributes: Most attributes of one element; statements have about 300.
        max_tag_bytes: Most bytes from one start tag to the next.
        max_sections: Most pairs of account and section; each has a result to be kept.
    """

    max_bytes: int = 4 * 1024**3
    max_depth: int = 16
    max_elements: int = 50_000_000
    max_attributes: int = 1_000
    max_tag_bytes: int = 1 << 20
    max_sections: int = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class BytesRead:
    """What a file was, as bytes."""

    n_bytes: int
    sha256: str


Row = Callable[[str, list[str]], None]


class GuardedParser:
    """Calls back for every element of a statement."""

    def __init__(
        self,
        *,
        limits: FlexLimits,
        opened: Callable[[int, str, list[str]], None],
        closed: Callable[[int], None],
        went_on: Callable[[], None],
    ) -> None:
        """Take the callbacks.

        Args:
            limits: What is refused.
            opened: Told depth, name and attributes of sections and what is above them. Attributes
                are a flat list of names and values, the callee's to change.
            closed: Told the depth of the same when they end.
            went_on: Called after every chunk of bytes; at most a MiB.
        """
        self._limits = limits
        self._opened = opened
        self._closed = closed
        self._went_on = went_on
        self._row: list[Row] = [_no_row]
        self._n_bytes = 0
        # Without a dictionary of names: looking every name up costs more than comparing them.
        self._expat = expat.ParserCreate(intern=None)
        self._expat.ordered_attributes = True
        self._refuse_declarations()
        self._place = self._count_elements()

    def give_rows_to(self, row: Row) -> None:
        """Have every element deeper than a section told to `row`, by name and attributes."""
        self._row[0] = row

    def read(self, source: BinaryIO) -> BytesRead:
        """Read a file to its end.

        Raises:
            StatementError: It is not well-formed, has what no statement has, or exceeds a limit.
        """
        digest = hashlib.sha256()
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="flex-hash") as beside:
            hashed = beside.submit(digest.update, b"")
            while chunk := source.read(_CHUNK):
                hashed.result()
                hashed = beside.submit(digest.update, chunk)
                self._take(chunk)
        self._parse(b"", last=True)
        return BytesRead(n_bytes=self._n_bytes, sha256=digest.hexdigest())

    def refuse(self, found: str, advice: str = _AGAIN) -> NoReturn:
        """Refuse the file at the place being read.

        Raises:
            StatementError: Always.
        """
        raise self._error_here(found, advice)

    def _error_here(self, found: str, advice: str = _AGAIN) -> StatementError:
        return self._error(
            found,
            advice,
            line=self._expat.CurrentLineNumber,
            column=self._expat.CurrentColumnNumber + 1,
            offset=max(self._expat.CurrentByteIndex, 0),
        )

    def _error(
        self, found: str, advice: str, *, line: int, column: int, offset: int
    ) -> StatementError:
        return StatementError(
            f"{found} (line {line}, column {column}); {_WHOLE} was expected. {advice}",
            line=line,
            column=column,
            offset=offset,
        )

    def _take(self, chunk: bytes) -> None:
        self._n_bytes += len(chunk)
        if self._n_bytes > self._limits.max_bytes:
            self.refuse(
                f"The file is longer than {self._limits.max_bytes} bytes",
                "Ask for a shorter period.",
            )
        self._parse(chunk, last=False)
        if self._n_bytes - self._place()[1] > self._limits.max_tag_bytes + _CHUNK:
            self._tag_too_long()
        self._went_on()

    def _parse(self, chunk: bytes, *, last: bool) -> None:
        try:
            self._expat.Parse(chunk, last)
        except (LookupError, ValueError) as e:
            if self._place()[0]:
                raise  # Not about the file: what was made of its elements went wrong.
            raise self._error_here(f"The file declares an encoding that is none ({e})") from e
        except expat.ExpatError as e:
            problem = expat.ErrorString(e.code)
            found = (
                f"The file ends too early ({problem})"
                if last
                else f"The file is not well-formed XML ({problem})"
            )
            raise self._error(
                found,
                _AGAIN,
                line=e.lineno,
                column=e.offset + 1,
                offset=max(self._expat.ErrorByteIndex, 0),
            ) from e

    def _tag_too_long(self) -> NoReturn:
        self.refuse(f"There is no new tag within {self._limits.max_tag_bytes} bytes")

    def _count_elements(self) -> Callable[[], tuple[int, int]]:
        """Listen to elements; return what tells how many there were and where the last began.

        This runs for every element, so its counters are variables of a closure, not attributes.
        """
        parser, row, opened, closed = self._expat, self._row, self._opened, self._closed
        max_depth, max_elements = self._limits.max_depth, self._limits.max_elements
        max_tag, longest = self._limits.max_tag_bytes, 2 * self._limits.max_attributes
        depth = n_elements = last_tag = 0

        def start(tag: str, attributes: list[str]) -> None:
            nonlocal depth, n_elements, last_tag
            depth += 1
            n_elements += 1
            here = parser.CurrentByteIndex
            if depth > max_depth:
                self.refuse(f"Elements are nested deeper than {max_depth}")
            if n_elements > max_elements:
                self.refuse(f"There are more than {max_elements} elements")
            if here - last_tag > max_tag:
                self._tag_too_long()
            if len(attributes) > longest:
                self.refuse(f"An element has more than {longest // 2} attributes")
            last_tag = here
            if depth > SECTION_DEPTH:
                row[0](tag, attributes)
            else:
                opened(depth, tag, attributes)

        def end(_tag: str) -> None:
            nonlocal depth
            depth -= 1
            if depth < SECTION_DEPTH:
                closed(depth + 1)

        parser.StartElementHandler = start
        parser.EndElementHandler = end
        return lambda: (n_elements, last_tag)

    def _refuse_declarations(self) -> None:
        def doctype(*_: object) -> None:
            self.refuse("The file has a DOCTYPE, which no statement has")

        def entity(*_: object) -> None:
            self.refuse("The file declares an entity, which no statement does")

        def instruction(*_: object) -> None:
            self.refuse("The file has a processing instruction, which no statement has")

        self._expat.StartDoctypeDeclHandler = doctype
        self._expat.EntityDeclHandler = entity
        self._expat.ProcessingInstructionHandler = instruction


def _no_row(_tag: str, _attributes: list[str]) -> None:
    """Take no notice of elements deeper than something that is no section."""
