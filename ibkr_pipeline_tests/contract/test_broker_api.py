"""One suite for every BrokerAPI: what anything that reads a broker must do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from ibkr_pipeline.brokers.base import BrokerAPI
from ibkr_pipeline.brokers.exceptions import AccountNotFoundError, IncompleteReadError
from ibkr_pipeline.brokers.read import Read, restrict
from ibkr_pipeline.brokers.registry import get_broker_client, map_payload
from ibkr_pipeline.brokers.testing import (
    FakeBrokerAPI,
    make_simple_fake_account_snapshot,
    make_simple_fake_execution,
    make_simple_fake_order,
    make_simple_fake_position,
)
from ibkr_pipeline.primitives.clock import SystemClock
from ibkr_pipeline.primitives.enums import WIRE_DATASETS, Dataset, LoadStatus
from ibkr_pipeline.schemas import broker as schemas
from ibkr_pipeline.settings import load_settings
from ibkr_pipeline.simulator.testing import SimulatorThread

ONE, TWO = "DU0000001", "DU0000002"

FETCHES: dict[Dataset, str] = {
    Dataset.ACCOUNTS: "fetch_account_snapshots",
    Dataset.POSITIONS: "fetch_positions",
    Dataset.ORDERS: "fetch_open_orders",
    Dataset.EXECUTIONS: "fetch_executions",
}
TABLES = {table.name: table for table in schemas.TABLES}
#: What `failing` makes fail: account TWO, in the accounts dataset.
MakeBroker = Callable[..., BrokerAPI]


@pytest.fixture(params=["fake", "ibkr"])
def make_broker(request: pytest.FixtureRequest) -> Iterator[MakeBroker]:
    """Makes a broker of two accounts that hold one of everything, one of them failing if asked."""
    with ExitStack() as stack:
        yield _make_fake if request.param == "fake" else _make_ibkr_over(stack)


def _make_fake(*, failing: bool = False) -> BrokerAPI:
    return FakeBrokerAPI(
        accounts=(ONE, TWO),
        account_snapshots=[make_simple_fake_account_snapshot(code) for code in (ONE, TWO)],
        positions=[make_simple_fake_position(code) for code in (ONE, TWO)],
        orders=[make_simple_fake_order(code) for code in (ONE, TWO)],
        executions=[make_simple_fake_execution(code) for code in (ONE, TWO)],
        failing={(Dataset.ACCOUNTS, TWO): "scripted"} if failing else {},
    )


def _make_ibkr_over(stack: ExitStack) -> MakeBroker:
    def make(*, failing: bool = False) -> BrokerAPI:
        simulator = stack.enter_context(SimulatorThread("default"))
        if failing:
            simulator.arm("error", request=6, account=TWO, code=321, text="scripted")
        settings = load_settings(
            environ={},
            overrides={
                "mode": "simulated",
                "ibkr.host": simulator.host,
                "ibkr.port": simulator.port,
            },
        )
        return get_broker_client(settings, clock=SystemClock())

    return make


def _fetch(broker: BrokerAPI, dataset: Dataset, *arguments: Any) -> Read[Any]:
    read: Read[Any] = getattr(broker, FETCHES[dataset])(*arguments)
    return read


@pytest.mark.parametrize("dataset", WIRE_DATASETS)
def test_a_read_says_what_it_is_of(make_broker: MakeBroker, dataset: Dataset) -> None:
    """The proof stands on its own in a raw file, years later."""
    with make_broker() as broker:
        read = _fetch(broker, dataset)

    assert (dataset, broker.broker, broker.environment) == (
        read.proof.dataset,
        read.proof.broker,
        read.proof.environment,
    )
    assert (ONE, TWO) == read.proof.managed_accounts == read.complete
    assert read.proof.end_marker_seen
    assert read.proof.started_at <= read.proof.ended_at
    assert (dataset is Dataset.EXECUTIONS) == (read.proof.window_start is not None)


@pytest.mark.parametrize("dataset", WIRE_DATASETS)
def test_payloads_are_texts_with_order_and_owner(make_broker: MakeBroker, dataset: Dataset) -> None:
    """Landing writes any broker's payload without knowing it."""
    with make_broker() as broker:
        read = _fetch(broker, dataset)

    for frame in read.payload.values():
        kinds = dict(frame.schema)
        assert ("Int64", "String") == (str(kinds.pop("seq")), str(kinds.pop("account")))
        assert {"String"} >= {str(kind) for kind in kinds.values()}
        assert set(frame["account"]) <= {ONE, TWO, ""}


