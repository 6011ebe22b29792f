"""Compares what clients reported with the book and with each other.

What lives here: the differences of one answer and what they amount to. What must not: processes and
the page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from interop.book import Expectation, Row, expectations
from interop.canonical import UnreadableValueError, canonical
from interop.limitations import LIMITATIONS, WHOLE, Limitation
from interop.operations import OPERATIONS, Operation
from interop.runs import Run

Key = tuple[str | None, ...]
Table = dict[Key, dict[str, str | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One way in which an answer is not what it should be.

    Attributes:
        column: Column concerned, or `WHOLE`.
        text: What was found and what was expected.
    """

    column: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the answer of one run to one operation amounts to.

    Attributes:
        run: The run.
        operation: The operation.
        excused: Known limitations of the client that were seen.
        differences: What no limitation excuses.
    """

    run: Run
    operation: Operation
    excused: tuple[Limitation, ...]
    differences: tuple[Difference, ...]


def judge(runs: Sequence[Run], limitations: Sequence[Limitation] = LIMITATIONS) -> list[Verdict]:
    """Return a verdict for every run and operation, in order of run."""
    verdicts: dict[tuple[int, str], Verdict] = {}
    for operation in OPERATIONS:
        answers = [_read(run, operation) for run in runs]
        agreed = _agreed(runs, operation, answers, limitations)
        for index, (run, answer) in enumerate(zip(runs, answers, strict=True)):
            found = list(answer.differences) or [
                *_from_book(run, operation, answer.table),
                *_from_others(operation, answer.table, agreed),
            ]
            verdicts[index, operation.name] = _verdict(run, operation, found, limitations)
    return [verdicts[i, operation.name] for i in range(len(runs)) for operation in OPERATIONS]


@dataclass(frozen=True, slots=True)
class _Answer:
    table: Table
    differences: tuple[Difference, ...] = ()


def _read(run: Run, operation: Operation) -> _Answer:
    """Return an answer in the common spelling, or why it cannot be read."""
    given = run.operations.get(operation.name, {})
    rows = given.get("rows")
    if rows is None:
        reason = run.problem or str(given.get("failed", "the program did not try it"))
        return _Answer({}, (Difference(column=WHOLE, text=reason),))
    try:
        canonical_rows = [_canonical_row(operation, row) for row in rows]
    except UnreadableValueError as error:
        return _Answer({}, (Difference(column=WHOLE, text=str(error)),))
    table = {tuple(row.get(c) for c in operation.key): row for row in canonical_rows}
    if len(table) != len(rows):
        text = f"{len(rows)} rows were told, {len(table)} of them different"
        return _Answer(table, (Difference(column=WHOLE, text=text),))
    return _Answer(table)


def _canonical_row(operation: Operation, row: Row) -> dict[str, str | None]:
    return {
        column: canonical(kind, row[column])
        for column, kind in operation.columns.items()
        if column in row
    }


def _from_book(run: Run, operation: Operation, table: Table) -> list[Difference]:
    """Return where an answer differs from what the book says."""
    if operation.name == "connect":
        rows: tuple[Row, ...] = ({"server_version": run.server_version},)
        wanted = Expectation(rows=rows, match_on=())
    else:
        known = expectations(run.before, run.after).get(operation.name)
        if known is None:
            return []
        wanted = known
    return [*_counted(wanted, table), *_expected_rows(operation, wanted, table)]


def _counted(wanted: Expectation, table: Table) -> list[Difference]:
    count = len(wanted.rows) if wanted.is_whole else wanted.count
    if count is None or count == len(table):
        return []
    return [Difference(column=WHOLE, text=f"{len(table)} rows were told, the book has {count}")]


def _expected_rows(operation: Operation, wanted: Expectation, table: Table) -> list[Difference]:
    found: list[Difference] = []
    told = {tuple(row.get(c) for c in wanted.match_on): row for row in table.values()}
    for row in (_canonical_row(operation, row) for row in wanted.rows):
        key = tuple(row[c] for c in wanted.match_on)
        match = told.get(key)
        if match is None:
            found.append(Difference(column=WHOLE, text=f"{_name(key)} of the book was not told"))
            continue
        found += [
            Difference(
                column=column,
                text=f"{_name(key)} {column} was {match.get(column)!r}, the book has {value!r}",
            )
            for column, value in row.items()
            if match.get(column) != value
        ]
    return found


def _agreed(
    runs: Sequence[Run],
    operation: Operation,
    answers: Sequence[_Answer],
    limitations: Sequence[Limitation],
) -> Table:
    """Return what most clients say; one voice per client, none where it is known to differ."""
    voices: dict[str, Table] = {}
    for run, answer in zip(runs, answers, strict=True):
        if answer.differences:
            continue
        # Runs are in order of server version, so the newest version of a client speaks for it.
        voices[run.client.name] = {
            key: {
                column: row[column]
                for column in row
                if not _excuses(limitations, run, operation, column)
            }
            for key, row in answer.table.items()
        }
    keys = Counter(key for table in voices.values() for key in table)
    agreed: Table = {}
    for key in (k for k, count in keys.items() if 2 * count > len(voices)):
        agreed[key] = {}
        for column in operation.columns:
            told = Counter(t[key][column] for t in voices.values() if column in t.get(key, {}))
            best = told.most_common(1)
            if best and 2 * best[0][1] > told.total():
                agreed[key][column] = best[0][0]
    return agreed


def _from_others(operation: Operation, table: Table, agreed: Table) -> list[Difference]:
    """Return where an answer differs from what most clients say."""
    found = [
        Difference(column=WHOLE, text=f"{_name(key)} was told by few clients or by this one not")
        for key in sorted(table.keys() ^ agreed.keys(), key=str)
    ]
    for key in sorted(table.keys() & agreed.keys(), key=str):
        for column in (c for c in operation.columns if c not in operation.own):
            if column not in table[key]:
                text = f"{_name(key)} {column} is not told by this client"
            elif column not in agreed[key]:
                text = f"{_name(key)} {column} was {table[key][column]!r}, the clients disagree"
            elif table[key][column] != agreed[key][column]:
                text = (
                    f"{_name(key)} {column} was {table[key][column]!r}, "
                    f"others say {agreed[key][column]!r}"
                )
            else:
                continue
            found.append(Difference(column=column, text=text))
    return found


def _verdict(
    run: Run,
    operation: Operation,
    differences: Iterable[Difference],
    limitations: Sequence[Limitation],
) -> Verdict:
    excused: list[Limitation] = []
    rest: list[Difference] = []
    for difference in differences:
        excuses = _excuses(limitations, run, operation, difference.column)
        excused += [e for e in excuses if e not in excused]
        if not excuses:
            rest.append(difference)
    return Verdict(run=run, operation=operation, excused=tuple(excused), differences=tuple(rest))


def _excuses(
    limitations: Sequence[Limitation], run: Run, operation: Operation, column: str
) -> list[Limitation]:
    return [
        limitation
        for limitation in limitations
        if limitation.covers(run.client.name, operation.name, column, run.server_version)
    ]


def _name(key: Key) -> str:
    return " ".join(str(part) for part in key) if key else "it"


def by_client(verdicts: Iterable[Verdict]) -> Mapping[tuple[str, str], list[Verdict]]:
    """Group verdicts by client and operation."""
    grouped: dict[tuple[str, str], list[Verdict]] = {}
    for verdict in verdicts:
        key = (verdict.run.client.name, verdict.operation.name)
        grouped.setdefault(key, []).append(verdict)
    return grouped
