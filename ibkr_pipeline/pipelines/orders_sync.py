"""Orders: open and completed, with their status history, from the broker to core."""

from __future__ import annotations

from ibkr_pipeline.pipelines.single_dataset import DatasetSync
from ibkr_pipeline.primitives.enums import Dataset

ORDERS = DatasetSync(dataset=Dataset.ORDERS)

#: Read the orders of the accounts; every change the broker tells becomes a new version.
sync_orders = ORDERS.sync

#: Read the orders of one account, in one transaction.
sync_orders_for_broker_account = ORDERS.sync_one_account
