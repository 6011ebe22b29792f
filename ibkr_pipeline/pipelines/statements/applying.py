"""Sections of a statement into core, in one transaction, from staged rows or from the raw file.

What lives here: the commit, and staging a statement anew from its original bytes. What must not:
SQL (`warehouse/`), or which loads are due (`pipelines/applying.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from ibkr_pipeline.models.requests import AppliedLoad, Load
from ibkr_pipeline.normalization.event_links import relinked
from ibkr_pipeline.normalization.option_events import resolve
from ibkr_pipeline.pipelines.statements.scratch import make_scratch
from ibkr_pipeline.pipelines.statements.staging import StagedStatement, StatementRequest
from ibkr_pipeline.pipelines.workspace import Workspace
from ibkr_pipeline.warehouse.connection import Warehouse
from ibkr_pipeline.warehouse.option_events import (
    append_option_events,
    append_relinked,
    facts_to_resolve,
)
from ibkr_pipeline.warehouse.statement_versions import spare_memory
from ibkr_pipeline.warehouse.statements import append_statement
from ibkr_pipeline.warehouse.transaction import WriteTransaction


def commit_statement(
    warehouse: Warehouse,
    staged: StagedStatement,
    loads: Sequence[Load],
    *,
    recorded_at: datetime | None = None,
) -> tuple[AppliedLoad, ...]:
    """Commit sections of one statement and the option events they speak of, in one transaction.

    Args:
        warehouse: Where to.
        staged: The statement, read to its end.
        loads: Complete loads of its sections.
        recorded_at: Instant of the commit, for a rebuild; by default the clock's.

    Raises:
        SchemaError: If rows do not fit; nothing was written.
    """
    staged.require_readable(loads)
    headers, evidence = staged.headers(loads), staged.evidence(loads)
    with warehouse.write("applying a statement", recorded_at=recorded_at) as transaction:
        applied = append_statement(transaction, staged.rows, loads, headers, evidence=evidence)
        resolve_option_events(transaction)
        spare_memory(transaction)
    return tuple(applied)


def resolve_option_events(transaction: WriteTransaction) -> int:
    """Derive the option events that this transaction brought evidence of; return how many changed.

    Called at the end of every transaction that may bring some.
    """
    facts = facts_to_resolve(transaction)
    if append_relinked(transaction, relinked(facts.evidence)):
        facts = facts_to_resolve(transaction)
    return append_option_events(transaction, resolve(facts.evidence, facts.coverage))


@contextmanager
def staged_statement(
    workspace: Workspace, request_id: str, loads: Sequence[Load]
) -> Iterator[StagedStatement]:
    """Yield the rows of these loads, as they were staged or staged anew from the raw file.

    Raises:
        RawDataError: If the raw file is missing, torn or changed; names it.
        StatementError: If it cannot be read any more.
    """
    staged = workspace.staged.pop(request_id, None)
    if staged is None:
        staged = _staged_anew(workspace, request_id, loads)
    try:
        yield staged
    finally:
        staged.close()


def _staged_anew(workspace: Workspace, request_id: str, loads: Sequence[Load]) -> StagedStatement:
    proof, _outcomes, _raw = workspace.landing.proof(request_id)
    staged = StagedStatement(
        StatementRequest(
            request_id=request_id,
            broker=proof.broker,
            environment=proof.environment,
            started_at=proof.started_at,
            received_at=proof.ended_at,
        ),
        make_scratch(workspace.directory),
        load_ids={load.load_id for load in loads},
    )
    try:
        with workspace.landing.open_document(request_id) as document:
            staged.read(document)
    except BaseException:
        staged.close()
        raise
    return staged
