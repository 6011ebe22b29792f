"""Open positions, read between two looks at the executions, from the broker to core.

What lives here: the bracket around a positions read, and the sync. What must not: what the
bracket is good for (`reconciliation.py`).

A fill that happens while positions are read may or may not be in them. The executions read
before and the one read after tell which contracts traded meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from ibkr_pipeline.pipelines.landed import LandedRead
from ibkr_pipeline.pipelines.reading_broker import read_and_land
from ibkr_pipeline.pipelines.session import BrokerSession
from ibkr_pipeline.pipelines.single_dataset import DatasetSync
from ibkr_pipeline.pipelines.suspecting import record_suspicions
from ibkr_pipeline.pipelines.workspace import Workspace
from ibkr_pipeline.primitives.enums import Dataset

#: How far before the opening read the closing one looks back: our clock and the broker's differ.
OVERLAP = timedelta(minutes=5)
#: What progress says of the two executions reads.
OPENING = "before the positions"
CLOSING = "since then: what traded while positions were read"


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionsRead:
    """A positions read and the executions reads before and after it."""

    opening: LandedRead
    positions: LandedRead
    closing: LandedRead


def read_positions_bracketed(
    workspace: Workspace,
    session: BrokerSession,
    accounts: Sequence[str] | None = None,
    run_id: str | None = None,
) -> PositionsRead:
    """Read and land executions, positions, and the executions since the first read.

    The brackets are executions loads like any other. One that fails does not fail the positions:
    they are then not comparable with the executions, and the reconciliation says so.

    Args:
        workspace: What to work with.
        session: The run's connection.
        accounts: Account codes; None means every account that is allowed.
        run_id: The run on whose behalf it is read.
    """
    since = workspace.clock.now() - OVERLAP
    opening = read_and_land(
        workspace, Dataset.EXECUTIONS, session, accounts, run_id, purpose=OPENING
    )
    positions = read_and_land(workspace, Dataset.POSITIONS, session, accounts, run_id)
    closing = read_and_land(
        workspace, Dataset.EXECUTIONS, session, accounts, run_id, since=since, purpose=CLOSING
    )
    return PositionsRead(opening=opening, positions=positions, closing=closing)


def _read_between_executions(
    workspace: Workspace,
    _dataset: Dataset,
    session: BrokerSession,
    accounts: Sequence[str] | None,
    run_id: str,
) -> LandedRead:
    return read_positions_bracketed(workspace, session, accounts, run_id).positions


POSITIONS = DatasetSync(
    dataset=Dataset.POSITIONS,
    read=_read_between_executions,
    also=(Dataset.EXECUTIONS,),
    after=record_suspicions,
)

#: Read positions of the accounts and append a snapshot of each that was read whole. A snapshot
#: never overwrites another, and an empty one is a fact. Contracts and instruments that were not
#: known, or changed, get a new version.
sync_positions = POSITIONS.sync

#: Append a position snapshot of one account, in one transaction.
sync_positions_for_broker_account = POSITIONS.sync_one_account
