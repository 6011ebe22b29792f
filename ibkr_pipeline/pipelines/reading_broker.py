"""Read one dataset and land it: request recorded, sent, answered, published, verdict recorded.

What lives here: the order of those steps, what is recorded when one of them fails, and when a
lost read is started again. What must not: what the rows mean; core never reads from here.

A request is durable in control before anything of it is sent. A request that gets an answer has
a raw file, failed accounts included. Whoever is killed in between is healed by the next run
(`healing.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from ibkr_pipeline.brokers.base import BrokerAPI
from ibkr_pipeline.brokers.read import Read
from ibkr_pipeline.models.requests import LoadRow, RequestProof, SubjectOutcome
from ibkr_pipeline.pipelines.account_choice import AccountChoice, choose_accounts
from ibkr_pipeline.pipelines.interruption import Interrupted
from ibkr_pipeline.pipelines.landed import LandedRead, LandedRequest
from ibkr_pipeline.pipelines.session import BrokerSession
from ibkr_pipeline.pipelines.workspace import Workspace
from ibkr_pipeline.primitives import crashpoints
from ibkr_pipeline.primitives.enums import Dataset, LoadStatus
from ibkr_pipeline.primitives.errors import BrokerError, PipelineError, Retryable
from ibkr_pipeline.primitives.identifiers import new_request_id
from ibkr_pipeline.primitives.logs import log_event

#: Wait before the second attempt, seconds; it doubles with each further one.
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 30.0
#: Loads in which the accounts of earlier reads are looked for; more than one gateway manages.
KNOWN_LOADS = 2000

NO_VERDICT = "the broker client gave no verdict on this account"
VANISHED = (
    "the gateway does not manage this account any more; log in with the user that has it, or "
    "name the accounts to read in ibkr.accounts"
)

_log = logging.getLogger(__name__)


def read_and_land(
    workspace: Workspace,
    dataset: Dataset,
    session: BrokerSession,
    accounts: Sequence[str] | None = None,
    run_id: str | None = None,
    *,
    since: datetime | None = None,
    purpose: str = "",
) -> LandedRead:
    """Read `dataset` of the accounts and land what came, trying lost reads again.

    A read that was lost (retryable) is started again for the accounts it was lost for, on a new
    connection, up to `ibkr.read_attempts` times within the run's budget; every attempt is a
    request of its own in control. What the broker did not answer is in the result and in
    control, not raised: one dataset or account failing holds back no other.

    Args:
        workspace: What to work with.
        dataset: What to read.
        session: The run's connection.
        accounts: Account codes; None means every account that is allowed.
        run_id: The run on whose behalf it is read.
        since: For executions: leave out what happened before.
        purpose: What the read is for, where progress is to say so.

    Raises:
        BusyError: If another run talked to the gateway for the whole wait; nothing was asked.
        PipelineError: If the answer cannot be recorded (disk full, control busy).
        KeyboardInterrupt: If the run was interrupted; the request is `failed: interrupted`.
    """
    session.take_turn()
    started = workspace.clock.now()
    budget_end = started + timedelta(seconds=workspace.settings.ibkr.run_budget_seconds)
    landed: list[LandedRequest] = []
    wanted = None if accounts is None else tuple(accounts)
    for attempt in range(1, workspace.settings.ibkr.read_attempts + 1):
        workspace.on_progress(f"reading {dataset.value} {purpose}".rstrip())
        request = _request(workspace, dataset, session, wanted, run_id, since)
        landed.append(request)
        lost = _lost(request, wanted)
        wait = min(FIRST_WAIT_SECONDS * 2 ** (attempt - 1), LONGEST_WAIT_SECONDS)
        is_last = attempt == workspace.settings.ibkr.read_attempts
        if lost == () or is_last or workspace.clock.now() + timedelta(seconds=wait) > budget_end:
            break
        workspace.on_progress(f"{dataset.value}: read was lost, trying again in {wait:g} s")
        session.drop()
        workspace.sleep(wait)
        wanted = lost
    _give_up_connection(session, landed[-1])
    return LandedRead(dataset=dataset, requests=tuple(landed))


def _lost(request: LandedRequest, wanted: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Return the accounts another attempt may bring: `()` for none, None for all."""
    if request.error is not None:
        return wanted if isinstance(request.error, Retryable) else ()
    return tuple(
        outcome.account_id
        for outcome in request.outcomes
        if outcome.status is LoadStatus.FAILED and outcome.retryable
    )


