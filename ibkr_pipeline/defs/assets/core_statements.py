"""Core assets of statements: what their sections and all fills together made of the tables.

What lives here: `core/{table}` of what statements tell, and of the option events derived from all
routes. What must not: how a section is applied (`pipelines/applying.py`).
"""

from collections.abc import Iterator, Mapping, Sequence

import dagster as dg

from ibkr_pipeline.brokers.registry import statement_tables
from ibkr_pipeline.defs.asset_checks import schema_spec
from ibkr_pipeline.defs.assets.core import CoreEvent, core_spec, shown
from ibkr_pipeline.defs.catalog import (
    FLEX_STATEMENTS,
    OPTION_TABLES,
    STATEMENT_TABLES,
    core_keys,
    raw_key,
    table_key,
)
from ibkr_pipeline.defs.resources import RunWorkspace
from ibkr_pipeline.models.requests import AppliedLoad
from ibkr_pipeline.pipelines.applying import apply_pending
from ibkr_pipeline.pipelines.suspecting import record_suspicions
from ibkr_pipeline.primitives import crashpoints
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.primitives.errors import RawDataError
from ibkr_pipeline.schemas import statements
from ibkr_pipeline.schemas.table import Table

#: Broker whose statements are read.
BROKER = "ibkr"
#: Before the other tables of core, which statements add to, are shown.
BEFORE_THE_OTHERS = 50


def build_statement_tables() -> list[dg.AssetsDefinition]:
    """Return the assets of every table that statements fill."""
    return [_section_tables(), _option_tables()]


def loads_of(table: Table, applied: Sequence[AppliedLoad]) -> tuple[AppliedLoad, ...]:
    """Return the loads of the section that a table is made of, row by row."""
    frames = {frame for frame, core in statements.TABLE_OF_SECTION.items() if core is table}
    sections = {name for name, frame in statement_tables(BROKER).items() if frame in frames}
    return tuple(load for load in applied if load.load_id.rpartition(":")[2] in sections)


def _section_tables() -> dg.AssetsDefinition:
    sources = [raw_key(Dataset.FLEX), FLEX_STATEMENTS]

    @dg.multi_asset(
        name="core__statement_sections",
        specs=[core_spec(table, deps=sources) for table in STATEMENT_TABLES],
        check_specs=[schema_spec(table, table_key(table)) for table in STATEMENT_TABLES],
        can_subset=True,
        op_tags={"dagster/priority": str(BEFORE_THE_OTHERS)},
    )
    def apply(
        context: dg.AssetExecutionContext, workspace: dg.ResourceParam[RunWorkspace]
    ) -> Iterator[CoreEvent]:
        applied: tuple[AppliedLoad, ...] = ()
        left: Mapping[str, str] = {}
        try:
            with workspace.warehouse_turn():
                applied = apply_pending(workspace.workspace, Dataset.FLEX)
        except RawDataError as error:
            # As for the gateway's datasets: what is healthy is in, the torn load stays pending.
            context.log.error(str(error))  # noqa: TRY400  # the message says it all
            left = {"not applied": str(error)}
        crashpoints.reach(crashpoints.BEFORE_EVENT)
        yield from shown(
            context, workspace, STATEMENT_TABLES, lambda table: loads_of(table, applied), left
        )

    return apply


def _option_tables() -> dg.AssetsDefinition:
    sources = [
        *core_keys(Dataset.EXECUTIONS),
        *core_keys(Dataset.POSITIONS),
        table_key(statements.FLEX_STATEMENTS),
    ]

    @dg.multi_asset(
        name="core__option_events",
        specs=[core_spec(table, deps=sources) for table in OPTION_TABLES],
        check_specs=[schema_spec(table, table_key(table)) for table in OPTION_TABLES],
        can_subset=True,
    )
    def derived(
        context: dg.AssetExecutionContext, workspace: dg.ResourceParam[RunWorkspace]
    ) -> Iterator[CoreEvent]:
        if workspace.workspace.warehouse.path.exists():
            with workspace.warehouse_turn():
                n_suspected = record_suspicions(workspace.workspace)
            if n_suspected:
                context.log.warning(f"{n_suspected} pieces of evidence let suspect option events")
        crashpoints.reach(crashpoints.BEFORE_EVENT)
        yield from shown(context, workspace, OPTION_TABLES)

    return derived
