"""One dataset from the broker to the read copy, outside of any scheduler.

What lives here: the steps that the syncs share. What must not: what is particular to one dataset,
which stands in the module that defines its sync (`accounts_sync.py` and its kin).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ibkr_pipeline.brokers.exceptions import IncompleteReadError
from ibkr_pipeline.models.accounts import BrokerAccount
from ibkr_pipeline.pipelines.applying import apply_pending, portfolios_of
from ibkr_pipeline.pipelines.landed import LandedRead
from ibkr_pipeline.pipelines.publishing import publish
from ibkr_pipeline.pipelines.reading_broker import read_and_land
from ibkr_pipeline.pipelines.session import BrokerSession
from ibkr_pipeline.pipelines.summary import DatasetSummary, RunFacts, SubjectSummary, summarize
from ibkr_pipeline.pipelines.workspace import Workspace, open_workspace
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.primitives.errors import ConfigError
from ibkr_pipeline.settings import load_settings

#: Reads and lands: workspace, dataset, session, accounts (None means all), run id -> what landed.
Reader = Callable[[Workspace, Dataset, BrokerSession, Sequence[str] | None, str], LandedRead]


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSync:
    """The sync of one dataset.

    Attributes:
        dataset: What is synced.
        read: How it is read; by default alone.
        also: Datasets whose loads the read lands beside its own.
        after: What is derived once everything is in core.
    """

    dataset: Dataset
    read: Reader = read_and_land
    also: tuple[Dataset, ...] = ()
    after: Callable[[Workspace], object] = lambda _workspace: None

    def sync(
        self,
        workspace: Workspace,
        accounts: Sequence[str] | None = None,
        *,
        run_id: str | None = None,
        portfolio: str | None = None,
    ) -> DatasetSummary:
        """Read, land, apply and publish the dataset; return what became of each account.

        Args:
            workspace: What to work with.
            accounts: Account codes; None means every account that is allowed.
            run_id: Id of the run; a new one by default.
            portfolio: Portfolio the named accounts are counted in; by default the one the
                configuration gives each account.

        Raises:
            BrokerError: If the broker gave no answer and no account was known to fail.
            ConfigError: If a named account is in several portfolios and none was chosen; before
                anything is read.
        """
        run = run_id or new_run_id()
        chosen = {account: portfolio for account in accounts or () if portfolio is not None}
        portfolios_of(accounts or (), workspace.settings.portfolios, chosen=chosen)
        with workspace.session() as session:
            landed = self.read(workspace, self.dataset, session, accounts, run)
        for dataset in (*self.also, self.dataset):
            apply_pending(workspace, dataset, portfolios=chosen)
        if workspace.warehouse.path.exists():
            self.after(workspace)
            publish(workspace)
        if landed.error is not None and not landed.outcomes:
            raise landed.error
        facts = RunFacts(
            run_id=run,
            environment=workspace.environment,
            allowed=workspace.settings.ibkr.accounts,
        )
        return summarize(workspace.control, facts, (self.dataset,))[0]

    def sync_one_account(
        self,
        broker_account: BrokerAccount,
        portfolio: str | None = None,
        *,
        workspace: Workspace | None = None,
    ) -> SubjectSummary:
        """Sync one account, in one transaction, and return what became of it.

        Args:
            broker_account: Which account of which broker in which environment.
            portfolio: Portfolio id; by default the only configured one that holds the account,
                or one of its own.
            workspace: What to work with; by default the configured one of the account's
                environment.

        Raises:
            ConfigError: If the workspace is one of another environment, or the account is in
                several portfolios and none was given.
            IncompleteReadError: If the account failed; nothing of it is in core.
        """
        with workspace_of(broker_account, workspace) as opened:
            summary = self.sync(opened, (broker_account.account_id,), portfolio=portfolio)
        subject = next(
            item for item in summary.subjects if item.account_id == broker_account.account_id
        )
        if subject.error is not None:
            raise IncompleteReadError(
                f"Account {subject.account_id} was {subject.status.value} in "
                f"{summary.dataset.value}: {subject.error}. Nothing of it was applied; its last "
                f"snapshot stays current.",
                failed={subject.account_id: subject.error},
            )
        return subject


def new_run_id() -> str:
    """Return a run id for a sync that no scheduler gave one."""
    return secrets.token_hex(16)


@contextmanager
def workspace_of(broker_account: BrokerAccount, workspace: Workspace | None) -> Iterator[Workspace]:
    """Yield the workspace an account belongs to: the one given, else the configured one.

    Raises:
        ConfigError: If the one given is of another environment.
    """
    if workspace is None:
        settings = load_settings(overrides={"mode": broker_account.environment.value})
        with open_workspace(settings, broker=broker_account.broker) as opened:
            yield opened
        return
    if workspace.environment is not broker_account.environment:
        raise ConfigError(
            f"Account {broker_account} was asked for in a workspace of the "
            f"{workspace.environment.value} environment; open one of "
            f"{broker_account.environment.value}."
        )
    yield workspace
