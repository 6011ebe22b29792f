"""Which accounts are current, as control knows it: the verdict that turns a run red.

What lives here: the verdicts on the loads of one run, or on the last loads of all. What must
not: who is stopped by them (`defs/`, `control/coverage.py` for what depends on single accounts).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from ibkr_pipeline.models.requests import LoadRow, RequestRow
from ibkr_pipeline.pipelines.workspace import Workspace
from ibkr_pipeline.primitives.enums import WIRE_DATASETS, Dataset, LoadStatus

#: How many loads are looked through for the last one of each account, where no run is judged.
LAST_LOADS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountVerdict:
    """Whether one account is current in one dataset.

    Attributes:
        status: Verdict on its last load.
        current_as_of: When the answer that core holds was received; None if it holds none.
        n_rows: Messages of the last load.
        problem: Why it is not current; None when it is, and when the gateway does not support
            the read, which is no failure.
    """

    account_id: str
    dataset: Dataset
    status: LoadStatus
    current_as_of: datetime | None
    n_rows: int | None
    problem: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountVerdicts:
    """Every verdict, and what concerns no single account."""

    accounts: tuple[AccountVerdict, ...]
    general: tuple[str, ...]

    @property
    def problems(self) -> tuple[str, ...]:
        """Every problem in one line each; empty when every account is current."""
        return (
            *self.general,
            *(
                f"{verdict.dataset.value} of {verdict.account_id}: {verdict.problem}"
                for verdict in self.accounts
                if verdict.problem is not None
            ),
        )


def judge_accounts(
    workspace: Workspace, *, run_id: str | None = None, datasets: Collection[Dataset] = ()
) -> AccountVerdicts:
    """Judge the accounts of the datasets a run read; by default the last read of every account.

    Args:
        workspace: What to work with.
        run_id: The run. An account's last attempt within it counts.
        datasets: What the run set out to read. What it read besides, such as the executions
            around a positions read, is judged by who uses it.
    """
    control = workspace.control
    if datasets:
        loads = [row for row in control.loads(run_id=run_id) if row.dataset in datasets]
        requests = [row for row in control.requests(run_id=run_id) if row.dataset in datasets]
    else:
        here = workspace.environment
        # Statements are judged section by section, where they are brought in.
        wire = set(WIRE_DATASETS)
        loads = [
            row
            for row in control.loads(limit=LAST_LOADS)
            if row.environment is here and row.dataset in wire
        ]
        requests = [
            row
            for row in control.requests(limit=LAST_LOADS)
            if row.environment is here and row.dataset in wire
        ]
    general = _requests_without_accounts(requests, loads)
    if not loads and not general:
        general = ("nothing has been read; run `ibkr-pipeline sync all`",)
    return AccountVerdicts(
        accounts=tuple(_verdict(workspace, load) for load in _last_of_each(loads)),
        general=general,
    )


def _last_of_each(loads: Sequence[LoadRow]) -> list[LoadRow]:
    """Return the newest load of each account and dataset, in the order a run reads them."""
    newest: dict[tuple[Dataset, str], LoadRow] = {}
    for load in loads:
        newest.setdefault((load.dataset, load.account_id), load)
    order = WIRE_DATASETS
    return sorted(newest.values(), key=lambda load: (order.index(load.dataset), load.account_id))


def _requests_without_accounts(
    requests: Sequence[RequestRow], loads: Sequence[LoadRow]
) -> tuple[str, ...]:
    """Return what is wrong with datasets whose last request did not get as far as an account."""
    with_loads = {load.request_id for load in loads}
    last: dict[Dataset, RequestRow] = {}
    for request in requests:
        last.setdefault(request.dataset, request)
    return tuple(
        f"{request.dataset.value}: {request.reason or 'nothing was read'}"
        for request in last.values()
        if request.request_id not in with_loads
    )


def _verdict(workspace: Workspace, load: LoadRow) -> AccountVerdict:
    current = workspace.control.current_load(load.environment, load.account_id, load.dataset)
    return AccountVerdict(
        account_id=load.account_id,
        dataset=load.dataset,
        status=load.status,
        current_as_of=current.available_at if current is not None else None,
        n_rows=load.n_rows,
        problem=_problem(load),
    )


def _problem(load: LoadRow) -> str | None:
    if load.status is LoadStatus.UNSUPPORTED:
        return None
    if load.status is not LoadStatus.COMPLETE:
        return f"{load.status.value}: {load.reason or 'no reason was given'}"
    if load.applied_at is None:
        return (
            f"it was read, but is not in core; see `ibkr-pipeline doctor` for the raw file "
            f"{load.raw_path}"
        )
    return None
