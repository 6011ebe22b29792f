"""One dataset read and landed: what is recorded when, and what a failure leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ibkr_pipeline.brokers.exceptions import BrokerConnectionError, ModeMismatchError
from ibkr_pipeline.brokers.testing import FakeBrokerAPI
from ibkr_pipeline.pipelines.interruption import Interrupted
from ibkr_pipeline.pipelines.positions_sync import read_positions_bracketed
from ibkr_pipeline.pipelines.reading_broker import VANISHED, read_and_land
from ibkr_pipeline.pipelines.workspace import Workspace
from ibkr_pipeline.primitives.enums import WIRE_DATASETS, Dataset, LoadStatus
from ibkr_pipeline.primitives.errors import BusyError, DiskFullError
from ibkr_pipeline.primitives.locks import holder_of
from ibkr_pipeline_tests.pipeline_runs import (
    FIRST,
    SECOND,
    TickingClock,
    fake_workspace,
    lock_held,
    make_broker,
    statuses,
)


def test_a_read_is_landed_with_its_proof_and_its_verdicts(workspace: Workspace) -> None:
    """What was heard, and why it may be believed, outlives the process."""
    with workspace.session() as session:
        landed = read_and_land(workspace, Dataset.POSITIONS, session, run_id="run-1")

    proof, outcomes, raw = workspace.landing.proof(landed.requests[0].request_id)
    assert ((FIRST, SECOND), True, "run-1") == (
        landed.complete,
        landed.is_well,
        proof.details["run_id"],
    )
    assert ([LoadStatus.COMPLETE] * 2, 2) == ([o.status for o in outcomes], raw.n_rows)


def test_a_request_is_durable_before_anything_is_sent(
    workspace: Workspace, broker: FakeBrokerAPI
) -> None:
    """Killed while it waits for the answer, the request is known and found to be without end."""
    seen: list[str] = []
    fetch = broker.fetch_positions

    def looking(accounts: object = None) -> object:
        seen.extend(row.status for row in workspace.control.requests())
        return fetch(accounts)  # type: ignore[arg-type]  # passed on

    broker.fetch_positions = looking  # type: ignore[method-assign,assignment]  # spy
    with workspace.session() as session:
        read_and_land(workspace, Dataset.POSITIONS, session)

    assert ["started"] == seen


def test_a_failed_account_never_holds_back_another(
    workspace: Workspace, broker: FakeBrokerAPI
) -> None:
    """One verdict per account, with the reason."""
    broker.failing[SECOND] = "no end marker within 60 s"
    with workspace.session() as session:
        landed = read_and_land(workspace, Dataset.ACCOUNTS, session)

    assert ((FIRST,), {SECOND: "no end marker within 60 s"}) == (landed.complete, landed.failed)
    assert {FIRST: "complete", SECOND: "failed"} == statuses(workspace, Dataset.ACCOUNTS)


def test_accounts_that_failed_are_one_warning_however_many_they_are(
    workspace: Workspace, broker: FakeBrokerAPI, caplog: pytest.LogCaptureFixture
) -> None:
    """A thousand lines on stderr hide the one that matters; the log file has a line for each."""
    caplog.set_level("INFO", logger="ibkr_pipeline")
    broker.failing.update({FIRST: "no end marker", SECOND: "no end marker"})
    with workspace.session() as session:
        read_and_land(workspace, Dataset.ACCOUNTS, session)

    lines = [(record.levelname, record.getMessage().split()) for record in caplog.records]
    warnings = [words for level, words in lines if level == "WARNING"]
    details = [words for level, words in lines if "load_not_complete" in words]
    assert [["loads_not_complete", "not_complete=2", "accounts=2", "reasons=1"]] == [
        [words[0], *words[3:6]] for words in warnings
    ]
    assert ["account=DU*****01", "account=DU*****02"] == [words[2] for words in details]


def test_what_a_gateway_refuses_by_its_settings_is_unsupported(
    workspace: Workspace, broker: FakeBrokerAPI
) -> None:
    """Read-Only API is a choice of its owner, not a failure."""
    broker.unsupported[Dataset.ORDERS] = "the API is read-only"
    with workspace.session() as session:
        landed = read_and_land(workspace, Dataset.ORDERS, session)

    assert (True, {FIRST, SECOND}) == (landed.is_well, set(landed.unsupported))


def test_a_connection_that_fails_is_recorded_for_every_account_known(
    workspace: Workspace, broker: FakeBrokerAPI
) -> None:
    """The night's record says for each account why there is nothing new."""
    with workspace.session() as session:
        read_and_land(workspace, Dataset.ACCOUNTS, session)
    broker.connect_error = BrokerConnectionError("Nothing listens on 127.0.0.1:7497.")
    with workspace.session() as session:
        landed = read_and_land(workspace, Dataset.ACCOUNTS, session)

    assert broker.connect_error is landed.error
    assert {FIRST: "failed", SECOND: "failed"} == statuses(workspace, Dataset.ACCOUNTS)
    assert {"Nothing listens on 127.0.0.1:7497."} == set(landed.failed.values())


