"""Whether accounts are current enough for somebody to depend on them.

What lives here: the rule and its explanation. What must not: reading anything again.
An account is current in a dataset when its latest ended read is complete and young enough. A
failed read leaves the last snapshot in core, and stops what depends on the account all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from ibkr_pipeline.control import loads
from ibkr_pipeline.models.requests import Load
from ibkr_pipeline.primitives.enums import Dataset, Environment, LoadStatus
from ibkr_pipeline.primitives.errors import StaleDataError

_COMPLETE = (LoadStatus.COMPLETE,)
_NOT_READ = (LoadStatus.FAILED, LoadStatus.ABANDONED, LoadStatus.UNSUPPORTED)
_BROKEN = (LoadStatus.FAILED, LoadStatus.ABANDONED)
#: More than these are counted, not listed.
_NAMED = 20


def require_current(
    connection: Connection,
    accounts: Sequence[str],
    datasets: Sequence[Dataset],
    *,
    environment: Environment | None,
    now: datetime,
    max_age: timedelta,
) -> None:
    """Raise unless every account is current in every dataset.

    Raises:
        StaleDataError: Names each account and dataset, its last complete read, its last failure
            and what to run.
    """
    problems = []
    for dataset in datasets:
        complete, failures = (
            loads.last_by_account(
                connection,
                environment=environment,
                accounts=accounts,
                dataset=dataset,
                statuses=statuses,
            )
            for statuses in (_COMPLETE, _NOT_READ)
        )
        for account in accounts:
            flaw = _flaw(complete.get(account), failures.get(account), now=now, max_age=max_age)
            if flaw:
                problems.append(f"{dataset.value} of {account}: {flaw}")
    if not problems:
        return
    more = f" and {len(problems) - _NAMED} more" if len(problems) > _NAMED else ""
    again = ", ".join(f"`ibkr-pipeline sync {dataset.value}`" for dataset in datasets)
    raise StaleDataError(
        f"{'; '.join(problems[:_NAMED])}{more}. Expected a complete read not older than {max_age}, "
        f"with no failed one after it. Run {again}, then try again."
    )


def _flaw(
    complete: Load | None, failure: Load | None, *, now: datetime, max_age: timedelta
) -> str | None:
    facts = f"last complete {_when(complete)}, last failure {_when(failure)}"
    if complete is None or complete.available_at is None:
        return f"never read completely ({facts})"
    if failure and failure.status in _BROKEN and failure.started_at > complete.started_at:
        return f"the last read failed ({facts})"
    if now - complete.available_at > max_age:
        return f"the last complete read is too old ({facts})"
    return None


def _when(load: Load | None) -> str:
    if load is None:
        return "none"
    at = (load.available_at or load.started_at).strftime("%Y-%m-%d %H:%M:%SZ")
    return at if load.status is LoadStatus.COMPLETE else f"{at} {load.status.value}: {load.reason}"
