"""Make core again from raw and control, beside the existing one, and prove it equal.

What lives here: the replay of every commit, and the swap. What must not: how a load is applied
(`applying.py`) or tables are compared (`table_comparison.py`).

The plan is what core says was committed when; a core that is gone is replaced by what control
says, and a control that is gone by the sidecars of the raw files. `recorded_at` of every commit
is kept, so that an audit read at an earlier instant answers the same afterwards.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from ibkr_pipeline.models.requests import AppliedLoad, Load
from ibkr_pipeline.normalization.portfolios import Portfolio
from ibkr_pipeline.pipelines.applying import Heard, commit_request, portfolios_of
from ibkr_pipeline.pipelines.publishing import publish
from ibkr_pipeline.pipelines.table_comparison import TableComparison, compare_warehouses
from ibkr_pipeline.pipelines.workspace import Workspace, open_workspace
from ibkr_pipeline.primitives.errors import RawDataError, WarehouseMissingError
from ibkr_pipeline.primitives.locks import hold
from ibkr_pipeline.primitives.logs import log_event
from ibkr_pipeline.settings import Settings
from ibkr_pipeline.warehouse import opening
from ibkr_pipeline.warehouse.connection import LOCK_NAME, Warehouse

#: Folder of the rebuilt warehouse, in the data directory.
BESIDE = "rebuild"
#: The warehouse that was replaced last.
BACKUP_NAME = "warehouse.before_rebuild.duckdb"
#: Progress is told once in so many commits.
PROGRESS_COMMITS = 20

_COMMITTED = "SELECT load_id, recorded_at FROM core.applied_loads ORDER BY recorded_at, load_id"
_PORTFOLIOS = """
    SELECT account_id, portfolio_id, portfolio_name, recorded_at FROM core.portfolios
    ORDER BY recorded_at
"""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildResult:
    """What a rebuild found.

    Attributes:
        tables: One comparison per core table; empty where there was nothing to compare with.
        n_loads: Loads that were applied again.
        is_replaced: Whether the rebuilt warehouse is in place now.
        remarks: What a person should know, one sentence each.
    """

    tables: tuple[TableComparison, ...]
    n_loads: int
    is_replaced: bool
    remarks: tuple[str, ...]

    @property
    def is_equal(self) -> bool | None:
        """Whether every table is equal; None where there was nothing to compare with."""
        return all(item.is_equal for item in self.tables) if self.tables else None

    @property
    def is_well(self) -> bool:
        """Whether nothing differs."""
        return self.is_equal is not False

    def to_document(self) -> dict[str, Any]:
        """Return the JSON document."""
        return {
            "tables": [
                {
                    "table": item.table,
                    "existing": item.n_existing,
                    "rebuilt": item.n_rebuilt,
                    "equal": item.is_equal,
                }
                for item in self.tables
            ],
            "loads": self.n_loads,
            "equal": self.is_equal,
            "replaced": self.is_replaced,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What was committed when, and which portfolio an account was counted in when.

    Attributes:
        committed: Load id -> instant of its commit, None where nobody remembers it.
        portfolios: account_id, portfolio_id, portfolio_name, recorded_at; None if not known.
    """

    committed: Mapping[str, datetime | None]
    portfolios: pl.DataFrame | None


def rebuild(
    settings: Settings,
    *,
    replace: bool = False,
    force: bool = False,
    on_progress: Callable[[str], None] | None = None,
) -> RebuildResult:
    """Rebuild core of the data directory of the settings; see `rebuild_workspace`.

    A directory that is not there is not made.

    Raises:
        WarehouseMissingError: If nothing was ever read.
    """
    if not settings.environment_dir.exists():
        raise _nothing_read(settings.environment_dir)
    with open_workspace(settings, on_progress=on_progress) as workspace:
        return rebuild_workspace(workspace, replace=replace, force=force)


def rebuild_workspace(
    workspace: Workspace, *, replace: bool = False, force: bool = False
) -> RebuildResult:
    """Make core again beside the existing one and compare them, table by table.

    Args:
        workspace: Whose core.
        replace: Put the rebuilt one in place, if it is equal or there was none. The one that was
            there is kept as `warehouse.before_rebuild.duckdb`.
        force: With `replace`, also if it is not equal.

    Raises:
        WarehouseMissingError: If nothing was ever read.
        RawDataError: If a raw file of an applied load is missing or torn; names it.
        BusyError: If another process held the warehouse.
    """
    remarks = _restore_control(workspace)
    with _beside(workspace) as rebuilt:
        applied = _replay(workspace, rebuilt, _first_plan(workspace), done=())
        with _locked(workspace):
            plan = _plan_under_lock(workspace)
            applied += _replay(workspace, rebuilt, plan, done=[item.load_id for item in applied])
            tables = _compared(workspace, rebuilt)
            is_equal = all(item.is_equal for item in tables)
            is_replaced = replace and (is_equal or force)
            if is_replaced:
                _swap(workspace.warehouse.path, rebuilt.path)
    workspace.control.mark_applied(applied)
    if is_replaced:
        publish(workspace)
    remarks += _outcome(workspace, tables, is_replaced=is_replaced)
    log_event(_log, "rebuilt", loads=len(applied), equal=is_equal, replaced=is_replaced)
    return RebuildResult(
        tables=tables, n_loads=len(applied), is_replaced=is_replaced, remarks=tuple(remarks)
    )


def _nothing_read(directory: Path) -> WarehouseMissingError:
    return WarehouseMissingError(
        f"Nothing has been read into {directory} yet, so there is nothing to rebuild core from. "
        f"Run `ibkr-pipeline sync all` first."
    )


