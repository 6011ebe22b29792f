"""Put right what a killed run left half done, before anything new is applied.

What lives here: requests whose process is gone, and commits control was not told of. What must
not: anything that throws bytes away.

Killed after publishing: the raw file and its sidecar are there, control still says `started`;
the verdict is taken from the sidecar. Killed before publishing: there is no answer; the request
is `abandoned`. Killed after the commit: core has the rows and control does not know;
`applying.py` finds the marks in core and tells control.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from ibkr_pipeline.models.requests import AppliedLoad
from ibkr_pipeline.pipelines.workspace import Workspace
from ibkr_pipeline.primitives.errors import RawDataError, WarehouseMissingError
from ibkr_pipeline.primitives.logs import log_event
from ibkr_pipeline.warehouse.connection import Warehouse

#: Newest requests that are looked at; a run makes fewer than ten.
RECENT_REQUESTS = 200

_MARKS = """
    SELECT load_id, recorded_at, n_rows FROM core.applied_loads
    WHERE load_id IN (SELECT unnest(?::VARCHAR[]))
"""

_log = logging.getLogger(__name__)


def heal(workspace: Workspace) -> None:
    """Give every request of a process that is gone its verdict.

    Raises:
        WarehouseMissingError: If control knows of loads in core and the warehouse file is gone.
    """
    _require_warehouse(workspace)
    n_restored = _restore_published(workspace)
    n_abandoned = workspace.control.abandon_dead()
    if n_restored or n_abandoned:
        log_event(_log, "healed", restored=n_restored, abandoned=n_abandoned)


def marks_in_core(warehouse: Warehouse, load_ids: Sequence[str]) -> tuple[AppliedLoad, ...]:
    """Return the marks core itself has of these loads.

    A run killed after its commit could not tell control. How the rows compared with what was
    there then is not known any more; the counts of it are 0.
    """
    if not load_ids:
        return ()
    with warehouse.read() as connection:
        rows = connection.execute(_MARKS, [list(load_ids)]).fetchall()
    return tuple(
        AppliedLoad(
            load_id=load_id,
            recorded_at=recorded_at,
            n_read=n_rows,
            n_new=0,
            n_changed=0,
            n_unchanged=0,
        )
        for load_id, recorded_at, n_rows in rows
    )


def _restore_published(workspace: Workspace) -> int:
    """Finish requests that were published and never recorded as finished; return how many."""
    unfinished = {
        row.request_id
        for row in workspace.control.requests(limit=RECENT_REQUESTS)
        if row.raw_path is None and row.environment is workspace.environment
    }
    if not unfinished:
        return 0
    n_restored = 0
    for request_id in workspace.landing.requests():
        if request_id not in unfinished:
            continue
        try:
            workspace.control.restore(*workspace.landing.proof(request_id))
        except RawDataError as error:
            log_event(_log, "sidecar_unreadable", level=logging.ERROR, reason=error)
            continue
        n_restored += 1
    return n_restored


def _require_warehouse(workspace: Workspace) -> None:
    if workspace.warehouse.path.exists():
        return
    known = workspace.control.applied()
    if known:
        raise WarehouseMissingError(
            f"There is no warehouse at {workspace.warehouse.path}, and control knows of "
            f"{len(known)} loads that were in it. Put the file back, or run `ibkr-pipeline "
            f"rebuild --replace`: it makes core again from the raw files."
        )
