"""Commit again what was committed once, in the same order and with the same instants.

What lives here: the plan (which loads, when, in which portfolio) and its replay. What must not:
where the rebuilt warehouse stands and whether it takes the place of the other (`rebuild.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

import duckdb
import polars as pl

from ibkr_pipeline.models.requests import AppliedLoad, Load
from ibkr_pipeline.normalization.portfolios import Portfolio
from ibkr_pipeline.pipelines.applying import Heard, commit_request, portfolios_of
from ibkr_pipeline.pipelines.statements.applying import commit_statement, staged_statement
from ibkr_pipeline.pipelines.suspecting import commit_suspicions_again, suspicions_of
from ibkr_pipeline.pipelines.workspace import Workspace
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.primitives.errors import RawDataError
from ibkr_pipeline.warehouse.connection import Warehouse
from ibkr_pipeline.warehouse.transaction import last_recorded_at

#: Progress is told once in so many commits.
PROGRESS_COMMITS = 20

_COMMITTED = "SELECT load_id, recorded_at FROM core.applied_loads ORDER BY recorded_at, load_id"
_PORTFOLIOS = """
    SELECT account_id, portfolio_id, portfolio_name, recorded_at FROM core.portfolios
    ORDER BY recorded_at
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitPlan:
    """What was committed when, and which portfolio an account was counted in when.

    Attributes:
        committed: Load id -> instant of its commit, None where nobody remembers it.
        portfolios: account_id, portfolio_id, portfolio_name, recorded_at; None if not known.
        suspicions: What position reads let suspect (`suspecting.py`); None if not known.
    """

    committed: Mapping[str, datetime | None]
    portfolios: pl.DataFrame | None
    suspicions: pl.DataFrame | None = None


def plan_of(connection: duckdb.DuckDBPyConnection) -> CommitPlan:
    """Return what core says was committed when, and in which portfolios."""
    return CommitPlan(
        committed=dict(connection.execute(_COMMITTED).fetchall()),
        portfolios=connection.sql(_PORTFOLIOS).pl(),
        suspicions=suspicions_of(connection),
    )


def plan_without_core(workspace: Workspace) -> CommitPlan:
    """Return what control remembers of commits; if it is new too, loads in order of answer."""
    known = workspace.control.applied()
    unknown = [] if known else [load.load_id for load in workspace.control.pending_loads()]
    return CommitPlan(committed={**known, **dict.fromkeys(unknown)}, portfolios=None)


def replay(
    workspace: Workspace, rebuilt: Warehouse, plan: CommitPlan, *, done: Sequence[str] = ()
) -> list[AppliedLoad]:
    """Commit the loads of a plan again, commit by commit, in their order.

    Args:
        workspace: Whose loads.
        rebuilt: The warehouse they are committed to.
        plan: What was committed when.
        done: Loads of the plan that are in `rebuilt` already.

    Returns:
        What each load did to `rebuilt`.

    Raises:
        RawDataError: If a load is not known, or its raw file is missing or torn; names it.
    """
    loads = _loads_of(workspace, [item for item in plan.committed if item not in set(done)])
    applied: list[AppliedLoad] = []
    last = _last_commit(rebuilt)
    for place, (_, group) in enumerate(
        groupby(loads, key=lambda load: (load.request_id, plan.committed[load.load_id]))
    ):
        commit = tuple(group)
        if place % PROGRESS_COMMITS == 0:
            workspace.on_progress(f"rebuilding: {len(applied)} of {len(loads)} loads applied")
        recorded_at = plan.committed[commit[0].load_id]
        _suspect_again(rebuilt, plan, after=last, before=recorded_at)
        applied += _committed_again(workspace, rebuilt, plan, commit)
        last = recorded_at
    _suspect_again(rebuilt, plan, after=last, before=None)
    return applied


def _suspect_again(
    rebuilt: Warehouse, plan: CommitPlan, *, after: datetime | None, before: datetime | None
) -> None:
    if plan.suspicions is not None and not plan.suspicions.is_empty():
        commit_suspicions_again(rebuilt, plan.suspicions, after=after, before=before)


def _last_commit(warehouse: Warehouse) -> datetime | None:
    if not warehouse.path.exists():
        return None
    with warehouse.read() as connection:
        return last_recorded_at(connection)


def _committed_again(
    workspace: Workspace, rebuilt: Warehouse, plan: CommitPlan, loads: tuple[Load, ...]
) -> tuple[AppliedLoad, ...]:
    """Commit loads of one request that were committed together, at the instant they were."""
    recorded_at = plan.committed[loads[0].load_id]
    if loads[0].dataset is Dataset.FLEX:
        with staged_statement(workspace, loads[0].request_id, loads) as staged:
            return commit_statement(rebuilt, staged, loads, recorded_at=recorded_at)
    return commit_request(
        rebuilt,
        _heard(workspace, loads),
        loads,
        portfolios=_portfolios_at(workspace, plan, loads, recorded_at),
        recorded_at=recorded_at,
    )


def _loads_of(workspace: Workspace, load_ids: Sequence[str]) -> list[Load]:
    """Return the loads of the plan, in its order."""
    known = {load.load_id: load for load in workspace.control.loads()}
    missing = [load_id for load_id in load_ids if load_id not in known]
    if missing:
        raise RawDataError(
            f"Core holds {len(missing)} loads that neither control nor a raw file knows, "
            f"{missing[0]} first; expected every load to have its raw file. Restore the raw files "
            f"from a backup."
        )
    return [known[load_id] for load_id in load_ids]


def _heard(workspace: Workspace, loads: Sequence[Load]) -> Heard:
    request_id = loads[0].request_id
    proof, _outcomes, _raw = workspace.landing.proof(request_id)
    accounts = [load.account_id for load in loads]
    return Heard(payload=workspace.landing.read(request_id, accounts=accounts), proof=proof)


def _portfolios_at(
    workspace: Workspace, plan: CommitPlan, loads: Sequence[Load], recorded_at: datetime | None
) -> dict[str, Portfolio]:
    """Return the portfolio each account was counted in when the loads were committed."""
    accounts = [load.account_id for load in loads]
    if plan.portfolios is None or recorded_at is None:
        return portfolios_of(accounts, workspace.settings.portfolios, chosen={})
    then = plan.portfolios.filter(
        (pl.col("recorded_at") <= recorded_at) & pl.col("account_id").is_in(accounts)
    ).unique(subset="account_id", keep="last", maintain_order=True)
    return {
        account: Portfolio(portfolio_id=portfolio, name=name)
        for account, portfolio, name in then.select(
            "account_id", "portfolio_id", "portfolio_name"
        ).iter_rows()
    }
