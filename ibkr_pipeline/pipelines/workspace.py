"""Everything a run works with, opened once: settings, clock, control, raw files, warehouse.

What lives here: `Workspace` and how it is opened. What must not: what is done with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ibkr_pipeline.brokers.base import BrokerAPI
from ibkr_pipeline.brokers.registry import get_broker_client, get_statement_source
from ibkr_pipeline.brokers.statement_source import StatementSource
from ibkr_pipeline.control.store import ControlStore
from ibkr_pipeline.landing.raw_files import Landing
from ibkr_pipeline.pipelines.data_directory import prepare_directory
from ibkr_pipeline.pipelines.landed import LandedRequest
from ibkr_pipeline.pipelines.session import BrokerSession
from ibkr_pipeline.pipelines.statements.staging import StagedStatement
from ibkr_pipeline.ports.clock import Clock
from ibkr_pipeline.primitives.clock import SystemClock
from ibkr_pipeline.primitives.enums import Environment
from ibkr_pipeline.primitives.locks import hold
from ibkr_pipeline.settings import Settings
from ibkr_pipeline.warehouse.connection import Warehouse

BrokerFactory = Callable[[], BrokerAPI]
StatementSourceFactory = Callable[[], StatementSource]


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """What every pipeline function takes first.

    Attributes:
        broker_factory: Builds an unconnected broker client.
        sleep: How to wait between two attempts.
        on_progress: Told in plain words what long work is doing.
        just_read: Requests landed in this process and not applied yet, so that their messages
            need not be read back from the file. Request id -> request.
        broker: Name of the broker.
        statement_source: Builds where statements are fetched.
        staged: Statements landed in this process and not applied yet. Request id -> rows.
    """

    settings: Settings
    clock: Clock
    control: ControlStore
    landing: Landing
    warehouse: Warehouse
    broker_factory: BrokerFactory
    sleep: Callable[[float], None] = time.sleep
    on_progress: Callable[[str], None] = lambda _message: None
    just_read: dict[str, LandedRequest] = field(default_factory=dict, repr=False)
    broker: str = "ibkr"
    statement_source: StatementSourceFactory
    staged: dict[str, StagedStatement] = field(default_factory=dict, repr=False)

    @property
    def environment(self) -> Environment:
        """The world whose accounts are read."""
        return self.settings.mode

    @property
    def directory(self) -> Path:
        """The data directory."""
        return self.settings.environment_dir

    def session(self) -> BrokerSession:
        """Return a broker session; nothing is connected until the first read."""
        return BrokerSession(
            self.broker_factory,
            lambda: hold(
                self.gateway_lock,
                timeout_seconds=self.settings.lock_timeout,
                purpose="reading the gateway",
                clock=self.clock,
                on_wait=self.on_progress,
            ),
        )

    @property
    def gateway_lock(self) -> Path:
        """Lock of whoever talks to this gateway under this client id."""
        ibkr = self.settings.ibkr
        return self.directory / f"gateway-{ibkr.effective_port}-{ibkr.client_id}.lock"


@contextmanager
def open_workspace(
    settings: Settings,
    *,
    clock: Clock | None = None,
    broker: str = "ibkr",
    broker_factory: BrokerFactory | None = None,
    statement_source: StatementSourceFactory | None = None,
    sleep: Callable[[float], None] = time.sleep,
    on_progress: Callable[[str], None] | None = None,
) -> Iterator[Workspace]:
    """Open the data directory of the mode, making it if it is not there, and close it after.

    Args:
        settings: Where everything is.
        clock: The machine's by default.
        broker: Name of the broker.
        broker_factory: Builds the broker client; by default the registry does, with the request
            budget that all runs share in control.
        statement_source: Builds where statements are fetched; by default the registry does.
        sleep: How to wait between attempts.
        on_progress: Told what long work is doing.

    Raises:
        ConfigError: If the data directory belongs to another environment or cannot be made.
    """
    clock = clock or SystemClock()
    tell = on_progress or (lambda _message: None)
    directory = prepare_directory(settings)
    control = ControlStore.open(settings.control_url, clock=clock)
    try:
        control.claim_environment(settings.mode)
        workspace = Workspace(
            settings=settings,
            clock=clock,
            control=control,
            landing=Landing(directory),
            warehouse=Warehouse(directory, clock=clock, lock_timeout_seconds=settings.lock_timeout),
            # A lost read is started again by `reading_broker`, as a request of its own.
            broker_factory=broker_factory
            or (
                lambda: get_broker_client(
                    settings,
                    clock=clock,
                    budget=control,
                    broker=broker,
                    on_progress=tell,
                    attempts=1,
                )
            ),
            sleep=sleep,
            on_progress=tell,
            broker=broker,
            statement_source=statement_source
            or (
                lambda: get_statement_source(
                    settings, clock=clock, budget=control, broker=broker, on_progress=tell
                )
            ),
        )
        try:
            yield workspace
        finally:
            for staged in workspace.staged.values():
                staged.close()
    finally:
        control.close()
