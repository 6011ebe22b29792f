"""Executions and their commissions, corrections included, from the broker to core."""

from __future__ import annotations

from collections.abc import Sequence

from ibkr_pipeline.models.accounts import BrokerAccount
from ibkr_pipeline.pipelines.reading_broker import read_and_land
from ibkr_pipeline.pipelines.single_dataset import sync_dataset, sync_one_account
from ibkr_pipeline.pipelines.summary import DatasetSummary, SubjectSummary
from ibkr_pipeline.pipelines.workspace import Workspace
from ibkr_pipeline.primitives.enums import Dataset


def sync_executions(
    workspace: Workspace, accounts: Sequence[str] | None = None, *, run_id: str | None = None
) -> DatasetSummary:
    """Read the fills of the broker's day; a fill is known by its exec id and never counted twice.

    Args:
        workspace: What to work with.
        accounts: Account codes; None means every account that is allowed.
        run_id: Id of the run; a new one by default.

    Raises:
        BrokerError: If the broker gave no answer at all.
    """
    return sync_dataset(
        workspace,
        Dataset.EXECUTIONS,
        lambda session, named, run: read_and_land(
            workspace, Dataset.EXECUTIONS, session, named, run
        ),
        accounts=accounts,
        run_id=run_id,
    )


def sync_executions_for_broker_account(
    broker_account: BrokerAccount, *, workspace: Workspace | None = None
) -> SubjectSummary:
    """Read the fills of one account, in one transaction.

    Args:
        broker_account: Which account.
        workspace: What to work with; by default the configured one.

    Raises:
        IncompleteReadError: If the account could not be read whole.
    """
    return sync_one_account(broker_account, sync_executions, workspace)
