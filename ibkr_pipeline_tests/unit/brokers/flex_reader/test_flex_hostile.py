"""Files that are no statement, cut off, or made to hurt: refused early, with the place.

Every file is counted as it is read; what is asserted is how much of it was.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest

from ibkr_pipeline.brokers.exceptions import StatementError
from ibkr_pipeline.brokers.ibkr.flex_reader import read_statement
from ibkr_pipeline.brokers.ibkr.flex_xml import FlexLimits
from ibkr_pipeline_tests.unit.brokers.flex_reader.documents import (
    ACCOUNT,
    TRADE,
    Kept,
    document,
    element,
    read,
    section,
    statement,
)

MIB = 1 << 20
GOOD = document(statement(section("Trades", "Trade", TRADE)))


class Counted(io.RawIOBase):
    """A file that is made while it is read, and counts what was asked of it."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        super().__init__()
        self.n_read = 0
        self._pieces = pieces
        self._rest = b""

    def readable(self) -> bool:
        """Yes."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes."""
        while len(self._rest) < size:
            piece = next(self._pieces, None)
            if piece is None:
                break
            self._rest += piece
        data, self._rest = self._rest[:size], self._rest[size:]
        self.n_read += len(data)
        return data


def refused(data: bytes, *, limits: FlexLimits | None = None) -> StatementError:
    """Return how a file was refused."""
    with pytest.raises(StatementError) as caught:
        read(data, limits=limits)
    return caught.value


def refused_stream(pieces: Iterator[bytes], limits: FlexLimits) -> tuple[StatementError, int]:
    """Return how an endless file was refused, and after how many bytes."""
    source = Counted(pieces)
    with pytest.raises(StatementError) as caught:
        read_statement(source, Kept(), limits=limits)  # type: ignore[arg-type]
    return caught.value, source.n_read


BILLION_LAUGHS = (
    b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><FlexQueryResponse>&b;'
    b"</FlexQueryResponse>"
)
EXTERNAL = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><FlexQueryResponse a="&a;"/>'


@pytest.mark.parametrize("data", [BILLION_LAUGHS, EXTERNAL, b"<!DOCTYPE html><html></html>"])
def test_fault_63_a_doctype_is_refused_where_it_begins(data: bytes) -> None:
    """No statement has one: it is an attack or an error page."""
    error = refused(data)

    assert "has a DOCTYPE" in str(error)
    # Before anything in it is read.
    assert error.line == 1
    assert error.offset <= len("<!DOCTYPE html")


def test_a_processing_instruction_is_refused() -> None:
    """No statement has one."""
    assert "processing instruction" in str(refused(b"<?xml-stylesheet href='x'?>" + GOOD))


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"<html><body>We are sorry</body></html>", "its root is 'html'"),
        (
            b"<FlexStatementResponse><ErrorCode>1019</ErrorCode></FlexStatementResponse>",
            "an answer of the Flex service",
        ),
        (b"ClientAccountID,CurrencyPrimary\nDU0000001,USD\n", "not well-formed"),
        (b'{"error": 1}', "not well-formed"),
        (b"", "ends too early"),
        (b"   \n", "ends too early"),
        (b"<FlexQueryResponse/>", "has no FlexStatements"),
        (b"<FlexQueryResponse><FlexStatement/></FlexQueryResponse>", "outside of FlexStatements"),
    ],
)
def test_what_is_no_statement_is_refused_for_what_it_is(data: bytes, found: str) -> None:
    """The message says what was found and what to do."""
    error = str(refused(data))

    assert found in error
    assert "Get the statement again" in error


@pytest.mark.parametrize("length", range(20, len(GOOD), 37))
def test_a_file_that_breaks_off_is_refused(length: int) -> None:
    """Its rows were handed over by then; the error takes them back."""
    assert "ends too early" in str(refused(GOOD[:length]))


