"""Suspected option events into core: what two reads of positions let suspect, kept as evidence.

What lives here: the commit, and how a rebuild makes it again. What must not: the suspicion itself
(`suspected_events.py`), or what follows from it (`normalization/option_events.py`).

A suspicion comes with no load of its own, so a rebuild takes it from the warehouse it replaces, at
the instant it was recorded. Where that one is gone, the next read of positions suspects anew.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime

import duckdb
import polars as pl

from ibkr_pipeline.pipelines.statements.applying import resolve_option_events
from ibkr_pipeline.pipelines.suspected_events import suspect
from ibkr_pipeline.pipelines.workspace import Workspace
from ibkr_pipeline.primitives.enums import EvidenceKind
from ibkr_pipeline.primitives.logs import log_event
from ibkr_pipeline.schemas.statements import OPTION_EVENT_EVIDENCE
from ibkr_pipeline.warehouse.connection import Warehouse
from ibkr_pipeline.warehouse.option_events import append_evidence

_PURPOSE = "suspecting option events"
_KEPT = f"""
    SELECT * FROM {OPTION_EVENT_EVIDENCE.name} WHERE evidence_kind = ?
    ORDER BY recorded_at, evidence_id
"""  # noqa: S608  # constants of this package

_log = logging.getLogger(__name__)


def record_suspicions(workspace: Workspace) -> int:
    """Keep what the last two position reads of every account let suspect; return what is new.

    Called once positions and the executions around them are in core.

    Raises:
        WarehouseMissingError: If nothing was ever applied.
        BusyError: If the warehouse stayed locked.
    """
    evidence = suspect(workspace, broker=workspace.broker)
    if evidence.is_empty():
        return 0
    n_new = _commit(workspace.warehouse, evidence, recorded_at=None)
    if n_new:
        log_event(_log, "option_events_suspected", level=logging.WARNING, evidence=n_new)
    return n_new


def suspicions_of(connection: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """Return the suspicions a warehouse holds, in the order they were recorded."""
    kind = EvidenceKind.POSITION_CHANGE.value
    found: pl.DataFrame = connection.sql(_KEPT, params=[kind]).pl()
    return found


def commit_suspicions_again(
    rebuilt: Warehouse,
    suspicions: pl.DataFrame,
    *,
    after: datetime | None,
    before: datetime | None,
) -> None:
    """Commit suspicions again, each at the instant it was recorded.

    Args:
        rebuilt: The warehouse they are committed to.
        suspicions: As `suspicions_of` returns them.
        after: Only those recorded later.
        before: Only those recorded earlier.
    """
    for recorded_at, evidence in _by_commit(suspicions):
        is_due = (after is None or recorded_at > after) and (before is None or recorded_at < before)
        if is_due:
            _commit(rebuilt, evidence, recorded_at=recorded_at)


def _by_commit(suspicions: pl.DataFrame) -> Iterator[tuple[datetime, pl.DataFrame]]:
    for (recorded_at,), rows in suspicions.group_by("recorded_at", maintain_order=True):
        if isinstance(recorded_at, datetime):
            yield recorded_at, rows.drop("version", "recorded_at")


def _commit(warehouse: Warehouse, evidence: pl.DataFrame, *, recorded_at: datetime | None) -> int:
    with warehouse.write(_PURPOSE, recorded_at=recorded_at) as transaction:
        fresh = append_evidence(transaction, evidence)
        resolve_option_events(transaction)
    return fresh.height