def _give_up_connection(session: BrokerSession, last: LandedRequest) -> None:
    """Remember a connection that never came about; keep one that merely lost a read."""
    if last.error is not None and not session.is_open:
        session.failure = last.error


def _request(
    workspace: Workspace,
    dataset: Dataset,
    session: BrokerSession,
    wanted: tuple[str, ...] | None,
    run_id: str | None,
    since: datetime | None,
) -> LandedRequest:
    recorder = _Recorder(workspace, dataset, session.broker, run_id)
    try:
        broker = session.connected()
        choice = choose_accounts(
            broker.managed_accounts(), named=wanted, allowed=workspace.settings.ibkr.accounts
        )
        asked = _known_accounts(workspace, dataset) if choice.readable is None else choice.readable
        recorder.begin((*asked, *(outcome.account_id for outcome in choice.refused)))
        return recorder.land(_fetch(broker, dataset, choice, since), choice)
    except BrokerError as error:
        recorder.record(error, wanted)
        return recorder.without_answer(error)
    except BaseException as error:
        recorder.record(error, wanted)
        raise


def _known_accounts(workspace: Workspace, dataset: Dataset) -> tuple[str, ...]:
    """Return the accounts to expect: those the gateway managed when it last told of them.

    An account that has vanished since is missed every night, until it is back or an allow-list
    leaves it out. One the gateway never managed was mistyped.
    """
    last: dict[str, LoadRow] = {}
    for row in workspace.control.loads(dataset=dataset, limit=KNOWN_LOADS):
        if row.environment is workspace.environment and row.raw_path is not None:
            last.setdefault(row.account_id, row)
    proofs = {
        request_id: workspace.control.proof(request_id)
        for request_id in {row.request_id for row in last.values()}
    }
    return tuple(
        sorted(
            account
            for account, row in last.items()
            if row.reason == VANISHED
            or ((proof := proofs[row.request_id]) is not None and account in proof.managed_accounts)
        )
    )


def _fetch(
    broker: BrokerAPI, dataset: Dataset, choice: AccountChoice, since: datetime | None
) -> Read[Any] | None:
    """Ask the broker; None when no account that was named can be asked for."""
    if choice.readable == ():
        return None
    if dataset is Dataset.ACCOUNTS:
        return broker.fetch_account_snapshots(choice.readable)
    if dataset is Dataset.POSITIONS:
        return broker.fetch_positions(choice.readable)
    if dataset is Dataset.ORDERS:
        return broker.fetch_open_orders(choice.readable)
    return broker.fetch_executions(choice.readable, since=since)


