"""Puts the definitions together; the only place that knows all of them.

What lives here: `build_defs`. What must not: any asset, job, schedule or sensor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date

import dagster as dg

from ibkr_pipeline.defs.assets.accounts import current_accounts
from ibkr_pipeline.defs.assets.breaks import breaks
from ibkr_pipeline.defs.assets.core import build_core_assets
from ibkr_pipeline.defs.assets.core_statements import build_statement_tables
from ibkr_pipeline.defs.assets.coverage import coverage
from ibkr_pipeline.defs.assets.current_statements import current_statements
from ibkr_pipeline.defs.assets.expirations import expirations
from ibkr_pipeline.defs.assets.publication import read_copy
from ibkr_pipeline.defs.assets.raw import build_raw_assets
from ibkr_pipeline.defs.assets.reconciliation import reconciliation
from ibkr_pipeline.defs.assets.statement_reconciliation import statement_reconciliation
from ibkr_pipeline.defs.assets.statements import build_statement_assets
from ibkr_pipeline.defs.catalog import ENVIRONMENT_TAG
from ibkr_pipeline.defs.exchange_day import exchange_time
from ibkr_pipeline.defs.io_managers import RefusingIOManager
from ibkr_pipeline.defs.jobs import build_jobs
from ibkr_pipeline.defs.library_warnings import chosen_features
from ibkr_pipeline.defs.resources import WORKSPACE, WorkspaceResource
from ibkr_pipeline.defs.schedules import build_schedules
from ibkr_pipeline.defs.sensors import build_sensors
from ibkr_pipeline.defs.session_partitions import session_partitions
from ibkr_pipeline.ports.clock import Clock
from ibkr_pipeline.primitives.clock import SystemClock
from ibkr_pipeline.primitives.errors import ConfigError
from ibkr_pipeline.settings import Settings, load_settings

#: Group -> its assets, in the order data moves.
AssetGroups = Mapping[str, Sequence[dg.AssetsDefinition]]


def build_defs(
    *,
    settings: Settings | None = None,
    clock: Clock | None = None,
    resource_overrides: Mapping[str, object] | None = None,
    loggers: Mapping[str, dg.LoggerDefinition] | None = None,
) -> dg.Definitions:
    """Return fresh definitions.

    Args:
        settings: Settings known already; by default they are read again by every run and every
            sensor, so that a code server never holds on to old ones.
        clock: What sensors and the sessions of partitions go by; the machine's by default.
        resource_overrides: Resource key -> what takes its place, as tests and the command line
            need.
        loggers: Loggers of runs; Dagster's console logger by default.
    """
    source: Callable[[], Settings] = load_settings if settings is None else lambda: settings
    tags = _environment_tags(source)
    today = exchange_time((clock or SystemClock()).now()).date()
    with chosen_features():
        return dg.Definitions(
            assets=[asset for group in asset_groups(today).values() for asset in group],
            jobs=build_jobs(tags),
            schedules=build_schedules(tags),
            sensors=build_sensors(source, tags, clock=clock),
            resources={
                WORKSPACE: WorkspaceResource(),
                "io_manager": RefusingIOManager(),
                **(resource_overrides or {}),
            },
            loggers=loggers,
            executor=dg.in_process_executor,
        )


def asset_groups(today: date) -> AssetGroups:
    """Return every asset by group: the map of the graph.

    Args:
        today: Day in New York; statements can be asked for by session for a year before it.
    """
    return {
        "raw": [*build_raw_assets(), *build_statement_assets(session_partitions(today))],
        "core": [*build_core_assets(), *build_statement_tables()],
        "ops": [
            coverage,
            read_copy,
            current_accounts,
            current_statements,
            reconciliation,
            statement_reconciliation,
            expirations,
            breaks,
        ],
    }


def _environment_tags(source: Callable[[], Settings]) -> dict[str, str]:
    """Return the tag that says which world a run works in, as far as it is known now.

    Settings that cannot be read must not keep the definitions from loading: every run reads them
    again, tags itself, and fails with the reason.
    """
    try:
        return {ENVIRONMENT_TAG: source().mode.value}
    except ConfigError:
        return {}
