"""Broker frames to core frames: what is told twice, what names what, what is refused."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import polars as pl
import pytest

from ibkr_pipeline.normalization.positions import normalize_positions
from ibkr_pipeline.normalization.provenance import combine, with_provenance
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.primitives.errors import SchemaError
from ibkr_pipeline.schemas import broker
from ibkr_pipeline_tests.warehouse_rows import (
    ACCOUNT,
    NOON,
    OTHER,
    commission,
    execution,
    frames_of,
    make_load,
    normalized,
    order,
    position,
    provenance_of,
    status,
)

EXECUTIONS, POSITIONS, ORDERS = Dataset.EXECUTIONS, Dataset.POSITIONS, Dataset.ORDERS
MASTER = "DF0000009"


def _positions(
    *rows: dict[str, object], accounts: tuple[str, ...] = (ACCOUNT,)
) -> dict[str, pl.DataFrame]:
    loads = [make_load(POSITIONS, account=account) for account in accounts]
    return normalized(POSITIONS, frames_of(POSITIONS, positions=rows), loads)


def _executions(
    *rows: dict[str, object], reports: tuple[dict[str, object], ...] = ()
) -> dict[str, pl.DataFrame]:
    told = [{**row, "event_seq": seq} for seq, row in enumerate(rows)]
    loads = [make_load(EXECUTIONS, account=account) for account in (ACCOUNT, OTHER, MASTER)]
    frames = frames_of(EXECUTIONS, executions=told, commissions=reports)
    return normalized(EXECUTIONS, frames, loads)


def test_a_row_carries_the_load_of_its_own_account() -> None:
    """One request has one load per account."""
    rows = _positions(position(1), position(2, account_id=OTHER), accounts=(ACCOUNT, OTHER))

    found = rows["core.positions"].select("account_id", "load_id", "snapshot_id", "as_of").rows()
    first, second = (make_load(POSITIONS, account=account).load_id for account in (ACCOUNT, OTHER))
    assert found == [(ACCOUNT, first, first, NOON), (OTHER, second, second, NOON)]


def test_a_row_of_an_account_without_a_load_is_refused() -> None:
    """It would be a row of a failed read."""
    with pytest.raises(SchemaError, match="no complete load"):
        _positions(position(1, account_id=OTHER))


def test_a_frame_that_is_missing_short_or_of_another_type_is_refused() -> None:
    """Fault 48: a changed frame stops the dataset and leaves what is there alone."""
    loads = provenance_of([make_load(POSITIONS)])
    frame = frames_of(POSITIONS, positions=[position(1)])["broker.positions"]
    for frames, found in (
        ({}, "missing"),
        ({"broker.positions": frame.drop("quantity")}, "quantity"),
        ({"broker.positions": frame.with_columns(pl.col("con_id").cast(pl.String))}, "con_id"),
    ):
        with pytest.raises(SchemaError, match=found):
            with_provenance(frames, broker.POSITIONS, loads)


def test_two_loads_of_one_account_in_one_request_are_refused() -> None:
    """A row could not say which of them it came in."""
    loads = provenance_of([make_load(POSITIONS), make_load(POSITIONS, request="other")])
    with pytest.raises(SchemaError, match="several loads"):
        with_provenance(frames_of(POSITIONS), broker.POSITIONS, loads)


def test_provenance_with_a_hole_is_refused() -> None:
    """Every core row can be traced."""
    loads = provenance_of([make_load(POSITIONS)])
    for broken, found in (
        (loads.drop("source"), "source"),
        (loads.with_columns(pl.lit(None, pl.String).alias("source")), "nulls"),
    ):
        with pytest.raises(SchemaError, match=found):
            with_provenance(frames_of(POSITIONS), broker.POSITIONS, broken)


def test_a_portfolio_is_the_account_s_own_unless_it_is_given() -> None:
    """Most accounts are a portfolio of their own."""
    loads = [make_load(POSITIONS, account=account) for account in (ACCOUNT, OTHER)]
    rows = frames_of(POSITIONS, positions=[position(1), position(1, account_id=OTHER)])

    found = normalize_positions(rows, provenance_of(loads), portfolio_of={OTHER: "growth"})

    portfolios = found["core.positions"].get_column("portfolio_id").to_list()
    assert portfolios == [ACCOUNT, "growth"]


def test_a_contract_is_told_once_with_what_any_row_knows() -> None:
    """One row names the listing exchange, another the class; routing is neither."""
    rows = _positions(
        position(7, primary_exchange="NASDAQ", exchange="SMART"),
        position(7, model_code="M", trading_class="NMS", exchange="ARCA"),
        position(0, model_code="combo"),
    )

    contracts = rows["core.ibkr_contracts"]
    assert contracts.select(
        "con_id", "instrument_key", "primary_exchange", "trading_class"
    ).rows() == [(7, "ibkr:7", "NASDAQ", "NMS")]
    assert "exchange" not in contracts.columns
    assert rows["core.instruments"].get_column("instrument_key").to_list() == ["ibkr:7"]


def test_a_fill_told_twice_word_for_word_is_told_once() -> None:
    """The first is kept; what contradicts it is left to the writer to report."""
    fills = _executions(execution(), execution(), execution(price=Decimal(1)))["core.executions"]

    assert fills.get_column("event_seq").to_list() == [0, 2]


def test_a_fill_has_the_session_of_its_time() -> None:
    """Never the UTC date."""
    late = NOON.replace(hour=1)  # 20:00 on the 17th in New York

    fills = _executions(execution(event_ts=late))["core.executions"]

    assert fills.get_column("session_date").to_list() == [date(2026, 11, 18)]


def test_a_commission_has_the_time_of_its_fill_and_a_blank_one_is_pending() -> None:
    """A report without an amount says nothing yet."""
    other = "0000e0d5.6543a1b9.01.01"
    reports = (
        commission(event_seq=7),
        commission(other, commission=None, event_seq=8),
    )

    rows = _executions(execution(), reports=reports)["core.commissions"]

    fill_ts = execution()["event_ts"]
    assert rows.select("event_ts", "commission_status").rows() == [
        (fill_ts, "final"),
        (None, "pending"),
    ]


def test_an_advisor_s_fill_that_is_told_again_for_its_allocations_counts_nothing() -> None:
    """Summing both would double the quantity; the master's own fill is its own."""
    own = "0000e0d5.6543a1b9.01.01"
    fills = _executions(
        execution(account_id=MASTER, perm_id=1),
        execution("0000e0d5.6543a1b3.01.01", account_id=ACCOUNT, perm_id=1),
        execution(own, account_id=MASTER, perm_id=2),
        execution("0000e0d5.6543a1b4.01.01", account_id=ACCOUNT, perm_id=None),
    )["core.executions"]

    assert fills.get_column("is_allocation_parent").to_list() == [True, False, False, False]


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        pytest.param({}, "perm:900001", id="permId"),
        pytest.param({"perm_id": 0, "order_ref": "R"}, "ref:R", id="reference"),
        pytest.param({"perm_id": None, "order_ref": " "}, "cid:1:11:epoch-1", id="client"),
        pytest.param({"perm_id": None, "order_id": 0}, None, id="order id 0"),
        pytest.param({"perm_id": None, "order_id": -4}, None, id="bound by hand"),
        pytest.param({"perm_id": None, "connection_epoch": None}, None, id="no connection"),
    ],
)
def test_an_order_goes_by_the_best_name_its_row_has(
    ids: dict[str, object], expected: str | None
) -> None:
    """PermId lasts, the reference is ours, an order id means little."""
    fills = _executions({**execution(), **ids})["core.executions"]

    assert fills.get_column("order_key").to_list() == [expected]