@pytest.mark.parametrize("dataset", WIRE_DATASETS)
def test_frames_fit_their_tables(make_broker: MakeBroker, dataset: Dataset) -> None:
    """The frame is the contract between brokers and everything behind them."""
    with make_broker() as broker:
        read = _fetch(broker, dataset)

    frames = read.to_frames(read.payload, read.proof)

    assert read.row_table in frames
    for name, frame in frames.items():
        TABLES[name].pandera.validate(frame)


@pytest.mark.parametrize("dataset", WIRE_DATASETS)
def test_a_rebuild_maps_to_the_same_frames(make_broker: MakeBroker, dataset: Dataset) -> None:
    """The registry's mapper needs nothing but payload and proof."""
    with make_broker() as broker:
        read = _fetch(broker, dataset)
    payload = restrict(read.payload, read.complete)

    live = read.to_frames(payload, read.proof)
    rebuilt = map_payload(broker.broker, dataset, payload, read.proof)

    assert list(live) == list(rebuilt)
    assert all(live[name].equals(rebuilt[name]) for name in live)


@pytest.mark.parametrize("dataset", WIRE_DATASETS)
def test_row_views_are_the_rows_of_the_frame(make_broker: MakeBroker, dataset: Dataset) -> None:
    """Thin views: nothing is computed twice."""
    with make_broker() as broker:
        read = _fetch(broker, dataset)

    rows = list(read)
    frame = read.to_frames(restrict(read.payload, read.complete), read.proof)[read.row_table]

    assert frame["account_id"].to_list() == [row.account_id for row in rows]
    assert rows


@pytest.mark.parametrize("dataset", WIRE_DATASETS)
def test_one_account_can_be_read_alone(make_broker: MakeBroker, dataset: Dataset) -> None:
    """`--account` reads what it names, and stores nothing else."""
    with make_broker() as broker:
        read = _fetch(broker, dataset, [TWO])

    assert (TWO,) == read.complete
    assert {TWO} == {row.account_id for row in read}
    assert all(set(frame["account"]) <= {TWO, ""} for frame in read.payload.values())


@pytest.mark.parametrize("code", ["DU0000009", "x'; DROP TABLE", ""])
def test_an_account_nobody_has_is_an_error(make_broker: MakeBroker, code: str) -> None:
    """An empty answer would say the account is empty."""
    with make_broker() as broker, pytest.raises(AccountNotFoundError):
        broker.fetch_positions([code])


def test_a_failed_account_is_never_an_empty_one(make_broker: MakeBroker) -> None:
    """Half an answer is no answer, unless the healthy half is asked for by name."""
    with make_broker(failing=True) as broker:
        read = broker.fetch_account_snapshots()

    with pytest.raises(IncompleteReadError, match=TWO):
        list(read)
    assert ((ONE,), {TWO}) == (read.complete, set(read.failed))
    assert [ONE] == [row.account_id for row in read.only_complete()]
    assert LoadStatus.FAILED is read.outcomes[1].status


def test_a_fetch_outside_a_context_connects_by_itself(make_broker: MakeBroker) -> None:
    """A notebook asks once and is done."""
    broker = make_broker()

    assert (ONE, TWO) == broker.managed_accounts()
    assert (ONE, TWO) == broker.fetch_positions().complete


def test_a_fetch_can_be_repeated(make_broker: MakeBroker) -> None:
    """The same book gives the same rows."""
    with make_broker() as broker:
        first, second = (broker.fetch_executions() for _ in range(2))

    assert [row.exec_id for row in first] == [row.exec_id for row in second]
