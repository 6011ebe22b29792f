"""What a run holds: one workspace, one broker connection, the verdicts of its reads.

What lives here: the resource every asset uses and how it is opened and closed. What must not:
settings as fields. They are read when the run starts, so no secret is ever part of a definition,
of run configuration or of what the UI shows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import dagster as dg

from ibkr_pipeline.defs.catalog import ENVIRONMENT_TAG
from ibkr_pipeline.pipelines.findings import Compared
from ibkr_pipeline.pipelines.landed import LandedRead
from ibkr_pipeline.pipelines.session import BrokerSession
from ibkr_pipeline.pipelines.statements.receiving import ReceivedStatement
from ibkr_pipeline.pipelines.workspace import (
    BrokerFactory,
    StatementSourceFactory,
    Workspace,
    open_workspace,
)
from ibkr_pipeline.ports.clock import Clock
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.primitives.errors import BusyError, ConfigError
from ibkr_pipeline.primitives.logs import configure_logging
from ibkr_pipeline.primitives.secrets_registry import register_secret
from ibkr_pipeline.settings import Settings, load_settings

#: Key under which assets ask for the resource.
WORKSPACE = "workspace"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunWorkspace:
    """What the assets of one run share.

    Attributes:
        workspace: Data directory, control, raw files, warehouse.
        session: The run's only broker connection; opened by the first read.
        run_id: Dagster's id of the run; control keeps it with every request.
        landed: What was read in this run so far.
        received: Statements this run received so far.
        statements_refused: The setting that kept statements from being asked for.
        compared: What this run compared so far, by name of the comparison.
        waited_in_vain: Why the warehouse could not be had, once a step has waited for it.
    """

    workspace: Workspace
    session: BrokerSession
    run_id: str
    landed: dict[Dataset, LandedRead] = field(default_factory=dict)
    received: list[ReceivedStatement] = field(default_factory=list)
    statements_refused: list[ConfigError] = field(default_factory=list)
    compared: dict[str, Compared | None] = field(default_factory=dict)
    waited_in_vain: list[BusyError] = field(default_factory=list)

    @contextmanager
    def warehouse_turn(self) -> Iterator[None]:
        """Use the warehouse inside; the steps of one run wait for its lock once, not each.

        Raises:
            BusyError: At once, if an earlier step of this run waited the whole time in vain.
        """
        if self.waited_in_vain:
            raise self.waited_in_vain[0]
        try:
            yield
        except BusyError as error:
            self.waited_in_vain.append(error)
            raise


class WorkspaceResource(dg.ConfigurableResource[RunWorkspace]):
    """Data directory and broker connection of a run. Settings are read when the run starts."""

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[RunWorkspace]:
        """Hand assets the open workspace of their run, and close it whatever happened.

        Runs that Dagster starts log like those of the command line.
        """
        settings = load_settings()
        for secret in (settings.postgres_url, settings.ibkr.flex_token):
            if secret is not None:
                register_secret(secret.get_secret_value())
        configure_logging(
            level=settings.log.level,
            format=settings.log.format,
            file=settings.log_path if settings.log.file else None,
        )
        with _opened(context, settings) as run_workspace:
            yield run_workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What a run meets outside this process; everything is the real thing by default.

    Attributes:
        clock: The machine's by default.
        broker_factory: Builds the broker client; the registry by default.
        statement_source: Builds where statements are fetched; the registry by default.
        sleep: How to wait between attempts.
    """

    clock: Clock | None = None
    broker_factory: BrokerFactory | None = None
    statement_source: StatementSourceFactory | None = None
    sleep: Callable[[float], None] = time.sleep


REAL = Outside()


def workspace_for(
    settings: Settings,
    *,
    outside: Outside = REAL,
    on_progress: Callable[[str], None] | None = None,
) -> dg.ResourceDefinition:
    """Return the resource for settings that are known already, as the command line's are.

    Args:
        settings: What the run works with.
        outside: What it meets.
        on_progress: Told what long work is doing.
    """

    @contextmanager
    def resource(context: dg.InitResourceContext) -> Iterator[RunWorkspace]:
        with _opened(context, settings, outside, on_progress) as run_workspace:
            yield run_workspace

    return dg.ResourceDefinition(resource, description=WorkspaceResource.__doc__)


@contextmanager
def _opened(
    context: dg.InitResourceContext,
    settings: Settings,
    outside: Outside = REAL,
    on_progress: Callable[[str], None] | None = None,
) -> Iterator[RunWorkspace]:
    run_id = context.run.run_id if context.run is not None else "no-run"
    _tag_run(context, settings)
    with (
        open_workspace(
            settings,
            clock=outside.clock,
            broker_factory=outside.broker_factory,
            statement_source=outside.statement_source,
            sleep=outside.sleep,
            on_progress=on_progress,
        ) as workspace,
        workspace.session() as session,
    ):
        yield RunWorkspace(workspace=workspace, session=session, run_id=run_id)


def _tag_run(context: dg.InitResourceContext, settings: Settings) -> None:
    """Put the environment on the run, however it was launched.

    A job's own tag was written when the definitions were loaded; what the run really works with
    is known only now, and wins.
    """
    if context.instance is not None and context.run is not None:
        told = context.run.tags.get(ENVIRONMENT_TAG)
        if told is not None and told != settings.mode.value and context.log is not None:
            context.log.warning(
                f"The run was tagged {told}; its settings say {settings.mode.value}, which holds."
            )
        context.instance.add_run_tags(context.run.run_id, {ENVIRONMENT_TAG: settings.mode.value})
