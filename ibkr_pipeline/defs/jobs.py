"""Jobs: which assets belong to one run.

What lives here: selections with a name. What must not: asset code, schedules.
"""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg

from ibkr_pipeline.defs.catalog import NIGHTLY_TAG, keys_for
from ibkr_pipeline.primitives.enums import Dataset

NIGHTLY = "nightly"
ORDER_STATUS = "order_status"

#: Job -> datasets it reads, and its description. `nightly` is everything, by tag.
DATASET_JOBS: Mapping[str, tuple[tuple[Dataset, ...], str]] = {
    "accounts": ((Dataset.ACCOUNTS,), "Read balances and margin of every account."),
    "positions": ((Dataset.POSITIONS,), "Read open positions."),
    "orders": ((Dataset.ORDERS,), "Read open orders and those completed today."),
    "executions": ((Dataset.EXECUTIONS,), "Read the executions of the gateway's day."),
    ORDER_STATUS: (
        (Dataset.ORDERS, Dataset.EXECUTIONS),
        "Read orders and executions together, as often as the session asks for.",
    ),
}


def build_jobs(tags: Mapping[str, str]) -> list[dg.UnresolvedAssetJobDefinition]:
    """Return every job.

    Args:
        tags: Tags each of their runs starts with.
    """
    nightly = dg.define_asset_job(
        NIGHTLY,
        selection=dg.AssetSelection.tag(NIGHTLY_TAG, ""),
        description="Read every dataset, bring it into core, judge, publish and reconcile.",
        tags=tags,
    )
    others = [
        dg.define_asset_job(
            name,
            selection=dg.AssetSelection.assets(*keys_for(*datasets)),
            description=description,
            tags=tags,
        )
        for name, (datasets, description) in DATASET_JOBS.items()
    ]
    return [nightly, *others]


def job_name_of(datasets: tuple[Dataset, ...]) -> str:
    """Return the job that reads exactly these datasets; all four are `nightly`.

    Raises:
        KeyError: If no job reads exactly these.
    """
    if set(datasets) == set(Dataset):
        return NIGHTLY
    jobs = {frozenset(read): name for name, (read, _) in DATASET_JOBS.items()}
    return jobs[frozenset(datasets)]
