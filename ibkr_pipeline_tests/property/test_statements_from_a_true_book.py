"""Core equals the book that statements and reads were derived from, whatever way they arrived.

A book is drawn first: trades with their corrections and cancels, assignments and expirations,
holdings. Statements (windows, made at some instant, with what was known then) and reads of the
gateway are derived from it, some twice, and arrive in any order. What is expected is computed
from the book alone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.warehouse.connection import Warehouse
from ibkr_pipeline.warehouse.reads import as_of
from ibkr_pipeline_tests.statement_rows import (
    DAY,
    Statement,
    apply_statement,
    apply_wire,
    booking,
    delivery,
    eae,
    eae_delivery,
    overnight,
    trade,
)
from ibkr_pipeline_tests.warehouse_rows import (
    commission,
    execution,
    frames_of,
    make_load,
    minutes,
    warehouse_in,
)

Row = dict[str, object]
Arrival = Callable[[Warehouse], object]
_MINUTES = 24 * 60
_LAST_DAY = 2
_PROVENANCE = ("load_id", "recorded_at", "available_at", "generated_at", "version")
#: A fifth of the profile's: each example writes and reads a warehouse file many times.
_EXAMPLES = settings.default.max_examples // 5


@contextmanager
def _warehouse() -> Iterator[Warehouse]:
    with tempfile.TemporaryDirectory() as directory:
        yield warehouse_in(Path(directory))


def _day(number: int) -> date:
    return DAY + timedelta(days=number)


@dataclass(frozen=True, kw_only=True)
class _Trade:
    """A purchase; a day later it may be cancelled, or cancelled and booked again as half."""

    number: int
    day: int
    fate: str
    restated_on: int
    on_wire: bool

    @property
    def fill_id(self) -> str:
        return f"exec:0000e0d5.{0x65430000 + self.number:08x}.01"

    def told_by(self, made: int) -> list[Row]:
        """Return the rows of a statement made on a day."""
        taxes = Decimal(-2) if made >= self.restated_on else Decimal(0)
        common: Row = {
            "trade_date": _day(self.day),
            "report_date": _day(self.day),
            "event_ts": minutes(self.day * _MINUTES - 120),
            "taxes": taxes,
        }
        first = trade(3 * self.number, exec_id=f"{self.fill_id[5:]}.01", **common)
        if self.fate == "stands" or made <= self.day:
            return [first]
        cancel = trade(
            3 * self.number + 1,
            exec_id=None,
            trade_id=None,
            quantity=-100,
            orig_trade_id=first["trade_id"],
            transaction_type="TradeCancel",
            code="Ca",
            **common,
        )
        again = trade(
            3 * self.number + 2,
            exec_id=f"{self.fill_id[5:]}.02",
            trade_id=first["trade_id"],
            quantity=50,
            **common,
        )
        return [first, cancel, again] if self.fate == "corrected" else [first, cancel]

    def told_on_wire(self, read: int) -> list[Row]:
        """Return what the gateway tells of it on a day."""
        if not self.on_wire or read < self.day:
            return []
        revisions = [(1, 100)]
        if self.fate == "corrected" and read > self.day:
            revisions.append((2, 50))
        return [
            execution(
                f"{self.fill_id[5:]}.{revision:02d}",
                quantity=quantity,
                event_ts=minutes(self.day * _MINUTES - 120),
                perm_id=1000 + self.number,
            )
            for revision, quantity in revisions
        ]

    def expected(self, made: Sequence[int], reads: Sequence[int]) -> Row | None:
        """Return the fill as it is, told by statements made and reads on those days."""
        wire = {row["revision"]: row for read in reads for row in self.told_on_wire(read)}
        told = self.told_by(max(made)) if made else []
        flex: dict[object, Row] = {
            int(str(row["exec_id"])[-2:]): row for row in told if row["exec_id"] is not None
        }
        is_cancelled = len(told) > 1
        revisions = {*wire, *flex} - ({1} if is_cancelled else set())
        if not revisions:
            return None
        revision = max(revisions, key=lambda item: int(str(item)))
        best = flex.get(revision) or wire[revision]
        return {
            "fill_id": self.fill_id,
            "revision": revision,
            "signed_quantity": best["signed_quantity"],
            "taxes": best.get("taxes"),
            "perm_id": 1000 + self.number if revision in wire else None,
            "n_sources": (revision in wire) + (revision in flex),
            "option_event_id": None,
        }


@dataclass(frozen=True, kw_only=True)
class _Event:
    """A short call that was assigned overnight, or expired."""

    number: int
    day: int
    kind: str
    on_wire: bool

    @property
    def con_id(self) -> int:
        return 700_000 + self.number

    @property
    def event_id(self) -> str:
        return f"{self.con_id}:{_day(self.day):%Y%m%d}:{self.kind}"

    @property
    def _quantity(self) -> int:
        return self.number + 1

    @property
    def _strike(self) -> Decimal:
        return Decimal(100 + self.number)

    @property
    def is_assigned(self) -> bool:
        return self.kind == "assignment"

    def trades(self) -> list[Row]:
        common: Row = {
            "trade_date": _day(self.day),
            "report_date": _day(self.day),
            "event_ts": minutes(self.day * _MINUTES - 10),
        }
        option = booking(
            5000 + 2 * self.number,
            con_id=self.con_id,
            strike=self._strike,
            quantity=self._quantity,
            code="A;C" if self.is_assigned else "Ep",
            **common,
        )
        stock = delivery(
            5001 + 2 * self.number,
            quantity=-100 * self._quantity,
            price=self._strike,
            **common,
        )
        return [option, stock] if self.is_assigned else [option]

    def eae(self) -> list[Row]:
        common: Row = {"event_date": _day(self.day)}
        option = eae(
            self.kind.title(),
            con_id=self.con_id,
            strike=self._strike,
            signed_quantity=Decimal(self._quantity),
            trade_id=str(5_005_000 + 2 * self.number),
            **common,
        )
        stock = eae_delivery(
            price=self._strike, signed_quantity=Decimal(-100 * self._quantity), **common
        )
        return [option, stock] if self.is_assigned else [option]

    def told_on_wire(self, read: int) -> list[Row]:
        """Return the bookings of the night after its day."""
        if not self.on_wire or read <= self.day:
            return []
        nobody: Row = {
            "perm_id": None,
            "order_id": None,
            "client_id": None,
            "event_ts": overnight(self.day),
        }
        option = execution(
            f"night.{self.number}.01.01",
            con_id=self.con_id,
            security_type="OPT",
            strike=self._strike,
            right="C",
            multiplier=Decimal(100),
            expiry=date(2026, 11, 20),
            quantity=self._quantity,
            price=Decimal(0),
            **nobody,
        )
        stock = execution(
            f"night.{self.number}.02.01",
            side="SELL",
            quantity=100 * self._quantity,
            price=self._strike,
            **nobody,
        )
        return [option, stock] if self.is_assigned else [option]

    def expected(self, *, in_statement: bool, in_wire: bool) -> Row | None:
        """Return the event as it is."""
        if not in_statement and not in_wire:
            return None
        sources = ["option_eae", "trade"] if in_statement else []
        return {
            "option_event_id": self.event_id,
            "state": "confirmed" if in_statement else "suspected",
            "signed_quantity": Decimal(self._quantity),
            "delivered_quantity": Decimal(-100 * self._quantity) if self.is_assigned else None,
            "delivered_price": self._strike if self.is_assigned else None,
            "sources": ",".join([*sources, *(["wire_execution"] if in_wire else [])]),
        }

    def expected_legs(self, *, in_statement: bool, in_wire: bool) -> list[Row]:
        """Return its fills: each leg once, whoever told it."""
        legs: list[tuple[str, int]] = []
        if in_statement:
            legs = [(f"flex:{30_000_005_000 + 2 * self.number}", self._quantity)]
            if self.is_assigned:
                stock = f"flex:{30_000_005_001 + 2 * self.number}"
                legs.append((stock, -100 * self._quantity))
        elif in_wire:
            legs = [(f"exec:night.{self.number}.01", self._quantity)]
            if self.is_assigned:
                legs.append((f"exec:night.{self.number}.02", -100 * self._quantity))
        return [
            {
                "fill_id": fill_id,
                "revision": 0 if in_statement else 1,
                "signed_quantity": Decimal(quantity),
                "taxes": None,
                "perm_id": None,
                "n_sources": in_statement + in_wire,
                "option_event_id": self.event_id,
            }
            for fill_id, quantity in legs
        ]


_DAYS = st.integers(0, _LAST_DAY)
_TRADES = st.lists(
    st.builds(
        _Trade,
        number=st.integers(0, 99),
        day=_DAYS,
        fate=st.sampled_from(["stands", "cancelled", "corrected"]),
        restated_on=st.integers(0, 6),
        on_wire=st.booleans(),
    ),
    max_size=4,
    unique_by=lambda item: item.number,
)
_EVENTS = st.lists(
    st.builds(
        _Event,
        number=st.integers(0, 9),
        day=_DAYS,
        kind=st.sampled_from(["assignment", "expiration"]),
        on_wire=st.booleans(),
    ),
    max_size=3,
    unique_by=lambda item: item.number,
)


@st.composite
def _windows(draw: st.DrawFn) -> tuple[int, int, int]:
    """Return (day made, first day, last day) of a statement; it tells of no day to come."""
    made = draw(st.integers(0, 6))
    last = draw(st.integers(0, min(made, _LAST_DAY)))
    return made, draw(st.integers(0, last)), last


_STATEMENTS = st.lists(_windows(), max_size=4)
_READS = st.lists(st.integers(0, 4), max_size=2)


def _statement(
    number: int, window: tuple[int, int, int], trades: Sequence[_Trade], events: Sequence[_Event]
) -> Statement:
    made, first, last = window
    of_window = [item for item in trades if first <= item.day <= last]
    booked = [item for item in events if first <= item.day <= last]
    return Statement(
        made=made * _MINUTES + 60 + number,
        number=number,
        from_date=_day(first),
        to_date=_day(last),
        chunk=3,
        sections={
            "Trades": [row for item in of_window for row in item.told_by(made)]
            + [row for item in booked for row in item.trades()],
            "OptionEAE": [row for item in booked for row in item.eae()],
        },
    )


def _read(number: int, day: int, trades: Sequence[_Trade], events: Sequence[_Event]) -> Arrival:
    told = [row for item in trades for row in item.told_on_wire(day)]
    told += [row for item in events for row in item.told_on_wire(day)]
    fills = [{**row, "event_seq": seq} for seq, row in enumerate(told)]
    reports = [commission(str(row["exec_id"]), event_seq=1000 + n) for n, row in enumerate(told)]
    frames = frames_of(Dataset.EXECUTIONS, executions=fills, commissions=reports)
    load = make_load(Dataset.EXECUTIONS, at=minutes(day * _MINUTES + 30 + number))
    return lambda warehouse: apply_wire(warehouse, frames, [load])


def _covering(windows: Sequence[tuple[int, int, int]], day: int) -> list[int]:
    return [made for made, first, last in windows if first <= day <= last]


@settings(max_examples=_EXAMPLES)
@given(data=st.data(), trades=_TRADES, events=_EVENTS, windows=_STATEMENTS, reads=_READS)
def test_fills_and_option_events_equal_the_book(
    data: st.DataObject,
    trades: list[_Trade],
    events: list[_Event],
    windows: list[tuple[int, int, int]],
    reads: list[int],
) -> None:
    """Each fill once, by its best source; each event once, with its legs; in any order."""
    arrivals = [
        *(_arriving(_statement(n, window, trades, events)) for n, window in enumerate(windows)),
        *(_read(n, day, trades, events) for n, day in enumerate(reads)),
    ]
    again = data.draw(st.lists(st.sampled_from(arrivals), max_size=1)) if arrivals else []
    with _warehouse() as warehouse:
        for arrive in data.draw(st.permutations([*arrivals, *again])):
            arrive(warehouse)
        with warehouse.read() as connection:
            fills = as_of(connection, "executions")
            found = as_of(connection, "option_events")
            ordinary = as_of(connection, "ordinary_executions")
            conflicts = connection.execute("SELECT count(*) FROM meta.conflicts").fetchall()

    expected: list[Row] = [
        row
        for item in trades
        if (row := item.expected(_covering(windows, item.day), reads)) is not None
    ]
    n_ordinary = len(expected)
    expected_events: list[Row] = []
    for item in events:
        told = {
            "in_statement": bool(_covering(windows, item.day)),
            "in_wire": any(item.told_on_wire(day) for day in reads),
        }
        expected.extend(item.expected_legs(**told))
        if (event := item.expected(**told)) is not None:
            expected_events.append(event)
    assert _sorted(expected, "fill_id") == _sorted(_of(fills, expected), "fill_id")
    assert _sorted(expected_events, "option_event_id") == _sorted(
        _of(found, expected_events), "option_event_id"
    )
    assert n_ordinary == ordinary.height
    assert [(0,)] == conflicts


@settings(max_examples=_EXAMPLES)
@given(data=st.data(), trades=_TRADES, events=_EVENTS, windows=_STATEMENTS, reads=_READS)
def test_the_way_of_arrival_leaves_no_trace(
    data: st.DataObject,
    trades: list[_Trade],
    events: list[_Event],
    windows: list[tuple[int, int, int]],
    reads: list[int],
) -> None:
    """In every column but provenance, core is the same as if all came in the order made."""
    statements = [_statement(n, window, trades, events) for n, window in enumerate(windows)]
    in_order = [
        *(_arriving(item) for item in sorted(statements, key=lambda item: item.made)),
        *(_read(n, day, trades, events) for n, day in enumerate(reads)),
    ]
    subjects = (
        "executions",
        "commissions",
        "fill_aliases",
        "option_events",
        "option_event_evidence",
        "contracts",
        "instruments",
    )
    tables: list[list[pl.DataFrame]] = []
    for arrivals in (in_order, data.draw(st.permutations(in_order))):
        with _warehouse() as warehouse:
            for arrive in arrivals:
                arrive(warehouse)
            with warehouse.read() as connection:
                tables.append([as_of(connection, name) for name in subjects])

    for name, first, second in zip(subjects, *tables, strict=True):
        # A contract is told by every source; whichever was first is provenance.
        aside = ("source",) if name in ("contracts", "instruments") else ()
        assert _rows(first, *aside) == _rows(second, *aside)


_HOLDINGS = st.dictionaries(st.integers(1, 3), st.integers(1, 2), max_size=3)


@settings(max_examples=_EXAMPLES)
@given(
    data=st.data(),
    told=st.lists(st.tuples(_DAYS, _HOLDINGS, st.integers(0, 2)), min_size=1, max_size=5),
)
def test_positions_and_cash_are_as_the_newest_statement_tells(
    data: st.DataObject, told: list[tuple[int, dict[int, int], int]]
) -> None:
    """Restated to and fro, told anew, dropped: the last statement of a day has the last word."""
    statements = [
        Statement(
            made=n,
            number=n,
            from_date=_day(day),
            to_date=_day(day),
            sections={
                "OpenPositions": [_position(day, con, held) for con, held in holdings.items()],
                "CashTransactions": [_cash(day, amount)],
            },
        )
        for n, (day, holdings, amount) in enumerate(told)
    ]
    with _warehouse() as warehouse:
        for statement in data.draw(st.permutations(statements)):
            apply_statement(warehouse, statement)
        with warehouse.read() as connection:
            positions = as_of(connection, "statement_positions")
            cash = as_of(connection, "cash_transactions")

    last = {day: (holdings, amount) for day, holdings, amount in told}
    expected = [
        (_day(day), con, Decimal(held))
        for day, (holdings, _) in last.items()
        for con, held in holdings.items()
    ]
    assert sorted(expected) == sorted(
        positions.select("report_date", "con_id", "signed_quantity").rows()
    )
    assert sorted(
        (f"txn:{1 + day}", Decimal(amount)) for day, (_, amount) in last.items()
    ) == sorted(cash.select("source_id", "amount").rows())


def _position(day: int, con_id: int, held: int) -> Row:
    return {
        "report_date": _day(day),
        "currency": "USD",
        "con_id": con_id,
        "symbol": f"S{con_id}",
        "security_type": "STK",
        "signed_quantity": Decimal(held),
    }


def _cash(day: int, amount: int) -> Row:
    return {
        "currency": "USD",
        "row_type": "Dividends",
        "amount": Decimal(amount),
        "event_date": _day(day),
        "report_date": _day(day),
        "transaction_id": str(1 + day),
    }


def _arriving(statement: Statement) -> Arrival:
    return lambda warehouse: apply_statement(warehouse, statement)


def _of(frame: pl.DataFrame, expected: Sequence[Row]) -> list[Row]:
    if not expected:
        return frame.to_dicts()
    return frame.select(list(expected[0])).to_dicts()


def _sorted(rows: Sequence[Row], key: str) -> list[Row]:
    return sorted(rows, key=lambda row: str(row[key]))


def _rows(frame: pl.DataFrame, *aside: str) -> list[Row]:
    kept = [name for name in frame.columns if name not in (*_PROVENANCE, *aside)]
    return frame.select(kept).to_dicts()