@pytest.mark.parametrize("count", [0, 2])
def test_a_file_with_another_number_of_statements_than_it_says_is_refused(count: int) -> None:
    """A statement that is missing would look like an account without trades."""
    data = document(statement(section("Trades", "Trade", TRADE)), count=count)

    assert f"counts {count} statements, and there are 1" in str(refused(data))


def test_a_count_that_is_no_number_is_refused() -> None:
    """It cannot be checked."""
    assert "counts 'many'" in str(refused(GOOD.replace(b'count="1"', b'count="many"')))


@pytest.mark.parametrize(
    ("attribute", "found"),
    [
        (b'accountId="DU0000001" fromDate', "names no account"),
        (b'fromDate="20261118"', "has no fromDate"),
        (b'toDate="20261118"', "has no toDate"),
    ],
)
def test_a_statement_has_an_account_and_a_window(attribute: bytes, found: str) -> None:
    """Nothing can be said of coverage without."""
    gone = GOOD.replace(attribute, b"fromDate" if b"account" in attribute else b"", 1)

    assert found in str(refused(gone))


@pytest.mark.parametrize(
    ("told", "slashed"),
    [
        (b'fromDate="20261118"', b'fromDate="18/11/2026"'),
        (b'whenGenerated="20261119;020000"', b'whenGenerated="19/11/2026;020000"'),
    ],
)
def test_slashes_in_the_window_are_refused_with_what_to_set(told: bytes, slashed: bytes) -> None:
    """The whole file is dated that way."""
    data = GOOD.replace(told, slashed)

    assert "yyyyMMdd" in str(refused(data))


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"\n<?xml version='1.0'?>" + GOOD, 2),
        (GOOD.replace(b'"SIMA"', b'"A & B"'), 1),
        (GOOD.replace(b'"SIMA"', b'"A\x01B"'), 1),
        (GOOD.replace(b'"SIMA"', b'"A&#1;B"'), 1),
        (GOOD.replace(b'"SIMA"', b'"Z\xfcrich"'), 1),
        (GOOD.replace(b'symbol="SIMA"', b'symbol="A" symbol="B"'), 1),
        (GOOD + b"<more/>", 1),
        (b"<?xml version='1.0' encoding='rot13'?>" + GOOD, 1),
        (b"<?xml version='1.0' encoding='nonsense'?>" + GOOD, 1),
        (GOOD.replace(b"<Trades>", b"\n\n  <Trades oops>"), 3),
    ],
)
def test_what_is_not_well_formed_is_refused_with_line_and_column(data: bytes, line: int) -> None:
    """The bytes are kept aside; whoever looks at them needs the place."""
    error = refused(data)

    assert line == error.line
    assert error.column >= 1
    assert 0 <= error.offset <= len(data)
    assert f"line {error.line}, column {error.column}" in str(error)


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbf" + GOOD,
        b'<?xml version="1.0" encoding="UTF-8"?>\n' + GOOD,
        GOOD.decode().encode("utf-16"),
        GOOD.replace(b">", b">\r\n"),
        GOOD.replace(b"<Trades>", b"<Trades><!-- note -->"),
        b'<?xml version="1.0" encoding="iso-8859-1"?>' + GOOD,
    ],
    ids=["byte order mark", "declaration", "utf-16", "line ends", "comment", "latin-1"],
)
def test_every_encoding_xml_declares_is_read(data: bytes) -> None:
    """Bytes say their encoding; text would not."""
    assert ["SIMA"] == read(data).rows("Trades")["symbol"].to_list()


def test_declared_latin_1_is_read_as_such() -> None:
    """An umlaut is one byte there."""
    data = b'<?xml version="1.0" encoding="iso-8859-1"?>' + GOOD.replace(b'"SIMA"', b'"Z\xfcrich"')

    assert ["Z\u00fcrich"] == read(data).rows("Trades")["symbol"].to_list()


