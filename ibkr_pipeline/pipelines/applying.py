"""Bring landed loads into core: heal, then apply every complete load not yet there.

What lives here: the order in which loads are applied, and what happens to a load that cannot be.
What must not: SQL (`warehouse/`), vendor fields (`brokers/`), typing of rows (`normalization/`).

All loads of one request go in in one transaction, rows and markers together. A load whose rows
do not map or validate is marked failed with the reason and nothing of it enters core; the other
accounts of its request go on; its raw file stays.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from ibkr_pipeline.brokers.exceptions import StatementError
from ibkr_pipeline.brokers.read import restrict
from ibkr_pipeline.brokers.registry import map_payload
from ibkr_pipeline.models.requests import (
    AppliedLoad,
    Load,
    Payload,
    RequestProof,
    SubjectOutcome,
)
from ibkr_pipeline.normalization.portfolios import Portfolio, assign_portfolios
from ibkr_pipeline.normalization.wire_evidence import evidence_of_wire
from ibkr_pipeline.pipelines.healing import heal, marks_in_core
from ibkr_pipeline.pipelines.normalizing import normalize
from ibkr_pipeline.pipelines.statements.applying import (
    commit_statement,
    resolve_option_events,
    staged_statement,
)
from ibkr_pipeline.pipelines.workspace import Workspace
from ibkr_pipeline.primitives.enums import Dataset, LoadStatus
from ibkr_pipeline.primitives.errors import BrokerError, RawDataError, SchemaError
from ibkr_pipeline.primitives.logs import log_event
from ibkr_pipeline.settings import PortfolioSettings
from ibkr_pipeline.warehouse.apply import apply_loads
from ibkr_pipeline.warehouse.connection import Warehouse
from ibkr_pipeline.warehouse.option_events import append_evidence, wire_candidates

#: What rows may be refused with; anything else is our own fault and ends the run.
REFUSALS = (SchemaError, BrokerError)

#: Commits loads of one request together.
Commit = Callable[[tuple[Load, ...]], Sequence[AppliedLoad]]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A request's messages with their proof."""

    payload: Payload
    proof: RequestProof


def apply_pending(
    workspace: Workspace, dataset: Dataset, *, portfolios: Mapping[str, str] | None = None
) -> tuple[AppliedLoad, ...]:
    """Apply every complete load of `dataset` that is not in core yet, oldest first.

    Args:
        workspace: What to work with.
        dataset: Whose loads to apply.
        portfolios: Account code -> portfolio id it is counted in, where one was chosen; by
            default the one the configuration gives it.

    Returns:
        What each applied load did to core, in order.

    Raises:
        RawDataError: If a raw file is missing or torn. Every other load is applied first, and
            this one stays pending, so that it is applied once the file is back.
        BusyError: If the warehouse stayed locked.
        ConfigError: If an account is in several portfolios and none was chosen.
    """
    heal(workspace)
    pending = _not_in_core(
        workspace,
        [
            load
            for load in workspace.control.pending_loads(dataset)
            if load.environment is workspace.environment
        ],
    )
    applied: list[AppliedLoad] = []
    broken: RawDataError | None = None
    for request_id, group in groupby(pending, key=lambda load: load.request_id):
        try:
            applied += _apply_request(workspace, request_id, tuple(group), portfolios or {})
        except RawDataError as error:
            log_event(_log, "raw_unreadable", level=logging.ERROR, reason=error)
            broken = broken or error
    if broken is not None:
        raise broken
    return tuple(applied)


def commit_request(
    warehouse: Warehouse,
    heard: Heard,
    loads: Sequence[Load],
    *,
    portfolios: Mapping[str, Portfolio],
    recorded_at: datetime | None = None,
) -> tuple[AppliedLoad, ...]:
    """Map, normalize and commit the loads of one request, in one transaction.

    Args:
        warehouse: Where to.
        heard: The request's messages and proof.
        loads: Complete loads of that request; others in the messages are left out.
        portfolios: Account code -> portfolio.
        recorded_at: Instant of the commit, for a rebuild; by default the clock's.

    Raises:
        SchemaError, BrokerError: If rows do not map or validate; nothing was written.
    """
    dataset, broker = heard.proof.dataset, heard.proof.broker
    payload = restrict(heard.payload, tuple(load.account_id for load in loads))
    frames = map_payload(broker, dataset, payload, heard.proof)
    normalized = normalize(dataset, frames, loads, portfolios)
    with warehouse.write(f"applying {dataset.value}", recorded_at=recorded_at) as transaction:
        applied = apply_loads(transaction, dataset, normalized, loads, portfolio_of=portfolios)
        if dataset is Dataset.EXECUTIONS:
            append_evidence(transaction, evidence_of_wire(wire_candidates(transaction)))
            resolve_option_events(transaction)
    return tuple(applied)


