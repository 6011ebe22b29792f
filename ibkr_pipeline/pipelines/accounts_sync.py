"""Account snapshots: balances, margin and cash by currency, from the broker to core."""

from __future__ import annotations

from collections.abc import Sequence

from ibkr_pipeline.models.accounts import BrokerAccount
from ibkr_pipeline.pipelines.reading_broker import read_and_land
from ibkr_pipeline.pipelines.single_dataset import sync_dataset, sync_one_account
from ibkr_pipeline.pipelines.summary import DatasetSummary, SubjectSummary
from ibkr_pipeline.pipelines.workspace import Workspace
from ibkr_pipeline.primitives.enums import Dataset


def sync_account_snapshots(
    workspace: Workspace, accounts: Sequence[str] | None = None, *, run_id: str | None = None
) -> DatasetSummary:
    """Read balances of the accounts and append a snapshot of each that was read whole.

    Args:
        workspace: What to work with.
        accounts: Account codes; None means every account that is allowed.
        run_id: Id of the run; a new one by default.

    Raises:
        BrokerError: If the broker gave no answer at all.
    """
    return sync_dataset(
        workspace,
        Dataset.ACCOUNTS,
        lambda session, named, run: read_and_land(workspace, Dataset.ACCOUNTS, session, named, run),
        accounts=accounts,
        run_id=run_id,
    )


def sync_account_snapshot_for_broker_account(
    broker_account: BrokerAccount, *, workspace: Workspace | None = None
) -> SubjectSummary:
    """Append a snapshot of one account, payload kept, in one transaction.

    Args:
        broker_account: Which account.
        workspace: What to work with; by default the configured one.

    Raises:
        IncompleteReadError: If the account could not be read whole.
    """
    return sync_one_account(broker_account, sync_account_snapshots, workspace)
