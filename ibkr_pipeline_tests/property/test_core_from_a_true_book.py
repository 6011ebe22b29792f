"""Core equals the book the loads were derived from, whatever way they arrived.

A book is drawn first: what truly happened. Loads are derived from it as a broker would tell it
(windows, repetitions, corrections, commissions that come later, orders before and after their
permId), shuffled and grouped into transactions. The tables expected are computed from the book
alone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from ibkr_pipeline.models.requests import Load
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.schemas import core
from ibkr_pipeline.warehouse.connection import Warehouse
from ibkr_pipeline.warehouse.reads import as_of
from ibkr_pipeline_tests.warehouse_rows import (
    ACCOUNT,
    OTHER,
    Frames,
    apply_rows,
    commission,
    execution,
    frames_of,
    make_load,
    minutes,
    order,
    position,
    status,
    warehouse_in,
)

Row = dict[str, object]
Read = tuple[Frames, list[Load]]
_PROVENANCE = (*core.PROVENANCE, "version", "snapshot_id", "as_of", "connection_epoch")
#: A quarter of the profile's: each example writes and reads a warehouse file many times.
_EXAMPLES = settings.default.max_examples // 4


@contextmanager
def _warehouse() -> Iterator[Warehouse]:
    with tempfile.TemporaryDirectory() as directory:
        yield warehouse_in(Path(directory))


@st.composite
def _arrivals(draw: st.DrawFn, reads: Sequence[Read]) -> list[list[Read]]:
    """Return the reads in any order, in transactions of one or more, some applied again."""
    order_of_arrival = draw(st.permutations(list(reads)))
    again = draw(st.lists(st.sampled_from(list(reads)), max_size=2))
    arriving = [*order_of_arrival, *again]
    cuts = draw(st.sets(st.integers(1, len(arriving))))
    edges = sorted({0, *cuts, len(arriving)})
    return [arriving[first:last] for first, last in pairwise(edges)]


def _apply(warehouse: Warehouse, dataset: Dataset, arrivals: Sequence[Sequence[Read]]) -> None:
    for batch in arrivals:
        once = {read[1][0].request_id: read for read in batch}
        apply_rows(warehouse, dataset, *once.values())


def _rows(frame: pl.DataFrame, *aside: str) -> list[Row]:
    kept = [name for name in frame.columns if name not in (*_PROVENANCE, *aside)]
    return frame.select(kept).to_dicts()


# Executions.


@dataclass(frozen=True, kw_only=True)
class _Fill:
    """A fill of the book: its revisions, when each became known, and its commission."""

    account: str
    number: int
    minute: int
    prices: tuple[int, ...]
    corrected_after: int
    charged_after: int | None

    def exec_id(self, revision: int) -> str:
        return f"0000e0d5.6543{self.number:04x}.01.{revision:02d}"

    def told_at(self, minute: int) -> list[tuple[Row, Row | None]]:
        """Return what the broker knows of the fill at a minute: revisions and their reports."""
        told: list[tuple[Row, Row | None]] = []
        for revision, price in enumerate(self.prices, start=1):
            known_since = self.minute + self.corrected_after * (revision - 1)
            if known_since > minute:
                continue
            exec_id = self.exec_id(revision)
            fill = execution(
                exec_id,
                account_id=self.account,
                event_ts=minutes(self.minute),
                price=Decimal(price),
                perm_id=5000 + self.number,
            )
            charged = self.charged_after is not None and known_since + self.charged_after <= minute
            report = commission(exec_id, account_id=self.account, commission=Decimal(price) / 100)
            told.append((fill, report if charged else None))
        return told


_FILLS = st.lists(
    st.builds(
        _Fill,
        account=st.sampled_from([ACCOUNT, OTHER]),
        number=st.integers(0, 999),
        minute=st.integers(0, 60 * 24 * 3),
        prices=st.lists(st.integers(1, 500), min_size=1, max_size=3).map(tuple),
        corrected_after=st.integers(1, 600),
        charged_after=st.none() | st.integers(0, 600),
    ),
    max_size=6,
    unique_by=lambda fill: fill.number,
)
_END = 60 * 24 * 10


def _execution_read(fills: Sequence[_Fill], *, minute: int, window: int, repeat: bool) -> Read:
    told = [
        pair for fill in fills if fill.minute > minute - window for pair in fill.told_at(minute)
    ]
    told = told * 2 if repeat else told
    fill_rows = [{**fill, "event_seq": seq} for seq, (fill, _) in enumerate(told)]
    reports = [
        {**report, "event_seq": len(told) + seq}
        for seq, (_, report) in enumerate(told)
        if report is not None
    ]
    frames = frames_of(Dataset.EXECUTIONS, executions=fill_rows, commissions=reports)
    loads = [
        make_load(Dataset.EXECUTIONS, account=account, at=minutes(minute))
        for account in (ACCOUNT, OTHER)
    ]
    return frames, loads


@settings(max_examples=_EXAMPLES)
@given(data=st.data(), fills=_FILLS)
def test_executions_and_commissions_equal_the_book(data: st.DataObject, fills: list[_Fill]) -> None:
    """Every revision once, the highest current, its commission final or pending as in the book."""
    minutes_read = data.draw(st.sets(st.integers(0, _END - 1), max_size=4))
    reads = [
        _execution_read(
            fills,
            minute=minute,
            window=data.draw(st.sampled_from([300, 60 * 24, _END * 2])),
            repeat=data.draw(st.booleans()),
        )
        for minute in sorted(minutes_read)
    ]
    reads.append(_execution_read(fills, minute=_END, window=_END * 2, repeat=False))
    with _warehouse() as warehouse:
        _apply(warehouse, Dataset.EXECUTIONS, data.draw(_arrivals(reads)))
        with warehouse.read() as connection:
            current = as_of(connection, "executions")
            kept = connection.sql(f"SELECT * FROM {core.EXECUTIONS.name}").pl()
            conflicts = connection.execute("SELECT count(*) FROM meta.conflicts").fetchall()

    known = [(fill, *pair) for fill in fills for pair in fill.told_at(_END)]
    assert conflicts == [(0,)]
    assert sorted(str(row["exec_id"]) for _, row, _ in known) == sorted(kept["exec_id"])
    expected = []
    for fill in fills:
        row, report = fill.told_at(_END)[-1]
        expected.append(
            (
                row["account_id"],
                row["fill_id"],
                row["revision"],
                row["event_ts"],
                row["signed_quantity"],
                row["price"],
                f"perm:{row['perm_id']}",
                report["commission"] if report else None,
                "final" if report else "pending",
            )
        )
    found = current.select(
        "account_id",
        "fill_id",
        "revision",
        "event_ts",
        "signed_quantity",
        "price",
        "order_key",
        "commission",
        "commission_status",
    ).rows()
    assert sorted(expected) == sorted(found)


@settings(max_examples=_EXAMPLES)
@given(data=st.data(), fills=_FILLS)
def test_the_way_of_arrival_leaves_no_trace(data: st.DataObject, fills: list[_Fill]) -> None:
    """In every column but provenance, core is the same as if loads came in order, one by one."""
    reads = [
        _execution_read(fills, minute=minute, window=_END * 2, repeat=False)
        for minute in sorted(data.draw(st.sets(st.integers(0, _END), min_size=1, max_size=4)))
    ]
    tables: list[list[list[Row]]] = []
    for arrivals in ([[read] for read in reads], data.draw(_arrivals(reads))):
        with _warehouse() as warehouse:
            _apply(warehouse, Dataset.EXECUTIONS, arrivals)
            with warehouse.read() as connection:
                tables.append(
                    [
                        _rows(as_of(connection, name))
                        for name in ("executions", "commissions", "contracts", "instruments")
                    ]
                )

    assert tables[0] == tables[1]


@settings(max_examples=_EXAMPLES)
@given(data=st.data(), fills=_FILLS)
def test_a_read_of_the_past_never_changes(data: st.DataObject, fills: list[_Fill]) -> None:
    """Loads available later never show at T; at a recorded cut nothing ever shows."""
    reads = [
        _execution_read(fills, minute=minute, window=_END * 2, repeat=False)
        for minute in sorted(data.draw(st.sets(st.integers(0, _END), min_size=2, max_size=4)))
    ]
    cut = data.draw(st.integers(1, len(reads) - 1))
    at = reads[cut - 1][1][0].available_at
    with _warehouse() as warehouse:
        before = data.draw(st.permutations(reads[:cut]))
        _apply(warehouse, Dataset.EXECUTIONS, [[read] for read in before])
        with warehouse.read() as connection:
            available = as_of(connection, "executions", at=at)
            recorded_at = (
                connection.sql("SELECT max(recorded_at) AS t FROM meta.commits").pl().item()
            )
            recorded = as_of(connection, "executions", at=recorded_at, basis="recorded")
        _apply(warehouse, Dataset.EXECUTIONS, data.draw(_arrivals(reads[cut:])))
        with warehouse.read() as connection:
            assert available.equals(as_of(connection, "executions", at=at))
            again = as_of(connection, "executions", at=recorded_at, basis="recorded")
            assert recorded.equals(again)


# Positions.

_HOLDINGS = st.lists(
    st.tuples(
        st.sampled_from([ACCOUNT, OTHER]),
        st.dictionaries(st.integers(1, 4), st.integers(-3, 3).filter(bool), max_size=3),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=_EXAMPLES)
@given(data=st.data(), holdings=_HOLDINGS)
def test_positions_equal_the_book_at_every_instant(
    data: st.DataObject, holdings: list[tuple[str, dict[int, int]]]
) -> None:
    """At any T an account holds what its last read before T held, nothing older or newer."""
    reads: list[Read] = []
    for minute, (account, held) in enumerate(holdings):
        rows = [position(con, amount, account_id=account) for con, amount in held.items()]
        load = make_load(Dataset.POSITIONS, account=account, at=minutes(minute))
        reads.append((frames_of(Dataset.POSITIONS, positions=rows), [load]))
    with _warehouse() as warehouse:
        _apply(warehouse, Dataset.POSITIONS, data.draw(_arrivals(reads)))
        for minute in range(len(holdings)):
            book = dict(holdings[: minute + 1])
            with warehouse.read() as connection:
                found = as_of(connection, "positions", at=minutes(minute))
            assert sorted(
                (account, con, Decimal(amount))
                for account, held in book.items()
                for con, amount in held.items()
            ) == sorted(found.select("account_id", "con_id", "quantity").rows())


# Orders.


@dataclass(frozen=True, kw_only=True)
class _Order:
    """An order of the book: when it was sent, accepted, partly filled and ended.

    Its end is told for `told_for` minutes, as a gateway tells of today's completed orders alone.
    """

    number: int
    sent: int
    accepted_after: int
    filled: int
    ended_after: int
    ending: str
    told_for: int

    @property
    def ended(self) -> int:
        return self.sent + self.accepted_after + self.ended_after

    def is_told_at(self, minute: int) -> bool:
        """Return whether a read tells of it: as open, or for a while as ended."""
        return self.sent <= minute < self.ended + self.told_for

    def known_after(self, reads: Sequence[int]) -> Row | None:
        """Return what is known once reads were made; None if none of them told of the order."""
        told = [minute for minute in reads if self.is_told_at(minute)]
        if not told:
            return None
        last = told[-1]
        later = [minute for minute in reads if minute > last]
        accepted = last >= self.sent + self.accepted_after
        known: Row = {
            "order_ref": f"R-{self.number}",
            "perm_id": 7000 + self.number if accepted else None,
            **self.state(last),
            "is_open": last < self.ended,
            "ended_after": None,
            "ended_before": None,
        }
        if last < self.ended and later:
            between: Row = {"ended_after": minutes(last), "ended_before": minutes(later[0])}
            return {**known, "status": "gone", "is_open": False, **between}
        return known

    def told_at(self, minute: int, epoch: str) -> tuple[list[Row], list[Row]]:
        """Return the order and status messages a read at that minute brings."""
        if not self.is_told_at(minute):
            return [], []
        accepted = minute >= self.sent + self.accepted_after
        names: Row = {
            "perm_id": 7000 + self.number if accepted else None,
            "order_ref": f"R-{self.number}",
        }
        if minute >= self.ended:
            nobody: Row = {"order_id": None, "client_id": None, "total_quantity": Decimal(0)}
            closing: Row = {"connection_epoch": None, "is_open": False}
            return [order(**names, **nobody, **closing, **self.state(minute))], []
        ids: Row = {"order_id": 100 + self.number, "connection_epoch": epoch}
        state = self.state(minute)
        message = {name: value for name, value in state.items() if name != "filled_quantity"}
        remaining = Decimal(100) - Decimal(str(state["filled_quantity"]))
        told = status(**ids, perm_id=names["perm_id"], remaining_quantity=remaining, **state)
        return [order(**names, **ids, **message)], [told]

    def state(self, minute: int) -> Row:
        accepted = minute >= self.sent + self.accepted_after
        if minute >= self.ended:
            word = self.ending
            filled = 100 if word == "filled" else self.filled
        else:
            word = "submitted" if accepted else "pending_submit"
            filled = self.filled if accepted else 0
        return {"status": word, "broker_status": word.title(), "filled_quantity": Decimal(filled)}


_ORDERS = st.lists(
    st.builds(
        _Order,
        number=st.integers(0, 99),
        sent=st.integers(0, 500),
        accepted_after=st.integers(0, 300),
        filled=st.integers(0, 99),
        ended_after=st.integers(1, 600),
        ending=st.sampled_from(["filled", "cancelled", "expired"]),
        told_for=st.sampled_from([1, 200, 2000]),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda item: item.number,
)


_KNOWN = (
    "order_ref",
    "perm_id",
    "status",
    "filled_quantity",
    "is_open",
    "ended_after",
    "ended_before",
)


def _order_read(data: st.DataObject, orders: Sequence[_Order], minute: int) -> Read:
    """Return the read of a minute, its messages in any order."""
    told = [item.told_at(minute, f"epoch-{minute}") for item in orders]
    rows = [row for messages, _ in told for row in messages]
    statuses = [row for _, messages in told for row in messages]
    places = {
        id(row): seq for seq, row in enumerate(data.draw(st.permutations([*rows, *statuses])))
    }
    frames = frames_of(
        Dataset.ORDERS,
        orders=[{**row, "event_seq": places[id(row)]} for row in rows],
        order_statuses=[{**row, "event_seq": places[id(row)]} for row in statuses],
    )
    return frames, [make_load(Dataset.ORDERS, at=minutes(minute))]


@settings(max_examples=_EXAMPLES)
@given(data=st.data(), orders=_ORDERS)
def test_orders_equal_the_book(data: st.DataObject, orders: list[_Order]) -> None:
    """One order each, as the reads before an instant told it, whatever arrived first.

    An order whose end no read told is gone between the last read that listed it and the next.
    """
    minutes_read = sorted(data.draw(st.sets(st.integers(0, 1500), min_size=1, max_size=5)))
    reads = [_order_read(data, orders, minute) for minute in minutes_read]
    with _warehouse() as warehouse:
        _apply(warehouse, Dataset.ORDERS, data.draw(_arrivals(reads)))
        with warehouse.read() as connection:
            found = [as_of(connection, "orders", at=minutes(minute)) for minute in minutes_read]
            assert found[-1].equals(as_of(connection, "orders"))

    for number in range(1, len(minutes_read) + 1):
        known = [item.known_after(minutes_read[:number]) for item in orders]
        expected = [tuple(row[name] for name in _KNOWN) for row in known if row is not None]
        assert sorted(expected) == sorted(found[number - 1].select(_KNOWN).rows())
