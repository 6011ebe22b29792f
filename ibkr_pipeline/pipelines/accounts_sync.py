"""Account snapshots: balances, margin and cash by currency, from the broker to core."""

from __future__ import annotations

from ibkr_pipeline.pipelines.single_dataset import DatasetSync
from ibkr_pipeline.primitives.enums import Dataset

ACCOUNTS = DatasetSync(dataset=Dataset.ACCOUNTS)

#: Read balances of the accounts and append a snapshot of each that was read whole.
sync_account_snapshots = ACCOUNTS.sync

#: Append a snapshot of one account, payload kept, in one transaction.
sync_account_snapshot_for_broker_account = ACCOUNTS.sync_one_account