def test_a_lost_connection_is_tried_again_on_a_new_one(tmp_path: Path, clock: TickingClock) -> None:
    """A gateway that restarts is back in a moment; each attempt is a request of its own."""
    broker, waits = make_broker(clock), list[float]()
    fetch = broker.fetch_positions
    answers: list[Callable[..., object]] = [_lost, _lost, fetch]
    broker.fetch_positions = lambda accounts=None: answers.pop(0)(accounts)  # type: ignore[method-assign,assignment,misc]  # script
    with fake_workspace(tmp_path / "data", broker, clock, waits=waits) as workspace:
        with workspace.session() as session:
            landed = read_and_land(workspace, Dataset.POSITIONS, session)
        requests = [row.status for row in workspace.control.requests()]

    assert ((FIRST, SECOND), [1.0, 2.0], 3) == (landed.complete, waits, broker.connections)
    assert ["finished", "failed", "failed"] == requests


def test_only_the_accounts_that_were_lost_are_read_again(
    tmp_path: Path, clock: TickingClock
) -> None:
    """What is complete needs no second look."""
    broker = make_broker(clock)
    broker.failing[SECOND] = "timed out"
    real = broker._outcome

    def lost_once(dataset: Dataset, account: str) -> object:
        outcome = real(dataset, account)
        if outcome.status is LoadStatus.FAILED:
            broker.failing.clear()
            return type(outcome)(
                account_id=account, status=outcome.status, reason=outcome.reason, retryable=True
            )
        return outcome

    broker._outcome = lost_once  # type: ignore[method-assign,assignment]  # script
    with (
        fake_workspace(tmp_path / "data", broker, clock) as workspace,
        workspace.session() as session,
    ):
        landed = read_and_land(workspace, Dataset.ACCOUNTS, session)

    assert ((FIRST, SECOND), {}) == (landed.complete, landed.failed)
    assert [(FIRST, SECOND), (SECOND,)] == [accounts for _, accounts in broker.fetches]


def test_what_another_try_cannot_mend_is_not_tried_again(
    workspace: Workspace, broker: FakeBrokerAPI
) -> None:
    """Scenario M: live accounts behind a paper mode are refused, once, before any request."""
    broker.connect_error = ModeMismatchError("The mode is paper and the gateway manages U*****01.")
    with workspace.session() as session:
        first = read_and_land(workspace, Dataset.ACCOUNTS, session)
        second = read_and_land(workspace, Dataset.POSITIONS, session)

    assert (1, 1, []) == (len(first.requests), len(second.requests), broker.fetches)
    assert isinstance(second.error, ModeMismatchError)


def test_one_connection_serves_every_read_of_a_run(
    workspace: Workspace, broker: FakeBrokerAPI
) -> None:
    """A gateway allows few clients; a run is one of them, and is gone when it ends."""
    with workspace.session() as session:
        for dataset in WIRE_DATASETS:
            read_and_land(workspace, dataset, session)

    assert (1, False) == (broker.connections, broker.is_connected)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (KeyboardInterrupt(), "interrupted"),
        (Interrupted("SIGTERM"), "interrupted by SIGTERM"),
        (DiskFullError("There was no room."), "There was no room."),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero"),
    ],
    ids=["ctrl-c", "sigterm", "disk-full", "our-own-fault"],
)
def test_whatever_ends_a_read_is_recorded_and_raised(
    workspace: Workspace, broker: FakeBrokerAPI, error: BaseException, reason: str
) -> None:
    """What was complete is kept, the connection is closed, and the load says why it has no end."""
    with workspace.session() as session:
        read_and_land(workspace, Dataset.ACCOUNTS, session)
    broker.interrupted_by[Dataset.POSITIONS] = error

    with pytest.raises(type(error)), workspace.session() as session:
        read_and_land(workspace, Dataset.POSITIONS, session, [FIRST])

    (failed,) = workspace.control.loads(dataset=Dataset.POSITIONS)
    assert ("failed", reason) == (failed.status.value, failed.reason)
    assert {FIRST: "complete", SECOND: "complete"} == statuses(workspace, Dataset.ACCOUNTS)
    assert not broker.is_connected


def test_an_account_that_vanished_fails_every_night_until_it_is_back(
    workspace: Workspace, broker: FakeBrokerAPI
) -> None:
    """Red once and green after would leave its last snapshot current for ever, unseen."""
    failed = []
    for accounts in ([FIRST, SECOND], [FIRST], [FIRST], [FIRST, SECOND]):
        broker.accounts[:] = accounts
        with workspace.session() as session:
            failed.append(read_and_land(workspace, Dataset.ACCOUNTS, session).failed)

    assert [{}, {SECOND: VANISHED}, {SECOND: VANISHED}, {}] == failed