def _restore_control(workspace: Workspace) -> list[str]:
    """Make every published request known to control again."""
    published = workspace.landing.requests()
    if not published and not workspace.warehouse.path.exists():
        raise _nothing_read(workspace.directory)
    known = {row.request_id for row in workspace.control.requests() if row.raw_path is not None}
    missing = [request_id for request_id in published if request_id not in known]
    for request_id in missing:
        workspace.control.restore(*workspace.landing.proof(request_id))
    return [f"{len(missing)} requests were restored from their sidecars."] if missing else []


@contextmanager
def _beside(workspace: Workspace) -> Iterator[Warehouse]:
    """Yield an empty warehouse in a folder of its own, which is gone afterwards."""
    folder = workspace.directory / BESIDE
    with hold(
        workspace.directory / f"{BESIDE}.lock",
        timeout_seconds=workspace.settings.lock_timeout_seconds,
        purpose="rebuilding core",
        clock=workspace.clock,
    ):
        shutil.rmtree(folder, ignore_errors=True)
        try:
            yield Warehouse(
                folder,
                clock=workspace.clock,
                lock_timeout_seconds=workspace.settings.lock_timeout_seconds,
            )
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked(workspace: Workspace) -> Iterator[None]:
    """Keep every writer out, so that what is compared is what is replaced."""
    with hold(
        workspace.directory / LOCK_NAME,
        timeout_seconds=workspace.settings.lock_timeout_seconds,
        purpose="comparing the rebuilt core",
        clock=workspace.clock,
        on_wait=workspace.on_progress,
    ):
        yield


def _first_plan(workspace: Workspace) -> _Plan:
    """Return the plan; other runs may commit meanwhile, and are caught up with."""
    if not workspace.warehouse.path.exists():
        return _plan_without_core(workspace)
    with workspace.warehouse.read() as connection:
        return _plan_of(connection)


def _plan_under_lock(workspace: Workspace) -> _Plan:
    if not workspace.warehouse.path.exists():
        return _plan_without_core(workspace)
    connection = opening.connect(workspace.warehouse.path, read_only=True)
    try:
        return _plan_of(connection)
    finally:
        connection.close()


def _plan_of(connection: duckdb.DuckDBPyConnection) -> _Plan:
    return _Plan(
        committed=dict(connection.execute(_COMMITTED).fetchall()),
        portfolios=connection.sql(_PORTFOLIOS).pl(),
    )


def _plan_without_core(workspace: Workspace) -> _Plan:
    """Return what control remembers of commits; if it is new too, loads in order of answer."""
    known = workspace.control.applied()
    unknown = [] if known else [load.load_id for load in workspace.control.pending_loads()]
    return _Plan(committed={**known, **dict.fromkeys(unknown)}, portfolios=None)


def _replay(
    workspace: Workspace, rebuilt: Warehouse, plan: _Plan, *, done: Sequence[str]
) -> list[AppliedLoad]:
    """Commit the loads of the plan again, commit by commit, in their order."""
    loads = _loads_of(workspace, [item for item in plan.committed if item not in set(done)])
    applied: list[AppliedLoad] = []
    for place, (_, group) in enumerate(
        groupby(loads, key=lambda load: (load.request_id, plan.committed[load.load_id]))
    ):
        commit = tuple(group)
        recorded_at = plan.committed[commit[0].load_id]
        if place % PROGRESS_COMMITS == 0:
            workspace.on_progress(f"rebuilding: {len(applied)} of {len(loads)} loads applied")
        applied += commit_request(
            rebuilt,
            _heard(workspace, commit),
            commit,
            portfolios=_portfolios_at(workspace, plan, commit, recorded_at),
            recorded_at=recorded_at,
        )
    return applied


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
    workspace: Workspace, plan: _Plan, loads: Sequence[Load], recorded_at: datetime | None
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


def _compared(workspace: Workspace, rebuilt: Warehouse) -> tuple[TableComparison, ...]:
    if not workspace.warehouse.path.exists() or not rebuilt.path.exists():
        return ()
    workspace.on_progress("comparing every table in every column")
    return compare_warehouses(workspace.warehouse.path, rebuilt.path)


def _swap(existing: Path, rebuilt: Path) -> None:
    """Put the rebuilt file in place of the existing one, which is kept beside it.

    The caller holds the lock and nobody has either file open. A write-ahead log would be replayed
    into the wrong file, so both are checkpointed first.
    """
    for path in (existing, rebuilt):
        if path.exists():
            connection = opening.connect(path, read_only=False)
            try:
                connection.execute("CHECKPOINT")
            finally:
                connection.close()
    backup = existing.with_name(BACKUP_NAME)
    if existing.exists():
        backup.unlink(missing_ok=True)
        os.link(existing, backup)
    rebuilt.replace(existing)


def _outcome(
    workspace: Workspace, tables: Sequence[TableComparison], *, is_replaced: bool
) -> list[str]:
    """Return what a person should know about how it ended."""
    if is_replaced:
        kept = f" The one before is {BACKUP_NAME}." if tables else ""
        return [f"The rebuilt warehouse is in place: {workspace.warehouse.path}.{kept}"]
    if not tables:
        return ["There was no warehouse to compare with; --replace puts the rebuilt one in place."]
    if all(item.is_equal for item in tables):
        return ["Every table is equal in every column; nothing was changed."]
    return [
        "The tables differ and nothing was changed. If the existing ones are the wrong ones, "
        "`--replace --force` puts the rebuilt warehouse in place."
    ]
