"""Make core again from raw and control, beside the existing one, and prove it equal.

What lives here: the steps of a rebuild, its locks and the swap. What must not: how commits are
made again (`replaying.py`) or tables are compared (`table_comparison.py`).

The plan is what core says was committed when; a core that is gone is replaced by what control
says, and a control that is gone by the sidecars of the raw files. `recorded_at` of every commit
is kept, so that an audit read at an earlier instant answers the same afterwards.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ibkr_pipeline.pipelines.publishing import publish
from ibkr_pipeline.pipelines.replaying import CommitPlan, plan_of, plan_without_core, replay
from ibkr_pipeline.pipelines.table_comparison import TableComparison, compare_warehouses
from ibkr_pipeline.pipelines.workspace import Workspace, open_workspace
from ibkr_pipeline.primitives.errors import WarehouseMissingError
from ibkr_pipeline.primitives.locks import hold
from ibkr_pipeline.primitives.logs import log_event
from ibkr_pipeline.settings import Settings
from ibkr_pipeline.warehouse import opening
from ibkr_pipeline.warehouse.connection import LOCK_NAME, Warehouse
from ibkr_pipeline.warehouse.ops import carry_over

#: Folder of the rebuilt warehouse, in the data directory.
BESIDE = "rebuild"
#: The warehouse that was replaced last.
BACKUP_NAME = "warehouse.before_rebuild.duckdb"
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
        applied = replay(workspace, rebuilt, _first_plan(workspace))
        with _locked(workspace):
            plan = _plan_under_lock(workspace)
            applied += replay(workspace, rebuilt, plan, done=[item.load_id for item in applied])
            if workspace.warehouse.path.exists() and rebuilt.path.exists():
                carry_over(workspace.warehouse.path, rebuilt.path)
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
    if not missing:
        return []
    lost = "1 request" if len(missing) == 1 else f"{len(missing)} requests"
    return [f"The control store did not know {lost}; it does again, from the raw files' sidecars."]


@contextmanager
def _beside(workspace: Workspace) -> Iterator[Warehouse]:
    """Yield an empty warehouse in a folder of its own, which is gone afterwards."""
    folder = workspace.directory / BESIDE
    with hold(
        workspace.directory / f"{BESIDE}.lock",
        timeout_seconds=workspace.settings.lock_timeout,
        purpose="rebuilding core",
        clock=workspace.clock,
    ):
        shutil.rmtree(folder, ignore_errors=True)
        try:
            yield Warehouse(
                folder,
                clock=workspace.clock,
                lock_timeout_seconds=workspace.settings.lock_timeout,
            )
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked(workspace: Workspace) -> Iterator[None]:
    """Keep every writer out, so that what is compared is what is replaced."""
    with hold(
        workspace.directory / LOCK_NAME,
        timeout_seconds=workspace.settings.lock_timeout,
        purpose="comparing the rebuilt core",
        clock=workspace.clock,
        on_wait=workspace.on_progress,
    ):
        yield


def _first_plan(workspace: Workspace) -> CommitPlan:
    """Return the plan; other runs may commit meanwhile, and are caught up with."""
    if not workspace.warehouse.path.exists():
        return plan_without_core(workspace)
    with workspace.warehouse.read() as connection:
        return plan_of(connection)


def _plan_under_lock(workspace: Workspace) -> CommitPlan:
    if not workspace.warehouse.path.exists():
        return plan_without_core(workspace)
    connection = opening.connect(workspace.warehouse.path, read_only=True)
    try:
        return plan_of(connection)
    finally:
        connection.close()


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
        return ["Every table is equal in every column; the warehouse was left as it was."]
    return [
        "The tables differ; the warehouse was left as it was. If the existing ones are the wrong "
        "ones, `--replace --force` puts the rebuilt warehouse in place."
    ]
