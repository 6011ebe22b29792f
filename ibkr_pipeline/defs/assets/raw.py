"""Raw assets: one read of the broker each, materialized with its verdict.

What lives here: `raw/{dataset}`. What must not: what is done with the rows (`core.py`).
A raw asset materializes whatever the verdict, because a failed read is a fact too: its bytes are
kept, its check says why, and nothing of it reaches core.
"""

from collections.abc import Iterable, Iterator, Mapping

import dagster as dg

from ibkr_pipeline.defs.asset_checks import read_complete_result, read_complete_spec
from ibkr_pipeline.defs.catalog import NIGHTLY_TAG, OWNERS, RAW_DESCRIPTIONS, raw_key
from ibkr_pipeline.defs.config import AccountsConfig
from ibkr_pipeline.defs.freshness import AFTER_EVERY_SESSION
from ibkr_pipeline.defs.read_metadata import read_metadata, verdict_of
from ibkr_pipeline.defs.resources import RunWorkspace
from ibkr_pipeline.defs.table_metadata import code_version_of
from ibkr_pipeline.pipelines.landed import LandedRead
from ibkr_pipeline.pipelines.positions_sync import read_positions_bracketed
from ibkr_pipeline.pipelines.reading_broker import read_and_land
from ibkr_pipeline.primitives import crashpoints
from ibkr_pipeline.primitives.enums import WIRE_DATASETS, Dataset
from ibkr_pipeline.primitives.identifiers import mask_accounts

#: Reads come before anything else, in the order of `Dataset`, so that the connection is short.
FIRST_READ_PRIORITY = 100


def build_raw_assets(datasets: Iterable[Dataset] = WIRE_DATASETS) -> list[dg.AssetsDefinition]:
    """Return the raw asset of each dataset."""
    return [_raw_asset(dataset, place) for place, dataset in enumerate(datasets)]


def _raw_asset(dataset: Dataset, place: int) -> dg.AssetsDefinition:
    key = raw_key(dataset)

    @dg.asset(
        key=key,
        group_name="raw",
        description=RAW_DESCRIPTIONS[dataset],
        tags={NIGHTLY_TAG: ""},
        owners=list(OWNERS),
        kinds={"ibkr", "json"},
        code_version=code_version_of(),
        freshness_policy=AFTER_EVERY_SESSION,
        check_specs=[read_complete_spec(key)],
        op_tags={"dagster/priority": str(FIRST_READ_PRIORITY - place)},
    )
    def raw(
        context: dg.AssetExecutionContext,
        config: AccountsConfig,
        workspace: dg.ResourceParam[RunWorkspace],
    ) -> Iterator[dg.MaterializeResult[None]]:
        landed, brackets = _read(workspace, dataset, tuple(config.accounts) or None)
        workspace.landed[dataset] = landed
        check = read_complete_result(key, landed)
        if not check.passed:
            context.log.warning(f"{dataset.value}: {mask_accounts(check.description or '')}")
        crashpoints.reach(crashpoints.BEFORE_EVENT)
        yield dg.MaterializeResult(
            metadata={
                **read_metadata(landed, directory=workspace.workspace.directory),
                **{name: verdict_of(bracket) for name, bracket in brackets.items()},
            },
            check_results=[check],
        )

    return raw


def _read(
    workspace: RunWorkspace, dataset: Dataset, accounts: tuple[str, ...] | None
) -> tuple[LandedRead, Mapping[str, LandedRead]]:
    """Return the read, and the reads it was taken between, by name."""
    if dataset is Dataset.POSITIONS:
        read = read_positions_bracketed(
            workspace.workspace, workspace.session, accounts, workspace.run_id
        )
        brackets = {"executions before": read.opening, "executions after": read.closing}
        return read.positions, brackets
    landed = read_and_land(
        workspace.workspace, dataset, workspace.session, accounts, workspace.run_id
    )
    return landed, {}