def test_a_huge_attribute_is_refused_within_its_budget() -> None:
    """20 MB of one token took expat 70 s in small pieces."""
    pieces = iter([GOOD.split(b'"SIMA"')[0] + b'"', *(b"x" * MIB for _ in range(64))])

    error, n_read = refused_stream(pieces, FlexLimits(max_tag_bytes=MIB))

    assert "no new tag within 1048576 bytes" in str(error)
    assert n_read <= 4 * MIB


def test_a_tag_longer_than_allowed_is_refused_however_it_lies() -> None:
    """The budget holds for a tag inside one chunk as well."""
    long = document(statement(section("Trades", "Trade", TRADE | {"symbol": "x" * 3_000}, TRADE)))

    assert "no new tag within 2000 bytes" in str(
        refused(long, limits=FlexLimits(max_tag_bytes=2_000))
    )
    assert 2 == read(long, limits=FlexLimits(max_tag_bytes=4_000)).rows("Trades").height


def test_text_without_end_is_refused_within_its_budget() -> None:
    """Statements have no text at all."""
    pieces = iter([b"<FlexQueryResponse>", *(b"x" * MIB for _ in range(64))])

    error, n_read = refused_stream(pieces, FlexLimits(max_tag_bytes=MIB))

    assert "no new tag" in str(error)
    assert n_read <= 4 * MIB


def test_a_file_longer_than_allowed_is_refused_within_its_budget() -> None:
    """A disk is finite."""
    start = GOOD.split(b"<Trade ")[0]
    row = element("Trade", TRADE).encode()

    def rows() -> Iterator[bytes]:
        yield start
        while True:
            yield row * 1_000

    error, n_read = refused_stream(rows(), FlexLimits(max_bytes=3 * MIB))

    assert "longer than 3145728 bytes" in str(error)
    assert n_read <= 4 * MIB


def test_nesting_is_refused_within_its_budget() -> None:
    """200,000 levels are legal XML."""
    error = refused(b"<FlexQueryResponse>" + b"<a>" * 200_000, limits=FlexLimits(max_depth=16))

    assert "nested deeper than 16" in str(error)
    # The root and fifteen levels are read, and no more.
    assert len(b"<FlexQueryResponse>") + 15 * 3 == error.offset


def test_elements_are_refused_within_their_budget() -> None:
    """Each costs time."""
    start = b"<FlexQueryResponse>"

    error = refused(start + b"<a/>" * 10_000, limits=FlexLimits(max_elements=100))

    assert "more than 100 elements" in str(error)
    assert len(start) + 99 * 4 == error.offset


@pytest.mark.parametrize(("n_attributes", "fits"), [(40, True), (41, False)])
def test_attributes_are_refused_beyond_their_budget(n_attributes: int, *, fits: bool) -> None:
    """Each is a string."""
    extra = {f"x{number}": "" for number in range(n_attributes - len(TRADE))}
    data = document(statement(section("Trades", "Trade", TRADE | extra)))
    limits = FlexLimits(max_attributes=40)

    if fits:
        assert 1 == read(data, limits=limits).rows("Trades").height
    else:
        assert "more than 40 attributes" in str(refused(data, limits=limits))


@pytest.mark.parametrize(
    "statements",
    [
        [
            statement(
                section("Trades", "Trade", *({**TRADE, "accountId": f"U{n}"} for n in range(99)))
            )
        ],
        [statement("".join(f"<New{n}/>" for n in range(99)))],
        [statement("<Trades/>", account=f"U{n}") for n in range(99)],
    ],
    ids=["accounts of rows", "sections", "accounts of statements"],
)
def test_accounts_times_sections_are_refused_beyond_their_budget(statements: list[str]) -> None:
    """Each has a result that is kept to the end."""
    error = refused(document(*statements), limits=FlexLimits(max_sections=50))

    assert "more than 50 accounts times sections" in str(error)


def test_a_message_holds_no_more_of_the_file_than_its_place() -> None:
    """A statement is private; a log is not."""
    error = refused(GOOD.replace(b'"SIMA"', b'"A & B"'))

    assert ACCOUNT not in str(error)
    assert "SIMA" not in str(error)
