"""Core assets: what the loads of a dataset made of the tables.

What lives here: `core/{table}`, one step per dataset because its loads enter core in one
transaction, and one step that shows the tables several datasets write. What must not: how a load
is applied (`pipelines/applying.py`), or the tables of statements (`core_statements.py`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import dagster as dg

from ibkr_pipeline.defs.asset_checks import schema_result, schema_spec
from ibkr_pipeline.defs.catalog import (
    FLEX_STATEMENTS,
    NIGHTLY_TAG,
    OWNERS,
    SHARED_TABLES,
    TABLES_OF,
    core_keys,
    raw_key,
    table_key,
)
from ibkr_pipeline.defs.freshness import AFTER_EVERY_SESSION
from ibkr_pipeline.defs.resources import RunWorkspace
from ibkr_pipeline.defs.table_metadata import (
    TableState,
    code_version_of,
    column_schema,
    empty_state,
    read_state,
    table_metadata,
)
from ibkr_pipeline.models.requests import AppliedLoad
from ibkr_pipeline.pipelines.applying import apply_pending
from ibkr_pipeline.pipelines.reading import read_copy_path
from ibkr_pipeline.primitives import crashpoints
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.primitives.errors import RawDataError
from ibkr_pipeline.schemas.table import Table

CoreEvent = dg.MaterializeResult[None] | dg.AssetCheckResult


def build_core_assets() -> list[dg.AssetsDefinition]:
    """Return the assets of every core table."""
    return [*(_dataset_tables(dataset) for dataset in TABLES_OF), _shared_tables()]


def _dataset_tables(dataset: Dataset) -> dg.AssetsDefinition:
    tables = TABLES_OF[dataset]

    @dg.multi_asset(
        name=f"core__{dataset.value}_loads",
        specs=[core_spec(table, deps=_sources_of(dataset)) for table in tables],
        check_specs=[schema_spec(table, table_key(table)) for table in tables],
        can_subset=True,
    )
    def apply(
        context: dg.AssetExecutionContext, workspace: dg.ResourceParam[RunWorkspace]
    ) -> Iterator[CoreEvent]:
        applied: tuple[AppliedLoad, ...] = ()
        left: Mapping[str, str] = {}
        try:
            with workspace.warehouse_turn():
                applied = apply_pending(workspace.workspace, dataset)
        except RawDataError as error:
            # The healthy loads are in; the torn one stays pending, and every_account_current
            # says so. What is there is shown and published all the same.
            context.log.error(str(error))  # noqa: TRY400  # the message says it all
            left = {"not applied": str(error)}
        crashpoints.reach(crashpoints.BEFORE_EVENT)
        yield from shown(context, workspace, tables, lambda _table: applied, left)

    return apply


def _sources_of(dataset: Dataset) -> list[dg.AssetKey]:
    """Return what the tables of a dataset come from.

    Statements tell fills too. `raw/flex` does so as well and is left out: a service that does not
    answer must not hold back what the gateway told.
    """
    is_told_twice = dataset is Dataset.EXECUTIONS
    return [raw_key(dataset), *([FLEX_STATEMENTS] if is_told_twice else [])]


def _shared_tables() -> dg.AssetsDefinition:
    sources = [key for dataset in TABLES_OF for key in core_keys(dataset)]

    @dg.multi_asset(
        name="core__shared_tables",
        specs=[core_spec(table, deps=sources) for table in SHARED_TABLES],
        check_specs=[schema_spec(table, table_key(table)) for table in SHARED_TABLES],
        can_subset=True,
    )
    def shared(
        context: dg.AssetExecutionContext, workspace: dg.ResourceParam[RunWorkspace]
    ) -> Iterator[CoreEvent]:
        yield from shown(context, workspace, SHARED_TABLES)

    return shared


def core_spec(table: Table, *, deps: Sequence[dg.AssetKey]) -> dg.AssetSpec:
    """Return what Dagster knows of a core table.

    Args:
        table: The table.
        deps: What its rows come from.
    """
    return dg.AssetSpec(
        table_key(table),
        deps=deps,
        group_name="core",
        description=f"{table.description} Grain: {table.grain}.",
        tags={NIGHTLY_TAG: ""},
        owners=list(OWNERS),
        kinds={"duckdb", "polars"},
        code_version=code_version_of(table),
        freshness_policy=AFTER_EVERY_SESSION,
        metadata={
            "dagster/column_schema": column_schema(table.columns, key=table.key),
            "dagster/table_name": table.name,
        },
    )


def shown(
    context: dg.AssetExecutionContext,
    workspace: RunWorkspace,
    tables: Iterable[Table],
    applied: Callable[[Table], Sequence[AppliedLoad]] = lambda _table: (),
    left: Mapping[str, str] | None = None,
) -> Iterator[CoreEvent]:
    """Yield the state of the selected tables, then the verdict of their schema checks.

    Args:
        context: Of the step; says which tables are selected.
        workspace: Of the run.
        tables: The step's tables.
        applied: Table -> loads this step brought into it.
        left: What else to show on each of them.
    """
    states = _states(workspace, tables)
    copy = read_copy_path(workspace.workspace.directory)
    for state in states:
        key = table_key(state.table)
        if key in context.selected_asset_keys:
            metadata = {
                **table_metadata(state, applied(state.table)),
                "read copy": dg.MetadataValue.path(str(copy)),
                **(left or {}),
            }
            yield dg.MaterializeResult(asset_key=key, metadata=metadata)
    for state in states:
        key = table_key(state.table)
        if any(check.asset_key == key for check in context.selected_asset_check_keys):
            yield schema_result(key, state)


def _states(workspace: RunWorkspace, tables: Iterable[Table]) -> list[TableState]:
    """Read the tables as they stand; without a warehouse they are all empty."""
    if not workspace.workspace.warehouse.path.exists():
        return [empty_state(table) for table in tables]
    with workspace.warehouse_turn(), workspace.workspace.warehouse.read() as connection:
        return [read_state(connection, table) for table in tables]