def test_of_two_runs_at_once_the_second_waits_for_the_gateway_and_names_the_first(
    tmp_path: Path, broker: FakeBrokerAPI, clock: TickingClock
) -> None:
    """Both have the same client id: asking all the same would fail every account of the second."""
    with (
        fake_workspace(tmp_path / "data", broker, clock, lock_timeout=0.1) as workspace,
        lock_held(workspace.gateway_lock, purpose="the first run"),
        workspace.session() as session,
    ):
        for dataset in (Dataset.ACCOUNTS, Dataset.POSITIONS):
            with pytest.raises(BusyError, match="the first run"):
                read_and_land(workspace, dataset, session)
        requests = workspace.control.requests()

    assert ([], 0) == (requests, broker.connections)


def test_the_turn_at_the_gateway_is_kept_until_the_run_ends(workspace: Workspace) -> None:
    """Between two reads nobody else slips in, and a run that ended holds nothing."""
    with workspace.session() as session:
        read_and_land(workspace, Dataset.ACCOUNTS, session)
        during = holder_of(workspace.gateway_lock)
    with lock_held(workspace.gateway_lock, purpose="the next run"):
        after = holder_of(workspace.gateway_lock)

    assert ["reading the gateway" in during, "the next run" in after] == [True, True]


def test_accounts_that_cannot_be_asked_for_leave_a_verdict(
    workspace: Workspace, broker: FakeBrokerAPI
) -> None:
    """Nothing is asked, and the reason is kept."""
    with workspace.session() as session:
        landed = read_and_land(workspace, Dataset.ACCOUNTS, session, ["DU0000009"])

    assert ([], ["DU0000009"]) == (broker.fetches, list(landed.failed))
    assert {"DU0000009": "failed"} == statuses(workspace, Dataset.ACCOUNTS)


def test_accounts_that_cannot_be_asked_for_leave_the_managed_ones_on_record(
    workspace: Workspace,
) -> None:
    """Who is left out is known, although nothing was asked."""
    with workspace.session() as session:
        landed = read_and_land(workspace, Dataset.ACCOUNTS, session, ["DU0000009"])
    proof = workspace.control.proof(landed.requests[0].request_id)

    assert proof is not None
    assert ((FIRST, SECOND), False) == (proof.managed_accounts, proof.end_marker_seen)


@pytest.mark.parametrize("named", [[FIRST, "DU0000009"], ["DU0000009"]])
def test_a_mistyped_account_is_not_expected_in_later_reads(
    workspace: Workspace, named: list[str]
) -> None:
    """It never was managed, so it has not vanished either."""
    for accounts in ([FIRST, SECOND], named):
        with workspace.session() as session:
            read_and_land(workspace, Dataset.ACCOUNTS, session, accounts)
    with workspace.session() as session:
        landed = read_and_land(workspace, Dataset.ACCOUNTS, session)

    assert ({}, (FIRST, SECOND)) == (landed.failed, landed.complete)


def test_who_was_not_asked_for_last_time_is_still_expected(
    workspace: Workspace, broker: FakeBrokerAPI
) -> None:
    """A read of one account tells nothing about the others; a silent gateway fails them all."""
    for accounts in (None, [FIRST]):
        with workspace.session() as session:
            read_and_land(workspace, Dataset.ACCOUNTS, session, accounts)
    broker.connect_error = BrokerConnectionError("Nothing listens on 127.0.0.1:7497.")
    with workspace.session() as session:
        landed = read_and_land(workspace, Dataset.ACCOUNTS, session)

    assert {FIRST, SECOND} == set(landed.failed)


def test_progress_says_what_a_read_is_for(workspace: Workspace) -> None:
    """Executions are read twice around the positions; the same line twice looks stuck."""
    told: list[str] = []
    with workspace.session() as session:
        read_positions_bracketed(replace(workspace, on_progress=told.append), session)

    assert [
        "reading executions before the positions",
        "reading positions",
        "reading executions since then: what traded while positions were read",
    ] == told


@pytest.mark.parametrize("code", ["DU'; DROP TABLE loads; --", "../x", "BRK/B", 'a"b', "DU 1\n"])
def test_fault_53_an_account_code_with_quotes_is_bound_and_never_run(
    tmp_path: Path, clock: TickingClock, code: str
) -> None:
    """A code is data: it reaches no statement and no path as text."""
    broker = make_broker(clock, accounts=[code], account_snapshots=[])
    with (
        fake_workspace(tmp_path / "data", broker, clock) as workspace,
        workspace.session() as session,
    ):
        landed = read_and_land(workspace, Dataset.ACCOUNTS, session)
        inside = [path.name for path in (tmp_path / "data" / "raw").rglob("*") if path.is_file()]
        known = statuses(workspace, Dataset.ACCOUNTS)

    assert ((code,), {code: "complete"}) == (landed.complete, known)
    assert all(name.startswith("2026") for name in inside)


def _lost(_accounts: object) -> object:
    raise BrokerConnectionError("The gateway closed the connection.")
