"""200,000 trades of 85 attributes, from the file to typed frames.

Reference: expat tokenizing the same file with a handler that does nothing.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from xml.parsers import expat

import polars as pl

from benchmarks.flex_files import repeat_rows, write_trades
from benchmarks.harness import (
    Ceiling,
    Claim,
    Spent,
    compare,
    measured,
    peak_mib,
    report,
    run_worker,
)
from ibkr_pipeline.brokers.ibkr.flex_reader import read_statement
from ibkr_pipeline.brokers.statements import StatementHeader

ROWS = 200_000
BOUND = 1.4
#: Highest memory of the process, and of a file three times as long against that of the file.
MOST_MIB = 160
MOST_GROWTH = 1.15
_CHUNK = 1 << 20
_MODULE = "benchmarks.flex_reader"


class _Counter:
    """A sink that counts rows."""

    def __init__(self) -> None:
        self.n_rows = 0

    def add(self, header: StatementHeader, section: str, frame: pl.DataFrame) -> None:  # noqa: ARG002
        """Count the rows of a chunk."""
        self.n_rows += frame.height


def claims() -> list[Claim | Ceiling]:
    """Measure and return the claims on time and memory."""
    with tempfile.TemporaryDirectory() as folder:
        file, long = Path(folder, "trades.xml"), Path(folder, "long.xml")
        write_trades(file, ROWS)
        repeat_rows(long, file, 3)
        once, thrice = (run_worker(_MODULE, ["read", str(path)])["mib"] for path in (file, long))
        ours, reference = compare(_MODULE, ["read", str(file)], ["tokenize", str(file)])
    what = f"{ROWS:,} trades x 85 attributes into frames"
    return [
        Claim(name=f"{what} / tokenized", ours=ours, reference=reference, bound=BOUND),
        Ceiling(name=f"{what}: peak memory", measured=once, bound=MOST_MIB, unit="MiB"),
        Ceiling(
            name="the same of three times as many",
            measured=thrice / once,
            bound=MOST_GROWTH,
            unit="times",
        ),
    ]


def _worker(case: str, path: str) -> None:
    spent = _read(Path(path)) if case == "read" else _tokenize(Path(path))
    report(spent, mib=peak_mib())


def _read(path: Path) -> Spent:
    counter = _Counter()
    with path.open("rb") as source, measured() as spent:
        document = read_statement(source, counter)
    if counter.n_rows != sum(section.n_rows for section in document.sections):
        raise RuntimeError(f"Only {counter.n_rows} rows were read: {document.sections}")
    return spent()


def _tokenize(path: Path) -> Spent:
    parser = expat.ParserCreate()
    parser.ordered_attributes = True
    parser.StartElementHandler = lambda _tag, _attributes: None
    with path.open("rb") as source, measured() as spent:
        while chunk := source.read(_CHUNK):
            parser.Parse(chunk, False)
        parser.Parse(b"", True)
    return spent()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        _worker(sys.argv[2], sys.argv[3])
    else:
        for claim in claims():
            print(claim)
