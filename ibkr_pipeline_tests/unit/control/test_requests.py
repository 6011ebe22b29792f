"""A request and its loads live as the design says, also when a crash repeats a step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from ibkr_pipeline.control.requests import started
from ibkr_pipeline.control.store import ControlStore
from ibkr_pipeline.control.tables import REQUESTS
from ibkr_pipeline.models.requests import AppliedLoad, Load, LoadRow, RequestRow, SubjectOutcome
from ibkr_pipeline.primitives.clock import FixedClock
from ibkr_pipeline.primitives.enums import Dataset, Environment, LoadStatus
from ibkr_pipeline.primitives.errors import ConfigError
from ibkr_pipeline.primitives.processes import ProcessIdentity, this_process
from ibkr_pipeline_tests.raw_requests import (
    FIRST,
    NOON,
    SECOND,
    make_complete,
    make_failed,
    make_proof,
    make_raw,
)


def begin(store: ControlStore, request_id: str = "r1", *accounts: str) -> None:
    """Begin a read of positions."""
    store.begin_request(
        request_id=request_id,
        broker="ibkr",
        environment=Environment.PAPER,
        dataset=Dataset.POSITIONS,
        accounts=accounts,
        started_at=NOON,
        run_id="run-1",
    )


def statuses(store: ControlStore) -> dict[str, LoadStatus]:
    """Return load id -> status."""
    return {load.load_id: load.status for load in store.loads()}


def only_request(store: ControlStore) -> RequestRow:
    """Return the one request there is."""
    (row,) = store.requests()
    return row


def test_a_begun_request_names_its_process_and_its_started_loads(store: ControlStore) -> None:
    """Whoever finds it later must be able to tell whether that process still runs."""
    begin(store, "r1", FIRST, SECOND, FIRST)

    row = only_request(store)
    me = this_process()
    assert ("started", me.pid, me.host, "run-1") == (row.status, row.pid, row.host, row.run_id)
    assert {f"r1:{FIRST}": LoadStatus.STARTED, f"r1:{SECOND}": LoadStatus.STARTED} == statuses(
        store
    )


def test_beginning_twice_changes_nothing(store: ControlStore) -> None:
    """A crash may repeat it, even after the end."""
    begin(store, "r1", FIRST)
    store.finish_request(make_proof(), make_complete(FIRST), make_raw({FIRST: 3}))
    begin(store, "r1", FIRST)

    assert ("finished", {f"r1:{FIRST}": LoadStatus.COMPLETE}) == (
        only_request(store).status,
        statuses(store),
    )


def test_finishing_gives_each_account_its_verdict(store: ControlStore) -> None:
    """One account failing does not hold back another."""
    begin(store, "r1", FIRST)
    proof = make_proof()
    store.finish_request(
        proof, (*make_complete(FIRST), make_failed(SECOND)), make_raw({FIRST: 3}, "raw/r1")
    )

    shared: dict[str, Any] = {
        "request_id": "r1",
        "broker": "ibkr",
        "environment": Environment.PAPER,
        "dataset": Dataset.POSITIONS,
        "started_at": NOON,
        "available_at": proof.ended_at,
        "raw_path": "raw/r1",
        "run_id": "run-1",
    }
    complete = LoadRow(
        load_id=f"r1:{FIRST}", account_id=FIRST, status=LoadStatus.COMPLETE, n_rows=3, **shared
    )
    failed = LoadRow(
        load_id=f"r1:{SECOND}",
        account_id=SECOND,
        status=LoadStatus.FAILED,
        reason="no end marker",
        retryable=True,
        n_rows=0,
        **shared,
    )
    assert [failed, complete] == store.loads()
    assert ("finished", "raw/r1", proof.ended_at) == (
        only_request(store).status,
        only_request(store).raw_path,
        only_request(store).ended_at,
    )
    assert proof == store.proof("r1")


def test_finishing_twice_changes_nothing_and_keeps_what_core_did(store: ControlStore) -> None:
    """A load that is in core must not become pending again."""
    begin(store, "r1", FIRST)
    arguments = (make_proof(), make_complete(FIRST), make_raw({FIRST: 3}))
    store.finish_request(*arguments)
    store.mark_applied(
        [
            AppliedLoad(
                load_id=f"r1:{FIRST}",
                recorded_at=NOON,
                n_read=3,
                n_new=1,
                n_changed=1,
                n_unchanged=1,
                n_gone=2,
            )
        ]
    )
    before = store.loads()
    store.finish_request(*arguments)

    assert before == store.loads()
    assert store.pending_loads() == []


def test_an_account_without_a_verdict_failed(store: ControlStore) -> None:
    """It must not look as if it were still being read."""
    begin(store, "r1", FIRST, SECOND)
    store.finish_request(make_proof(), make_complete(FIRST), make_raw())

    (silent,) = store.loads(account_id=SECOND)
    assert (silent.status, silent.retryable) == (LoadStatus.FAILED, True)
    assert "without a verdict" in (silent.reason or "")


def test_a_request_without_a_raw_file_has_no_rows_to_count(store: ControlStore) -> None:
    """Unknown is not zero."""
    store.finish_request(make_proof(), (make_failed(FIRST),), None)

    (load,) = store.loads()
    assert (load.n_rows, load.raw_path) == (None, None)


def test_a_failed_request_takes_its_started_loads_with_it(store: ControlStore) -> None:
    """Interrupted: the accounts asked for have no answer, and say why."""
    begin(store, "r1", FIRST, SECOND)
    store.fail_request("r1", reason="interrupted", retryable=True, at=NOON)

    row = only_request(store)
    assert (
        row.status,
        row.reason,
        row.retryable,
        row.ended_at,
    ) == ("failed", "interrupted", True, NOON)
    assert {("failed", "interrupted", True)} == {
        (load.status.value, load.reason, load.retryable) for load in store.loads()
    }


def test_failing_leaves_a_finished_request_as_it_is(store: ControlStore) -> None:
    """A signal after the commit must not unmake it."""
    begin(store, "r1", FIRST)
    store.finish_request(make_proof(), make_complete(FIRST), make_raw())
    before = (store.requests(), store.loads())
    store.fail_request("r1", reason="interrupted", retryable=True, at=NOON)

    assert before == (store.requests(), store.loads())


def test_a_request_that_failed_before_its_accounts_were_known_is_listed(
    store: ControlStore,
) -> None:
    """A refused connection has no account to hang the reason on."""
    begin(store, "r1")
    store.fail_request("r1", reason="connection refused", retryable=True, at=NOON)

    assert store.loads() == []
    assert [row.reason for row in store.requests(run_id="run-1")] == ["connection refused"]
    assert store.requests(run_id="other") == []
    assert store.requests(dataset=Dataset.ORDERS) == []


def test_restoring_makes_a_lost_request_known(store: ControlStore) -> None:
    """Raw stands on its own: control is made again from the sidecars."""
    proof, raw = make_proof(), make_raw({FIRST: 3}, "raw/r1")
    store.restore(proof, make_complete(FIRST), raw)

    assert proof == store.proof("r1")
    assert [
        Load(
            load_id=f"r1:{FIRST}",
            request_id="r1",
            broker="ibkr",
            environment=Environment.PAPER,
            dataset=Dataset.POSITIONS,
            account_id=FIRST,
            status=LoadStatus.COMPLETE,
            started_at=NOON,
            available_at=proof.ended_at,
            n_rows=3,
            raw_path="raw/r1",
        )
    ] == store.pending_loads()
    assert None is only_request(store).pid


def test_restoring_heals_an_abandoned_request(store: ControlStore) -> None:
    """Killed between publishing and finishing: the file is there, so the facts are."""
    begin(store, "r1", FIRST)
    become_another_process(store)
    assert store.abandon_dead(lambda pid, started: False) == 1
    store.restore(make_proof(), make_complete(FIRST), make_raw({FIRST: 3}))

    assert {f"r1:{FIRST}": LoadStatus.COMPLETE} == statuses(store)
    assert (only_request(store).status, only_request(store).reason) == ("finished", None)
    assert [f"r1:{FIRST}"] == [load.load_id for load in store.pending_loads()]


def become_another_process(store: ControlStore, **changes: object) -> None:
    """Make the requests in the store those of another process."""
    values = {"pid": 4_000_000, "process_started": "boot:1", **changes}
    with store._database.write() as connection:
        connection.execute(REQUESTS.update().values(**values))


def test_a_request_of_a_dead_process_is_abandoned(store: ControlStore) -> None:
    """Kill -9 leaves `started` behind; nobody else will ever end it."""
    begin(store, "r1", FIRST)
    become_another_process(store)
    asked: list[tuple[int, str]] = []

    def is_dead(pid: int, started: str) -> bool:
        asked.append((pid, started))
        return False

    assert store.abandon_dead(is_dead) == 1
    assert asked == [(4_000_000, "boot:1")]
    assert ("abandoned", {f"r1:{FIRST}": LoadStatus.ABANDONED}) == (
        only_request(store).status,
        statuses(store),
    )
    assert store.abandon_dead(is_dead) == 0


def test_a_request_of_this_process_is_never_abandoned(
    store: ControlStore, clock: FixedClock
) -> None:
    """However long it takes and whatever is said of the process."""
    begin(store, "r1", FIRST)
    clock.advance(timedelta(days=9))

    assert store.abandon_dead(lambda pid, started: False) == 0


@pytest.mark.parametrize(
    ("changes", "alive", "age", "expected"),
    [
        ({}, True, timedelta(days=9), 0),
        ({"process_started": ""}, True, timedelta(hours=23), 0),
        ({"process_started": ""}, True, timedelta(hours=25), 1),
        ({"host": "elsewhere"}, False, timedelta(hours=23), 0),
        ({"host": "elsewhere"}, False, timedelta(hours=25), 1),
        ({"pid": None}, False, timedelta(hours=25), 1),
    ],
    ids=[
        "known to run",
        "perhaps running, young",
        "perhaps running, old",
        "other host, young",
        "other host, old",
        "no process told, old",
    ],
)
def test_unknown_means_alive_until_it_is_too_old(
    store: ControlStore,
    clock: FixedClock,
    changes: dict[str, object],
    alive: bool,
    age: timedelta,
    expected: int,
) -> None:
    """A process of another host cannot be looked at; a day is longer than any read."""
    begin(store, "r1", FIRST)
    become_another_process(store, **changes)
    clock.advance(age)

    assert expected == store.abandon_dead(lambda pid, started: alive)


def test_a_store_belongs_to_one_environment(
    store: ControlStore, open_store: Callable[[], ControlStore]
) -> None:
    """Demo rows must never stand beside real ones."""
    store.claim_environment(Environment.PAPER)
    store.claim_environment(Environment.PAPER)
    other = open_store()

    with pytest.raises(ConfigError, match=r"'paper'; expected 'live'.*IBKR_PIPELINE_DATA"):
        other.claim_environment(Environment.LIVE)
    with pytest.raises(ConfigError):
        other.finish_request(
            make_proof(environment=Environment.LIVE), make_complete(FIRST), make_raw()
        )
    assert Environment.PAPER is other.environment()
    assert other.requests() == []


def test_a_store_nobody_claimed_has_no_environment(store: ControlStore) -> None:
    """Only a run with a mode claims it; looking does not."""
    assert None is store.environment()


def test_this_process_is_the_one_the_system_knows(store: ControlStore) -> None:
    """The identity written down is the one compared later."""
    begin(store, "r1")
    me = this_process()

    with store._database.read() as connection:
        (row,) = started(connection)
    assert me == ProcessIdentity(pid=row["pid"], host=row["host"], started=row["process_started"])


def test_requests_are_found_by_the_document_they_brought(store: ControlStore) -> None:
    """So that the same bytes need not be read twice; the newest comes first."""
    document = replace(make_raw(), content_sha256="a" * 64, content_bytes=7)
    later = NOON + timedelta(hours=1)
    store.finish_request(make_proof("r1", dataset=Dataset.FLEX), (), document)
    store.finish_request(make_proof("r2", dataset=Dataset.FLEX, started_at=later), (), document)
    store.finish_request(make_proof("r3"), make_complete(FIRST), make_raw())

    found = store.requests_with_document("a" * 64)
    assert ["r2", "r1"] == [row.request_id for row in found]
    assert [] == store.requests_with_document("b" * 64)


def test_loads_are_listed_by_section_and_by_request(store: ControlStore) -> None:
    """A statement has one load per account and section, with the window it speaks of."""
    window = {"from_date": date(2026, 11, 17), "to_date": date(2026, 11, 18)}
    outcomes = [
        SubjectOutcome(
            account_id=FIRST, status=LoadStatus.COMPLETE, section=name, n_rows=n, **window
        )
        for n, name in enumerate(("Trades", "OptionEAE"))
    ]
    for request_id in ("r1", "r2"):
        store.finish_request(make_proof(request_id, dataset=Dataset.FLEX), outcomes, make_raw())

    trades = store.loads(section="Trades")
    assert {f"r1:{FIRST}:Trades", f"r2:{FIRST}:Trades"} == {row.load_id for row in trades}
    (one,) = store.loads(request_id="r1", section="OptionEAE")
    assert (1, *window.values()) == (one.n_rows, one.from_date, one.to_date)
