"""Loads are found by what is asked of them, and what core did is mirrored once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from ibkr_pipeline.control.store import ControlStore
from ibkr_pipeline.models.requests import AppliedLoad, SubjectOutcome
from ibkr_pipeline.primitives.enums import Dataset, Environment, LoadStatus
from ibkr_pipeline_tests.raw_requests import (
    FIRST,
    NOON,
    SECOND,
    make_complete,
    make_failed,
    make_proof,
    make_raw,
)


def read(
    store: ControlStore,
    request_id: str,
    outcomes: Sequence[SubjectOutcome],
    *,
    hours: float = 0,
    dataset: Dataset = Dataset.POSITIONS,
    run_id: str | None = None,
) -> None:
    """Let a request start and finish `hours` after noon."""
    started = NOON + timedelta(hours=hours)
    store.begin_request(
        request_id=request_id,
        broker="ibkr",
        environment=Environment.PAPER,
        dataset=dataset,
        accounts=None,
        started_at=started,
        run_id=run_id,
    )
    proof = make_proof(request_id, dataset=dataset, started_at=started, ended_at=started)
    store.finish_request(proof, outcomes, make_raw({FIRST: 1, SECOND: 2}))


def make_applied(load_id: str, recorded_at: datetime = NOON, n_new: int = 2) -> AppliedLoad:
    """Return what core might have done with a load."""
    return AppliedLoad(
        load_id=load_id,
        recorded_at=recorded_at,
        n_read=4,
        n_new=n_new,
        n_changed=1,
        n_unchanged=1,
        n_gone=3,
    )


def test_pending_loads_are_the_complete_ones_core_has_not_had_oldest_first(
    store: ControlStore,
) -> None:
    """Core applies history in the order in which it became known."""
    read(store, "r2", make_complete(SECOND, FIRST), hours=2)
    read(store, "r1", (*make_complete(FIRST), make_failed(SECOND)), hours=1)
    read(store, "r3", make_complete(FIRST), hours=3, dataset=Dataset.ORDERS)
    store.mark_applied([make_applied(f"r2:{SECOND}")])

    assert [f"r1:{FIRST}", f"r2:{FIRST}", f"r3:{FIRST}"] == [
        load.load_id for load in store.pending_loads()
    ]
    assert [f"r3:{FIRST}"] == [load.load_id for load in store.pending_loads(Dataset.ORDERS)]


def test_what_core_did_is_mirrored_once(store: ControlStore) -> None:
    """A second mark, after a crash, must not move the instant or the counts."""
    read(store, "r1", make_complete(FIRST))
    store.mark_applied([make_applied(f"r1:{FIRST}")])
    store.mark_applied([make_applied(f"r1:{FIRST}", NOON + timedelta(days=1), n_new=0)])
    store.mark_applied([])

    (load,) = store.loads()
    assert (
        load.applied_at,
        load.n_read,
        load.n_new,
        load.n_changed,
        load.n_unchanged,
        load.n_gone,
    ) == (NOON, 4, 2, 1, 1, 3)
    assert {f"r1:{FIRST}": NOON} == store.applied()


def test_applied_loads_are_told_in_commit_order(store: ControlStore) -> None:
    """A rebuild repeats the commits as they were."""
    read(store, "r1", make_complete(FIRST, SECOND))
    later = NOON + timedelta(microseconds=1)
    store.mark_applied([make_applied(f"r1:{FIRST}", later), make_applied(f"r1:{SECOND}", NOON)])

    assert [(f"r1:{SECOND}", NOON), (f"r1:{FIRST}", later)] == list(store.applied().items())


def test_marking_an_unknown_load_is_harmless(store: ControlStore) -> None:
    """Control may have been lost and be rebuilt later; core is the authority."""
    store.mark_applied([make_applied("r9:DU0000009")])

    assert store.applied() == {}


def test_loads_are_narrowed_by_each_question(store: ControlStore) -> None:
    """Newest first; `before` pages backwards."""
    read(store, "r1", make_complete(FIRST), hours=1, run_id="run-1")
    read(store, "r2", make_complete(SECOND), hours=2, run_id="run-2")
    read(store, "r3", make_complete(FIRST), hours=3, dataset=Dataset.ORDERS, run_id="run-2")

    def found(**question: object) -> list[str]:
        return [load.request_id for load in store.loads(**question)]  # type: ignore[arg-type]

    assert found() == ["r3", "r2", "r1"]
    assert found(dataset=Dataset.POSITIONS) == ["r2", "r1"]
    assert found(account_id=FIRST) == ["r3", "r1"]
    assert found(run_id="run-2") == ["r3", "r2"]
    assert found(limit=1) == ["r3"]
    assert found(before=NOON + timedelta(hours=3)) == ["r2", "r1"]
    assert found(account_id="DU0000001' OR '1'='1") == []


def test_the_last_complete_load_stays_current_when_a_later_one_fails(store: ControlStore) -> None:
    """A failed read never empties an account."""
    read(store, "r1", make_complete(FIRST), hours=1)
    read(store, "r2", [make_failed(FIRST)], hours=2)
    asked = (Environment.PAPER, FIRST, Dataset.POSITIONS)
    current, last = store.current_load(*asked), store.last_load(*asked)

    assert current is not None
    assert last is not None
    assert (current.request_id, last.request_id, last.status) == ("r1", "r2", LoadStatus.FAILED)


def test_an_account_of_another_environment_is_another_account(store: ControlStore) -> None:
    """Environment is part of every account key."""
    read(store, "r1", make_complete(FIRST))

    assert None is store.current_load(Environment.LIVE, FIRST, Dataset.POSITIONS)
    assert None is store.last_load(Environment.PAPER, SECOND, Dataset.POSITIONS)


def test_a_thousand_accounts_are_one_request(store: ControlStore) -> None:
    """An advisor's gateway manages as many; nothing is done account by account."""
    accounts = [f"DU{number:07d}" for number in range(1000)]
    read(store, "r1", make_complete(*accounts))
    store.mark_applied([make_applied(load.load_id) for load in store.pending_loads()])
    store.require_current(accounts, [Dataset.POSITIONS], now=NOON, max_age=timedelta(hours=1))

    assert (len(store.applied()), len(store.pending_loads())) == (1000, 0)
