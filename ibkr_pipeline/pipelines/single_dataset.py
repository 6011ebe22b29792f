"""One dataset from the broker to the read copy, outside of any scheduler.

What lives here: the steps that the four syncs share. What must not: what is particular to one
dataset (`accounts_sync.py` and its kin).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from ibkr_pipeline.brokers.exceptions import IncompleteReadError
from ibkr_pipeline.models.accounts import BrokerAccount
from ibkr_pipeline.pipelines.applying import apply_pending, portfolios_of
from ibkr_pipeline.pipelines.landed import LandedRead
from ibkr_pipeline.pipelines.publishing import publish
from ibkr_pipeline.pipelines.session import BrokerSession
from ibkr_pipeline.pipelines.summary import DatasetSummary, RunFacts, SubjectSummary, summarize
from ibkr_pipeline.pipelines.workspace import Workspace, open_workspace
from ibkr_pipeline.primitives.enums import Dataset
from ibkr_pipeline.primitives.errors import ConfigError
from ibkr_pipeline.settings import load_settings

#: Reads and lands one dataset: session, accounts, run id -> what landed.
Reader = Callable[[BrokerSession, Sequence[str] | None, str], LandedRead]


def sync_dataset(
    workspace: Workspace,
    dataset: Dataset,
    read: Reader,
    *,
    accounts: Sequence[str] | None,
    run_id: str | None = None,
    portfolio: str | None = None,
    also: Sequence[Dataset] = (),
) -> DatasetSummary:
    """Read, land, apply and publish one dataset; return what became of each account.

    Args:
        workspace: What to work with.
        dataset: What to sync.
        read: How it is read.
        accounts: Account codes; None means every account that is allowed.
        run_id: Id of the run; a new one by default.
        portfolio: Portfolio the named accounts are counted in.
        also: Datasets whose loads the read landed beside its own.

    Raises:
        BrokerError: If the broker gave no answer and no account was known to fail.
        ConfigError: If a named account is in several portfolios and none was chosen; before
            anything is read.
    """
    run = run_id or new_run_id()
    chosen = {account: portfolio for account in accounts or () if portfolio is not None}
    portfolios_of(accounts or (), workspace.settings.portfolios, chosen=chosen)
    with workspace.session() as session:
        landed = read(session, accounts, run)
    for item in (*also, dataset):
        apply_pending(workspace, item, portfolios=chosen)
    if workspace.warehouse.path.exists():
        publish(workspace)
    if landed.error is not None and not landed.outcomes:
        raise landed.error
    facts = RunFacts(
        run_id=run,
        environment=workspace.environment,
        allowed=workspace.settings.ibkr.accounts,
    )
    return summarize(workspace.control, facts, (dataset,))[0]


def sync_one_account(
    broker_account: BrokerAccount,
    sync: Callable[[Workspace, Sequence[str]], DatasetSummary],
    workspace: Workspace | None,
) -> SubjectSummary:
    """Sync one account and return what became of it; raise if it failed.

    Args:
        broker_account: Which account of which broker in which environment.
        sync: Syncs the dataset for some accounts.
        workspace: What to work with; by default the configured one of the account's environment.

    Raises:
        ConfigError: If the workspace is one of another environment.
        IncompleteReadError: If the account failed; nothing of it is in core.
    """
    with _workspace_of(broker_account, workspace) as opened:
        summary = sync(opened, (broker_account.account_id,))
    subject = next(
        item for item in summary.subjects if item.account_id == broker_account.account_id
    )
    if subject.error is not None:
        raise IncompleteReadError(
            f"Account {subject.account_id} was {subject.status.value} in {summary.dataset.value}: "
            f"{subject.error}. Nothing of it was applied; its last snapshot stays current.",
            failed={subject.account_id: subject.error},
        )
    return subject


def new_run_id() -> str:
    """Return a run id for a sync that no scheduler gave one."""
    return secrets.token_hex(16)


@contextmanager
def _workspace_of(
    broker_account: BrokerAccount, workspace: Workspace | None
) -> Iterator[Workspace]:
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
