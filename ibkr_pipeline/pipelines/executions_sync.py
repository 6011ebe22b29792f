"""Executions and their commissions, corrections included, from the broker to core."""

from __future__ import annotations

from ibkr_pipeline.pipelines.single_dataset import DatasetSync
from ibkr_pipeline.primitives.enums import Dataset

EXECUTIONS = DatasetSync(dataset=Dataset.EXECUTIONS)

#: Read the fills of the broker's day; a fill is known by its exec id and never counted twice.
sync_executions = EXECUTIONS.sync

#: Read the fills of one account, in one transaction.
sync_executions_for_broker_account = EXECUTIONS.sync_one_account
