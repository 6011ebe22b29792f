"""Statements whose very bytes were brought in before.

What lives here: when the same bytes need not be read again. What must not: rows that are told
again in other bytes; core finds those (`warehouse/`).
"""

from __future__ import annotations

from collections.abc import Sequence

from ibkr_pipeline import __version__
from ibkr_pipeline.models.requests import LoadRow
from ibkr_pipeline.pipelines.statements.accounts import wanted_accounts
from ibkr_pipeline.pipelines.workspace import Workspace
from ibkr_pipeline.primitives.enums import LoadStatus

#: Keys of a proof's details: the request that brought the same bytes, the program that read them.
KNOWN_AS, PROGRAM = "known_as", "program"


def request_of_same_bytes(
    workspace: Workspace, content_sha256: str, *, named: Sequence[str] | None
) -> str | None:
    """Return the request that brought exactly these bytes, if reading them again brings nothing.

    It does where core has every section, for all the accounts that are wanted now. A section that
    failed fails again, unless another version of this program reads it.

    Args:
        workspace: What to work with.
        content_sha256: Hash of the bytes.
        named: Accounts that are asked for; None means all that are allowed.
    """
    for request in workspace.control.requests_with_document(content_sha256):
        if request.environment is workspace.environment and _is_done(
            workspace, request.request_id, named
        ):
            return request.request_id
    return None


def _is_done(workspace: Workspace, request_id: str, named: Sequence[str] | None) -> bool:
    proof = workspace.control.proof(request_id)
    if proof is None:
        return False
    loads = [row for row in workspace.control.loads(request_id=request_id) if row.section]
    wanted = wanted_accounts(
        proof.managed_accounts, named=named, allowed=workspace.settings.ibkr.accounts
    )
    is_same_program = proof.details.get(PROGRAM) == __version__
    return {row.account_id for row in loads} >= set(wanted) and all(
        _is_settled(row, is_same_program=is_same_program) for row in loads
    )


def _is_settled(row: LoadRow, *, is_same_program: bool) -> bool:
    if row.status is LoadStatus.COMPLETE:
        return row.applied_at is not None
    return row.status is LoadStatus.FAILED and is_same_program
