"""Raw statements: the newest ones of every night, and any session of the last 365 days.

What lives here: `raw/flex` and `raw/flex_statements`. What must not: how a statement is received
(`pipelines/statements/`), or the tables it fills (`core_statements.py`).

`raw/flex` asks for one statement in the query's own window, or takes files, and materializes
whatever the verdict. `raw/flex_statements` stands for the statement of each session, however it
came; a session no statement was received for is not materialized and stays missing.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import dagster as dg

from ibkr_pipeline.defs.asset_checks import READ_COMPLETE, read_complete_spec
from ibkr_pipeline.defs.catalog import (
    FLEX_STATEMENTS,
    NIGHTLY_TAG,
    OWNERS,
    RAW_DESCRIPTIONS,
    raw_key,
)
from ibkr_pipeline.defs.config import AccountsConfig, StatementsConfig
from ibkr_pipeline.defs.freshness import AFTER_EVERY_SESSION
from ibkr_pipeline.defs.resources import RunWorkspace
from ibkr_pipeline.defs.session_partitions import REACH
from ibkr_pipeline.defs.statement_metadata import (
    SWITCHED_OFF,
    Metadata,
    statements_complete_result,
    statements_metadata,
)
from ibkr_pipeline.defs.table_metadata import code_version_of
from ibkr_pipeline.models.requests import LoadRow
from ibkr_pipeline.pipelines.applying import apply_pending
from ibkr_pipeline.pipelines.backfill import receive_window, windows_of
from ibkr_pipeline.pipelines.coverage import TRADES
from ibkr_pipeline.pipelines.flex_sync import (
    StatementChoice,
    finish_earlier,
    is_switched_on,
    publish_and_summarize,
    receive_statements,
)
from ibkr_pipeline.pipelines.statements.receiving import ReceivedStatement
from ibkr_pipeline.primitives import crashpoints
from ibkr_pipeline.primitives.enums import Dataset, LoadStatus
from ibkr_pipeline.primitives.errors import ConfigError, RawDataError
from ibkr_pipeline.primitives.identifiers import mask_accounts
from ibkr_pipeline.primitives.sessions import session_hours, sessions_between

NEWEST = raw_key(Dataset.FLEX)
#: After the reads of the gateway, whose connection should be short, and before core.
READ_PRIORITY = 90
#: Sessions of a statement up to which each of them is marked again.
MOST_MARKED_AGAIN = 10


def build_statement_assets(
    partitions: dg.TimeWindowPartitionsDefinition,
) -> list[dg.AssetsDefinition]:
    """Return the raw assets of statements.

    Args:
        partitions: Sessions a statement can be asked for.
    """
    return [_newest(), _by_session(partitions)]


def _newest() -> dg.AssetsDefinition:
    @dg.asset(
        key=NEWEST,
        group_name="raw",
        description=RAW_DESCRIPTIONS[Dataset.FLEX],
        tags={NIGHTLY_TAG: ""},
        owners=list(OWNERS),
        kinds={"ibkr", "xml"},
        code_version=code_version_of(),
        freshness_policy=AFTER_EVERY_SESSION,
        check_specs=[read_complete_spec(NEWEST)],
        op_tags={"dagster/priority": str(READ_PRIORITY)},
    )
    def flex(
        context: dg.AssetExecutionContext,
        config: StatementsConfig,
        workspace: dg.ResourceParam[RunWorkspace],
    ) -> Iterator[dg.MaterializeResult[None]]:
        files = tuple(Path(file) for file in config.files)
        if not files and not is_switched_on(workspace.workspace.settings):
            context.log.info(SWITCHED_OFF)
            yield _told(NEWEST, SWITCHED_OFF, passed=True)
            return
        # Nothing more is asked of the gateway; a statement may take minutes to be made.
        workspace.session.drop()
        try:
            received = _receive(workspace, config.accounts, files)
        except ConfigError as error:
            # Told by `ops/current_statements`, once everything else is in.
            workspace.statements_refused.append(error)
            yield _told(NEWEST, f"nothing was asked for: {error}", passed=False)
            return
        metadata = _metadata(workspace, received)
        _mark(context, _sessions(workspace, received), metadata)
        _mark_earlier(context, workspace)
        yield _result(context, NEWEST, received, metadata)

    return flex


def _by_session(partitions: dg.TimeWindowPartitionsDefinition) -> dg.AssetsDefinition:
    @dg.asset(
        key=FLEX_STATEMENTS,
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name="raw",
        description=(
            "The statement of each session, however it came. A run of several sessions asks the "
            "Flex web service once for each 365 days, brings the rows into core and publishes "
            "them. A session the broker has no statement of stays missing, and the run fails."
        ),
        owners=list(OWNERS),
        kinds={"ibkr", "xml"},
        code_version=code_version_of(),
        freshness_policy=AFTER_EVERY_SESSION,
        check_specs=[read_complete_spec(FLEX_STATEMENTS)],
        op_tags={"dagster/priority": str(READ_PRIORITY)},
    )
    def flex_statements(
        context: dg.AssetExecutionContext,
        config: AccountsConfig,
        workspace: dg.ResourceParam[RunWorkspace],
    ) -> Iterator[dg.MaterializeResult[None]]:
        wanted = [date.fromisoformat(key) for key in context.partition_keys]
        received = _receive_windows(workspace, config.accounts, wanted)
        there = _sessions(workspace, received)
        metadata = _metadata(workspace, received)
        _bring_in(context, workspace)
        missing = [session for session in wanted if session not in there]
        if missing:
            _mark(context, there & set(wanted), metadata)
            raise _failure(missing, received)
        yield _result(context, FLEX_STATEMENTS, received, metadata)

    return flex_statements


def _receive(
    workspace: RunWorkspace, accounts: Sequence[str], files: tuple[Path, ...]
) -> tuple[ReceivedStatement, ...]:
    with workspace.warehouse_turn():
        received = receive_statements(
            workspace.workspace,
            tuple(accounts) or None,
            choice=StatementChoice(files=files),
            run_id=workspace.run_id,
        )
    workspace.received.extend(received)
    return received


def _receive_windows(
    workspace: RunWorkspace, accounts: Sequence[str], sessions: Sequence[date]
) -> tuple[ReceivedStatement, ...]:
    """Ask for as few windows as hold these sessions, leaving out what is not published yet."""
    with workspace.warehouse_turn():
        finish_earlier(workspace.workspace)
    for window in windows_of(sessions):
        workspace.received.extend(
            receive_window(
                workspace.workspace,
                window,
                accounts=tuple(accounts) or None,
                run_id=workspace.run_id,
            )
        )
    return tuple(workspace.received)


def _bring_in(context: dg.AssetExecutionContext, workspace: RunWorkspace) -> None:
    """Bring what was landed into core and publish it; no later step of the run would."""
    with workspace.warehouse_turn():
        try:
            apply_pending(workspace.workspace, Dataset.FLEX)
        except RawDataError as error:
            # A torn file of an earlier run stays pending; what is healthy is in.
            context.log.error(str(error))  # noqa: TRY400  # the message says it all
        publish_and_summarize(workspace.workspace, workspace.run_id)


def _sessions(workspace: RunWorkspace, received: Sequence[ReceivedStatement]) -> set[date]:
    """Return the sessions the received statements speak of, as control knows their sections.

    A section that failed counts too: its statement was received, and asking again brings the
    same; the check on the asset says what is wrong with it.
    """
    control = workspace.workspace.control
    loads = [
        load
        for item in received
        for load in control.loads(request_id=item.known_as or item.request_id)
    ]
    return _sessions_of(loads)


def _sessions_of(loads: Sequence[LoadRow]) -> set[date]:
    return {
        session
        for load in loads
        if load.status in (LoadStatus.COMPLETE, LoadStatus.FAILED)
        if load.from_date is not None and load.to_date is not None
        for session in sessions_between(load.from_date, load.to_date)
        if load.available_at is None or session_hours(session)[1] <= load.available_at
    }


def _metadata(workspace: RunWorkspace, received: Sequence[ReceivedStatement]) -> Metadata:
    return statements_metadata(received, directory=workspace.workspace.directory)


def _result(
    context: dg.AssetExecutionContext,
    key: dg.AssetKey,
    received: Sequence[ReceivedStatement],
    metadata: Metadata,
) -> dg.MaterializeResult[None]:
    check = statements_complete_result(key, received)
    if not check.passed:
        context.log.warning(f"statements: {mask_accounts(check.description or '')}")
    crashpoints.reach(crashpoints.BEFORE_EVENT)
    return dg.MaterializeResult(metadata=metadata, check_results=[check])


def _told(key: dg.AssetKey, verdict: str, *, passed: bool) -> dg.MaterializeResult[None]:
    """Return the asset of a step that asked for nothing, with the reason."""
    check = dg.AssetCheckResult(
        check_name=READ_COMPLETE, asset_key=key, passed=passed, description=verdict
    )
    return dg.MaterializeResult(metadata={"verdict": verdict}, check_results=[check])


def _mark(context: dg.AssetExecutionContext, sessions: set[date], metadata: Metadata) -> None:
    """Mark sessions as there on `raw/flex_statements`, whoever brought their statement.

    Of a long statement only those are marked that are not yet: a query of 365 days tells of the
    same sessions every night.
    """
    is_long = len(sessions) > MOST_MARKED_AGAIN
    marked = context.instance.get_materialized_partitions(FLEX_STATEMENTS) if is_long else set()
    for session in sorted(day for day in sessions if day.isoformat() not in marked):
        context.log_event(
            dg.AssetMaterialization(
                asset_key=FLEX_STATEMENTS, partition=session.isoformat(), metadata=metadata
            )
        )


def _mark_earlier(context: dg.AssetExecutionContext, workspace: RunWorkspace) -> None:
    """Mark what came outside Dagster before, such as by `ibkr-pipeline backfill`."""
    here = workspace.workspace.environment
    rows = workspace.workspace.control.loads(dataset=Dataset.FLEX, section=TRADES)
    known = _sessions_of([row for row in rows if row.environment is here])
    first = workspace.workspace.clock.now().date() - REACH
    marked = context.instance.get_materialized_partitions(FLEX_STATEMENTS)
    for session in sorted(day for day in known if day >= first and day.isoformat() not in marked):
        context.log_event(
            dg.AssetMaterialization(
                asset_key=FLEX_STATEMENTS,
                partition=session.isoformat(),
                metadata={"verdict": "came earlier, outside Dagster; see `show loads`"},
            )
        )


def _failure(missing: Sequence[date], received: Sequence[ReceivedStatement]) -> dg.Failure:
    first, last = missing[0].isoformat(), missing[-1].isoformat()
    which = first if first == last else f"{len(missing)} sessions from {first} to {last}"
    verdict = statements_complete_result(FLEX_STATEMENTS, received).description
    return dg.Failure(
        f"No statement was received of {which}: {verdict}. What was received is in; run the "
        f"sessions that are missing again once the reason is gone.",
        allow_retries=False,
    )
