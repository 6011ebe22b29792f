"""Jobs: which assets belong to one run.

What lives here: selections with a name. What must not: asset code, schedules.
"""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg

from ibkr_pipeline.defs.catalog import (
    FLEX_STATEMENTS,
    NIGHTLY_TAG,
    keys_for,
    keys_for_statements,
)
from ibkr_pipeline.primitives.enums import WIRE_DATASETS, Dataset

NIGHTLY = "nightly"
ORDER_STATUS = "order_status"
STATEMENTS = "statements"
STATEMENTS_BY_SESSION = "flex_statements"

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
    statements = dg.define_asset_job(
        STATEMENTS,
        selection=dg.AssetSelection.assets(*keys_for_statements()),
        description="Bring in the newest statement, or files downloaded by hand, and reconcile.",
        tags=tags,
    )
    by_session = dg.define_asset_job(
        STATEMENTS_BY_SESSION,
        selection=dg.AssetSelection.assets(FLEX_STATEMENTS),
        description=(
            "Bring in the statements of chosen sessions, one request per 365 days. What they "
            "break or mend is told by the next `nightly` or `statements`."
        ),
        tags=tags,
    )
    return [nightly, *others, statements, by_session]


def job_name_of(datasets: tuple[Dataset, ...]) -> str:
    """Return the job that reads exactly these datasets; all of the gateway are `nightly`.

    Statements are part of `nightly` where they are switched on, named or not.

    Raises:
        KeyError: If no job reads exactly these.
    """
    wanted = frozenset(datasets)
    if wanted >= frozenset(WIRE_DATASETS):
        return NIGHTLY
    jobs = {frozenset(read): name for name, (read, _) in DATASET_JOBS.items()}
    return {**jobs, frozenset({Dataset.FLEX}): STATEMENTS}[wanted]