class _Recorder:
    """Writes the life of one request to control and to the raw files."""

    def __init__(
        self, workspace: Workspace, dataset: Dataset, broker: str, run_id: str | None
    ) -> None:
        self._workspace = workspace
        self._dataset = dataset
        self._broker = broker
        self._request_id = new_request_id(workspace.clock.now(), dataset.value)
        self._run_id = run_id
        self._accounts: tuple[str, ...] = ()
        self._has_begun = False

    def begin(self, accounts: Sequence[str]) -> None:
        self._accounts = tuple(accounts)
        self._has_begun = True
        self._workspace.control.begin_request(
            request_id=self._request_id,
            broker=self._broker,
            environment=self._workspace.environment,
            dataset=self._dataset,
            accounts=self._accounts,
            started_at=self._workspace.clock.now(),
            run_id=self._run_id,
        )

    def land(self, read: Read[Any] | None, choice: AccountChoice) -> LandedRequest:
        if read is None:
            return self._refuse_all(choice)
        proof = self._proof(read.proof)
        outcomes = (*_verdicts(read, choice, expected=self._accounts), *choice.refused)
        raw = self._workspace.landing.publish(proof, outcomes, read.payload)
        crashpoints.reach(crashpoints.AFTER_PUBLISH)
        self._workspace.control.finish_request(proof, outcomes, raw)
        request = LandedRequest(
            request_id=self._request_id,
            dataset=self._dataset,
            outcomes=outcomes,
            proof=proof,
            raw=raw,
            payload=read.payload,
        )
        self._workspace.just_read[self._request_id] = request
        _log_landed(request)
        return request

    def record(self, error: BaseException, wanted: Sequence[str] | None) -> None:
        """Record why the request has no answer; a connection that failed is one too."""
        reason = reason_of(error)
        try:
            if not self._has_begun:
                allowed = self._workspace.settings.ibkr.accounts
                self.begin(wanted or allowed or _known_accounts(self._workspace, self._dataset))
            self._workspace.control.fail_request(
                self._request_id,
                reason=reason,
                retryable=isinstance(error, Retryable),
                at=self._workspace.clock.now(),
            )
        except PipelineError as second:
            error.add_note(f"Control could not record it either: {second}")
        log_event(
            _log,
            "request_failed",
            level=logging.WARNING,
            request_id=self._request_id,
            dataset=self._dataset,
            reason=reason,
        )

    def without_answer(self, error: BrokerError) -> LandedRequest:
        """Return the request as one the broker did not answer."""
        return LandedRequest(
            request_id=self._request_id,
            dataset=self._dataset,
            outcomes=tuple(
                SubjectOutcome(
                    account_id=account,
                    status=LoadStatus.FAILED,
                    reason=str(error),
                    retryable=isinstance(error, Retryable),
                )
                for account in self._accounts
            ),
            error=error,
        )

    def _refuse_all(self, choice: AccountChoice) -> LandedRequest:
        """Record that nothing could be asked: no account that was named can be read.

        What the gateway manages is on record all the same, to name who was left out.
        """
        now = self._workspace.clock.now()
        proof = RequestProof(
            request_id=self._request_id,
            broker=self._broker,
            environment=self._workspace.environment,
            dataset=self._dataset,
            started_at=now,
            ended_at=now,
            end_marker_seen=False,
            managed_accounts=choice.managed,
        )
        self._workspace.control.finish_request(self._proof(proof), choice.refused, None)
        return LandedRequest(
            request_id=self._request_id,
            dataset=self._dataset,
            outcomes=choice.refused,
        )

    def _proof(self, proof: RequestProof) -> RequestProof:
        """Return the broker's proof under our request id."""
        details = dict(proof.details)
        if self._run_id is not None:
            details["run_id"] = self._run_id
        return replace(proof, request_id=self._request_id, details=details)


def reason_of(error: BaseException) -> str:
    """Return in words why a request got no answer."""
    if isinstance(error, Interrupted):
        return str(error)
    if not isinstance(error, Exception):
        return "interrupted"
    return str(error) if isinstance(error, PipelineError) else f"{type(error).__name__}: {error}"


def _verdicts(
    read: Read[Any], choice: AccountChoice, *, expected: Sequence[str]
) -> tuple[SubjectOutcome, ...]:
    """Return one verdict per account; one the broker was silent on has failed.

    Where the broker chose the accounts, one that was read last time and is not managed now has
    failed too: once, so that somebody looks, and not in every run to come.
    """
    told = {outcome.account_id: outcome for outcome in read.outcomes}
    refused = {outcome.account_id for outcome in choice.refused}
    silent = [account for account in expected if account not in told and account not in refused]
    reason = NO_VERDICT if choice.readable is not None else VANISHED
    return (
        *read.outcomes,
        *(
            SubjectOutcome(account_id=account, status=LoadStatus.FAILED, reason=reason)
            for account in silent
        ),
    )


def _log_landed(request: LandedRequest) -> None:
    failed = [o for o in request.outcomes if o.status is not LoadStatus.COMPLETE]
    log_event(
        _log,
        "request_landed",
        request_id=request.request_id,
        dataset=request.dataset,
        accounts=len(request.outcomes),
        not_complete=len(failed),
        rows=request.raw.n_rows if request.raw else 0,
    )
    for outcome in failed:
        log_event(
            _log,
            "load_not_complete",
            request_id=request.request_id,
            account=outcome.account_id,
            status=outcome.status,
            reason=outcome.reason,
        )
    if failed:
        # One line whatever the number of accounts; the summary of the command names them, and
        # the log file has the lines above.
        log_event(
            _log,
            "loads_not_complete",
            level=logging.WARNING,
            request_id=request.request_id,
            dataset=request.dataset,
            not_complete=len(failed),
            accounts=len(request.outcomes),
            reasons=len({outcome.reason for outcome in failed}),
            first_reason=failed[0].reason,
        )