def test_status_messages_repeated_word_for_word_are_told_once() -> None:
    """The broker repeats them as a matter of course."""
    frames = frames_of(ORDERS, orders=[order()], order_statuses=[status(), status(event_seq=3)])

    rows = normalized(ORDERS, frames, [make_load(ORDERS)])

    assert rows["core.order_status_events"].height == 1


def test_requests_are_combined_into_one_set() -> None:
    """Loads that waited are applied in one transaction."""
    parts = [_positions(position(con_id)) for con_id in (1, 2)]

    assert combine(parts)["core.positions"].get_column("con_id").to_list() == [1, 2]


@pytest.mark.parametrize("symbol", ["BRK/B", "../x", "O'Brien; DROP TABLE", "日経", ""])
def test_a_symbol_is_a_value_whatever_it_holds(symbol: str) -> None:
    """It never becomes part of a name, a path or a statement."""
    rows = _positions(position(1, symbol=symbol))

    assert rows["core.positions"].get_column("symbol").to_list() == [symbol]


def test_a_position_of_unknown_quantity_is_not_taken_for_a_closed_one() -> None:
    """Flat rows are left out; unknown is not flat, and the schema refuses it further on."""
    rows = _positions(position(1, 0), {**position(2), "quantity": None})

    assert rows["core.positions"].select("con_id", "quantity").rows() == [(2, None)]
