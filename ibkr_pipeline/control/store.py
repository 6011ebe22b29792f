"""The control store: small durable facts about requests, loads, pacing and leases.

What lives here: `ControlStore`, one method per question; each opens one short transaction. What
must not: rows of a broker, anything core can be rebuilt from. SQLite by default, Postgres by URL.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from ibkr_pipeline.control import abandonment, budget, coverage, leases, loads, ownership, requests
from ibkr_pipeline.control.abandonment import MAX_REQUEST_AGE
from ibkr_pipeline.control.database import Database
from ibkr_pipeline.control.leases import Lease
from ibkr_pipeline.control.migrations import migrate
from ibkr_pipeline.models.requests import (
    AppliedLoad,
    Load,
    LoadRow,
    RawFile,
    RequestProof,
    RequestRow,
    SubjectOutcome,
)
from ibkr_pipeline.ports.clock import Clock
from ibkr_pipeline.primitives.enums import Dataset, Environment, LoadStatus
from ibkr_pipeline.primitives.errors import BusyError
from ibkr_pipeline.primitives.processes import is_alive, this_process


class ControlStore:
    """Facts about requests and loads. Safe to share between threads and processes."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._claimed: Environment | None = None

    @classmethod
    def open(cls, url: str | Path, *, clock: Clock) -> Self:
        """Open the store, creating or migrating its tables.

        Args:
            url: Path of the SQLite file, or a `postgresql://` URL.
            clock: The only clock asked.

        Raises:
            ConfigError: If the URL or the path cannot be used.
            ControlStoreError: If the store is damaged or of a newer version.
            ControlUnavailableError: If Postgres does not answer.
        """
        database = Database(url)
        try:
            migrate(database)
            store = cls(database, clock=clock)
            store._claimed = store.environment()
        except BaseException:
            database.close()
            raise
        return store

    def __repr__(self) -> str:
        """Return where the store is, without a password."""
        return f"ControlStore({self._database.label!r})"

    def __enter__(self) -> Self:
        """Return the open store."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the store."""
        self.close()

    def close(self) -> None:
        """Close every connection; the store opens them again when it is used again."""
        self._database.close()

    def environment(self) -> Environment | None:
        """Return the environment this store belongs to, if one has claimed it."""
        with self._database.read() as connection:
            return ownership.owner(connection)

    def claim_environment(self, environment: Environment) -> None:
        """Make this store the one of `environment`, for good.

        Raises:
            ConfigError: If it belongs to another environment.
        """
        with self._database.write() as connection:
            self._claimed = ownership.claim(connection, environment)
        self._check_environment(environment)

    def begin_request(
        self,
        *,
        request_id: str,
        broker: str,
        environment: Environment,
        dataset: Dataset,
        accounts: Sequence[str] | None,
        started_at: datetime,
        run_id: str | None,
    ) -> None:
        """Write a request down durably before anything is sent, with a `started` load per account.

        Args:
            request_id: Id of the request; beginning it twice changes nothing.
            broker: Name of the broker.
            environment: Environment of the run; must be the store's own.
            dataset: What is read.
            accounts: Accounts, where they are known before asking.
            started_at: When the request is sent.
            run_id: The run that asks, if it has an id.
        """
        self._check_environment(environment)
        request = requests.NewRequest(
            request_id=request_id,
            broker=broker,
            environment=environment,
            dataset=dataset,
            accounts=accounts or (),
            started_at=started_at,
            run_id=run_id,
            process=this_process(),
        )
        with self._database.write() as connection:
            requests.begin(connection, request)

    def finish_request(
        self, proof: RequestProof, outcomes: Sequence[SubjectOutcome], raw: RawFile | None
    ) -> None:
        """Write down proof and verdicts in one transaction; doing it twice changes nothing."""
        self._check_environment(proof.environment)
        with self._database.write() as connection:
            requests.finish(connection, proof, outcomes, raw)

    def restore(
        self, proof: RequestProof, outcomes: Sequence[SubjectOutcome], raw: RawFile
    ) -> None:
        """Make a request known again from its sidecar.

        For a request whose process was killed between publishing and finishing, and for a store
        that was lost. What is known of it already stays, `applied_at` above all.
        """
        self.finish_request(proof, outcomes, raw)

    def fail_request(self, request_id: str, *, reason: str, retryable: bool, at: datetime) -> None:
        """Mark a request that got no answer, and its started loads, `failed`."""
        with self._database.write() as connection:
            requests.fail(connection, request_id, reason=reason, retryable=retryable, at=at)

    def abandon_dead(
        self,
        alive: Callable[[int, str], bool] = is_alive,
        *,
        max_age: timedelta = MAX_REQUEST_AGE,
    ) -> int:
        """Mark `started` requests of processes that are gone `abandoned`.

        A request of this process never is. One whose process cannot be examined (another host,
        no start mark) is only when it is older than `max_age`.

        Args:
            alive: Process id and start mark -> whether that process of this host may still run.
            max_age: Age after which an unknown process counts as gone.

        Returns:
            How many requests were abandoned.
        """
        with self._database.write() as connection:
            return abandonment.abandon_dead(
                connection,
                here=this_process(),
                alive=alive,
                now=self._clock.now(),
                max_age=max_age,
            )

    def requests(
        self,
        *,
        run_id: str | None = None,
        dataset: Dataset | None = None,
        limit: int | None = None,
    ) -> list[RequestRow]:
        """Return requests, newest first; a request without accounts shows only here."""
        with self._database.read() as connection:
            return requests.listed(connection, run_id=run_id, dataset=dataset, limit=limit)

    def requests_with_document(self, content_sha256: str) -> list[RequestRow]:
        """Return the requests that brought a document with exactly these bytes, newest first."""
        with self._database.read() as connection:
            return requests.with_document(connection, content_sha256)

    def proof(self, request_id: str) -> RequestProof | None:
        """Return the proof of a request, once it is finished."""
        with self._database.read() as connection:
            return requests.proof_of(connection, request_id)

    def pending_loads(self, dataset: Dataset | None = None) -> list[Load]:
        """Return complete loads not marked applied, by `available_at`, then `load_id`."""
        with self._database.read() as connection:
            return loads.pending(connection, dataset)

    def loads(
        self,
        *,
        dataset: Dataset | None = None,
        account_id: str | None = None,
        run_id: str | None = None,
        request_id: str | None = None,
        section: str | None = None,
        limit: int | None = None,
        before: datetime | None = None,
    ) -> list[LoadRow]:
        """Return loads with their counts, newest first; `before` is a bound on `started_at`."""
        with self._database.read() as connection:
            return loads.listed(
                connection,
                dataset=dataset,
                account_id=account_id,
                run_id=run_id,
                request_id=request_id,
                section=section,
                limit=limit,
                before=before,
            )

    def current_load(
        self, environment: Environment, account_id: str, dataset: Dataset
    ) -> Load | None:
        """Return the last complete load of an account; failed ones after it do not unseat it."""
        with self._database.read() as connection:
            return loads.last(
                connection,
                environment=environment,
                account_id=account_id,
                dataset=dataset,
                statuses=(LoadStatus.COMPLETE,),
            )

    def last_load(self, environment: Environment, account_id: str, dataset: Dataset) -> Load | None:
        """Return the load of the latest request for an account, whatever became of it."""
        with self._database.read() as connection:
            return loads.last(
                connection, environment=environment, account_id=account_id, dataset=dataset
            )

    def mark_applied(self, applied: Sequence[AppliedLoad]) -> None:
        """Mirror `core.applied_loads` after its commit. May be missing after a kill."""
        with self._database.write() as connection:
            loads.mark_applied(connection, applied)

    def applied(self) -> dict[str, datetime]:
        """Return load id -> `recorded_at` of the commit that applied it, in commit order."""
        with self._database.read() as connection:
            return loads.applied(connection)

    def require_current(
        self,
        accounts: Sequence[str],
        datasets: Sequence[Dataset],
        *,
        now: datetime,
        max_age: timedelta,
    ) -> None:
        """Raise unless every account is current in every dataset.

        Raises:
            StaleDataError: Names account, dataset, last complete, last failure and what to run.
        """
        with self._database.read() as connection:
            coverage.require_current(
                connection,
                accounts,
                datasets,
                environment=self._claimed,
                now=now,
                max_age=max_age,
            )

    def take(self, bucket: str, *, cost: int, limit: int, per_seconds: float) -> float:
        """Take `cost` from a bucket that every process on this store shares.

        Returns:
            0.0 when granted; otherwise the seconds to wait before asking again.
        """
        with self._database.write_quickly() as connection:
            return budget.take(
                connection,
                bucket,
                cost=cost,
                limit=limit,
                window=timedelta(seconds=per_seconds),
                now=self._clock.now(),
            )

    def lease(self, name: str, *, holder: str, ttl: timedelta) -> Lease:
        """Take a lease, or extend one's own.

        Raises:
            BusyError: If somebody else holds it; names the holder.
        """
        with self._database.write() as connection:
            granted = leases.grant(connection, name, holder=holder, ttl=ttl, now=self._clock.now())
        if isinstance(granted, BusyError):
            raise granted
        return granted

    def release(self, lease: Lease) -> bool:
        """Give a lease back; False if it was no longer ours."""
        with self._database.write() as connection:
            return leases.release(connection, lease)

    def holds(self, lease: Lease) -> bool:
        """Tell whether a lease is still the one in force."""
        with self._database.read() as connection:
            return leases.is_current(connection, lease, self._clock.now())

    def _check_environment(self, environment: Environment) -> None:
        ownership.require(self._claimed, environment, place=self._database.label)