def portfolios_of(
    accounts: Sequence[str],
    configured: Sequence[PortfolioSettings],
    *,
    chosen: Mapping[str, str],
) -> dict[str, Portfolio]:
    """Return account code -> portfolio: the one chosen, else the one the configuration gives.

    Raises:
        ConfigError: If an account is in several portfolios and none was chosen for it, or the
            one chosen does not hold it.
    """
    return {
        account: assign_portfolios((account,), configured, chosen=chosen.get(account))[account]
        for account in accounts
    }


def _not_in_core(workspace: Workspace, pending: Sequence[Load]) -> Sequence[Load]:
    """Tell control what a killed run committed without telling it; return what is left to apply.

    A load that was read in this process cannot be in core yet, so a run that was not preceded by
    a killed one asks the warehouse nothing.
    """
    here = {*workspace.just_read, *workspace.staged}
    earlier = [load.load_id for load in pending if load.request_id not in here]
    if not earlier or not workspace.warehouse.path.exists():
        return pending
    marks = marks_in_core(workspace.warehouse, earlier)
    workspace.control.mark_applied(marks)
    known = {mark.load_id for mark in marks}
    return [load for load in pending if load.load_id not in known]


def _apply_request(
    workspace: Workspace, request_id: str, loads: tuple[Load, ...], chosen: Mapping[str, str]
) -> Sequence[AppliedLoad]:
    if loads[0].dataset is Dataset.FLEX:
        return _apply_statement(workspace, request_id, loads)
    heard = _heard(workspace, request_id, loads)
    return _apply_part(workspace, lambda part: _commit(workspace, heard, part, chosen), loads)


def _apply_statement(
    workspace: Workspace, request_id: str, loads: tuple[Load, ...]
) -> Sequence[AppliedLoad]:
    try:
        with staged_statement(workspace, request_id, loads) as staged:
            return _apply_part(
                workspace, lambda part: commit_statement(workspace.warehouse, staged, part), loads
            )
    except StatementError as error:
        for load in loads:
            _refuse(workspace, load, error)
        return ()


def _apply_part(
    workspace: Workspace, commit: Commit, loads: tuple[Load, ...]
) -> Sequence[AppliedLoad]:
    """Commit these loads together; halve them until the one that is refused stands alone."""
    try:
        applied = commit(loads)
    except REFUSALS as error:
        if len(loads) == 1:
            _refuse(workspace, loads[0], error)
            return ()
    else:
        _tell(workspace, applied)
        return applied
    middle = len(loads) // 2
    return (
        *_apply_part(workspace, commit, loads[:middle]),
        *_apply_part(workspace, commit, loads[middle:]),
    )


def _commit(
    workspace: Workspace, heard: Heard, loads: tuple[Load, ...], chosen: Mapping[str, str]
) -> tuple[AppliedLoad, ...]:
    portfolios = portfolios_of(
        [load.account_id for load in loads], workspace.settings.portfolios, chosen=chosen
    )
    return commit_request(workspace.warehouse, heard, loads, portfolios=portfolios)


def _tell(workspace: Workspace, applied: Sequence[AppliedLoad]) -> None:
    """Tell control and the log what core has committed."""
    workspace.control.mark_applied(applied)
    for item in applied:
        log_event(
            _log,
            "load_applied",
            load_id=item.load_id,
            read=item.n_read,
            new=item.n_new,
            changed=item.n_changed,
            unchanged=item.n_unchanged,
            gone=item.n_gone,
        )


def _heard(workspace: Workspace, request_id: str, loads: Sequence[Load]) -> Heard:
    just_read = workspace.just_read.pop(request_id, None)
    if just_read is not None and just_read.proof is not None:
        return Heard(payload=just_read.payload, proof=just_read.proof)
    proof, _outcomes, _raw = workspace.landing.proof(request_id)
    accounts = [load.account_id for load in loads]
    return Heard(payload=workspace.landing.read(request_id, accounts=accounts), proof=proof)


def _refuse(workspace: Workspace, load: Load, error: Exception) -> None:
    """Mark a complete load failed: its bytes were whole, its rows cannot be believed."""
    proof, _outcomes, raw = workspace.landing.proof(load.request_id)
    outcome = SubjectOutcome(
        account_id=load.account_id,
        status=LoadStatus.FAILED,
        reason=f"not applied: {error}",
        section=load.section,
        from_date=load.from_date,
        to_date=load.to_date,
        n_rows=load.n_rows if load.section else None,
    )
    workspace.control.finish_request(proof, (outcome,), raw)
    log_event(
        _log,
        "load_refused",
        level=logging.ERROR,
        account=load.account_id,
        load_id=load.load_id,
        reason=error,
    )
