"""Properties of the mappers over generated messages."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ibkr_pipeline.brokers.ibkr.mappers.mapping import map_ibkr
from ibkr_pipeline.brokers.ibkr.mappers.values import SENTINELS
from ibkr_pipeline.brokers.ibkr.transport.payloads import give_accounts, hear
from ibkr_pipeline.brokers.read import restrict
from ibkr_pipeline.models.requests import Payload
from ibkr_pipeline.primitives.enums import WIRE_DATASETS, Dataset
from ibkr_pipeline.schemas import broker as schemas
from ibkr_pipeline_tests.unit.brokers.frames import (
    ONE,
    OPTION,
    STOCK,
    TWO,
    account_value,
    commission,
    completed_order,
    execution,
    open_order,
    order_status,
    portfolio_value,
    position,
    proof,
)

_ACCOUNTS = st.sampled_from([ONE, TWO])
_AMOUNTS = st.decimals(min_value=-(10**9), max_value=10**9, places=2).map(str)
_OPTIONAL = st.one_of(_AMOUNTS, st.sampled_from(SENTINELS))
_TAGS = ["NetLiquidation", "CashBalance", "UnrealizedPnL", "BuyingPower", "Billable", "Cushion"]
_EXEC_IDS = st.builds("{:04x}.01.{:02d}".format, st.integers(0, 40), st.integers(1, 3))

_ROWS: Mapping[Dataset, st.SearchStrategy[str]] = {
    Dataset.ACCOUNTS: st.builds(
        account_value,
        st.sampled_from(_TAGS),
        _OPTIONAL,
        st.sampled_from(["USD", "EUR", "BASE"]),
        _ACCOUNTS,
    ),
    Dataset.POSITIONS: st.one_of(
        st.builds(
            position, _ACCOUNTS, contract=st.sampled_from([STOCK, OPTION]), quantity=_AMOUNTS
        ),
        st.builds(portfolio_value, _ACCOUNTS, price=_OPTIONAL),
    ),
    Dataset.ORDERS: st.one_of(
        st.builds(
            open_order,
            account=_ACCOUNTS,
            perm_id=st.integers(0, 5),
            order_id=st.integers(0, 5),
            limit=_OPTIONAL,
        ),
        st.builds(completed_order, account=_ACCOUNTS, perm_id=st.integers(1, 5), limit=_OPTIONAL),
        st.builds(order_status, st.integers(0, 5), perm_id=st.integers(0, 5)),
    ),
    Dataset.EXECUTIONS: st.one_of(
        st.builds(
            execution,
            _EXEC_IDS,
            req_id=st.just(1),
            account=_ACCOUNTS,
            side=st.sampled_from(["BOT", "SLD"]),
            ev_multiplier=_OPTIONAL,
        ),
        st.builds(commission, _EXEC_IDS, amount=_OPTIONAL, realized=_OPTIONAL),
    ),
}


@st.composite
def payloads(draw: st.DrawFn, dataset: Dataset) -> Payload:
    """A payload of some messages of one dataset, of two accounts."""
    heard = hear(dataset, draw(st.lists(_ROWS[dataset], max_size=12)), 178)
    assert heard.malformed == ()
    return give_accounts(_consistent(heard.payload), {})


def _consistent(payload: Payload) -> Payload:
    """One exec id and one permId belong to one account: keep the first account's rows."""
    found = dict(payload)
    if "execDetails" in found:
        frame = found["execDetails"]
        first = pl.col("account").first().over("execId")
        found["execDetails"] = frame.filter(pl.col("account") == first)
    for name in ("openOrder", "completedOrder"):
        if name in found:
            # Orders of account one have odd ids here, those of account two even ones.
            is_odd = pl.col("permId").cast(pl.Int64) % 2 == 1
            is_odd_id = pl.col("orderId").fill_null("").replace("", "1").cast(pl.Int64) % 2 == 1
            expected = pl.when(is_odd).then(pl.lit(ONE)).otherwise(pl.lit(TWO))
            fits = (pl.col("account") == expected) & (
                (is_odd == is_odd_id) | (pl.lit(name) == "completedOrder")
            )
            found[name] = found[name].filter(fits)
    return found


@pytest.mark.parametrize("dataset", WIRE_DATASETS)
@settings(max_examples=20)
@given(data=st.data())
def test_frames_fit_their_schemas(dataset: Dataset, data: st.DataObject) -> None:
    """Whatever legal messages come, the frames are exactly what the warehouse expects."""
    payload = data.draw(payloads(dataset))

    frames = map_ibkr(dataset, restrict(payload, (ONE, TWO)), proof(dataset))

    tables = {table.name: table for table in schemas.TABLES}
    for name, frame in frames.items():
        tables[name].pandera.validate(frame)


@pytest.mark.parametrize("dataset", WIRE_DATASETS)
@settings(max_examples=20)
@given(data=st.data())
def test_no_sentinel_survives(dataset: Dataset, data: st.DataObject) -> None:
    """An unset amount that slips through poisons every sum it meets."""
    payload = data.draw(payloads(dataset))

    frames = map_ibkr(dataset, restrict(payload, (ONE, TWO)), proof(dataset))

    for frame in frames.values():
        for column in frame.iter_columns():
            if column.dtype.is_numeric():
                assert all(abs(Decimal(v)) < 10**15 for v in column.drop_nulls())
                assert 2147483647 not in column.drop_nulls().to_list()
            elif column.name != "extras" and column.dtype == pl.String:
                assert not set(column.drop_nulls()) & (set(SENTINELS) - {""})


@pytest.mark.parametrize("dataset", WIRE_DATASETS)
@settings(max_examples=20)
@given(data=st.data())
def test_mapping_an_account_alone_gives_its_rows(dataset: Dataset, data: st.DataObject) -> None:
    """A failed account is left out before mapping; the other's rows must not feel it."""
    payload = data.draw(payloads(dataset))

    whole = map_ibkr(dataset, restrict(payload, (ONE, TWO)), proof(dataset))
    alone = map_ibkr(dataset, restrict(payload, (ONE,)), proof(dataset))

    for name, frame in whole.items():
        assert frame.filter(pl.col("account_id") == ONE).equals(alone[name]), name


@pytest.mark.parametrize("dataset", WIRE_DATASETS)
@settings(max_examples=20)
@given(data=st.data())
def test_the_order_of_rows_in_a_payload_is_irrelevant(
    dataset: Dataset, data: st.DataObject
) -> None:
    """Raw files are read back in any order; `seq` alone says what came when."""
    payload = restrict(data.draw(payloads(dataset)), (ONE, TWO))
    seed = data.draw(st.integers(0, 2**16))
    shuffled = {
        name: frame.sample(fraction=1.0, shuffle=True, seed=seed) for name, frame in payload.items()
    }

    straight = map_ibkr(dataset, payload, proof(dataset))
    mixed = map_ibkr(dataset, shuffled, proof(dataset))

    for name, frame in straight.items():
        assert frame.equals(mixed[name]), name
